"""The picture of a recording: which events it shows, in which colours, how large."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.preview import OFF, ON, preview
from pipeline.events import Events
from tests.strategies import events_of, recordings

WHITE = (255, 255, 255)


def small(events: Events, width: int, height: int, **span: Any) -> NDArray[np.uint8]:
    """Return a preview at one pixel a pixel, having seen that it is made of squares."""
    large = np.asarray(preview(events, width, height, **span))
    scale = large.shape[1] // width
    assert large.shape == (height * scale, width * scale, 3)
    found = large[::scale, ::scale]
    np.testing.assert_array_equal(large, found.repeat(scale, 0).repeat(scale, 1))
    return found


def test_on_is_red_and_off_is_blue() -> None:
    assert ON[0] > 2 * max(ON[1:])
    assert OFF[2] > max(OFF[:2])
    pixels = small(events_of([5, 6], [1, 2], [0, 3], [1, 0]), 4, 5)
    assert tuple(pixels[0, 1]) == ON
    assert tuple(pixels[3, 2]) == OFF
    assert (pixels.reshape(-1, 3) == WHITE).all(1).sum() == 18


@pytest.mark.parametrize("last", [0, 1])
def test_the_last_event_of_a_pixel_is_on_top(last: int) -> None:
    pixels = small(events_of([5, 6, 7], [1] * 3, [0] * 3, [last, 1 - last, last]), 3, 2)
    assert tuple(pixels[0, 1]) == (OFF, ON)[last]


def test_a_span_has_its_begin_and_not_its_end() -> None:
    events = events_of([99, 100, 149, 150], [0, 1, 2, 3], [0] * 4, [1] * 4)
    pixels = small(events, 4, 1, begin_us=100, span_us=50)
    assert [tuple(pixel) for pixel in pixels[0]] == [WHITE, ON, ON, WHITE]
    later = small(events, 4, 1, begin_us=2**40)
    assert (later == 255).all()


@given(events=recordings(width=6, height=5, length_us=3000, most=40), span=st.integers(1, 1500))
def test_by_itself_it_shows_the_busiest_span(events: Events, span: int) -> None:
    pixels = small(events, 6, 5, span_us=span)
    if not len(events):
        assert (pixels == 255).all()
        return
    times = events["t"]
    n = [((times >= begin) & (times < begin + span)).sum() for begin in range(3000)]
    best = max(n)
    # Of several spans with as many events any will do.
    begins = [int(t) for t in np.unique(times) if n[int(t)] == best]
    shown = [small(events, 6, 5, begin_us=begin, span_us=span) for begin in begins]
    assert any(np.array_equal(pixels, other) for other in shown)


@given(width=st.integers(1, 700), height=st.integers(1, 700))
def test_a_small_sensor_is_made_large_by_a_whole_number(width: int, height: int) -> None:
    across, down = preview(events_of([], [], [], []), width, height).size
    scale = across // width
    assert (across, down) == (scale * width, scale * height)
    longer = max(width, height)
    assert scale * longer >= 300
    assert scale == 1 or (scale - 1) * longer < 300


def test_a_late_recording_is_shown_too() -> None:
    at = 2**40
    events = events_of([0, at, at + 1, at + 2], [0, 1, 2, 3], [0] * 4, [1, 1, 0, 1])
    pixels = small(events, 4, 1)
    assert [tuple(pixel) for pixel in pixels[0]] == [WHITE, ON, OFF, ON]
