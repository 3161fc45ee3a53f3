"""The graph file: which nodes there are, how they are set, and who sends to whom.

A graph is TOML::

    edges = [
      { from = "source", to = "bins" },                                  # lossless
      { from = "infer", to = "view", policy = "latest", capacity = 4 },
    ]

    [nodes.source]
    kind = "source"        # may be left out where it is the node's name; "own.py:Class" is one
                           # of your own, its path seen from the graph file's folder
    path = "samples"       # the rest are the kind's settings

    [nodes.bins]
    group = "front"        # nodes of one group share a process
    listen = ["tcp://127.0.0.1:5555"]   # further addresses at which others may take the output
    control = false        # nobody may change this node while it runs; at the top of the file: any

Everything is checked before anything runs; each mistake is one line with file, key and value.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.board import MAX_EDGES
from pipeline.channel.endpoints import Security, check_endpoint
from pipeline.channel.inlet import WINDOW
from pipeline.channel.protocol import Policy
from pipeline.errors import ChannelError, GraphError, RetinaError, SettingError
from pipeline.kinds import find, located
from pipeline.node import Node, Settings, SourceNode
from pipeline.settings import checked, settings_from

_TOP = ("name", "description", "nodes", "edges", "keys", "insecure", "control")
_RESERVED = ("kind", "group", "listen", "control")
_EDGE = ("from", "to", "policy", "window", "capacity")


@dataclass(frozen=True)
class NodeSpec:
    """One node of a graph: its kind and its checked settings."""

    name: str
    kind: str
    cls: type[Node]
    settings: Settings
    values: Mapping[str, Any]
    group: str | None = None
    listen: tuple[str, ...] = ()
    control: bool = True
    """Whether it may be changed while it runs, and passes on what others are asked for."""

    @property
    def is_source(self) -> bool:
        """Whether the node yields packets from nothing."""
        return issubclass(self.cls, SourceNode)


@dataclass(frozen=True)
class EdgeSpec:
    """One edge: who sends to whom, which kinds of packet, by which policy."""

    source: str
    target: str
    policy: Policy
    window: int
    capacity: int
    kinds: tuple[int, ...]


@dataclass(frozen=True)
class Graph:
    """A graph that can run."""

    name: str
    nodes: Mapping[str, NodeSpec]
    edges: tuple[EdgeSpec, ...]
    security: Security = field(default_factory=Security)

    def without(self, names: Iterable[str]) -> Graph:
        """Return the graph without some nodes and their edges."""
        gone = set(names)
        return replace(
            self,
            nodes={name: node for name, node in self.nodes.items() if name not in gone},
            edges=tuple(e for e in self.edges if e.source not in gone and e.target not in gone),
        )

    def headless(self) -> Graph:
        """Return the graph without the nodes that need a display."""
        return self.without(n.name for n in self.nodes.values() if n.cls.needs_display)

    def inputs(self, name: str) -> list[EdgeSpec]:
        """Return the edges into a node."""
        return [edge for edge in self.edges if edge.target == name]

    def outputs(self, name: str) -> list[EdgeSpec]:
        """Return the edges out of a node."""
        return [edge for edge in self.edges if edge.source == name]

    def leisure_ms(self, name: str) -> int:
        """Return for how many ms packets may wait at a node, for the sake of those behind it.

        So long as the least patient of its consumers would let them; 0 where one is not patient,
        or nobody knows who listens.
        """
        node = self.nodes[name]
        consumers = {edge.target for edge in self.outputs(name)}
        if node.listen:
            return 0
        if not consumers:
            return node.cls.leisure_ms if node.cls.patient else 0
        return min(self.leisure_ms(consumer) for consumer in consumers)

    def processes(self) -> dict[str, list[NodeSpec]]:
        """Return the nodes by the process that they share (a group, or one node alone)."""
        groups: dict[str, list[NodeSpec]] = {}
        for node in self.nodes.values():
            groups.setdefault(node.group or node.name, []).append(node)
        return groups


def graph_path(name: str) -> Path:
    """Return the path of a graph file: a path as given, else a shipped graph's name."""
    path = Path(name)
    if path.exists() or path.suffix:
        return path
    shipped = Path(__file__).parent.parent / "graphs" / f"{name}.toml"
    return shipped if shipped.exists() else path


