"""Where a retina is pointed over time: paths, and how they are put together.

A gaze is (x, y): right and down, in pixels of the sensor. A pixel at (x, y) then sees the scene
at (x + gaze_x, y + gaze_y), so that things move against the gaze.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Gaze = NDArray[np.float64]
Times = NDArray[np.int64]


class Path(Protocol):
    """A gaze over time."""

    @property
    def duration_us(self) -> int:
        """How long it takes, in µs; after it the eye is where it ended."""
        ...

    def at(self, t_us: Times) -> Gaze:
        """Return the gaze ``[n, 2]`` in pixels at times ``t_us`` [n] µs."""
        ...


@dataclass(frozen=True)
class Knots:
    """A path through points at given times: monotone cubic pieces, so that it never overshoots.

    t_us    ``[n]`` µs, rising
    points  ``[n, 2]`` pixels

    Source: Fritsch and Butland, SIAM J. Sci. Stat. Comput. 5 (1984), the slopes' harmonic mean.
    """

    t_us: Times
    points: Gaze

    @property
    def duration_us(self) -> int:
        """When the last point is reached, in µs."""
        return int(self.t_us[-1])

    def at(self, t_us: Times) -> Gaze:
        """Return the gaze ``[n, 2]`` in pixels at times ``t_us`` [n] µs."""
        if len(self.t_us) == 1:
            return np.repeat(self.points, len(t_us), 0)
        knots = self.t_us.astype(np.float64)
        gaps = np.diff(knots)[:, None]
        rises = np.diff(self.points, axis=0) / gaps
        slopes = np.zeros_like(self.points)
        if len(knots) > 2:
            product = rises[:-1] * rises[1:]
            share = (gaps[:-1] + 2 * gaps[1:]) / (3 * (gaps[:-1] + gaps[1:]))
            mixed = share * rises[1:] + (1 - share) * rises[:-1]
            np.divide(product, mixed, out=slopes[1:-1], where=product > 0)
        t = np.clip(np.asarray(t_us, np.float64), knots[0], knots[-1])
        i = np.clip(np.searchsorted(knots, t, "right") - 1, 0, len(gaps) - 1)
        gap = gaps[i]
        s = (t - knots[i])[:, None] / gap
        a, b = self.points[i], self.points[i + 1]
        ma, mb = slopes[i] * gap, slopes[i + 1] * gap
        rest = 1 - s
        found: Gaze = (
            a * (1 + 2 * s) * rest**2 + ma * s * rest**2 + b * s**2 * (3 - 2 * s) - mb * s**2 * rest
        )
        return found


@dataclass(frozen=True)
class Sum:
    """Paths that are added up, such as a pursuit under a tremor; as long as the longest."""

    parts: tuple[Path, ...]

    @property
    def duration_us(self) -> int:
        """How long the longest takes, in µs."""
        return max(part.duration_us for part in self.parts)

    def at(self, t_us: Times) -> Gaze:
        """Return the gaze ``[n, 2]`` in pixels at times ``t_us`` [n] µs."""
        total: Gaze = np.zeros((len(t_us), 2))
        for part in self.parts:
            total += part.at(t_us)
        return total


@dataclass(frozen=True)
class Sequence:
    """Paths one after the other, each from where the one before it ended."""

    parts: tuple[Path, ...]

    @property
    def duration_us(self) -> int:
        """How long all take, in µs."""
        return sum(part.duration_us for part in self.parts)

    def at(self, t_us: Times) -> Gaze:
        """Return the gaze ``[n, 2]`` in pixels at times ``t_us`` [n] µs."""
        t = np.asarray(t_us, np.int64)
        total = self.parts[0].at(t)
        begin = self.parts[0].duration_us
        for part in self.parts[1:]:
            # Before its time a part stands still at its own beginning.
            local = np.maximum(t - begin, 0)
            total = total + part.at(local) - part.at(np.zeros(1, np.int64))
            begin += part.duration_us
        return total


@dataclass(frozen=True)
class Loop:
    """A path again and again, each time from where it began."""

    path: Path
    times: int

    @property
    def duration_us(self) -> int:
        """How long all rounds take, in µs."""
        return self.path.duration_us * self.times

    def at(self, t_us: Times) -> Gaze:
        """Return the gaze ``[n, 2]`` in pixels at times ``t_us`` [n] µs."""
        t = np.asarray(t_us, np.int64)
        inside = t < self.duration_us
        return self.path.at(np.where(inside, t % self.path.duration_us, self.path.duration_us))


@dataclass(frozen=True)
class Scaled:
    """A path made larger or smaller, such as from degrees to pixels."""

    path: Path
    factor: float

    @property
    def duration_us(self) -> int:
        """How long the path takes, in µs."""
        return self.path.duration_us

    def at(self, t_us: Times) -> Gaze:
        """Return the gaze ``[n, 2]`` in pixels at times ``t_us`` [n] µs."""
        return self.path.at(t_us) * self.factor


def reach(path: Path, step_us: int = 1000) -> Gaze:
    """Return the least and the greatest gaze ``[2, 2]`` of a path, in pixels."""
    gaze = path.at(np.arange(0, path.duration_us + step_us, step_us))
    return np.stack([gaze.min(0), gaze.max(0)])
