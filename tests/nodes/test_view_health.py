"""view: how the pipeline is doing, in figures and in words; what the viewer is at."""

from __future__ import annotations

import pytest

from nodes.view.tracks.health import Health, Report
from nodes.view.tracks.state import STATES, sources, state_of
from pipeline.status import EdgeStatus, NodeStatus

SECOND = 1_000_000_000


def pipeline(
    k: int,
    *,
    rate: int = 1000,
    behind: int = 0,
    behind_ms: float = 0,
    missed: float = 0,
    lost: float = 0,
    cpu: float = 0.2,
    **more: dict[str, object],
) -> dict[str, NodeStatus]:
    """Return the statuses of source, infer and view after ``k`` quarters of a second."""
    n, t = rate * k // 4, k * SECOND // 4
    dropped, gone = int(n * missed), int(n * lost)
    nodes = {
        "source": {
            "kind": "source", "packets_out": n, "events_out": 100 * n,
            "edges": [
                EdgeStatus("infer", "out", "lossless", sent_packets=n, dropped_packets=gone,
                           delivered_packets=n - behind - gone, backlog_ms=behind_ms),
                EdgeStatus("view", "out", "latest", sent_packets=n, dropped_packets=dropped,
                           delivered_packets=n - dropped),
            ],
        },
        "infer": {
            "kind": "infer", "packets_out": n // 10, "cpu_ns": int(t * cpu),
            "rss_bytes": 200_000_000,
            "edges": [
                EdgeStatus("source", "in", delivered_packets=n - behind, p50_ms=1.0, p99_ms=4.0),
                EdgeStatus("view", "out", "latest", sent_packets=n // 10),
            ],
        },
        "view": {
            "kind": "view", "cpu_ns": int(t * 0.1),
            "edges": [
                EdgeStatus("source", "in", delivered_packets=n - dropped,
                           delivered_events=100 * (n - dropped), p50_ms=2.0, p99_ms=9.0),
                EdgeStatus("infer", "in", delivered_packets=n // 10, p50_ms=3.0, p99_ms=7.0),
            ],
        },
    }  # fmt: skip
    for name, values in more.items():
        nodes[name].update(values)
    return {
        name: NodeStatus(name=name, time_ns=t + 5, **values)  # type: ignore[arg-type]
        for name, values in nodes.items()
    }


def after(quarters: int, **how: object) -> Report:
    """Return the report after a pipeline has run for so many quarters of a second."""
    health = Health()
    for k in range(quarters + 1):
        report = health.hear(pipeline(k, **how), k * SECOND // 4)  # type: ignore[arg-type]
    return report


def test_all_is_well() -> None:
    report = after(12)
    assert report.words == report.notes == ()
    source, infer, view = report.rows
    assert [row.name for row in report.rows] == ["source", "infer", "view"]
    assert source.packets == pytest.approx(1000, rel=0.01)
    assert source.events == pytest.approx(100_000, rel=0.01)
    assert (source.p50_ms, source.p99_ms) == (None, None)
    assert infer.cpu == pytest.approx(0.2, rel=0.01)
    assert infer.memory_mb == 200
    # It gives nothing: what it takes.
    assert view.packets == pytest.approx(1100, rel=0.01)
    assert (view.p50_ms, view.p99_ms) == (3, 9)


def test_rates_are_of_the_last_two_seconds() -> None:
    health = Health()
    n = 0
    for k in range(41):
        n += 250 if k < 20 else 500
        status = NodeStatus(name="a", time_ns=k * SECOND // 4, packets_out=n)
        report = health.hear({"a": status}, k * SECOND // 4)
    assert report.rows[0].packets == pytest.approx(2000)


def test_what_is_wrong_is_said_in_words() -> None:
    assert after(8, behind=12_000, rate=50_000, behind_ms=340.4).words == (
        "infer is 340 ms behind: 12,000 packets wait",
    )
    assert after(8, missed=0.12).words == ()
    assert after(8, missed=0.12).notes == (
        "view misses 12 % of source's packets (that is allowed)",
    )
    assert after(8, lost=0.5).words == (
        "infer misses 50 % of source's packets (they must not be lost)",
    )
    assert after(8, cpu=0.99).words == ("infer takes 99 % of a core",)
    told = after(8, infer={"words": ["the model is not for this sensor"]})
    assert told.words == ("infer: the model is not for this sensor",)


def test_drops_of_long_ago_are_no_news() -> None:
    health = Health()
    for k in range(40):
        statuses = pipeline(k)
        for edge in statuses["source"].edges:
            edge.dropped_packets = min(250 * k, 500)
        report = health.hear(statuses, k * SECOND // 4)
        assert bool(report.words) == (1 <= k <= 9), k
    assert report.notes == ()


def test_bad_packets_are_told() -> None:
    health = Health()
    for k in range(3):
        statuses = pipeline(k)
        statuses["infer"].edges[0].rejected_packets = 7 * (k > 1)
        report = health.hear(statuses, k * SECOND // 4)
    assert report.words == ("infer rejects packets of source: 7 were bad",)


def test_silence_is_told_but_not_of_one_that_is_paused() -> None:
    for state, words in (("running", ("source has been silent for 3 s",)), ("paused", ())):
        health = Health()
        health.hear(pipeline(0), 0)
        for k in range(1, 13):
            statuses = pipeline(1, source={"state": state})
            now_ns = SECOND // 4 + (k - 1) * SECOND * 3 // 11
            for status in statuses.values():
                status.time_ns = now_ns
            report = health.hear(statuses, now_ns)
        assert report.words == words


def test_a_node_that_is_gone_or_begins_anew_is_told() -> None:
    health = Health()
    for k in range(8):
        health.hear(pipeline(k), k * SECOND // 4)
    statuses = pipeline(8)
    del statuses["infer"]
    report = health.hear(statuses, 6 * SECOND)
    assert "infer is gone: nothing heard of it for 4 s" in report.words
    assert [row.name for row in report.rows] == ["source", "view"]
    statuses = pipeline(9, infer={"incarnation": 1})
    assert health.hear(statuses, 7 * SECOND).words == ("infer was started again 0 s ago",)
    assert health.hear(statuses, 8 * SECOND).words[0] == "infer was started again 1 s ago"
    still = health.hear(statuses, 10 * SECOND).words
    assert "source does not answer: nothing heard of it for 3 s" in still


def test_one_that_has_ended_is_not_missed() -> None:
    health = Health()
    health.hear(pipeline(1, source={"state": "ended"}), 0)
    statuses = pipeline(2)
    del statuses["source"]
    assert health.hear(statuses, SECOND).words == ()


def test_a_ring_of_nodes_has_an_order_too() -> None:
    statuses = {
        a: NodeStatus(name=a, edges=[EdgeStatus(b, "out"), EdgeStatus(b, "in")])
        for a, b in (("x", "y"), ("y", "x"))
    }
    assert {row.name for row in Health().hear(statuses, 0).rows} == {"x", "y"}


def source(state: str = "running", kind: str = "source", *words: str) -> NodeStatus:
    edges = [EdgeStatus("view", "out")]
    return NodeStatus(name="eye", kind=kind, state=state, words=list(words), edges=edges)


@pytest.mark.parametrize(
    ("statuses", "heard_ns", "state"),
    [
        ([], None, ("WAITING", "waiting for data")),
        ([source("starting")], None, ("WAITING", "eye is starting")),
        ([source("waiting", "camera", "no camera is connected")], None,
         ("NO CAMERA", "no camera is connected")),
        ([source("connecting", "dvreader")], None, ("WAITING", "eye is connecting")),
        ([source()], 99 * SECOND, ("LIVE", "")),
        ([source("paused")], 99 * SECOND, ("PAUSED", "eye is paused")),
        ([source("at the end")], 99 * SECOND, ("ENDED", "eye is at its end")),
        ([source("reconnecting", "camera", "the cable was pulled")], 99 * SECOND,
         ("RECONNECTING", "the cable was pulled")),
        ([source()], 95 * SECOND, ("STALLED", "nothing has come for 5 s")),
        ([source("starting")], 95 * SECOND,
         ("RECONNECTING", "eye starts again; nothing has come for 5 s")),
        ([], 95 * SECOND, ("RECONNECTING", "nobody answers; nothing has come for 5 s")),
    ],
)  # fmt: skip
def test_states(statuses: list[NodeStatus], heard_ns: int | None, state: tuple[str, str]) -> None:
    assert state_of(100 * SECOND, heard_ns, statuses) == state
    assert state[0] in STATES
    assert state_of(100 * SECOND, heard_ns, statuses, ended=True).name == "ENDED"
    assert state_of(100 * SECOND, heard_ns, statuses, held=True).name == "PAUSED"


def test_a_recorder_that_rests_is_no_paused_source() -> None:
    recorder = NodeStatus(name="record", state="paused", edges=[EdgeStatus("source", "in")])
    assert sources([recorder, source()]) == [source()]
    assert state_of(100 * SECOND, 99 * SECOND, [recorder, source()]).name == "LIVE"
