"""view: the ways in which events are shown, pixel by pixel."""

from __future__ import annotations

from collections import deque
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from nodes.view.palette import AGES, PALETTES
from nodes.view.tracks.canvas import Canvas
from nodes.view.tracks.ring import Ring
from nodes.view.tracks.show import MODES, MOST_RECENT, Mode, Show
from pipeline.events import Events
from tests.strategies import event_packet, events_of, random_events, recordings

ON, OFF, GROUND = PALETTES["blue-orange"].dark
NIGHT = 0xFF000000 | GROUND[0] << 16 | GROUND[1] << 8 | GROUND[2]


def painted(canvas: Canvas, shrink: int = 1) -> NDArray[np.uint8]:
    """Return the picture as ``[H, W, 3]`` RGB."""
    out = np.empty(canvas.shape_at(shrink), np.uint32)
    canvas.paint(out, shrink)
    assert (out >> 24 == 0xFF).all()
    return np.stack([out >> shift & 0xFF for shift in (16, 8, 0)], -1).astype(np.uint8)


def fed(show: Show, events: Events, *ends: int, width: int = 34, height: int = 34) -> Canvas:
    """Return a canvas that has taken ``events`` in packets that end at ``ends``."""
    canvas = Canvas(show)
    begin = 0
    for end in ends:
        canvas.add(event_packet(events, begin, end, width, height))
        begin = end
    return canvas


def test_a_time_surface_shows_age_alone() -> None:
    events = events_of([0, 5000, 9999, 9999], [1, 2, 3, 4], [0] * 4, [1, 0, 1, 0])
    picture = painted(fed(Show("surface", span_ms=10), events, 10_000))
    assert tuple(picture[0, 1]) == GROUND
    assert tuple(picture[0, 3]) == tuple(picture[0, 4]) == pytest.approx(AGES[0], abs=2)
    # In the middle between the third and the fourth of six colours.
    between = (np.array(AGES[2]) + np.array(AGES[3])) / 2
    assert picture[0, 2] == pytest.approx(between, abs=3)


def test_the_last_time_is_shown_without_fading() -> None:
    events = events_of([0, 1001, 9999], [1, 2, 3], [0] * 3, [1, 0, 1])
    picture = painted(fed(Show("last-t", span_ms=9), events, 10_000))
    assert tuple(picture[0, 1]) == GROUND
    assert tuple(picture[0, 2]) == OFF
    assert tuple(picture[0, 3]) == ON


@given(st.data(), st.integers(1, 30), st.integers(1, 50))
def test_the_last_n_events_are_those(data: st.DataObject, last_n: int, cut: int) -> None:
    events = data.draw(recordings(width=6, height=5, length_us=1000))
    show = Show("last-n", last_n=last_n)
    picture = painted(fed(show, events, *range(cut, 1000, cut), 1000, width=6, height=5))
    expected = np.full((5, 6, 3), GROUND, np.uint8)
    for _, x, y, p in events[-last_n:].tolist():
        expected[y, x] = ON if p else OFF
    assert (picture == expected).all()


@given(st.data(), st.integers(1, 400))
def test_counts_are_of_the_accumulation_time(data: st.DataObject, cut: int) -> None:
    events = data.draw(recordings(width=4, height=3, length_us=1000))
    ring = Ring((3, 4), 300)
    for begin in range(0, 1000, cut):
        end = min(begin + cut, 1000)
        packet = event_packet(events, begin, end, 4, 3)
        ring.add(packet.wire.view(np.int64), begin, end - begin)
        expected = np.zeros((3, 4, 2), np.int32)
        for t, x, y, p in events.tolist():
            if end - 300 < t < end:
                expected[y, x, p] += 1
        ring.expire(end)
        np.testing.assert_array_equal(ring.counts, expected)
        assert len(ring) == expected.sum()


def test_more_events_are_a_stronger_colour_and_both_polarities_mix() -> None:
    events = events_of(range(8), [1, 2, 2, 2, 2, 3, 3, 9], [0] * 8, [1, 1, 1, 1, 1, 1, 0, 0])
    picture = painted(fed(Show("count", span_ms=1), events, 10)).astype(int)
    ground = np.array(GROUND)
    weak, strong = (np.abs(picture[0, x] - ground).sum() for x in (1, 2))
    assert strong > 1.5 * weak > 0
    assert tuple(picture[0, 2]) == pytest.approx(ON, abs=1)
    mixed = ground + (0.2 + 0.8 * 2 / 2) * ((np.array(ON) + np.array(OFF)) / 2 - ground)
    assert picture[0, 3] == pytest.approx(mixed, abs=2)
    assert tuple(picture[1, 1]) == GROUND