def load(path: str | Path, overrides: Iterable[str] = ()) -> Graph:
    """Read and check a graph file; ``overrides`` are ``NODE.KEY=VALUE``.

    Raises GraphError or SettingError with one line that names what is wrong and where.
    """
    file = graph_path(str(path))
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise GraphError(f"{file}: no such graph file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise GraphError(f"{file}: cannot be read: {error}") from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise GraphError(f"{file}: not valid TOML: {error}") from None
    return build(data, str(file), overrides)


def build(data: Mapping[str, Any], where: str, overrides: Iterable[str] = ()) -> Graph:
    """Check a graph that was read from the file ``where``; files it names lie beside that."""
    _only(data, _TOP, where)
    tables = data.get("nodes", {})
    if not isinstance(tables, dict) or not tables:
        raise GraphError(f"{where}: no nodes: give each a table [nodes.NAME]")
    security = _security(data, where)
    control = _truth(data, "control", True, where)
    settings: dict[str, dict[str, Any]] = _overrides(overrides, tables)
    nodes = {
        name: _node(name, table, settings.get(name, {}), where, security, control)
        for name, table in tables.items()
    }
    edges = _edges(data.get("edges", []), nodes, where)
    for node in nodes.values():
        if node.cls.accepts and not any(edge.target == node.name for edge in edges):
            raise GraphError(f"{where}: node '{node.name}' has no input: add an edge to it")
        n = sum(node.name in (edge.source, edge.target) for edge in edges)
        if n > MAX_EDGES:
            raise GraphError(f"{where}: node '{node.name}' has {n} edges, at most {MAX_EDGES}")
    _refuse_cycles(edges, where)
    return Graph(str(data.get("name", Path(where).stem)), nodes, tuple(edges), security)


def _only(table: Mapping[str, Any], keys: Iterable[str], where: str) -> None:
    keys = list(keys)
    for key in table:
        if key not in keys:
            close = difflib.get_close_matches(key, keys, 1)
            hint = f"; did you mean '{close[0]}'?" if close else ""
            raise GraphError(f"{where}: unknown key '{key}'{hint} (known: {', '.join(keys)})")


def _security(data: Mapping[str, Any], where: str) -> Security:
    keys, insecure = data.get("keys"), _truth(data, "insecure", False, where)
    if keys is not None and not isinstance(keys, str):
        raise GraphError(f"{where}: keys = {keys!r} is not the path of a folder")
    return Security(keys=keys, insecure=insecure)


def _truth(table: Mapping[str, Any], key: str, default: bool, where: str) -> bool:
    value = table.get(key, default)
    if not isinstance(value, bool):
        raise GraphError(f"{where}: {key} = {value!r} is not true or false")
    return value


def parse_setting(text: str) -> tuple[str, str]:
    """Split ``KEY=VALUE``."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise SettingError(f"--set {text}: expected KEY=VALUE")
    return key.strip(), value.strip()


def _overrides(overrides: Iterable[str], tables: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for text in overrides:
        place, value = parse_setting(text)
        name, dot, key = place.partition(".")
        if not dot or not key:
            raise SettingError(f"--set {text}: expected NODE.KEY=VALUE")
        if name not in tables:
            raise SettingError(
                f"--set {text}: unknown node '{name}' (known: {', '.join(sorted(tables))})"
            )
        found.setdefault(name, {})[key] = value
    return found


def _is_name(name: str) -> bool:
    return name.replace("-", "").replace("_", "").isalnum() and len(name.encode()) <= 40


def _node(
    name: str,
    table: Any,
    changed: Mapping[str, Any],
    where: str,
    security: Security,
    control: bool,
) -> NodeSpec:
    here = f"{where}: node '{name}'"
    if not isinstance(table, dict):
        raise GraphError(f"{here}: expected a table [nodes.{name}]")
    if not _is_name(name):
        raise GraphError(f"{here}: a name is up to 40 letters, digits, '-' and '_'")
    kind = table.get("kind", name)
    group, listen = table.get("group"), table.get("listen", [])
    if not isinstance(kind, str):
        raise GraphError(f"{here}: kind = {kind!r} is not text")
    if group is not None and not isinstance(group, str):
        raise GraphError(f"{here}: group = {group!r} is not text")
    if group is not None and not _is_name(group):
        raise GraphError(
            f"{here}: group = {group!r} is no name (up to 40 letters, digits, '-' and '_')"
        )
    if isinstance(listen, str):
        listen = [listen]
    if not (isinstance(listen, list) and all(isinstance(item, str) for item in listen)):
        raise GraphError(f"{here}: listen = {listen!r} is no list of endpoints")
    for endpoint in listen:
        try:
            check_endpoint(endpoint, security)
        except ChannelError as error:
            raise GraphError(f"{here}: {error}") from None
    control = _truth(table, "control", True, here) and control
    kind = located(kind, Path(where).parent)
    cls = find(kind, here)
    values = {key: value for key, value in table.items() if key not in _RESERVED}
    values |= checked(cls.settings_type, changed, f"--set {name}", text=True)
    settings = settings_from(cls.settings_type, values, here)
    try:
        cls = cls.variant(settings)
    except RetinaError as error:
        raise type(error)(f"{here}: {error}") from None
    return NodeSpec(name, kind, cls, settings, values, group, tuple(listen), control)


def _edges(tables: Any, nodes: Mapping[str, NodeSpec], where: str) -> list[EdgeSpec]:
    if not (isinstance(tables, list) and all(isinstance(table, dict) for table in tables)):
        raise GraphError(f"{where}: edges is no list of {{ from = ..., to = ... }}")
    edges: list[EdgeSpec] = []
    for number, table in enumerate(tables, 1):
        here = f"{where}: edge {number}"
        _only(table, _EDGE, here)
        edge = _edge(table, _end(table, "from", nodes, here), _end(table, "to", nodes, here), here)
        if any((edge.source, edge.target) == (e.source, e.target) for e in edges):
            raise GraphError(f"{here}: '{edge.source}' to '{edge.target}' is there twice")
        edges.append(edge)
    return edges


def _end(table: Mapping[str, Any], key: str, nodes: Mapping[str, NodeSpec], here: str) -> NodeSpec:
    name = table.get(key)
    if name is None:
        raise GraphError(f"{here}: '{key}' is missing")
    if not isinstance(name, str) or name not in nodes:
        close = difflib.get_close_matches(str(name), nodes, 1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        raise GraphError(f"{here}: {key} = {name!r} is no node{hint}")
    return nodes[name]


def _edge(table: Mapping[str, Any], source: NodeSpec, target: NodeSpec, here: str) -> EdgeSpec:
    policy = table.get("policy", "lossless")
    if policy not in ("lossless", "latest"):
        raise GraphError(f"{here}: policy = {policy!r} is not 'lossless' or 'latest'")
    numbers = {}
    for key, default in (("window", WINDOW[policy]), ("capacity", 8)):
        value = table.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 4096:
            raise GraphError(f"{here}: {key} = {value!r} is not a whole number from 1 to 4096")
        numbers[key] = value
    kinds = tuple(kind.code for kind in source.cls.emits if issubclass(kind, target.cls.accepts))
    if not kinds:
        gives = " and ".join(kind.kind for kind in source.cls.emits) or "nothing"
        takes = " or ".join(kind.kind for kind in target.cls.accepts) or "nothing"
        raise GraphError(
            f"{here}: '{source.name}' gives {gives}, but '{target.name}' takes {takes}"
        )
    return EdgeSpec(source.name, target.name, policy, numbers["window"], numbers["capacity"], kinds)


def _refuse_cycles(edges: Iterable[EdgeSpec], where: str) -> None:
    after: dict[str, list[str]] = {}
    for edge in edges:
        after.setdefault(edge.source, []).append(edge.target)
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> None:
        if name in path:
            cycle = " → ".join([*path[path.index(name) :], name])
            raise GraphError(f"{where}: edges form a cycle: {cycle}")
        if name in done:
            return
        for target in after.get(name, []):
            visit(target, [*path, name])
        done.add(name)

    for name in list(after):
        visit(name, [])
