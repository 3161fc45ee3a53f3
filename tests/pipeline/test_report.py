"""The report: sums that are true however a run ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.board import IN, OUT, Board, EdgeSlot, NodeSlot
from pipeline.errors import RetinaError
from pipeline.graph import Graph, build
from pipeline.latency import bucket
from pipeline.report import EdgeReport, Report, accuracy, make_report


def graph() -> Graph:
    nodes = {"source": {}, "bins": {}}
    return build({"nodes": nodes, "edges": [{"from": "source", "to": "bins"}]}, "g.toml")


def report(
    tmp_path: Path, out: dict[str, int] | None, into: dict[str, int] | None, **more: Any
) -> Report:
    boards = {name: Board() for name in ("source", "bins")}
    for values, board, peer, direction in (
        (out, boards["source"], "bins", OUT),
        (into, boards["bins"], "source", IN),
    ):
        if values is not None:
            edge = board.edge(peer, direction)
            for name, value in values.items():
                edge[EdgeSlot[name]] = value
    for prepare in more.values():
        prepare(boards)
    return make_report(graph(), tmp_path, boards, {"source": 0, "bins": 2})


def edge_of(tmp_path: Path, out: Any, into: Any) -> EdgeReport:
    edge = report(tmp_path, out, into).edges[0]
    assert edge.sent_packets == edge.delivered_packets + edge.dropped_packets
    assert edge.sent_events == edge.delivered_events + edge.dropped_events
    assert min(edge.dropped_packets, edge.dropped_events, edge.lost_packets) >= 0
    return edge


def test_an_edge_that_ended_well(tmp_path: Path) -> None:
    done = {"DELIVERED_PACKETS": 8, "DELIVERED_EVENTS": 80}
    sent = {"SENT_PACKETS": 10, "SENT_EVENTS": 100, "DROPPED_PACKETS": 2, "DROPPED_EVENTS": 20}
    edge = edge_of(tmp_path, {**sent, **done}, done)
    assert (edge.delivered_packets, edge.dropped_packets, edge.lost_packets) == (8, 2, 0)
    assert (edge.source, edge.target, edge.policy) == ("source", "bins", "lossless")


def test_what_nobody_could_count_is_lost(tmp_path: Path) -> None:
    """The producer was killed: its word and what was on its way went with it."""
    edge = edge_of(
        tmp_path,
        {"SENT_PACKETS": 10, "SENT_EVENTS": 100, "DELIVERED_PACKETS": 3, "DELIVERED_EVENTS": 30},
        {"DELIVERED_PACKETS": 6, "DELIVERED_EVENTS": 61},
    )
    assert (edge.delivered_packets, edge.dropped_packets, edge.lost_packets) == (6, 4, 4)
    assert edge.dropped_events == 39


def test_the_taker_knows_best(tmp_path: Path) -> None:
    """The producer broke off and counted as dropped what was taken after all."""
    edge = edge_of(
        tmp_path,
        {
            "SENT_PACKETS": 10,
            "SENT_EVENTS": 100,
            "DELIVERED_PACKETS": 3,
            "DELIVERED_EVENTS": 30,
            "DROPPED_PACKETS": 7,
            "DROPPED_EVENTS": 70,
        },
        {"DELIVERED_PACKETS": 6, "DELIVERED_EVENTS": 61},
    )
    assert (edge.delivered_packets, edge.dropped_packets) == (6, 4)
    assert (edge.delivered_events, edge.dropped_events) == (61, 39)


def test_an_edge_that_never_came_to_be(tmp_path: Path) -> None:
    for out, into in ((None, None), ({}, None), (None, {})):
        edge = edge_of(tmp_path, out, into)
        assert edge.sent_packets == edge.dropped_packets == 0
        assert edge.latency_ms.p50 is None


def test_guests_are_told_of_too(tmp_path: Path) -> None:
    def guest(boards: dict[str, Board]) -> None:
        edge = boards["bins"].edge("viewer-5", OUT)
        edge[EdgeSlot.SENT_PACKETS] = 5
        edge[EdgeSlot.DELIVERED_PACKETS] = 5

    made = report(tmp_path, {}, {}, guest=guest)
    assert [(e.source, e.target, e.policy, e.delivered_packets) for e in made.edges] == [
        ("source", "bins", "lossless", 0),
        ("bins", "viewer-5", "guest", 5),
    ]


def test_latency_is_that_of_the_sinks(tmp_path: Path) -> None:
    def ages(boards: dict[str, Board]) -> None:
        edge = boards["bins"].edge("source", IN)
        for us in [100] * 98 + [5000] * 2:
            edge.add(EdgeSlot.LATENCY + bucket(us), 1)
        edge[EdgeSlot.LATENCY_MAX_US] = 5000

    latency = report(tmp_path, {}, {}, ages=ages).latency_ms
    assert latency.p50 == pytest.approx(0.1, rel=0.03)
    assert latency.p99 == pytest.approx(5.0, rel=0.03)
    assert latency.max == 5.0
    assert latency.p99 is not None
    assert latency.p99 <= latency.max


def test_nodes_and_the_entries_that_they_left(tmp_path: Path) -> None:
    entry = {"sample": "a", "label": 1, "answer": 1, "ms": 5.0}
    (tmp_path / "bins.jsonl").write_text(
        json.dumps(entry) + "\n" + json.dumps({**entry, "answer": 2}) + '\n{"sample": "tor'
    )

    def usage(boards: dict[str, Board]) -> None:
        boards["bins"][NodeSlot.CPU_NS] = 1_500_000_000
        boards["bins"][NodeSlot.RSS_BYTES] = 3 << 20

    made = report(tmp_path, {}, {}, usage=usage)
    assert made.predictions == [entry, {**entry, "answer": 2}]
    assert made.accuracy == 0.5
    assert (made.nodes["bins"].restarts, made.nodes["bins"].cpu_s) == (2, 1.5)
    assert made.nodes["bins"].rss_mb == 3.0


def test_accuracy_is_of_what_is_labelled() -> None:
    assert accuracy([]) is None
    assert accuracy([{"label": None, "answer": 1}]) is None
    assert accuracy([{"label": 1, "answer": 1}, {"label": None, "answer": 1}]) == 1.0


def test_a_report_is_json_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = report(tmp_path, {"SENT_PACKETS": 1}, {"DELIVERED_PACKETS": 1})
    made.write("-")
    shown = json.loads(capsys.readouterr().out)
    made.write(str(tmp_path / "out.json"))
    assert json.loads((tmp_path / "out.json").read_text()) == shown
    assert {"edges", "nodes", "latency_ms", "predictions", "accuracy"} <= set(shown)
    edge = shown["edges"][0]
    assert {"from", "to", "policy"} <= set(edge)
    for word in ("sent", "delivered", "dropped"):
        assert {f"{word}_packets", f"{word}_events"} <= set(edge)
    assert set(shown["latency_ms"]) == {"p50", "p99", "max"}
    with pytest.raises(RetinaError, match="none/x: cannot write the report: No such file"):
        made.write(str(tmp_path / "none" / "x"))
