"""How the pipeline is doing: a row of figures for each node, and what is wrong, in words.

Statuses hold cumulative counters; rates are differences over the last two seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from nodes.view.tracks.state import SILENT_NS, sources
from pipeline.status import EdgeStatus, NodeStatus

_OVER_NS = 2_000_000_000
_BEHIND_MS = 100
_DROPS = 0.01
_BUSY = 0.95
_NEW_NS = 10_000_000_000
_LATE_NS = 1_500_000_000
_AT_REST = ("paused", "waiting", "connecting", "reconnecting", "at the end", "ended", "draining")


class Row(NamedTuple):
    """A node's figures; None where there is none.

    ``packets`` and ``events`` a second are what it gives out, or takes in where it gives nothing.
    ``backlog_ms`` of event time and ``waiting`` packets wait for it; ``dropped`` is the share of
    what was for it that was left out; ``cpu`` is 1 for a whole core.
    """

    name: str
    kind: str
    state: str
    packets: float
    events: float
    backlog_ms: float
    waiting: int
    dropped: float
    p50_ms: float | None
    p99_ms: float | None
    cpu: float
    memory_mb: float


class Report(NamedTuple):
    """Rows in the stream's order; ``words`` say what is wrong, the worst first; ``notes`` what is
    as it may be."""

    rows: tuple[Row, ...]
    words: tuple[str, ...]
    notes: tuple[str, ...] = ()


class _History:
    """The statuses of one node over the last two seconds."""

    def __init__(self) -> None:
        self.past: deque[NodeStatus] = deque()
        self.heard_ns = 0
        self.moved_ns = 0
        self.begun_ns: int | None = None

    def add(self, status: NodeStatus, now_ns: int) -> None:
        last = self.past[-1] if self.past else None
        if last is not None and status.mark == last.mark:
            return
        if last is not None and status.incarnation != last.incarnation:
            self.begun_ns = now_ns
            self.past.clear()
        if last is None or _moved(status) != _moved(last):
            self.moved_ns = now_ns
        self.heard_ns = now_ns
        self.past.append(status)
        while len(self.past) > 2 and status.time_ns - self.past[1].time_ns >= _OVER_NS:
            self.past.popleft()

    @property
    def now(self) -> NodeStatus:
        return self.past[-1]

    @property
    def seconds(self) -> float:
        return max((self.now.time_ns - self.past[0].time_ns) / 1e9, 1e-9)


def _moved(status: NodeStatus) -> int:
    return status.packets_out + sum(edge.delivered_packets for edge in status.edges)


def _edge(status: NodeStatus, peer: str, direction: str) -> EdgeStatus | None:
    return next((e for e in status.edges if (e.peer, e.direction) == (peer, direction)), None)


class Health:
    """Follows the statuses of all nodes."""

    def __init__(self) -> None:
        self._nodes: dict[str, _History] = {}

    def hear(self, statuses: Mapping[str, NodeStatus], now_ns: int) -> Report:
        """Take note of statuses at ``now_ns`` of the monotonic clock; return how all is."""
        for name, status in statuses.items():
            self._nodes.setdefault(name, _History()).add(status, now_ns)
        rows = tuple(self._row(name, statuses) for name in self._order(statuses))
        notes = [
            words
            for name in statuses
            for edge in self._nodes[name].now.edges
            if edge.policy == "latest" and (words := _losses(self._nodes[name], edge))
        ]
        return Report(rows, tuple(self._words(statuses, rows, now_ns)), tuple(notes))

    def _order(self, statuses: Mapping[str, NodeStatus]) -> list[str]:
        """Return the names, producers before their consumers."""
        depth = dict.fromkeys(statuses, 0)
        # No longer way than there are nodes, even where they form a ring.
        for _ in statuses:
            for name, status in statuses.items():
                for edge in status.edges:
                    if edge.direction == "out" and edge.peer in depth:
                        depth[edge.peer] = max(depth[edge.peer], depth[name] + 1)
                        depth[edge.peer] = min(depth[edge.peer], len(statuses))
        return sorted(statuses, key=lambda name: depth[name])

    def _row(self, name: str, statuses: Mapping[str, NodeStatus]) -> Row:
        history = self._nodes[name]
        now, before, seconds = history.now, history.past[0], history.seconds
        packets, events = now.packets_out - before.packets_out, now.events_out - before.events_out
        arrivals = [edge for edge in now.edges if edge.direction == "in"]
        if not any(edge.direction == "out" for edge in now.edges):
            for edge in arrivals:
                past = _edge(before, edge.peer, "in")
                packets += edge.delivered_packets - (past.delivered_packets if past else 0)
                events += edge.delivered_events - (past.delivered_events if past else 0)
        backlog, waiting, sent, dropped = 0.0, 0, 0, 0
        for peer in statuses:
            out = _edge(self._nodes[peer].now, name, "out")
            past = _edge(self._nodes[peer].past[0], name, "out")
            if out is None:
                continue
            backlog = max(backlog, out.backlog_ms)
            waiting += _waiting(out)
            sent += out.sent_packets - (past.sent_packets if past else 0)
            dropped += out.dropped_packets - (past.dropped_packets if past else 0)
        p50 = [edge.p50_ms for edge in arrivals if edge.p50_ms is not None]
        p99 = [edge.p99_ms for edge in arrivals if edge.p99_ms is not None]
        return Row(
            name, now.kind, now.state, max(packets, 0) / seconds, max(events, 0) / seconds, backlog,
            waiting, dropped / sent if sent > 0 else 0.0, max(p50, default=None),
            max(p99, default=None), max(now.cpu_ns - before.cpu_ns, 0) / 1e9 / seconds,
            now.rss_bytes / 1e6,
        )  # fmt: skip

    def _words(
        self, statuses: Mapping[str, NodeStatus], rows: tuple[Row, ...], now_ns: int
    ) -> list[str]:
        gone, slow, lost, told = [], [], [], []
        for name, history in self._nodes.items():
            silent_s = (now_ns - history.heard_ns) / 1e9
            if name not in statuses:
                if history.now.state not in ("ended", "draining"):
                    gone.append(f"{name} is gone: nothing heard of it for {silent_s:.0f} s")
            elif now_ns - history.heard_ns > _LATE_NS:
                gone.append(f"{name} does not answer: nothing heard of it for {silent_s:.0f} s")
            elif history.begun_ns is not None and now_ns - history.begun_ns < _NEW_NS:
                ago = (now_ns - history.begun_ns) / 1e9
                gone.append(f"{name} was started again {ago:.0f} s ago")
        for source in sources(statuses.values()):
            history = self._nodes[source.name]
            still_ns = now_ns - history.moved_ns
            if still_ns >= SILENT_NS and source.state not in _AT_REST:
                gone.append(f"{source.name} has been silent for {still_ns / 1e9:.0f} s")
        for row in rows:
            if row.backlog_ms >= _BEHIND_MS:
                slow.append(
                    f"{row.name} is {row.backlog_ms:,.0f} ms behind: {row.waiting:,} packets wait"
                )
            if row.cpu >= _BUSY:
                slow.append(f"{row.name} takes {row.cpu:.0%} of a core".replace("%", " %"))
        for name, status in statuses.items():
            history = self._nodes[name]
            lost += [
                words
                for edge in status.edges
                if edge.policy != "latest" and (words := _losses(history, edge))
            ]
            told += [f"{name}: {word}" for word in status.words]
        return [*gone, *slow, *lost, *told]


def _waiting(edge: EdgeStatus) -> int:
    return max(0, edge.sent_packets - edge.delivered_packets - edge.dropped_packets)


def _losses(history: _History, edge: EdgeStatus) -> str:
    """Say what was left out on an edge of late, empty where nothing was."""
    name = history.now.name
    past = _edge(history.past[0], edge.peer, edge.direction) or EdgeStatus(
        edge.peer, edge.direction
    )
    if edge.direction == "in":
        bad = edge.rejected_packets - past.rejected_packets
        return f"{name} rejects packets of {edge.peer}: {bad:,} were bad" if bad > 0 else ""
    sent = edge.sent_packets - past.sent_packets
    dropped = edge.dropped_packets - past.dropped_packets
    if sent <= 0 or dropped < _DROPS * sent:
        return ""
    allowed = "that is allowed" if edge.policy == "latest" else "they must not be lost"
    share = min(100, 100 * dropped / sent)
    return f"{edge.peer} misses {share:.0f} % of {name}'s packets ({allowed})"
