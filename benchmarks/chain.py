"""Events to label through five processes, in real time: source, bins, infer, log and view.

The shipped graph with the shipped recordings at the pace at which they were recorded. The
latency is from the birth of a prediction's last event at the source to the log node's taking the
prediction up: what the pipeline adds beyond the bin. The view runs without a screen.
"""

from __future__ import annotations

import os

from benchmarks.harness import Row, row
from pipeline.graph import load
from pipeline.launcher import Launcher
from pipeline.report import Report


def rows(*, quick: bool = False) -> list[Row]:
    """Measure."""
    limit, runs = (5, 1) if quick else (50, 3)
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    reports = [_once(limit) for _ in range(runs)]
    found = []
    for what in ("p50", "p99", "max"):
        values = [getattr(report.latency_ms, what) for report in reports]
        found.append(row(f"events to label beyond the bin, {what}", "ms", values))
    for name in reports[0].nodes:
        cpu = [report.nodes[name].cpu_s for report in reports]
        found.append(row(f"processor time of {name}", "s", cpu))
    found.append(row("right answers", "%", [100 * (r.accuracy or 0.0) for r in reports]))
    return found


def _once(limit: int) -> Report:
    graph = load("nmnist", [f"source.limit={limit}", "source.packet_us=1000", "log.quiet=true"])
    report = Launcher(graph, say=lambda node, line: None).run()
    for edge in report.edges:
        assert edge.sent_packets == edge.delivered_packets + edge.dropped_packets
        assert edge.sent_events == edge.delivered_events + edge.dropped_events
        assert edge.policy == "latest" or edge.dropped_packets == 0
    return report
