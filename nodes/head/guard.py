"""Limits that cannot be exceeded: a path is refused before it runs, and each tick is clamped.

Time runs in ticks of ``dt``. With positions p and velocities v[k] = (p[k] - p[k-1]) / dt an axis
keeps |v| <= V and |v[k] - v[k-1]| <= A dt, and can always come to rest before its end stop: from
v it still covers D(v) = dt * sum_{j>=1} max(v - j A dt, 0), so the distance r left allows the
largest s with s dt + D(s) <= r. A path that keeps the limits is followed exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from nodes.head.head import AXES, Limits
from pipeline.errors import UsageError

Wanted = Callable[[NDArray[np.int64]], NDArray[np.float64]]
"""Times [n] int64 in µs to wanted angles [n, 2] float64 in degrees (pan, tilt)."""

_CHUNK = 8192
_SLACK = 1e-6
_STILL_DEG_S = 1e-6


def samples(path: Wanted, duration_us: int, tick_us: int, chunk: int) -> Iterator[
    tuple[NDArray[np.int64], NDArray[np.float64]]
]:  # fmt: skip
    """Yield (times, wanted angles) of the ticks from 0 to ``duration_us``, ``chunk`` at a time.

    Raises UsageError where the path gives the wrong shape or an angle that is no number.
    """
    n = duration_us // tick_us + 1
    for first in range(0, n, chunk):
        t = np.arange(first, min(n, first + chunk), dtype=np.int64) * tick_us
        wanted = np.asarray(path(t), np.float64)
        if wanted.shape != (t.size, 2):
            raise UsageError(
                f"trajectory: gives shape {wanted.shape} for {t.size} times; "
                f"{(t.size, 2)} would be right"
            )
        bad = np.flatnonzero(~np.isfinite(wanted).all(axis=1))
        if bad.size:
            k = int(bad[0])
            raise UsageError(
                f"trajectory: at {t[k] / 1000:g} ms it wants {_pair(wanted[k])}, no finite angle"
            )
        yield t, wanted


def refuse(path: Wanted, duration_us: int, tick_us: int, limits: Limits) -> None:
    """Raise UsageError, one line with time, wanted value and limit, where a path goes too far.

    Speed and acceleration are differences of the path at the ticks. The run-up from rest at the
    path's first point is not counted: there the guard holds the head back.
    """
    dt = tick_us / 1e6
    before = np.empty((0, 2))
    for t, wanted in samples(path, duration_us, tick_us, _CHUNK):
        _refuse_angles(t, wanted, limits)
        joined = np.concatenate([before, wanted])
        velocity = np.diff(joined, axis=0) / dt
        times = t[0] + (np.arange(joined.shape[0]) - before.shape[0]) * tick_us
        _refuse_rate(times[1:], velocity, limits.speed_deg_s, "°/s")
        _refuse_rate(times[2:], np.diff(velocity, axis=0) / dt, limits.acceleration_deg_s2, "°/s²")
        before = joined[-2:]


def _refuse_angles(t: NDArray[np.int64], wanted: NDArray[np.float64], limits: Limits) -> None:
    for axis, (least, most) in enumerate(limits.spans):
        off = np.flatnonzero((wanted[:, axis] < least) | (wanted[:, axis] > most))
        if off.size:
            k = int(off[0])
            raise UsageError(
                f"trajectory: at {t[k] / 1000:g} ms it wants {AXES[axis]} {wanted[k, axis]:.4g}°; "
                f"the head may go from {least:g} to {most:g}°"
            )


def _refuse_rate(t: NDArray[np.int64], rate: NDArray[np.float64], most: float, unit: str) -> None:
    off = np.argwhere(np.abs(rate) > most * (1 + _SLACK) + _SLACK)
    if off.size:
        k, axis = (int(i) for i in off[0])
        raise UsageError(
            f"trajectory: at {t[k] / 1000:g} ms it wants {AXES[axis]} to move at "
            f"{abs(rate[k, axis]):.6g} {unit}; the head's limit is {most:g} {unit}"
        )


def _pair(angles: NDArray[np.float64]) -> str:
    return f"({angles[0]:g}, {angles[1]:g})"


class Guard:
    """Turns wanted angles into angles that the head may be sent, one call a tick.

    ``start`` is where the head stands at rest; outside the limits it counts as at their edge.
    """

    def __init__(self, limits: Limits, tick_us: int, start: tuple[float, float]) -> None:
        self._axes = tuple(
            _Axis(span, limits.speed_deg_s, limits.acceleration_deg_s2, tick_us / 1e6, angle)
            for span, angle in zip(limits.spans, start, strict=True)
        )

    @property
    def angles(self) -> tuple[float, float]:
        """The angles of the last tick."""
        pan, tilt = self._axes
        return pan.p, tilt.p

    @property
    def at_rest(self) -> bool:
        """Whether the last tick moved nothing."""
        return all(abs(axis.v) < _STILL_DEG_S for axis in self._axes)

    def step(self, pan_deg: float, tilt_deg: float) -> tuple[float, float]:
        """Return the angles of the next tick, as near to the wanted ones as the limits allow."""
        pan, tilt = self._axes
        return pan.step(pan_deg), tilt.step(tilt_deg)

    def brake(self) -> tuple[float, float]:
        """Return the angles of the next tick on the shortest way to rest."""
        pan, tilt = self._axes
        return pan.brake(), tilt.brake()


class _Axis:
    def __init__(
        self, span: tuple[float, float], speed: float, acceleration: float, dt: float, p: float
    ) -> None:
        self._least, self._most = span
        self._speed = speed
        self._dt = dt
        self._dv = acceleration * dt
        self.p = min(max(p, self._least), self._most)
        self.v = 0.0
        self._wanted = self.p

    def step(self, wanted: float) -> float:
        # What is no number may come from a path that nobody checked: hold, do not jump.
        wanted = wanted if math.isfinite(wanted) else self._wanted
        follow = (wanted - self._wanted) / self._dt
        lag = self._wanted - self.p
        self._wanted = wanted
        # Close in on the moving point at a speed from which it can be met, not overshot.
        return self._move(follow + math.copysign(self._stoppable(abs(lag)), lag))

    def brake(self) -> float:
        self._wanted = self.p
        p = self._move(0.0)
        self._wanted = p
        return p

    def _move(self, v: float) -> float:
        v = min(max(v, self.v - self._dv), self.v + self._dv)
        v = min(max(v, -self._speed), self._speed)
        v = min(v, self._stoppable(self._most - self.p))
        v = max(v, -self._stoppable(self.p - self._least))
        p = min(max(self.p + v * self._dt, self._least), self._most)
        self.p, self.v = p, v
        return p

    def _stoppable(self, r: float) -> float:
        """Return the largest s with s dt + D(s) <= r: m full steps of braking follow it."""
        q = self._dv
        m = math.floor((math.sqrt(1.0 + 8.0 * max(r, 0.0) / (self._dt * q)) - 1.0) / 2.0)
        return (max(r, 0.0) / self._dt + q * m * (m + 1) / 2.0) / (m + 1)