def test_brightness_follows_the_rate_and_not_the_frames() -> None:
    events = random_events(40_000, 34, 34, 100_000)
    canvas = fed(Show("count", span_ms=50), events, *range(1000, 100_001, 1000))
    for _ in range(40):
        last = painted(canvas)
    assert (painted(canvas) == last).mean() > 0.99
    assert (last != GROUND).any(-1).mean() > 0.99
    assert len(np.unique(last.reshape(-1, 3), axis=0)) > 20


@pytest.mark.parametrize("mode", get_args(Mode))
def test_a_picture_does_not_depend_on_how_often_it_is_painted(mode: Mode) -> None:
    events = random_events(3000, 34, 34, 100_000)
    ends = range(1000, 100_001, 1000)
    once = fed(Show(mode, last_n=500), events, *ends)
    often = Canvas(Show(mode, last_n=500))
    begin = 0
    for end in ends:
        often.add(event_packet(events, begin, end))
        begin = end
        if mode != "count":
            painted(often)
    assert (painted(once) == painted(often)).all()


@pytest.mark.parametrize("mode", get_args(Mode))
def test_a_shrunk_picture_loses_no_event(mode: Mode) -> None:
    show = Show(mode, fade_ms=1000, span_ms=1000)
    for x, y in ((0, 0), (13, 7), (33, 20), (34, 22)):
        events = events_of([5], [x], [y], [0])
        picture = painted(fed(show, events, 10, width=35, height=23), 4)
        assert picture.shape == (6, 9, 3)
        lit = np.argwhere((picture != GROUND).any(-1))
        assert lit.tolist() == [[y // 4, x // 4]]


@pytest.mark.parametrize("mode", get_args(Mode))
def test_one_polarity_alone_nothing_at_all_and_another_sensor(mode: Mode) -> None:
    show = Show(mode)
    for p in (0, 1):
        events = events_of([1, 2], [3, 4], [5, 6], [p, p])
        picture = painted(fed(show, events, 10))
        assert (picture != GROUND).any(-1).sum() == 2
    canvas = Canvas(show)
    assert (painted(canvas) == GROUND).all()
    canvas.add(event_packet(events_of([], [], [], []), 0, 1000))
    assert (painted(canvas) == GROUND).all()
    canvas.add(event_packet(events_of([1500], [3], [3], [1]), 1000, 2000))
    canvas.add(event_packet(events_of([2500], [15], [3], [1]), 2000, 3000, 20, 10))
    picture = painted(canvas)
    assert picture.shape == (10, 20, 3)
    assert np.argwhere((picture != GROUND).any(-1)).tolist() == [[3, 15]]
    canvas.forget()
    assert (painted(canvas) == GROUND).all()


def test_the_mode_may_change_in_mid_stream() -> None:
    events = random_events(2000, 34, 34, 20_000)
    canvas = fed(Show(), events, 10_000)
    for mode in MODES:
        canvas.set(Show(mode, last_n=50))  # type: ignore[arg-type]
        painted(canvas)
    canvas.set(Show("last-n", last_n=50, scheme="light"))
    canvas.add(event_packet(events, 10_000, 20_000))
    paper = PALETTES["blue-orange"].light.ground
    shown = (painted(canvas) != paper).any(-1).sum()
    assert 1 <= shown <= 50


def test_the_ring_grows_and_gives_its_events_in_order() -> None:
    n = 150_000
    events = random_events(n, 34, 34, 1_000_000)
    ring = Ring((34, 34), 500_000)
    for begin in range(0, 1_000_000, 250_000):
        packet = event_packet(events, begin, begin + 250_000)
        ring.add(packet.wire.view(np.int64), begin, 250_000)
    kept = events[events["t"] > 500_000]
    recent = ring.recent(1_000_000, n)
    for name in ("x", "y", "p"):
        np.testing.assert_array_equal(getattr(recent, name), kept[name])
    np.testing.assert_array_equal(1_000_000 - recent.age_us, kept["t"])
    few = ring.recent(1_000_000, 1000)
    assert 900 <= len(few.x) <= 1000
    assert (np.diff(few.age_us) <= 0).all()


def test_a_ring_never_holds_more_than_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodes.view.tracks.ring.MOST_RECENT", 2**17)
    ring = Ring((34, 34), 10**9)
    kept: deque[int] = deque(maxlen=2**17)
    for begin in range(0, 300_000, 100_000):
        events = random_events(100_000, 34, 34, 100_000, seed=begin)
        packet = event_packet(events, 0, 100_000)
        ring.add(packet.wire.view(np.int64), begin, 100_000)
        kept.extend((events["t"] + begin).tolist())
    assert len(ring) == ring.counts.sum() == 2**17
    recent = ring.recent(300_000, 2**17)
    assert (300_000 - recent.age_us).tolist() == list(kept)
    assert MOST_RECENT * 12 < 64 * 2**20
