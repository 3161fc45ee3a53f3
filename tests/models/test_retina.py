"""The model of the silicon retina against what it says of itself."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import retina_kernels as kernels
from models.calibration import nmnist
from models.eye import still
from models.retina import PRESETS, Retina, changed, preset
from models.simulator import Simulator, simulate
from models.trajectory import Gaze, Knots, Times
from pipeline.errors import SettingError
from pipeline.events import Events

NOWHERE = np.zeros((2, 2))
NOISY = Retina(
    width=13, height=9, threshold_on=0.1, threshold_off=0.12, mismatch=0.2, start=1.0,
    cutoff_hz=150.0, refractory_us=1500.0, refractory_mismatch=0.2, leak_hz=3.0, shot_hz=20.0,
    hot_share=0.1, hot_hz=50.0,
)  # fmt: skip


def picture(rows: int = 20, columns: int = 30, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((rows, columns)).astype(np.float32)


def walk(n: int, seed: int = 0) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).normal(0, 0.3, (n, 2)), 0)


def joined(parts: list[Events]) -> list[tuple[int, ...]]:
    return [tuple(event) for part in parts for event in part.tolist()]


@dataclass(frozen=True)
class Even:
    """A gaze that moves at an even speed along x, in pixels a second."""

    speed: float
    duration_us: int

    def at(self, t_us: Times) -> Gaze:
        x = self.speed * np.asarray(t_us, np.float64) / 1e6
        return np.stack([x, np.zeros_like(x)], 1)


def ramp(rate: float, seconds: float, retina: Retina) -> Events:
    """Return what pixels make of ln I that changes by ``rate`` a second, evenly."""
    slope = 0.002
    x = np.arange(800) - 400
    # A longer image would be brighter than white.
    image = np.tile(0.4 * np.exp(slope * x), (4, 1)).astype(np.float32)
    path = Even(rate / slope, round(seconds * 1e6))
    return simulate(image, path, changed(retina, fit=1.0))


@settings(max_examples=15)
@given(
    cuts=st.lists(st.integers(1, 199), max_size=6, unique=True),
    threads=st.integers(1, 4),
    seed=st.integers(0, 100),
)
def test_neither_threads_nor_calls_change_an_event(
    cuts: list[int], threads: int, seed: int
) -> None:
    gaze = walk(200, seed)
    reach = np.stack([gaze.min(0), gaze.max(0)])
    retina = changed(NOISY, max_rate=40_000.0)
    whole = Simulator(picture(), reach, retina, seed, noise_seed=seed)
    parts = Simulator(picture(), reach, retina, seed, noise_seed=seed, threads=threads)
    bounds = [0, *sorted(cuts), 200]
    found = joined([parts.advance(gaze[a:b]) for a, b in itertools.pairwise(bounds)])
    expected = joined([whole.advance(gaze)])
    assert len(expected) > 200
    assert found == expected
    assert parts.lost == whole.lost


def test_seeds_are_of_the_sensor_and_of_its_noise() -> None:
    def made(seed: int, noise_seed: int) -> list[tuple[int, ...]]:
        return joined(
            [simulate(picture(), nmnist(), NOISY, seed, noise_seed=noise_seed, duration_us=50_000)]
        )

    assert made(1, 1) == made(1, 1)
    assert made(1, 1) != made(2, 1)
    assert made(1, 1) != made(1, 2)
    quiet = changed(NOISY, start=0.0, shot_hz=0.0, leak_hz=0.0, hot_share=0.0)
    same = [
        joined([simulate(picture(), nmnist(), quiet, 1, noise_seed=n, duration_us=50_000)])
        for n in (1, 2)
    ]
    assert same[0] == same[1]


@given(seed=st.integers(0, 50), noisy=st.booleans())
@settings(max_examples=10)
def test_times_rise_within_the_duration_and_pixels_are_on_the_sensor(
    seed: int, noisy: bool
) -> None:
    retina = NOISY if noisy else Retina(width=13, height=9)
    events = simulate(picture(), nmnist(), retina, seed, duration_us=100_000)
    assert len(events) > 10
    assert (np.diff(events["t"]) >= 0).all()
    assert events["t"].min() >= 0
    assert events["t"].max() < 100_000
    assert events["x"].max() < 13
    assert events["y"].max() < 9
    assert set(np.unique(events["p"])) == {0, 1}


@pytest.mark.parametrize("rate", [1.7, 23.0, 340.0, -5.0, -130.0])
def test_an_even_change_gives_events_evenly(rate: float) -> None:
    retina = Retina(width=3, height=2, threshold_on=0.2, threshold_off=0.15, aperture=0.0)
    # So long that ln I goes by 0.95, and an edge of the image comes nowhere near.
    seconds = np.ceil(950 / abs(rate)) / 1000
    events = ramp(rate, seconds, retina)
    threshold = 0.2 if rate > 0 else 0.15
    for x in range(3):
        own = events[(events["x"] == x) & (events["y"] == 0)]
        assert set(own["p"].tolist()) == {int(rate > 0)}
        # The eye has long seen where it is after its first step.
        expected = 1000 + threshold / abs(rate) * 1e6 * np.arange(1, 99)
        expected = expected[expected < seconds * 1e6 - 1]
        assert abs(len(own) - len(expected)) <= 1
        n = min(len(own), len(expected))
        assert n >= 3
        np.testing.assert_allclose(own["t"][:n], expected[:n], atol=2 + 0.003 * expected[n - 1])


def test_a_still_eye_sees_nothing() -> None:
    events = simulate(picture(), still(200_000), Retina(width=20, height=20))
    assert len(events) == 0


def test_the_linear_dark_has_less_contrast() -> None:
    step = np.zeros((8, 40), np.float32)
    step[:, 20:] = 0.004
    path = Knots(np.array([0, 100_000]), np.array([[0.0, 0.0], [10.0, 0.0]]))
    kwargs = {"width": 8, "height": 8, "threshold_on": 0.1, "threshold_off": 0.1, "fit": 1.0}
    light = simulate(step, path, Retina(dark=0.0005, **kwargs))
    dark = simulate(step, path, Retina(dark=0.01, **kwargs))
    # 1 + ln(8) against 0.4.
    assert len(dark) > 0
    assert len(light) > 5 * len(dark)


def test_a_slow_photoreceptor_comes_late_and_dark_ones_later() -> None:
    def first(cutoff_hz: float, gray: float) -> float:
        image = np.full((8, 60), gray, np.float32)
        image[:, 30:] = 2 * gray
        retina = Retina(width=8, height=8, cutoff_hz=cutoff_hz, cutoff_dark=0.0, fit=1.0)
        path = Knots(np.array([0, 2000, 100_000]), np.array([[0.0, 0], [9.0, 0], [9.0, 0]]))
        return float(np.median(simulate(image, path, retina)["t"]))

    assert first(0.0, 0.4) < first(100.0, 0.4) < first(20.0, 0.4)
    assert first(20.0, 0.4) < first(20.0, 0.1)


@given(seed=st.integers(0, 30))
@settings(max_examples=8)
def test_a_pixel_rests_after_an_event(seed: int) -> None:
    retina = changed(NOISY, refractory_us=7000.0, refractory_mismatch=0.0)
    events = simulate(picture(), nmnist(), retina, seed, duration_us=300_000)
    pixel = events["y"].astype(int) * 13 + events["x"]
    order = np.lexsort((events["t"], pixel))
    gaps = np.diff(events["t"][order])[np.diff(pixel[order]) == 0]
    assert len(gaps) > 100
    # Times are cut to whole µs.
    assert gaps.min() >= 6999


@pytest.mark.parametrize(
    ("values", "gray", "rate", "on"),
    [
        ({"leak_hz": 5.0}, 0.5, 5.0, 1.0),
        ({"shot_hz": 8.0}, 0.0, 8.0, 0.5),
        ({"shot_hz": 8.0, "shot_bright": 0.25}, 1.0, 2.0, 0.5),
        ({"hot_share": 1.0, "hot_hz": 6.0}, 0.5, 6.0, 0.5),
    ],
)
def test_noise_comes_as_often_as_is_asked(
    values: dict[str, float], gray: float, rate: float, on: float
) -> None:
    retina = Retina(width=60, height=40, start=1.0, **values)
    seconds = 4
    image = np.full((4, 4), gray, np.float32)
    events = simulate(image, still(seconds * 1_000_000), retina)
    expected = rate * seconds * 60 * 40
    # Hot pixels differ in rate as exponentials do, so that their sum spreads.
    spread = np.sqrt(expected) if "hot_hz" not in values else expected / np.sqrt(2400)
    assert abs(len(events) - expected) < 4 * spread + 0.01 * expected
    assert abs(events["p"].mean() - on) < 4 * 0.5 / np.sqrt(len(events))
    # From the beginning on as later.
    halves = np.bincount(events["t"] // (seconds * 500_000), minlength=2)
    assert abs(int(halves[0]) - int(halves[1])) < 4 * spread + 0.01 * expected


def test_mismatch_spreads_the_thresholds() -> None:
    image = np.tile(np.linspace(0.2, 1, 200, dtype=np.float32), (60, 1))
    path = Knots(np.array([0, 200_000]), np.array([[0.0, 0.0], [100.0, 0.0]]))

    def spread(mismatch: float) -> float:
        retina = Retina(
            width=40, height=40, mismatch=mismatch, fit=1.0, threshold_on=0.02, threshold_off=0.02
        )
        events = simulate(image, path, retina)
        column = np.bincount(events["y"][events["x"] == 20], minlength=40)
        return float(column.std() / column.mean())

    assert spread(0.0) == 0
    assert 0.1 < spread(0.2) < 0.4


def test_the_arbiter_lets_so_many_out_and_counts_the_rest() -> None:
    gaze = walk(100)
    reach = np.stack([gaze.min(0), gaze.max(0)])
    free = Simulator(picture(), reach, changed(NOISY, refractory_us=0.0))
    slow = Simulator(picture(), reach, changed(NOISY, refractory_us=0.0, max_rate=10_000.0))
    everything, some = free.advance(gaze), slow.advance(gaze)
    assert free.lost == 0
    assert slow.lost > 0
    assert len(some) <= 10_000 * 0.1 + 1
    assert len(some) > 0.9 * min(len(everything), 1000)
    assert (np.diff(some["t"]) >= 99).all()
    rest = slow.advance(np.repeat(gaze[-1:], 3000, 0))
    assert len(some) + len(rest) + slow.lost >= len(everything)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (300, 2), (28, 28)])
def test_any_image_on_any_sensor(shape: tuple[int, int]) -> None:
    for name in PRESETS:
        retina = changed(PRESETS[name], width=5, height=3)
        events = simulate(picture(*shape), nmnist(), retina, duration_us=20_000)
        assert events["x"].max(initial=0) < 5


def test_one_grey_gives_no_event_of_its_own() -> None:
    quiet = Retina(width=9, height=9, mismatch=0.2, start=1.0)
    assert len(simulate(np.full((5, 5), 0.3, np.float32), nmnist(), quiet)) == 0


def test_event_time_goes_beyond_32_bits() -> None:
    retina = Retina(width=9, height=9, leak_hz=100.0)
    simulator = Simulator(np.ones((2, 2), np.float32), NOWHERE, retina)
    simulator.now_us = 2**32 - 50_000
    events = simulator.advance(np.zeros((100, 2)))
    assert simulator.now_us == 2**32 + 50_000
    assert events["t"].min() < 2**32 < events["t"].max() < 2**32 + 50_000


def test_a_new_image_is_a_sudden_change() -> None:
    retina = Retina(width=4, height=4)
    simulator = Simulator(np.full((4, 4), 0.2, np.float32), NOWHERE, retina)
    assert len(simulator.advance(np.zeros((5, 2)))) == 0
    simulator.show(np.full((4, 4), 0.9, np.float32), NOWHERE)
    events = simulator.advance(np.zeros((5, 2)))
    assert len(events) == 16 * int(np.log(0.9 / 0.2) / 0.2)
    assert set(events["p"].tolist()) == {1}
    assert events["t"].max() < 6000


def test_the_response_is_logarithmic() -> None:
    light = np.concatenate([np.linspace(0, 1, 50), np.geomspace(1, 1e6, 500)]).astype(np.float32)
    out = np.empty_like(light)
    kernels._respond(light, np.float32(1), out)
    expected = np.where(light > 1, 1 + np.log(np.maximum(light.astype(float), 1)), light)
    np.testing.assert_allclose(out, expected, rtol=3e-7)


def test_presets_keep_their_own_limits() -> None:
    for name, retina in PRESETS.items():
        assert preset(name) is retina
        again = msgspec.convert(msgspec.structs.asdict(retina), Retina)
        assert again == retina


def test_an_unknown_preset_is_named() -> None:
    with pytest.raises(SettingError, match=r"^here: no retina 'davis364'; did you mean 'davis346'"):
        preset("davis364", "here")
