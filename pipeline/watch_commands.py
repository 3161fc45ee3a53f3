"""What ``retina status`` and ``retina ask`` do."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.channel.endpoints import Security
from pipeline.errors import RetinaError, UsageError
from pipeline.report import write_json
from pipeline.runs import Run, runs
from pipeline.status import NodeStatus
from pipeline.watcher import Watcher

_SILENT_S = 1.5


def show_status(
    endpoint: str | None,
    node: str | None,
    watch: bool,
    json_file: str | None,
    security: Security,
) -> None:
    """Show how the nodes of a run are: once, or until it ends."""
    where = [endpoint] if endpoint is not None else [_entrance(run) for run in _some_runs()]
    if watch and len(where) > 1:
        raise UsageError(f"retina status --watch: {len(where)} runs, name one: {', '.join(where)}")
    console = Console()
    shown: list[dict[str, Any]] = []
    for each in where:
        with Watcher(each, security) as watcher:
            before, begun = watcher.watch(), time.monotonic()
            statuses = watcher.watch(0.5)
            while watch and not watcher.ended:
                grid = _grid(before, statuses, watcher.silent_s(), time.monotonic() - begun)
                console.clear()
                console.print(grid)
                before, begun = statuses, time.monotonic()
                statuses = watcher.watch(1.0)
            if json_file is not None:
                shown.append({"endpoint": each, "nodes": msgspec.to_builtins(statuses)})
            elif node is not None:
                _show_node(_known(statuses, node, each), console)
            else:
                console.print(f"[bold]{each}")
                took = time.monotonic() - begun
                console.print(_grid(before, statuses, watcher.silent_s(), took))
                for status in statuses.values():
                    for word in status.words:
                        console.print(f"  {plain(word)}", markup=False, highlight=False)
    if json_file is not None:
        write_json(shown, json_file)


def ask_nodes(words: Sequence[str], security: Security) -> None:
    """Ask nodes of a run for settings or actions: ``[ENDPOINT] NODE.KEY=VALUE...``."""
    endpoint = words[0] if words and "://" in words[0].partition("=")[0] else None
    wishes = [_wish(word) for word in words[endpoint is not None :]]
    if not wishes:
        raise UsageError("retina ask: expected NODE.KEY=VALUE")
    if endpoint is None:
        found = _some_runs()
        if len(found) > 1:
            places = ", ".join(_entrance(run) for run in found)
            raise UsageError(f"retina ask: {len(found)} runs, name one: {places}")
        endpoint = _entrance(found[0])
    refused = []
    with Watcher(endpoint, security) as watcher:
        for node, key, value in wishes:
            answer = watcher.ask(node, key, value)
            if answer.refused:
                refused.append(plain(answer.refused))
                continue
            setting = watcher.watch(0.0)[node].setting(key)
            print(f"{node}.{key}: {'done' if setting is None else plain(setting.actual)}")
    if refused:
        raise RetinaError("; ".join(refused))


def plain(text: str) -> str:
    """Return text from outside so that it does not drive the terminal."""
    return text if text.isprintable() else ascii(text)


def _some_runs() -> list[Run]:
    found = [run for run in runs() if run.endpoints]
    if not found:
        raise RetinaError("no run of this user's on this host; give the address of a node")
    return found


def _entrance(run: Run) -> str:
    return next(iter(run.endpoints.values()))


def _wish(word: str) -> tuple[str, str, str]:
    place, equals, value = word.partition("=")
    node, dot, key = place.strip().partition(".")
    if not (dot and node and key):
        raise UsageError(f"retina ask: {word}: expected NODE.KEY=VALUE")
    return node, key, value.strip() if equals else ""


def _known(statuses: Mapping[str, NodeStatus], node: str, where: str) -> NodeStatus:
    if node not in statuses:
        names = ", ".join(sorted(statuses))
        raise RetinaError(f"{where}: knows no node '{node}' (known: {plain(names)})")
    return statuses[node]


def _grid(
    before: Mapping[str, NodeStatus],
    now: Mapping[str, NodeStatus],
    silent_s: Mapping[str, float],
    took_s: float,
) -> Table:
    grid = Table(box=None, header_style="bold", padding=(0, 1))
    for title in ("node", "state"):
        grid.add_column(title, no_wrap=True)
    for title in ("events/s", "packets/s", "behind ms", "dropped", "p99 ms", "CPU %", "MB"):
        grid.add_column(title, justify="right")
    for name, status in sorted(now.items()):
        then = before.get(name, status)
        span = max((status.time_ns - then.time_ns) / 1e9, 1e-3) if then is not status else took_s
        ins = [edge for edge in status.edges if edge.direction == "in"]
        old = [edge for edge in then.edges if edge.direction == "in"]
        events = status.events_out - then.events_out
        packets = status.packets_out - then.packets_out
        if ins:
            events = sum(e.delivered_events for e in ins) - sum(e.delivered_events for e in old)
            packets = sum(e.delivered_packets for e in ins) - sum(e.delivered_packets for e in old)
        silent = silent_s.get(name, 0.0)
        state = f"silent for {silent:.0f} s" if silent > _SILENT_S else status.state
        grid.add_row(
            _cell(name), _cell(state),
            f"{events / span:,.0f}", f"{packets / span:,.0f}",
            f"{max((e.backlog_ms for e in ins), default=0.0):.0f}",
            f"{sum(e.dropped_packets for e in status.edges):,}",
            _ms([e.p99_ms for e in ins]),
            f"{max(0, status.cpu_ns - then.cpu_ns) / span / 1e7:.0f}",
            f"{status.rss_bytes / 2**20:.0f}",
        )  # fmt: skip
    return grid


def _ms(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{max(known):.2f}" if known else ""


def _show_node(status: NodeStatus, console: Console) -> None:
    grid = Table(box=None, header_style="bold", padding=(0, 1))
    for title in ("setting", "requested", "actual", "live", "may be", "meaning"):
        grid.add_column(title)
    for s in sorted(status.settings, key=lambda setting: not setting.live):
        row = (s.name, s.requested, s.actual, "live" if s.live else "", s.may_be, s.help)
        grid.add_row(*(_cell(text) for text in row))
    for action in status.actions:
        grid.add_row(_cell(action.name), "", "", "action", "", _cell(action.help))
    console.print(grid)
    for name, fact in status.facts.items():
        console.print(f"{plain(name)}: {plain(str(fact))}", markup=False, highlight=False)
    for word in status.words:
        console.print(plain(word), markup=False, highlight=False)


def _cell(text: str) -> str:
    return escape(plain(text))
