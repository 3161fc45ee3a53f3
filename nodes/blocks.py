"""A small picture in a terminal: four points a character, light or dark."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

COLUMNS = 14
ROWS = 7
"""A picture takes at most so many characters each way: a digit of MNIST at its full width."""

_LIGHT = 0.15
"""No point is light that is darker than this, even where nothing is brighter."""

_QUADRANTS = " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"
"""By which of the upper left (1), upper right (2), lower left (4), lower right (8) are light."""


def blocks(pixels: NDArray[np.float32]) -> list[str]:
    """Return intensities ``[H, W]`` in [0, 1] as lines of one length, the aspect kept.

    A character is twice as high as it is wide, and so is each of its four points. A point shows
    the mean of the pixels that it covers; from half of the brightest point's on it is light.
    """
    height, width = pixels.shape
    scale = min(1.0, 2 * COLUMNS / width, 4 * ROWS / height)
    wide = max(1, round(width * scale))
    tall = max(1, round(height * scale / 2))
    means = _shrunk(_shrunk(pixels, tall).T, wide).T
    light = means >= max(_LIGHT, float(means.max()) / 2)
    light = np.pad(light, ((0, tall % 2), (0, wide % 2)))
    code = light[::2, ::2] + 2 * light[::2, 1::2] + 4 * light[1::2, ::2] + 8 * light[1::2, 1::2]
    return ["".join(_QUADRANTS[c] for c in row) for row in code.tolist()]


def _shrunk(pixels: NDArray[np.float32], rows: int) -> NDArray[np.float32]:
    """Return the means of ``pixels`` [n, m] over ``rows`` ≤ n runs of rows, as equal as can be."""
    bounds = np.arange(rows + 1) * len(pixels) // rows
    sums: NDArray[np.float32] = np.add.reduceat(pixels, bounds[:-1], axis=0)
    sums /= np.diff(bounds)[:, None].astype(np.float32)
    return sums
