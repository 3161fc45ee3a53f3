"""A live source at a DAVIS346's limit, filtered and recorded: source, filter and record, lossless.

Three processes: 12 million random events a second over 346 × 260 pixels, in packets of 1 ms that
are packed anew as a camera's are, in real time; hot pixels and refractory periods filtered;
recorded as AEDAT4, as it is and with LZ4, which random events burden more than real ones do. The
file is read again and counted. Latency is from the moment of a packet's last event to its taking up
by the recorder. Processor time is all of each process, its start too; in all, what it is once the
stream is under way is told as well.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.harness import Row, row
from benchmarks.view_watch import cpu_s, pid_of
from pipeline.board import IN, Board, EdgeSlot
from pipeline.graph import build
from pipeline.launcher import Child, Launcher
from pipeline.report import Report, end_of
from recordings.opening import open_recording

EVENTS_S = 12_000_000


def rows(*, quick: bool = False) -> list[Row]:
    """Measure; ``quick`` takes 5 s each instead of a minute."""
    seconds = 5 if quick else 60
    return [each for kind in ("lz4", "none") for each in _measured(kind, seconds)]


def _measured(compression: str, seconds: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "live.aedat4"
        report, before_s = _once(path, seconds, compression)
        (entry,) = report.recordings
        assert entry["complete"], entry
        assert _events(path) == entry["events"]
        size = path.stat().st_size
    into = next(edge for edge in report.edges if edge.source == "source")
    onward = next(edge for edge in report.edges if edge.source == "filter")
    assert into.delivered_events == EVENTS_S * seconds
    assert onward.delivered_events == entry["events"]
    dropped = into.dropped_events + onward.dropped_events
    name = f"{seconds} s, {compression}"
    cores = {node: each.cpu_s / seconds for node, each in report.nodes.items()}
    return [
        row(f"{name}: lost", "events", [dropped]),
        row(f"{name}: recorded", "Mev/s", [entry["events"] / seconds / 1e6]),
        *(row(f"{name}: {node}", "cores", [each]) for node, each in cores.items()),
        row(f"{name}: in all", "cores", [sum(cores.values())]),
        # Three interpreters that start take as much however long the stream is.
        row(f"{name}: of it before the first packet", "cores", [before_s / seconds]),
        row(f"{name}: in all, under way", "cores", [sum(cores.values()) - before_s / seconds]),
        *(
            row(f"{name}: to the recorder, {what}", "ms", [getattr(report.latency_ms, what)])
            for what in ("p50", "p99", "max")
        ),
        row(f"{name}: file", "bytes/event", [size / max(1, entry["events"])]),
    ]


def _once(path: Path, seconds: int, compression: str) -> tuple[Report, float]:
    """Return a run's report, and the processor time in s until the recorder had a packet."""
    graph = build(
        {
            "edges": [{"from": "source", "to": "filter"}, {"from": "filter", "to": "record"}],
            "nodes": {
                "source": {
                    "kind": "benchmarks.nodes:Feed",
                    "packets": 1000 * seconds,
                    "events": EVENTS_S // 1000,
                    "width": 346,
                    "height": 260,
                    "span_us": 1000,
                    "pace": 1.0,
                    "pack": True,
                },
                "filter": {"hot_pixels": True, "refractory_us": 100},
                "record": {"path": str(path), "compression": compression},
            },
        },
        "live",
    )
    before: list[float] = []

    def tick(boards: dict[str, Board], children: list[Child]) -> None:
        taken = end_of(boards["record"], "filter", IN)
        if not before and taken is not None and taken[EdgeSlot.DELIVERED_PACKETS]:
            before.append(sum(cpu_s(pid_of(launcher, node)) for node in boards))

    launcher = Launcher(graph, say=lambda node, line: None, tick=tick)
    report = launcher.run()
    for edge in report.edges:
        assert edge.sent_packets == edge.delivered_packets + edge.dropped_packets
        assert edge.sent_events == edge.delivered_events + edge.dropped_events
    return report, before[0]


def _events(path: Path) -> int:
    with open_recording(path) as recording:
        return sum(len(chunk) for chunk in recording.chunks())
