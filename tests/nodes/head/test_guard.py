"""No path, however wild, gets a command past the limits; a good path passes unchanged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from nodes.head import Guard, Limits, refuse
from pipeline.errors import SettingError, UsageError
from pipeline.settings import settings_from

TICK = 2000
DT = TICK / 1e6
LIMITS = Limits()


@st.composite
def limits(draw: st.DrawFn) -> Limits:
    return Limits(
        pan_min_deg=draw(st.floats(-90, 0)),
        pan_max_deg=draw(st.floats(0, 90)),
        tilt_min_deg=draw(st.floats(-90, 0)),
        tilt_max_deg=draw(st.floats(0, 90)),
        speed_deg_s=draw(st.floats(0.1, 2000)),
        acceleration_deg_s2=draw(st.floats(1, 200_000)),
    )


angles = st.floats(-200, 200) | st.sampled_from([float("nan"), float("inf"), -1e300])
wild = st.lists(st.tuples(angles, angles), min_size=1, max_size=120)


def kept(limits: Limits, sent: NDArray[np.float64], tick_us: int) -> None:
    dt = tick_us / 1e6
    for axis, (least, most) in enumerate(limits.spans):
        assert (sent[:, axis] >= least).all()
        assert (sent[:, axis] <= most).all()
    velocity = np.diff(sent, axis=0, prepend=sent[:1]) / dt
    # Rounding of a difference of angles, seen as a velocity and as an acceleration.
    tiny = 1e-13 * 200 / dt
    assert np.abs(velocity).max() <= limits.speed_deg_s * (1 + 1e-9) + tiny
    acceleration = np.diff(velocity, axis=0, prepend=np.zeros((1, 2))) / dt
    assert np.abs(acceleration).max() <= limits.acceleration_deg_s2 * (1 + 1e-9) + tiny / dt


@given(limits(), wild, st.tuples(st.floats(-90, 90), st.floats(-90, 90)),
       st.sampled_from([500, 2000, 20_000]), st.integers(0, 119))  # fmt: skip
def test_no_path_exceeds_a_limit(
    bounds: Limits, path: list[tuple[float, float]], start: tuple[float, float], tick: int, at: int
) -> None:
    guard = Guard(bounds, tick, start)
    sent = [guard.angles]
    for k, wanted in enumerate(path):
        sent.append(guard.brake() if k == at else guard.step(*wanted))
    for _ in range(10_000):
        if guard.at_rest:
            break
        sent.append(guard.brake())
    kept(bounds, np.array([sent[0], *sent]), tick)


@given(st.floats(-25, 25), st.floats(-25, 25), st.floats(50, 2000), st.floats(100, 100_000))
def test_the_guard_comes_to_a_standing_point_and_stays(
    pan: float, tilt: float, speed: float, acceleration: float
) -> None:
    guard = Guard(Limits(speed_deg_s=speed, acceleration_deg_s2=acceleration), TICK, (3.0, -2.0))
    sent = np.array([guard.step(pan, tilt) for _ in range(3000)])
    assert sent[-1] == pytest.approx((pan, tilt), abs=1e-9)
    # Straight there: no swing past the point.
    for axis, (begin, end) in enumerate([(3.0, pan), (-2.0, tilt)]):
        least, most = min(begin, end) - 1e-9, max(begin, end) + 1e-9
        assert (sent[:, axis] >= least).all()
        assert (sent[:, axis] <= most).all()


def swing(t: NDArray[np.int64]) -> NDArray[np.float64]:
    phase = 2 * np.pi * 2.0 * t / 1e6
    return np.stack([8 * np.sin(phase), 3 * (1 - np.cos(phase))], axis=1)


def test_a_path_within_the_limits_passes_unchanged() -> None:
    refuse(swing, 3_000_000, TICK, LIMITS)
    t = np.arange(0, 3_000_001, TICK)
    guard = Guard(LIMITS, TICK, (0.0, 0.0))
    sent = np.array([guard.step(*wanted) for wanted in swing(t)])
    # It begins with a speed; from rest it takes some ticks to be on it.
    np.testing.assert_allclose(sent[20:], swing(t)[20:], atol=1e-9)
    assert np.abs(sent - swing(t)).max() < 0.5


def test_a_path_up_to_the_edge_of_every_limit_passes_unchanged() -> None:
    limits = Limits(pan_max_deg=10.0, speed_deg_s=100.0, acceleration_deg_s2=5000.0)
    speeds = np.concatenate([np.arange(0, 101, 10.0), np.full(30, 100.0), np.arange(100, -1, -10)])
    pan = np.cumsum(speeds) * DT
    pan += 10.0 - pan[-1]

    def path(t: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.stack([pan[t // TICK], np.zeros(t.size)], axis=1)

    duration = (pan.size - 1) * TICK
    refuse(path, duration, TICK, limits)
    guard = Guard(limits, TICK, (pan[0], 0.0))
    for k, wanted in enumerate(pan):
        assert guard.step(wanted, 0.0) == pytest.approx((wanted, 0.0), abs=1e-9), k


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (lambda t: np.stack([t / 1e4, t * 0.0], 1),
         r"at 452 ms it wants pan 45\.2°; the head may go from -45 to 45°"),
        (lambda t: np.stack([t * 0.0, -t / 1e4], 1),
         r"at 302 ms it wants tilt -30\.2°; the head may go from -30 to 30°"),
        (lambda t: np.stack([t * 0.0, np.minimum(t / 2e3, 20)], 1),
         r"at 2 ms it wants tilt to move at 500 °/s; the head's limit is 200 °/s"),
        (lambda t: np.stack([(t > 500_000) * 0.1, t * 0.0], 1),
         r"at 502 ms it wants pan to move at 25000 °/s²; the head's limit is 10000 °/s²"),
        (lambda t: np.stack([t / np.where(t == 8000, 0.0, 1e6), t * 0.0], 1),
         r"at 8 ms it wants \(inf, 0\), no finite angle"),
        (lambda t: t / 1e6, r"gives shape \(301,\) for 301 times; \(301, 2\) would be right"),
    ],
)  # fmt: skip
def test_a_path_that_goes_too_far_is_refused(path: object, message: str) -> None:
    with np.errstate(divide="ignore"), pytest.raises(UsageError, match=message):
        refuse(path, 600_000, TICK, LIMITS)  # type: ignore[arg-type]


def test_a_step_between_two_blocks_of_samples_is_found() -> None:
    for step in (8190, 8191, 8192, 8193):
        with pytest.raises(UsageError, match=rf"at {step * 2} ms it wants pan to move at 25000"):
            refuse(lambda t, s=step: np.stack([(t >= s * TICK) * 0.1, t * 0.0], 1),  # type: ignore[misc]
                   20_000_000, TICK, LIMITS)  # fmt: skip


def test_limits_that_make_no_sense_name_the_setting() -> None:
    with pytest.raises(SettingError, match="pan_min_deg = 5 is not"):
        settings_from(Limits, {"pan_min_deg": 5}, "head")
    with pytest.raises(SettingError, match="speed_deg_s = 0 is not"):
        settings_from(Limits, {"speed_deg_s": 0}, "head")
