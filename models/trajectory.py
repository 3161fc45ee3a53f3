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
        """How long it takes, in µs; before and after it the eye is still."""
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
            with np.errstate(divide="ignore", invalid="ignore"):
                slopes[1:-1] = np.where(product > 0, product / mixed, 0)
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
