"""The graph file: what it means, and one line with file, key and value for every mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nodes.bins import BinsSettings
from pipeline.channel.inlet import WINDOW
from pipeline.errors import GraphError, RetinaError, SettingError, UsageError
from pipeline.graph import build, graph_path, load, parse_setting
from pipeline.packets import EventPacket, PredictionPacket, SpikePacket

NODES = {"source": {}, "bins": {}, "infer": {}, "log": {}}
EDGES = [
    {"from": "source", "to": "bins"},
    {"from": "bins", "to": "infer"},
    {"from": "infer", "to": "log"},
]

OWN = """
from pipeline import *

class Needy(SourceNode):
    class settings_type(Settings):
        path: str
        other: int = 0
    emits = (EventPacket,)

class Loop(Node):
    accepts = (EventPacket, SpikePacket)
    emits = (EventPacket, SpikePacket)
"""


def graph(**changes: Any) -> dict[str, Any]:
    return {"nodes": NODES, "edges": EDGES, **changes}


def with_node(name: str, **values: Any) -> dict[str, Any]:
    return graph(nodes={**NODES, name: values})


def edge(source: Any, target: Any, **rest: Any) -> dict[str, Any]:
    return graph(edges=[*EDGES, {"from": source, "to": target, **rest}])


def test_a_whole_graph() -> None:
    made = build(
        graph(
            name="demo",
            nodes={
                **NODES,
                "source": {"path": "x", "listen": "tcp://127.0.0.1:5555"},
                "fine": {"kind": "bins", "bin_us": 10, "group": "front"},
                "bins": {"group": "front"},
            },
            edges=[*EDGES, {"from": "source", "to": "fine", "policy": "latest", "capacity": 3}],
        ),
        "demo.toml",
    )
    assert made.name == "demo"
    assert made.nodes["fine"].kind == "bins"
    assert made.nodes["fine"].settings == BinsSettings(bin_us=10)
    assert made.nodes["source"].listen == ("tcp://127.0.0.1:5555",)
    assert made.nodes["source"].is_source
    assert not made.nodes["bins"].is_source
    first, last = made.outputs("source")
    assert (first.policy, first.window, first.capacity) == ("lossless", WINDOW["lossless"], 8)
    assert (last.target, last.policy, last.capacity) == ("fine", "latest", 3)
    assert first.kinds == (EventPacket.code,)
    assert [edge.kinds for edge in made.inputs("infer")] == [(SpikePacket.code,)]
    assert [edge.kinds for edge in made.inputs("log")] == [(PredictionPacket.code,)]
    assert {name: [p.name for p in parts] for name, parts in made.processes().items()} == {
        "source": ["source"],
        "front": ["bins", "fine"],
        "infer": ["infer"],
        "log": ["log"],
    }
    less = made.without(["infer", "log"])
    assert list(less.nodes) == ["source", "bins", "fine"]
    assert len(less.edges) == 2


def test_nodes_that_need_a_display_can_be_left_out() -> None:
    made = build(
        graph(nodes={**NODES, "view": {}}, edges=[*EDGES, {"from": "infer", "to": "view"}]), "g"
    )
    assert list(made.headless().nodes) == list(NODES)
    assert len(made.headless().edges) == 3


@pytest.mark.parametrize("name", ["nmnist"])
def test_the_shipped_graphs_are_right(name: str) -> None:
    made = load(name)
    assert made.nodes
    assert graph_path(name).is_file()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        # The file as a whole.
        ({}, "no nodes: give each a table [nodes.NAME]"),
        ({"nodes": []}, "no nodes"),
        (graph(nodes={}), "no nodes"),
        (graph(node={}), "unknown key 'node'; did you mean 'nodes'? (known: name,"),
        (graph(xyzzy=1), "unknown key 'xyzzy' (known: "),
        (graph(keys=5), "keys = 5 is not the path of a folder"),
        (graph(insecure="yes"), "insecure = 'yes' is not true or false"),
        # Nodes.
        (graph(nodes={**NODES, "x": 5}), "node 'x': expected a table [nodes.x]"),
        (with_node("a b", kind="source"), "node 'a b': a name is up to 40 letters"),
        (with_node("x/../y", kind="source"), "a name is up to 40 letters"),
        (with_node("", kind="source"), "node '': a name is up to 40 letters"),
        (with_node("-", kind="source"), "node '-': a name is up to 40 letters"),
        (with_node("n" * 41, kind="source"), "a name is up to 40 letters"),
        (with_node("sorce"), "node 'sorce': unknown kind 'sorce'; did you mean 'source'?"),
        (with_node("x", kind=5), "node 'x': kind = 5 is not text"),
        (with_node("x", kind="json:dumps"), "node 'x': kind 'json:dumps' is no node"),
        (with_node("source", group=1), "node 'source': group = 1 is not text"),
        (with_node("source", group="../x"), "node 'source': group = '../x' is no name"),
        (with_node("source", group=""), "node 'source': group = '' is no name"),
        (with_node("source", listen=5), "node 'source': listen = 5 is no list of endpoints"),
        (with_node("source", listen=[5]), "node 'source': listen = [5] is no list of endpoints"),
        (with_node("source", listen="http://x"), "node 'source': endpoint 'http://x': expected"),
        (with_node("source", listen="tcp://*:5555"), "reaches beyond this host: give keys"),
        # Settings.
        (with_node("bins", bin_uss=1), "node 'bins': unknown setting 'bin_uss'; did you mean '"),
        (with_node("bins", bin_us=0), "node 'bins': bin_us = 0 is not a whole number at least 1"),
        (with_node("bins", bin_us="1"), "node 'bins': bin_us = \"1\" is not a whole number"),
        (with_node("source", pace="slow"), "node 'source': pace = \"slow\" is not one of"),
        # Edges.
        (graph(edges={}), "edges is no list of { from = ..., to = ... }"),
        (graph(edges=["a"]), "edges is no list of"),
        (graph(edges=[{"to": "log"}]), "edge 1: 'from' is missing"),
        (graph(edges=[{"from": "infer"}]), "edge 1: 'to' is missing"),
        (edge("sorce", "log"), "edge 4: from = 'sorce' is no node; did you mean 'source'?"),
        (edge("infer", "xyzzy"), "edge 4: to = 'xyzzy' is no node"),
        (edge(5, "log"), "edge 4: from = 5 is no node"),
        (edge(["infer"], "log"), "edge 4: from = ['infer'] is no node"),
        (edge("infer", "log", policyy=1), "edge 4: unknown key 'policyy'; did you mean 'policy'?"),
        (edge("source", "log"), "edge 4: 'source' gives events, but 'log' takes prediction"),
        (
            edge("infer", "source"),
            "edge 4: 'infer' gives prediction and activity, but 'source' takes nothing",
        ),
        (edge("log", "bins"), "edge 4: 'log' gives nothing, but 'bins' takes events"),
        (edge("infer", "log"), "edge 4: 'infer' to 'log' is there twice"),
        (
            edge("bins", "infer", policy="best"),
            "edge 4: policy = 'best' is not 'lossless' or 'latest'",
        ),
        (edge("bins", "infer", policy=[]), "edge 4: policy = [] is not"),
        (
            edge("bins", "infer", window=0),
            "edge 4: window = 0 is not a whole number from 1 to 4096",
        ),
        (edge("bins", "infer", capacity=5000), "edge 4: capacity = 5000 is not"),
        (edge("bins", "infer", window=True), "edge 4: window = True is not"),
        (edge("bins", "infer", window="8"), "edge 4: window = '8' is not"),
        (graph(edges=EDGES[:2]), "node 'log' has no input: add an edge to it"),
    ],
)  # fmt: skip
def test_every_mistake_is_one_line(data: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        build(data, "g.toml")
    line = str(caught.value)
    assert line.startswith("g.toml: ")
    assert message in line
    assert "\n" not in line
    assert caught.value.exit_status == 2


def own(tmp_path: Path) -> str:
    (tmp_path / "own.py").write_text(OWN)
    return f"{tmp_path}/own.py"


def test_cycles_are_shown(tmp_path: Path) -> None:
    loop = {"kind": f"{own(tmp_path)}:Loop"}
    nodes = {"source": {}, "a": loop, "b": loop, "c": loop}
    edges = [("source", "a"), ("a", "b"), ("b", "c")]

    def made(*more: tuple[str, str]) -> Any:
        return build(
            {"nodes": nodes, "edges": [{"from": a, "to": b} for a, b in [*edges, *more]]}, "g.toml"
        )

    assert len(made(("a", "c")).edges) == 4, "two ways to one node are no cycle"
    with pytest.raises(GraphError, match=r"^g.toml: edges form a cycle: a → b → c → a$"):
        made(("c", "a"))
    with pytest.raises(GraphError, match=r"^g.toml: edges form a cycle: b → b$"):
        made(("b", "b"))


def test_a_node_has_no_more_edges_than_its_board_can_count() -> None:
    many = {f"b{i}": {"kind": "bins"} for i in range(33)}

    def made(n: int) -> Any:
        names = list(many)[:n]
        edges = [{"from": "source", "to": name} for name in names]
        nodes = {"source": {}, **{name: many[name] for name in names}}
        return build({"nodes": nodes, "edges": edges}, "g.toml")

    assert len(made(32).edges) == 32
    with pytest.raises(GraphError, match=r"^g.toml: node 'source' has 33 edges, at most 32$"):
        made(33)


# Changes on the command line.


def test_changes_of_the_command_line() -> None:
    made = build(graph(), "g", ["bins.bin_us=50", "bins.mode=binary", " source.pace = 2 "])
    assert made.nodes["bins"].settings == BinsSettings(bin_us=50, mode="binary")
    assert made.nodes["bins"].values == {"bin_us": 50, "mode": "binary"}
    assert made.nodes["source"].settings.pace == 2.0
    assert build(graph(), "g", ["source.path=a=b"]).nodes["source"].settings.path == "a=b"


def test_a_change_repairs_what_the_file_says() -> None:
    made = build(with_node("bins", bin_us=7), "g", ["bins.bin_us=8"])
    assert made.nodes["bins"].settings.bin_us == 8


def test_a_needed_setting_may_come_from_either_side(tmp_path: Path) -> None:
    def made(values: dict[str, Any], *changes: str) -> Any:
        nodes = {"x": {"kind": f"{own(tmp_path)}:Needy", **values}}
        return build({"nodes": nodes}, "g.toml", changes).nodes["x"].settings

    assert made({"path": "a"}, "x.other=5").other == 5
    assert made({}, "x.path=b").path == "b"
    with pytest.raises(SettingError, match=r"^g.toml: node 'x': missing setting 'path'$"):
        made({"other": 1})
    with pytest.raises(SettingError, match=r"^g.toml: node 'x': missing setting 'path'$"):
        made({}, "x.other=1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("bins", "--set bins: expected KEY=VALUE"),
        ("=5", "--set =5: expected KEY=VALUE"),
        ("bin_us=5", "--set bin_us=5: expected NODE.KEY=VALUE"),
        ("bins.=5", "--set bins.=5: expected NODE.KEY=VALUE"),
        (
            "bns.bin_us=5",
            "--set bns.bin_us=5: unknown node 'bns' (known: bins, infer, log, source)",
        ),
        ("bins.bin_uss=5", "--set bins: unknown setting 'bin_uss'; did you mean 'bin_us'?"),
        ("bins.bin_us=x", '--set bins: bin_us = "x" is not a whole number'),
        ("bins.kind=source", "--set bins: unknown setting 'kind'"),
    ],
)  # fmt: skip
def test_mistakes_of_the_command_line(change: str, message: str) -> None:
    with pytest.raises(SettingError) as caught:
        build(graph(), "g.toml", [change])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_are_split_at_the_first_sign() -> None:
    assert parse_setting(" a = b=c ") == ("a", "b=c")


# Files.


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such graph file"),
        (b"edges = [", "not valid TOML: "),
        (b"\xff\xfe", "cannot be read"),
        (b"", "no nodes"),
        (b"nodes.source = 5", "node 'source': expected a table"),
        (b"[nodes.source]\npacket_us = 1979-05-27", "packet_us = 1979-05-27 is not a whole number"),
        (b'[nodes.source]\nkind = "a\\u0000b:C"', "cannot be loaded"),
    ],
)
def test_files_that_are_no_graphs(tmp_path: Path, content: bytes | None, message: str) -> None:
    file = tmp_path / "g.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(RetinaError) as caught:
        load(file)
    line = str(caught.value)
    assert line.startswith(str(file))
    assert message in line
    assert "\n" not in line


def test_a_folder_is_no_graph(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match=f"^{tmp_path}: cannot be read: "):
        load(tmp_path)


def test_a_path_goes_before_a_shipped_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert graph_path("nmnist").name == "nmnist.toml"
    assert graph_path("none") == Path("none")
    Path("nmnist").touch()
    assert graph_path("nmnist") == Path("nmnist")


def test_a_kind_in_a_file_is_sought_beside_the_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = tmp_path / "graphs" / "parts"
    beside.mkdir(parents=True)
    (beside / "own.py").write_text(OWN)
    (tmp_path / "elsewhere").mkdir()
    graph = tmp_path / "graphs" / "g.toml"
    graph.write_text(
        'edges = [{ from = "source", to = "x" }]\n[nodes.source]\n'
        '[nodes.x]\nkind = "parts/own.py:Loop"\n'
    )
    for folder, name in ((tmp_path / "elsewhere", str(graph)), (tmp_path, "graphs/g.toml")):
        monkeypatch.chdir(folder)
        # A node's process is told the kind by itself: it knows of no graph file.
        assert load(name).nodes["x"].kind == f"{beside / 'own.py'}:Loop"
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "own.py").write_text(OWN)
    (beside / "own.py").unlink()
    with pytest.raises(GraphError, match=r"graphs/parts/own.py"):
        load(graph)


def test_who_sends_to_patient_consumers_alone_may_take_their_leisure() -> None:
    record, log = {"kind": "record", "path": "x.aedat4"}, {"kind": "log"}
    nodes = {"source": {}, "a": {"kind": "filter"}, "b": {"kind": "filter"}, "bins": {}}
    nodes |= {"infer": {}, "record": record, "log": log}
    chain = [("source", "a"), ("a", "b"), ("b", "record")]

    def leisure(edges: list[tuple[str, str]], **changes: Any) -> list[int]:
        ends = [{"from": source, "to": target} for source, target in edges]
        used = {name for pair in edges for name in pair}
        kept = {name: {**each, **changes.get(name, {})} for name, each in nodes.items()}
        made = build({"nodes": {n: kept[n] for n in kept if n in used}, "edges": ends}, "x.toml")
        return [made.leisure_ms(name) for name in ("a", "b", "record")]

    assert leisure(chain) == [10, 10, 10]
    # Whoever else takes packets is not kept waiting.
    assert leisure([*chain, ("a", "bins"), ("bins", "infer"), ("infer", "log")]) == [0, 10, 10]
    assert leisure(chain, b={"listen": "tcp://127.0.0.1:5555"}) == [0, 0, 10]
