"""Augmentation moves events, stays on the sensor and obeys its seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.augment import Augmentation, augment, mix
from models.frames import frames
from pipeline.events import Events, empty_events

STILL = Augmentation(0, 0, 0, 0, 0, 0, 0)


def made(n: int, seed: int) -> Events:
    rng = np.random.default_rng(seed)
    events = empty_events(n)
    events["t"] = np.sort(rng.integers(0, 300_000, n))
    events["x"], events["y"] = rng.integers(8, 26, n), rng.integers(8, 26, n)
    events["p"] = rng.integers(0, 2, n)
    return events


@given(st.integers(0, 2**32 - 1), st.integers(1, 500))
@settings(deadline=None, max_examples=40)
def test_seeded_ordered_and_on_the_sensor(seed: int, n: int) -> None:
    events = made(n, seed)
    before = events.copy()
    out = augment(events, (34, 34), Augmentation(), np.random.default_rng(seed))
    again = augment(events, (34, 34), Augmentation(), np.random.default_rng(seed))
    np.testing.assert_array_equal(out, again)
    np.testing.assert_array_equal(events, before)
    assert (np.diff(out["t"]) >= 0).all()
    assert out["t"].min(initial=0) >= 0
    assert max(out["x"].max(initial=0), out["y"].max(initial=0)) < 34
    assert out["p"].max(initial=0) <= 1


def test_nothing_asked_changes_nothing() -> None:
    events = made(300, 1)
    rng = np.random.default_rng(1)
    np.testing.assert_array_equal(augment(events, (34, 34), STILL, rng), events)


def test_each_change_alone() -> None:
    events = made(4000, 2)

    def changed(**how: float) -> Events:
        values = dict.fromkeys(Augmentation.__struct_fields__, 0.0) | how
        return augment(events, (34, 34), Augmentation(**values), np.random.default_rng(8))

    moved = changed(shift_px=6)
    # The shift is a fraction of a pixel and places within a pixel are drawn: one step of spread.
    steps = moved["x"].astype(int) - events["x"]
    assert len(np.unique(steps)) <= 2
    assert steps.any()
    assert len(changed(drop=0.5)) < len(events)
    assert len(changed(add=0.5)) > len(events)
    zoomed = changed(scale=0.3)
    assert zoomed["x"].std() != pytest.approx(events["x"].std(), rel=0.02)
    assert (changed(jitter_us=2_000)["t"] != events["t"]).mean() > 0.9
    for name in ("rotate_deg", "shear"):
        turned = changed(**{name: 0.3 if name == "shear" else 20})
        assert (turned["x"] != events["x"]).mean() > 0.1


@pytest.mark.parametrize("bad", [{"drop": 1.0}, {"shift_px": -1.0}, {"scale": float("nan")}])
def test_settings_out_of_range(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="augmentation's"):
        Augmentation(**bad)


def test_frames_count_events_in_their_bins() -> None:
    events = empty_events(5)
    events["t"] = [-1, 0, 999, 1_000, 3_000]
    events["x"], events["p"] = [1, 1, 1, 2, 3], [0, 1, 1, 0, 0]
    out = frames([events, events], (2, 4, 4), 3, t_begin=[0, 1_000])
    assert out.shape == (3, 2, 2, 4, 4)
    assert out[0, 0, 1, 0, 1] == 2
    assert out[1, 0, 0, 0, 2] == 1
    assert out[:, 0].sum() == 3
    assert out[0, 1, 0, 0, 2] == out[2, 1, 0, 0, 3] == 1
    assert out[:, 1].sum() == 2


def test_time_stretches_and_polarity_flips() -> None:
    events = made(2000, 3)

    def changed(**how: float) -> Events:
        values = dict.fromkeys(Augmentation.__struct_fields__, 0.0) | how
        return augment(events, (34, 34), Augmentation(**values), np.random.default_rng(5))

    slower = changed(stretch=0.5)
    factor = slower["t"][-1] / events["t"][-1]
    assert 0.5 < factor < 1.5
    assert abs(factor - 1) > 0.01
    np.testing.assert_allclose(slower["t"], events["t"] * factor, atol=1)
    flipped = changed(flip=1)
    np.testing.assert_array_equal(flipped["p"], 1 - events["p"])
    np.testing.assert_array_equal(flipped["x"], events["x"])


def test_mixing_takes_a_share_of_each() -> None:
    a, b = made(4000, 4), made(4000, 5)
    a["p"], b["p"] = 0, 1
    both = mix(a, b, 0.25, np.random.default_rng(6))
    assert (np.diff(both["t"]) >= 0).all()
    assert 900 < (both["p"] == 0).sum() < 1100
    assert 2850 < (both["p"] == 1).sum() < 3150


@pytest.mark.parametrize(
    ("how", "message"),
    [({"flip": 1.5}, "probabilities"), ({"stretch": 1}, "below 1"), ({"mix": -1}, "0 or more")],
)
def test_what_cannot_be_is_refused(how: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Augmentation(**how)
