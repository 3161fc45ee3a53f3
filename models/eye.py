"""How eyes and heads move: saccades, drift and tremor, pursuit, a circle. Angles in degrees.

Every function gives a path in degrees, x right and y down.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence as Seq
from dataclasses import dataclass

import numpy as np

from models.trajectory import Gaze, Knots, Path, Sequence, Sum, Times

_MS = 1000


def saccade_us(amplitude: float) -> int:
    """Return how long an eye's saccade of ``amplitude`` degrees takes, in µs.

    The main sequence: 2.2 ms a degree and 21 ms (Carpenter, "Movements of the Eyes", 1988).
    """
    return round((2.2 * amplitude + 21.0) * _MS)


@dataclass(frozen=True)
class Glide:
    """From one point to another with the smoothest velocity: s = 10 u³ - 15 u⁴ + 6 u⁵.

    Its peak velocity is 15/8 of the mean's; with the main sequence's duration it lies on the
    main sequence of peak velocities too. Source: Flash and Hogan, J. Neurosci. 5 (1985).
    """

    start: tuple[float, float]
    end: tuple[float, float]
    duration_us: int
    onset_us: int = 0
    """How long the eye rests before it goes."""
    moving_us: int = 0
    """How long it moves; 0: all the rest."""

    def at(self, t_us: Times) -> Gaze:
        """Return the gaze ``[n, 2]`` in degrees at times ``t_us`` [n] µs."""
        moving = self.moving_us or self.duration_us - self.onset_us
        u = np.clip((np.asarray(t_us, np.float64) - self.onset_us) / max(moving, 1), 0, 1)[:, None]
        s = u**3 * (10 + u * (6 * u - 15))
        a, b = np.array(self.start, np.float64), np.array(self.end, np.float64)
        found: Gaze = a + (b - a) * s
        return found


def saccades(points: Seq[tuple[float, float]], every_us: int, moving_us: int = 0) -> Path:
    """Return saccades from point to point, one every ``every_us``.

    moving_us  how long each moves; 0: as an eye would (the main sequence), at most ``every_us``
    """
    parts = []
    for a, b in itertools.pairwise(points):
        takes = moving_us or saccade_us(float(np.hypot(b[0] - a[0], b[1] - a[1])))
        parts.append(Glide(a, b, every_us, moving_us=min(takes, every_us)))
    return Sequence(tuple(parts))


def still(duration_us: int) -> Path:
    """Return an eye that does not move."""
    return Knots(np.array([0, duration_us]), np.zeros((2, 2)))


def pursuit(velocity: tuple[float, float], duration_us: int) -> Path:
    """Return smooth pursuit at ``velocity`` (x, y) degrees a second, begun within 100 ms."""
    t = np.linspace(0, duration_us, max(2, duration_us // 10_000 + 1)).astype(np.int64)
    rise = 0.1
    s = t / 1e6
    # Speed rises evenly over 100 ms, as an eye's does (Lisberger and others, 1987).
    way = np.where(s < rise, s * s / (2 * rise), s - rise / 2)
    return Knots(t, way[:, None] * np.array(velocity))


@dataclass(frozen=True)
class Circle:
    """A circle of ``radius`` degrees, begun and ended at its right, ``period_us`` a round."""

    radius: float
    period_us: int
    duration_us: int

    def at(self, t_us: Times) -> Gaze:
        """Return the gaze ``[n, 2]`` in degrees at times ``t_us`` [n] µs."""
        t = np.clip(np.asarray(t_us, np.float64), 0, self.duration_us)
        turn = 2 * np.pi * t / self.period_us
        return self.radius * np.stack([np.cos(turn) - 1, np.sin(turn)], 1)


def fixation(duration_us: int, seed: int = 0) -> Path:
    """Return an eye that fixates: micro-saccades over drift and tremor.

    Micro-saccades come at random, 1.5 a second, of 0.1 to 0.6 degrees, half of them back towards
    the middle; drift is a random walk of 20 arcmin²/s; tremor a noise of 0.2 arcmin around 85 Hz.
    Source of the figures: Martinez-Conde, Macknik and Hubel, Nature Rev. Neurosci. 5 (2004);
    Rucci and Victor, Trends Neurosci. 38 (2015).
    """
    return Sum((micro_saccades(duration_us, seed), drift(duration_us, seed), Tremor(duration_us)))


def micro_saccades(duration_us: int, seed: int = 0) -> Path:
    """Return the micro-saccades of ``fixation`` alone."""
    draw = np.random.default_rng([seed, 1])
    at = np.zeros(2)
    times, points = [0], [at]
    t = 0.0
    while True:
        # An eye rests at least 150 ms between two.
        t += 150_000 + draw.exponential(1e6 / 1.5 - 150_000)
        amplitude = draw.uniform(0.1, 0.6)
        angle = draw.uniform(0, 2 * np.pi)
        if draw.random() < 0.5 and np.any(at):
            angle = np.arctan2(-at[1], -at[0])
        takes = saccade_us(amplitude)
        if t + takes >= duration_us:
            break
        to = at + amplitude * np.array([np.cos(angle), np.sin(angle)])
        parts = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
        for u, s in zip(parts, parts**3 * (10 + parts * (6 * parts - 15)), strict=True):
            times.append(int(t + u * takes))
            points.append(at + (to - at) * s)
        at = to
        t += takes
    if times[-1] < duration_us:
        times.append(duration_us)
        points.append(at)
    return Knots(np.array(times), np.array(points))


def drift(duration_us: int, seed: int = 0) -> Path:
    """Return the drift of ``fixation`` alone: a random walk with a step every 10 ms."""
    draw = np.random.default_rng([seed, 2])
    n = max(2, duration_us // 10_000 + 1)
    t = np.linspace(0, duration_us, n).astype(np.int64)
    # A walk spreads by 2 D t on each axis.
    spread = np.sqrt(2 * 20.0 * np.diff(t) / 1e6) / 60
    steps = draw.standard_normal((n - 1, 2)) * spread[:, None]
    return Knots(t, np.concatenate([np.zeros((1, 2)), np.cumsum(steps, 0)]))


@dataclass(frozen=True)
class Tremor:
    """The tremor of ``fixation`` alone: six tones between 70 and 100 Hz, 0.2 arcmin in all."""

    duration_us: int

    def at(self, t_us: Times) -> Gaze:
        """Return the gaze ``[n, 2]`` in degrees at times ``t_us`` [n] µs."""
        t = np.clip(np.asarray(t_us, np.float64), 0, self.duration_us)[:, None] / 1e6
        tones = np.array([71.0, 77.3, 83.9, 88.1, 93.7, 99.1])
        turn = 2 * np.pi * tones * t
        shifts = np.arange(6) * 1.9
        size = 0.2 / 60 / np.sqrt(6 / 2)
        x = (np.sin(turn + shifts) - np.sin(shifts)).sum(1)
        y = (np.cos(turn + 2 * shifts) - np.cos(2 * shifts)).sum(1)
        found: Gaze = size * np.stack([x, y], 1)
        return found
