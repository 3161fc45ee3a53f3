"""The final figures of a run, from the boards and journals that its nodes left."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from pipeline.board import IN, OUT, Board, EdgeBoard, EdgeSlot, NodeSlot
from pipeline.errors import RetinaError
from pipeline.graph import Graph
from pipeline.latency import BUCKETS, quantile_ms
from pipeline.packets import PredictionPacket
from pipeline.process import journal_path


class LatencyReport(msgspec.Struct):
    """Birth at the source to the taking up at the other end, in ms; None where nothing came."""

    p50: float | None
    p99: float | None
    max: float | None


class EdgeReport(msgspec.Struct, rename={"source": "from", "target": "to"}):
    """One edge: sent = delivered + dropped, always.

    ``lost_packets`` (part of the dropped) were in the hands of a process that died.
    """

    source: str
    target: str
    policy: str
    sent_packets: int
    delivered_packets: int
    dropped_packets: int
    sent_events: int
    delivered_events: int
    dropped_events: int
    lost_packets: int
    rejected_packets: int
    latency_ms: LatencyReport


class NodeReport(msgspec.Struct):
    """One node."""

    restarts: int
    cpu_s: float
    rss_mb: float
    packets_out: int
    events_out: int


class Report(msgspec.Struct):
    """All final figures of a run."""

    graph: str
    edges: list[EdgeReport]
    nodes: dict[str, NodeReport]
    latency_ms: LatencyReport
    predictions: list[dict[str, Any]]
    accuracy: float | None
    recordings: list[dict[str, Any]] = []
    """What was recorded: files, events, and whether it is complete (``nodes.record``)."""
    instead: str | None = None
    """The source that the user asked for when the run was ended for it (``nodes.view``)."""

    def write(self, file: str) -> None:
        """Write the report as JSON to ``file``, ``-`` for standard output."""
        write_json(self, file)


def write_json(what: object, file: str) -> None:
    """Write a report as JSON to ``file``, ``-`` for standard output."""
    text = msgspec.json.format(msgspec.json.encode(what), indent=2)
    if file == "-":
        print(text.decode())
        return
    try:
        Path(file).write_bytes(text + b"\n")
    except OSError as error:
        raise RetinaError(f"{file}: cannot write the report: {error.strerror}") from None


def latency_of(ends: Iterable[EdgeBoard]) -> LatencyReport:
    """Return the latency over the receiving ends of some edges together."""
    counts = [0] * BUCKETS
    longest = 0
    for end in ends:
        counts = [a + b for a, b in zip(counts, end.latency(), strict=True)]
        longest = max(longest, end[EdgeSlot.LATENCY_MAX_US])
    p50, p99 = quantile_ms(counts, 0.5), quantile_ms(counts, 0.99)
    if p50 is None or p99 is None:
        return LatencyReport(None, None, None)
    top = longest / 1000
    return LatencyReport(min(p50, top), min(p99, top), top)


def end_of(board: Board, peer: str, direction: int) -> EdgeBoard | None:
    """Return one end of an edge, None where the node never got to it."""
    for edge in board.edges():
        if edge.peer == peer and edge.direction == direction:
            return edge
    return None


def make_report(
    graph: Graph, directory: Path, boards: Mapping[str, Board], restarts: Mapping[str, int]
) -> Report:
    """Sum up a run that has ended."""
    edges = []
    sinks: list[EdgeBoard] = []
    answers: list[EdgeBoard] = []
    for spec in graph.edges:
        out = end_of(boards[spec.source], spec.target, OUT)
        into = end_of(boards[spec.target], spec.source, IN)
        edges.append(_edge(spec.source, spec.target, spec.policy, out, into))
        if into is not None and not graph.outputs(spec.target):
            sinks.append(into)
            if spec.kinds == (PredictionPacket.code,):
                answers.append(into)
    known = {(spec.source, spec.target) for spec in graph.edges}
    for name, board in boards.items():
        for out in board.edges():
            if out.direction == OUT and (name, out.peer) not in known:
                edges.append(_edge(name, out.peer, "guest", out, None))
    entries = _entries(graph, directory)
    predictions = [entry for entry in entries if not {"recording", "instead"} & entry.keys()]
    return Report(
        graph.name,
        edges,
        {
            name: NodeReport(
                restarts[name],
                round(board[NodeSlot.CPU_NS] / 1e9, 3),
                round(board[NodeSlot.RSS_BYTES] / 2**20, 1),
                board[NodeSlot.PACKETS_OUT],
                board[NodeSlot.EVENTS_OUT],
            )
            for name, board in boards.items()
        },
        latency_of(answers or sinks),
        predictions,
        accuracy(predictions),
        [entry for entry in entries if "recording" in entry],
        next((str(entry["instead"]) for entry in entries if "instead" in entry), None),
    )


def _edge(
    source: str, target: str, policy: str, out: EdgeBoard | None, into: EdgeBoard | None
) -> EdgeReport:
    def read(end: EdgeBoard | None, slot: EdgeSlot) -> int:
        return end[slot] if end is not None else 0

    sent, sent_events = read(out, EdgeSlot.SENT_PACKETS), read(out, EdgeSlot.SENT_EVENTS)
    # The consumer knows best what it has had: its word may not have reached a producer that died.
    taker = into if into is not None else out
    delivered = read(taker, EdgeSlot.DELIVERED_PACKETS)
    delivered_events = read(taker, EdgeSlot.DELIVERED_EVENTS)
    dropped = read(out, EdgeSlot.DROPPED_PACKETS)
    dropped_events = read(out, EdgeSlot.DROPPED_EVENTS)
    # A producer that broke off counted as dropped what was taken without its hearing of it.
    unheard = delivered - read(out, EdgeSlot.DELIVERED_PACKETS)
    unheard_events = delivered_events - read(out, EdgeSlot.DELIVERED_EVENTS)
    dropped -= max(0, min(delivered + dropped - sent, unheard))
    dropped_events -= max(0, min(delivered_events + dropped_events - sent_events, unheard_events))
    # What a process had in hand when it died for good, nobody but this sum can count.
    lost = max(0, sent - delivered - dropped)
    lost_events = max(0, sent_events - delivered_events - dropped_events)
    return EdgeReport(
        source,
        target,
        policy,
        sent,
        delivered,
        dropped + lost,
        sent_events,
        delivered_events,
        dropped_events + lost_events,
        read(out, EdgeSlot.LOST_PACKETS) + lost,
        read(out, EdgeSlot.REJECTED_PACKETS),
        latency_of([into] if into is not None else []),
    )


def _entries(graph: Graph, directory: Path) -> list[dict[str, Any]]:
    found = []
    for name in graph.nodes:
        path = journal_path(directory, name)
        if path.exists():
            for line in path.read_bytes().splitlines():
                # A process that was killed may have left half a line.
                try:
                    found.append(msgspec.json.decode(line, type=dict[str, Any]))
                except msgspec.DecodeError:
                    continue
    return found


def accuracy(predictions: Iterable[Mapping[str, Any]]) -> float | None:
    """Return the share of right answers among those whose label is known."""
    right = [p["answer"] == p["label"] for p in predictions if p.get("label") is not None]
    return math.fsum(right) / len(right) if right else None
