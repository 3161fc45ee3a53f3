"""The live table of a run: rates, backlog, drops, latency, CPU and memory of every node."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.table import Table

from pipeline.board import IN, OUT, Board, EdgeBoard, EdgeSlot, NodeSlot, State
from pipeline.latency import quantile_ms
from pipeline.launcher import Child

_EVERY_S = 0.5
_STATES = {
    State.STARTING: "[yellow]starting",
    State.RUNNING: "[green]running",
    State.DRAINING: "[cyan]draining",
    State.ENDED: "[dim]ended",
}


@dataclass
class _Then:
    """Counters at the last refresh, from which rates are made."""

    at: float
    packets: int
    events: int
    cpu_ns: int
    latency: list[int]


class LiveTable:
    """Shows a run in the terminal; where there is no terminal it shows nothing."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._then: dict[str, _Then] = {}
        self._next = 0.0
        self._live = Live(console=console, auto_refresh=False, transient=False)
        self._on = console.is_terminal

    def __enter__(self) -> LiveTable:
        if self._on:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._on:
            self._live.stop()

    def say(self, node: str, line: str) -> None:
        """Print a node's line above the table."""
        self.console.print(f"{node:>8} │ {line}", markup=False, highlight=False, soft_wrap=True)

    def tick(self, boards: Mapping[str, Board], children: Iterable[Child]) -> None:
        """Refresh the table, twice a second at most."""
        now = time.monotonic()
        if not self._on or now < self._next:
            return
        self._next = now + _EVERY_S
        self._live.update(self.render(boards, children, now), refresh=True)

    def render(self, boards: Mapping[str, Board], children: Iterable[Child], now: float) -> Table:
        """Return the table of this moment."""
        table = Table(box=None, header_style="bold", padding=(0, 1))
        table.add_column("node")
        table.add_column("state")
        for title in (
            "events/s", "packets/s", "backlog (packets · events · s)", "dropped",
            "p50 ms", "p99 ms", "CPU %", "MB", "restarts",
        ):  # fmt: skip
            table.add_column(title, justify="right")
        restarts = {part.name: child.restarts for child in children for part in child.parts}
        for name, board in boards.items():
            table.add_row(name, *self._row(name, board, boards, now), str(restarts.get(name, 0)))
        return table

    def _row(self, name: str, board: Board, boards: Mapping[str, Board], now: float) -> list[str]:
        ends = [edge for edge in board.edges() if edge.direction == IN]
        if ends:
            packets = sum(end[EdgeSlot.DELIVERED_PACKETS] for end in ends)
            events = sum(end[EdgeSlot.DELIVERED_EVENTS] for end in ends)
        else:
            packets, events = board[NodeSlot.PACKETS_OUT], board[NodeSlot.EVENTS_OUT]
        latency = [sum(column) for column in zip(*(end.latency() for end in ends), strict=True)]
        cpu = board[NodeSlot.CPU_NS]
        then = self._then.get(name, _Then(now - _EVERY_S, packets, events, cpu, latency))
        self._then[name] = _Then(now, packets, events, cpu, latency)
        span = max(now - then.at, 1e-3)
        recent = [a - b for a, b in zip(latency, then.latency, strict=False)]
        backlog, dropped = _backlog(name, ends, boards)
        return [
            _STATES.get(State(board[NodeSlot.STATE]), "?"),
            _short((events - then.events) / span),
            _short((packets - then.packets) / span),
            backlog,
            _short(dropped),
            _ms(quantile_ms(recent, 0.5)),
            _ms(quantile_ms(recent, 0.99)),
            f"{max(0, cpu - then.cpu_ns) / span / 1e7:.0f}",
            f"{board[NodeSlot.RSS_BYTES] / 2**20:.0f}",
        ]


def _backlog(name: str, ends: Iterable[EdgeBoard], boards: Mapping[str, Board]) -> tuple[str, int]:
    packets = events = dropped = 0
    seconds = 0.0
    for end in ends:
        board = boards.get(end.peer)
        for out in board.edges() if board is not None else []:
            if out.direction == OUT and out.peer == name:
                gone = out[EdgeSlot.DROPPED_PACKETS]
                dropped += gone
                packets += out[EdgeSlot.SENT_PACKETS] - end[EdgeSlot.DELIVERED_PACKETS] - gone
                events += (
                    out[EdgeSlot.SENT_EVENTS]
                    - end[EdgeSlot.DELIVERED_EVENTS]
                    - out[EdgeSlot.DROPPED_EVENTS]
                )
                behind = out[EdgeSlot.SENT_T] - end[EdgeSlot.DELIVERED_T]
                seconds = max(seconds, behind / 1e6)
    if packets <= 0:
        return "0", dropped
    return f"{_short(packets)} · {_short(max(0, events))} · {max(0.0, seconds):.3f}", dropped


def _short(value: float) -> str:
    for unit, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= scale:
            return f"{value / scale:.1f} {unit}"
    return f"{value:.0f}"


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
