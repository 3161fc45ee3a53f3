"""The silicon retina against answers known beforehand: times, rates and spreads, in figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.eye import still
from models.retina import PRESETS, Retina, changed, preset
from models.simulator import Simulator, simulate
from models.trajectory import Gaze, Times
from pipeline.errors import SettingError
from pipeline.events import Events

NOWHERE = np.zeros((2, 2))
SLOPE = 0.01
"""Change of ln I from column to column of a ramp."""


@dataclass(frozen=True)
class Even:
    """A gaze that moves along x at ``speed`` pixels a second."""

    speed: float
    duration_us: int

    def at(self, t_us: Times) -> Gaze:
        x = self.speed * np.asarray(t_us, np.float64) / 1e6
        return np.stack([x, np.zeros_like(x)], 1)


def ramp(rate: float, duration_us: int, step_us: int = 1000, **values: Any) -> Events:
    """Return what pixels make of ln I that changes by ``rate`` a second, at most 6 in all."""
    retina = Retina(**{"width": 2, "height": 1, "aperture": 0.0, "dark": 1e-3, **values}, fit=1.0)
    path = Even(rate / SLOPE, duration_us)
    n = round(abs(path.speed) * duration_us / 1e6) + retina.width + 20
    assert SLOPE * n < 6.9, "darker than the dark"
    image = np.exp(SLOPE * (np.arange(n) - n)).astype(np.float32)
    return simulate(np.tile(image, (3, 1)), path, retina, step_us=step_us)


def pixels(events: Events, width: int, height: int) -> list[Events]:
    number = events["y"].astype(int) * width + events["x"]
    return [events[number == i] for i in range(width * height)]


def counts(events: Events, width: int, height: int) -> NDArray[np.int64]:
    number = events["y"].astype(np.int64) * width + events["x"]
    return np.bincount(number, minlength=width * height)


@given(
    threshold=st.floats(0.05, 0.8),
    speed=st.floats(5, 2000),
    on=st.booleans(),
)
@settings(max_examples=40)
def test_events_come_when_the_threshold_is_crossed(
    threshold: float, speed: float, on: bool
) -> None:
    duration = min(100_000, int(5.5 / speed * 1000) * 1000)
    assume(duration >= 3000)
    own = {"threshold_on": threshold, "threshold_off": 10.0}
    if not on:
        own = {"threshold_on": 10.0, "threshold_off": threshold}
    events = ramp(speed if on else -speed, duration, **own)
    # Of the first step the pixels have seen the end for ever.
    expected = 1000 + threshold / speed * 1e6 * np.arange(1, 1 + int(6 / threshold))
    # An image is straight between its pixels: ln I is off by SLOPE²/8 there.
    near = 2 + 4e-5 / speed * 1e6
    for one in pixels(events, 2, 1):
        assert (one["p"] == on).all()
        sure = expected[expected < duration - near]
        assert len(sure) <= len(one) <= (expected < duration + near).sum()
        # Times are cut to whole µs.
        np.testing.assert_allclose(one["t"][: len(sure)] + 0.5, sure, atol=near, rtol=0)


def test_a_steep_change_gives_many_events_a_step() -> None:
    events = ramp(1500.0, 4000, threshold_on=0.05)
    for one in pixels(events, 2, 1):
        assert len(one) >= 89
        np.testing.assert_allclose(np.diff(one["t"]), 1e6 * 0.05 / 1500, atol=1.1)
        # Thirty of them in each of the steps after the first.
        assert np.abs(np.bincount(one["t"] // 1000, minlength=4) - [0, 30, 30, 30]).max() <= 1


@pytest.mark.parametrize(("rest_us", "rate"), [(7300.0, 20.0), (300.0, 1000.0), (2100.0, -50.0)])
def test_after_its_rest_a_pixel_starts_from_what_it_sees(rest_us: float, rate: float) -> None:
    duration = int(5.5 / abs(rate) * 1000) * 1000
    events = ramp(rate, duration, refractory_us=rest_us)
    for one in pixels(events, 2, 1):
        assert len(one) >= 4
        gaps = np.diff(one["t"])
        np.testing.assert_allclose(gaps, rest_us + 0.2 / abs(rate) * 1e6, atol=3)


def test_a_rest_that_ends_with_a_step_does_so_too() -> None:
    # With dark = 1 the response is the intensity, in figures that binary has.
    def after(rest_us: float) -> list[int]:
        retina = Retina(
            width=1, height=1, dark=1.0, threshold_on=0.5, threshold_off=0.5, refractory_us=rest_us
        )
        simulator = Simulator(np.full((1, 1), 0.25, np.float32), NOWHERE, retina)
        here = np.zeros((1, 2))
        simulator.advance(here)
        simulator.show(np.full((1, 1), 0.75, np.float32), NOWHERE)
        (event,) = simulator.advance(here).tolist()
        assert event[0] == 1999
        # Seen and gone while the pixel rests.
        simulator.show(np.full((1, 1), 0.25, np.float32), NOWHERE)
        return [int(t) for t in simulator.advance(np.zeros((4, 2)))["t"]]

    assert after(1001.0) == []
    assert after(1000.0) == []


def test_rests_spread_as_they_are_told() -> None:
    """A pixel that is always over its threshold fires as often as its rest lets it."""
    events = ramp(
        100.0, 50_000, width=24, height=20, threshold_on=0.001,
        refractory_us=1500.0, refractory_mismatch=0.2,
    )  # fmt: skip
    rests = np.array([np.diff(one["t"]).mean() - 10 for one in pixels(events, 24, 20)])
    assert rests.mean() == pytest.approx(1500, rel=0.04)
    assert rests.std() / rests.mean() == pytest.approx(0.2, abs=0.03)


def test_a_photoreceptor_lags_by_its_time_constant() -> None:
    rate, cutoff_hz = 60.0, 30.0
    tau = 1e6 / (2 * np.pi * cutoff_hz)
    events = ramp(rate, 90_000, step_us=100, cutoff_hz=cutoff_hz, cutoff_dark=1.0)
    t = np.arange(0, 90_000.0)
    # dv/dt = (u - v) / τ under a ramp.
    v = rate / 1e6 * (t - tau * (1 - np.exp(-t / tau)))
    for one in pixels(events, 2, 1):
        expected = 100 + np.interp(0.2 * np.arange(1, len(one) + 1), v, t)
        assert len(one) >= 20
        # Half a step is what a whole one cannot tell.
        np.testing.assert_allclose(one["t"], expected, atol=150)
    without = ramp(rate, 90_000, step_us=100)
    late = pixels(events, 2, 1)[0]["t"][15] - pixels(without, 2, 1)[0]["t"][15]
    assert late == pytest.approx(tau, rel=0.05)


@pytest.mark.parametrize("on", [True, False])
def test_thresholds_spread_as_they_are_told(on: bool) -> None:
    width, height = 24, 20
    events = ramp(
        50.0 if on else -50.0, 100_000, width=width, height=height, mismatch=0.2,
        threshold_on=0.02, threshold_off=0.03,
    )  # fmt: skip
    found = np.array([np.diff(one["t"]).mean() * 50 / 1e6 for one in pixels(events, width, height)])
    assert found.mean() == pytest.approx(0.02 if on else 0.03, rel=0.03)
    assert found.std() / found.mean() == pytest.approx(0.2, abs=0.03)
    assert abs(np.corrcoef(found[:-1], found[1:])[0, 1]) < 0.2


@pytest.mark.parametrize("start", [0.0, 0.5, 1.0])
def test_memories_begin_anywhere_between_the_thresholds(start: float) -> None:
    events = ramp(20.0, 50_000, width=24, height=20, start=start)
    first = np.array([int(one["t"][0]) - 1000 for one in pixels(events, 24, 20)])
    # ON comes after (1 + what was drawn in ±start) thresholds of 10 ms.
    drawn = np.sort((first / 10_000 - 1) / (start or 1))
    if start:
        np.testing.assert_allclose(drawn, np.linspace(-1, 1, 480), atol=0.16)
    else:
        np.testing.assert_allclose(drawn, 0, atol=1e-3)


def test_leakage_is_a_clock_and_shot_noise_is_none() -> None:
    width, height = 40, 30
    image, seconds = np.full((2, 2), 0.5, np.float32), 4
    path = still(seconds * 1_000_000)
    leak = simulate(image, path, Retina(width=width, height=height, leak_hz=5.0))
    for one in pixels(leak, width, height)[:50]:
        assert len(one) in (seconds * 5 - 1, seconds * 5)
        assert (one["p"] == 1).all()
        np.testing.assert_allclose(np.diff(one["t"]), 200_000, atol=1001)
    shot = simulate(image, path, Retina(width=width, height=height, shot_hz=8.0, shot_bright=0.25))
    found = counts(shot, width, height)
    # Halfway between black's 8 and white's 2.
    assert abs(len(shot) - 5 * seconds * 1200) < 4 * np.sqrt(5 * seconds * 1200)
    assert found.var() / found.mean() == pytest.approx(1, abs=0.2)


def test_the_dark_is_noisier_than_the_bright_beside_it() -> None:
    image = np.zeros((20, 40), np.float32)
    image[:, 20:] = 1
    retina = Retina(width=40, height=20, aperture=0.0, fit=1.0, shot_hz=20.0, shot_bright=0.1)
    events = simulate(image, still(4_000_000), retina)
    dark, bright = (events["x"] < 19).sum(), (events["x"] >= 21).sum()
    for found, expected in ((dark, 20 * 4 * 20 * 19), (bright, 2 * 4 * 20 * 19)):
        assert abs(int(found) - expected) < 4 * np.sqrt(expected)


def test_hot_pixels_are_a_share_and_belong_to_the_sensor() -> None:
    retina = Retina(width=60, height=40, hot_share=0.1, hot_hz=50.0)

    def hot(seed: int, noise_seed: int) -> NDArray[np.bool_]:
        grey = np.full((2, 2), 0.5, np.float32)
        events = simulate(grey, still(4_000_000), retina, seed, noise_seed=noise_seed)
        return counts(events, 60, 40) > 0

    first = hot(1, 1)
    # Of rates that are drawn as exponentials one in 200 stays below an event in 4 s.
    assert abs(int(first.sum()) - 0.1 * 2400) < 4 * np.sqrt(0.09 * 2400)
    assert (first != hot(1, 2)).sum() <= 10
    assert (first != hot(2, 1)).sum() > 200


@given(rate=st.floats(3_000, 3_000_000), seed=st.integers(0, 20))
@settings(max_examples=25)
def test_the_arbiter_accounts_for_every_event(rate: float, seed: int) -> None:
    draw = np.random.default_rng(seed)
    image = draw.random((20, 30)).astype(np.float32)
    gaze = np.cumsum(draw.normal(0, 0.3, (60, 2)), 0)
    reach = np.stack([gaze.min(0), gaze.max(0)])
    free = Simulator(image, reach, Retina(width=13, height=9))
    tight = Simulator(image, reach, Retina(width=13, height=9, max_rate=rate))
    everything, some = free.advance(gaze), tight.advance(gaze)
    assert free.lost == 0
    # Nothing moves any more, so that only what waits comes: at most one event a pixel.
    wait = int(9 * 13 / rate * 1e3) + 2
    rest = tight.advance(np.repeat(gaze[-1:], wait, 0))
    assert len(some) + len(rest) + tight.lost == len(everything)
    t = np.concatenate([some["t"], rest["t"]])
    assert (np.diff(t) >= int(1e6 / rate)).all()
    # From any event on there are no more than the rate allows.
    for k in (1, 10, 100):
        assert (t[k:] - t[:-k] >= k * 1e6 / rate - 1).all()
    out = counts(some, 13, 9) + counts(rest, 13, 9)
    assert (out <= counts(everything, 13, 9)).all()
    assert (out > 0).tolist() == (counts(everything, 13, 9) > 0).tolist()


def test_a_wide_arbiter_changes_nothing() -> None:
    image = np.random.default_rng(0).random((20, 30)).astype(np.float32)
    path = Even(40.0, 60_000)
    free = simulate(image, path, Retina(width=13, height=9))
    wide = simulate(image, path, Retina(width=13, height=9, max_rate=1e12))
    assert len(free) > 200
    assert free.tolist() == wide.tolist()


def test_small_calls_at_any_hour_give_the_same_events() -> None:
    retina = changed(PRESETS["davis346"], width=13, height=9, max_rate=0.0, shot_hz=30.0)
    image = np.random.default_rng(0).random((20, 30)).astype(np.float32)
    gaze = np.cumsum(np.random.default_rng(1).normal(0, 0.3, (400, 2)), 0)
    reach = np.stack([gaze.min(0), gaze.max(0)])

    def made(begin_us: int, n: int) -> NDArray[np.int64]:
        simulator = Simulator(image, reach, retina)
        simulator.now_us = begin_us
        parts = [simulator.advance(gaze[i : i + n]) for i in range(0, 400, n)]
        assert simulator.now_us == begin_us + 400_000
        for i, part in enumerate(parts):
            assert part["t"].dtype == np.int64
            inside = part["t"] - begin_us - i * n * 1000
            assert ((inside >= 0) & (inside < n * 1000)).all()
        rows = [(e[0] - begin_us, *e[1:]) for part in parts for e in part.tolist()]
        return np.array(rows)

    first = made(0, 400)
    assert len(first) > 500
    np.testing.assert_array_equal(first, made(2**31 - 100_500, 1))
    np.testing.assert_array_equal(first, made(2**40 + 7, 13))


def test_no_step_is_no_event() -> None:
    simulator = Simulator(np.ones((2, 2), np.float32), NOWHERE, Retina(width=3, height=2))
    assert len(simulator.advance(np.zeros((0, 2)))) == 0
    assert simulator.now_us == 0


def test_beyond_its_reach_a_gaze_sees_the_edge() -> None:
    image = np.random.default_rng(0).random((20, 40)).astype(np.float32)
    reach = np.array([[0.0, 0.0], [5.0, 0.0]])
    simulator = Simulator(image, reach, Retina(width=10, height=10, fit=1.0))
    way = np.stack([np.linspace(0, 5, 20), np.zeros(20)], 1)
    assert len(simulator.advance(way)) > 50
    assert len(simulator.advance(np.array([[5.0, 0.0], [7.0, -3.0], [1e9, 1e9], [6.0, 0.0]]))) == 0
    assert len(simulator.advance(np.array([[0.0, 0.0]]))) > 50


@given(
    shape=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    sensor=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    name=st.sampled_from(sorted(PRESETS)),
    seed=st.integers(0, 1000),
)
@settings(max_examples=30)
def test_any_image_on_any_sensor_under_every_preset(
    shape: tuple[int, int], sensor: tuple[int, int], name: str, seed: int
) -> None:
    image = np.random.default_rng(seed).random(shape).astype(np.float32)
    width, height = sensor
    retina = changed(PRESETS[name], width=width, height=height)
    events = simulate(image, Even(60.0, 20_000), retina, seed)
    again = simulate(image, Even(60.0, 20_000), retina, seed, threads=2)
    assert events.tolist() == again.tolist()
    assert events["x"].max(initial=0) < width
    assert events["y"].max(initial=0) < height
    assert (np.diff(events["t"]) >= 0).all()
    assert (events["t"] < 20_000).all()
    if shape == (1, 1) and name == "ideal":
        assert len(events) == 0


def test_no_event_comes_after_the_end() -> None:
    image = np.random.default_rng(0).random((20, 40)).astype(np.float32)
    events = simulate(image, Even(60.0, 20_000), Retina(width=10, height=10), duration_us=10_300)
    whole = simulate(image, Even(60.0, 20_000), Retina(width=10, height=10), duration_us=11_000)
    assert len(whole) > len(events) > 20
    assert events["t"].max() < 10_300
    assert events.tolist() == whole[whole["t"] < 10_300].tolist()


def test_what_ships_and_what_does_not() -> None:
    assert set(PRESETS) == {"ideal", "atis", "davis346", "dvxplorer"}
    with pytest.raises(SettingError) as caught:
        preset("ats")
    assert str(caught.value) == (
        "retina: no retina 'ats'; did you mean 'atis'? "
        "(there are: ideal, atis, davis346, dvxplorer)"
    )
    with pytest.raises(SettingError) as caught:
        preset("zzz", "x")
    assert str(caught.value).startswith("x: no retina 'zzz' (there are: ")
