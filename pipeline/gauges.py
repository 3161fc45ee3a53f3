"""The edges of a running node as its status tells them: counts, backlog, latency of late."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from pipeline.board import IN, OUT, Board, EdgeBoard, EdgeSlot
from pipeline.channel.edge import Edge
from pipeline.channel.inlet import Inlet
from pipeline.latency import BUCKETS, quantile_ms
from pipeline.status import EdgeStatus

_LATELY = 8
"""Over so many statuses (two seconds) latency is told."""


class Gauges:
    """Reads the edges of one node.

    ``directory`` is the run's: the other ends' boards lie there, which alone tell exactly what is
    under way. Where an end has none there (another host, a guest) the backlog is what this end
    knows of it.
    """

    def __init__(self, name: str, directory: Path | None = None) -> None:
        self.name = name
        self._directory = directory
        self._boards: dict[str, Board] = {}
        self._histograms: dict[str, deque[list[int]]] = {}

    def read(self, inlets: Iterable[Inlet], edges: Iterable[Edge]) -> list[EdgeStatus]:
        """Return the status of every edge that is open; called once for each status."""
        return [
            *(self._into(inlet) for inlet in inlets),
            *(self._out(edge) for edge in edges if edge.kinds and not edge.left),
        ][:64]

    def close(self) -> None:
        """Let go of the other ends' boards."""
        for board in self._boards.values():
            board.close()
        self._boards.clear()

    def _into(self, inlet: Inlet) -> EdgeStatus:
        end = inlet.account
        before = self._histograms.setdefault(end.peer, deque([[0] * BUCKETS], maxlen=_LATELY))
        now = end.latency()
        lately = [a - b for a, b in zip(now, before[0], strict=True)]
        before.append(now)
        sent = self._other_end(end.peer, OUT)
        return EdgeStatus(
            end.peer[:200],
            "in",
            delivered_packets=end[EdgeSlot.DELIVERED_PACKETS],
            delivered_events=end[EdgeSlot.DELIVERED_EVENTS],
            rejected_packets=end[EdgeSlot.REJECTED_PACKETS],
            backlog_ms=0.0 if sent is None else _behind_ms(sent, end),
            p50_ms=quantile_ms(lately, 0.5),
            p99_ms=quantile_ms(lately, 0.99),
        )

    def _out(self, edge: Edge) -> EdgeStatus:
        end = edge.board
        taken = self._other_end(edge.name, IN)
        return EdgeStatus(
            edge.name[:200],
            "out",
            edge.policy,
            end[EdgeSlot.SENT_PACKETS],
            end[EdgeSlot.SENT_EVENTS],
            end[EdgeSlot.DELIVERED_PACKETS],
            end[EdgeSlot.DELIVERED_EVENTS],
            end[EdgeSlot.DROPPED_PACKETS],
            end[EdgeSlot.DROPPED_EVENTS],
            end[EdgeSlot.REJECTED_PACKETS],
            edge.backlog_us / 1000 if taken is None else _behind_ms(end, taken),
        )

    def _other_end(self, peer: str, direction: int) -> EdgeBoard | None:
        """Return the peer's end of its edge with this node, where its board lies at hand."""
        if self._directory is None or "/" in peer:
            return None
        board = self._boards.get(peer)
        if board is None:
            with contextlib.suppress(OSError, ValueError):
                board = Board(self._directory / f"{peer}.board", create=False)
                self._boards[peer] = board
        if board is None:
            return None
        ends = board.edges()
        return next((e for e in ends if e.peer == self.name and e.direction == direction), None)


def _behind_ms(sent: EdgeBoard, taken: EdgeBoard) -> float:
    """Return the event time between what was sent last and what was taken last, in ms."""
    gone = taken[EdgeSlot.DELIVERED_PACKETS] + sent[EdgeSlot.DROPPED_PACKETS]
    if not taken[EdgeSlot.DELIVERED_T] or gone >= sent[EdgeSlot.SENT_PACKETS]:
        return 0.0
    return max(0, sent[EdgeSlot.SENT_T] - taken[EdgeSlot.DELIVERED_T]) / 1000
