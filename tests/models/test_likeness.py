"""How alike recordings are, on recordings whose likeness is known; and pictures of events."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.likeness import correlation, likeness, signs
from models.preview import OFF, ON, preview
from pipeline.events import Events
from tests.strategies import events_of, random_events


def thinned(events: Events, share: float, seed: int = 0) -> Events:
    keep = np.random.default_rng(seed).random(len(events)) < share
    return events[keep]


def test_recordings_are_like_themselves() -> None:
    own = signs([random_events(500, 9, 7, 300_000, seed) for seed in range(4)], 7, 9)
    like = likeness(own, own)
    assert (like.median_ratio, like.within_quarter, like.on_share) == (1, 1, 0)
    assert like.rate == pytest.approx(1)
    assert like.image == pytest.approx(1)
    assert like.per_pixel == like.intervals == 0


def test_what_differs_is_told() -> None:
    real = [random_events(2000, 9, 7, 300_000, seed) for seed in range(5)]
    half = signs([thinned(events, 0.5) for events in real], 7, 9)
    like = likeness(half, signs(real, 7, 9))
    assert like.median_ratio == pytest.approx(0.5, abs=0.05)
    assert like.within_quarter == 0
    assert like.per_pixel > 0.5
    assert like.intervals > 0.1
    for events in real:
        events["p"] = 1
    assert likeness(half, signs(real, 7, 9)).on_share == pytest.approx(-0.5, abs=0.05)
    # Of scenes that have nothing to do with each other the images have nothing in common.
    others = signs([random_events(2000, 9, 7, 300_000, seed) for seed in range(9, 14)], 7, 9)
    assert abs(likeness(others, signs(real, 7, 9)).image) < 0.4


def test_signs_of_a_recording_by_hand() -> None:
    events = events_of([0, 10, 9_999, 10_000, 20_000], [1, 1, 1, 0, 1], [0] * 5, [1, 1, 0, 0, 1])
    found = signs([events], 2, 3)
    assert found.events.tolist() == [5]
    assert found.on_share.tolist() == [0.6]
    assert found.counts[0].tolist() == [[1, 4, 0], [0, 0, 0]]
    assert found.rate[:, :3].tolist() == [[1, 1, 0], [2, 0, 1]]
    # Four pixels of six with none, one with one, one with four.
    np.testing.assert_allclose(found.per_pixel[[0, 1, 4]], [4 / 6, 1 / 6, 1 / 6])
    assert found.intervals.sum() == pytest.approx(1)
    assert found.intervals[0] == pytest.approx(1 / 3)


@given(n=st.integers(2, 50), seed=st.integers(0, 100))
def test_correlation_is_pearsons(n: int, seed: int) -> None:
    a, b = np.random.default_rng(seed).normal(size=(2, n))
    assert correlation(a, b) == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert correlation(a, 3 - 2 * a) == pytest.approx(-1)
    assert correlation(a, np.ones(n)) == 0


def test_a_preview_shows_on_red_and_off_blue_in_its_span() -> None:
    events = events_of(
        [0, 50_000, 50_100, 59_999, 60_000], [0, 1, 2, 3, 4], [0] * 5, [1, 1, 0, 1, 1]
    )
    pixels = np.asarray(preview(events, 5, 2, begin_us=50_000))
    scale = pixels.shape[1] // 5
    assert pixels.shape == (2 * scale, 5 * scale, 3)
    assert min(pixels.shape[:2]) >= 100
    row = [tuple(pixels[0, x * scale].tolist()) for x in range(5)]
    white = (255, 255, 255)
    assert row == [white, ON, OFF, ON, white]
    assert (pixels[scale:] == 255).all()
    # By itself it shows where most happens.
    assert np.array_equal(np.asarray(preview(events, 5, 2)), pixels)


def test_a_preview_of_nothing_is_white() -> None:
    pixels = np.asarray(preview(events_of([], [], [], []), 400, 300))
    assert pixels.shape == (300, 400, 3)
    assert (pixels == 255).all()
