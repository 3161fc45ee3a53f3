"""Events shifted back by the gaze: the object stands still, and no event is lost unseen."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.calibration import nmnist
from models.trajectory import reach
from nodes.saccade.simulate import Simulate
from nodes.saccade.stabilise import Stabilise
from nodes.source import Source
from pipeline import EventPacket, GazePacket, Packet
from pipeline.errors import RetinaError, SettingError
from pipeline.packets import GAZE, GazeHeader
from tests.strategies import cut, event_packet, events_of, recordings


def gaze_packet(t: list[int], x: list[float], y: list[float], **head: object) -> GazePacket:
    samples = np.zeros(len(t), GAZE)
    samples["t"], samples["x"], samples["y"] = t, x, y
    begin = head.pop("t_begin", t[0])
    return GazePacket(GazeHeader(t_begin=begin, t_end=t[-1], n=len(t), **head), samples)


def counts(packets: Iterator[Packet] | list[Packet]) -> dict[str, np.ndarray]:
    """Return the image of counts of every sample."""
    found: dict[str, np.ndarray] = {}
    for p in packets:
        if isinstance(p, EventPacket):
            image = found.setdefault(p.header.sample or "", np.zeros((34, 34), np.int64))
            np.add.at(image, (p.events["y"], p.events["x"]), 1)
    return found


def test_real_recordings_become_sharp() -> None:
    source = {"path": "samples", "split": "Test", "pace": "fast", "packet_us": 20_000}
    before = counts(iter(Source(**source)))
    node = Stabilise(mode="stabilise", trajectory="nmnist")
    after = counts(node(iter(Source(**source))))
    assert before.keys() == after.keys()
    assert len(before) == 50
    ratio = np.array([after[name].var() / before[name].var() for name in before])
    assert np.median(ratio) >= 1.5
    assert (ratio > 1).mean() >= 0.9
    lost = sum(image.sum() for image in before.values()) - sum(i.sum() for i in after.values())
    assert lost == node.outside


def test_a_simulated_object_stands_where_the_gaze_was_zero() -> None:
    packets = list(Simulate(images="samples", limit=3, pace="fast"))
    still = counts(Stabilise(mode="stabilise", trajectory="gaze")(iter(packets)))
    moved = counts(packets)
    assert len(moved) == 3
    for name, image in moved.items():
        assert still[name].var() > 1.4 * image.var()


def test_the_known_path_and_its_gaze_stream_agree() -> None:
    packets = list(Simulate(images="samples", limit=1, pace="fast", packet_us=5000))
    known = Stabilise(mode="stabilise", trajectory="nmnist")
    told = Stabilise(mode="stabilise", trajectory="gaze")
    [a] = counts(known(iter(packets))).values()
    [b] = counts(told(iter(packets))).values()
    dx, dy = np.round(reach(nmnist()).mean(0)).astype(int)
    # One stands as seen from the middle of the path, the other as from its beginning.
    shifted = np.roll(a, (dy, dx), (0, 1))
    assert np.corrcoef(shifted.ravel(), b.ravel())[0, 1] > 0.9
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] < 0.9


@given(data=st.data())
def test_each_event_goes_where_the_gaze_says(data: st.DataObject) -> None:
    events = data.draw(recordings(width=30, height=20, length_us=10_000))
    bounds = [2500, 5000, 10_000]
    node = Stabilise(mode="stabilise", trajectory="gaze")
    # The gaze goes from (0, 0) to (10, -5) evenly, and is told after the events.
    parts = cut(events, bounds, 30, 20)
    gaze = [
        gaze_packet([0, 5000], [0, 5], [0, -2.5]),
        gaze_packet([10_000], [10], [-5], t_begin=5000),
    ]
    out = list(node([*parts[:2], gaze[0], parts[2], gaze[1]]))
    x = events["x"] + np.floor(events["t"] / 1000 + 0.5).astype(int)
    y = events["y"] + np.floor(-events["t"] / 2000 + 0.5).astype(int)
    inside = (x >= 0) & (x < 30) & (y >= 0) & (y < 20)
    expected = events_of(events["t"][inside], x[inside], y[inside], events["p"][inside])
    assert [p.header.t_end for p in out] == bounds
    found = [tuple(e) for p in out for e in p.events.tolist()]
    assert found == [tuple(e) for e in expected.tolist()]
    assert node.outside == len(events) - len(expected)


def test_events_wait_for_their_gaze_in_order() -> None:
    node = Stabilise(mode="stabilise", trajectory="gaze")
    node.start()
    one = event_packet(events_of([10], [5], [5], [1]), 0, 1000)
    two = event_packet(events_of([1500], [5], [5], [0]), 1000, 2000)
    assert list(node.feed(one)) == []
    assert list(node.feed(two)) == []
    [first] = node.feed(gaze_packet([0, 1000], [2, 2], [0, 0]))
    assert first.events.tolist() == [(10, 7, 5, 1)]
    [second] = node.feed(gaze_packet([2000], [2], [3], t_begin=1000))
    assert second.events.tolist() == [(1500, 7, 7, 0)]


def test_a_new_sample_begins_its_path_anew() -> None:
    node = Stabilise(mode="stabilise", trajectory="nmnist")
    once = events_of([60_000], [17], [17], [1])
    later = once.copy()
    later["t"] += 400_000
    packets = [
        event_packet(once, 0, 400_000, reset=True),
        event_packet(later, 400_000, 800_000, reset=True),
    ]
    [a, b] = node(packets)
    assert a.events["x"].tolist() == b.events["x"].tolist()
    assert a.events["y"].tolist() == b.events["y"].tolist()
    assert a.header.reset
    assert b.header.reset


def test_no_gaze_is_said_after_two_seconds() -> None:
    node = Stabilise(mode="stabilise", trajectory="gaze")
    node.name = "still"
    none = events_of([], [], [], [])
    packets = [event_packet(none, t, t + 100_000) for t in range(0, 3_000_000, 100_000)]
    with pytest.raises(RetinaError, match=r"^still: no gaze for 2\.1 s of events: add an edge"):
        list(node(packets))


def test_what_waits_at_the_end_is_let_go() -> None:
    node = Stabilise(mode="stabilise", trajectory="gaze")
    [out] = node([event_packet(events_of([5], [1], [2], [1]), 0, 10)])
    assert out.events.tolist() == [(5, 1, 2, 1)]


def test_a_path_that_is_none() -> None:
    node = Stabilise(mode="stabilise", trajectory="cirle")
    with pytest.raises(SettingError, match=r"trajectory: no trajectory 'cirle'; did you mean 'cir"):
        node.start()
