"""What the pixels of a moving sensor see of a still image: resampling through their apertures.

The image is laid onto a grid that is ``FINE`` times as dense as the sensor's pixels, each point
of it the mean of the image over a pixel's aperture, blurred by the lens. A pixel of the moved
sensor then is a bilinear mean of four points of the grid, and as all pixels move together the
four weights are the same for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from models.retina import Retina

FINE = 4
"""Points of the fine grid a pixel of the sensor."""

_MOST = 2**28
_LEAST_BLUR = 0.02


@dataclass(frozen=True, slots=True)
class View:
    """An image as a sensor can see it.

    planes  ``[FINE, FINE, rows, columns]`` float32: point (row·FINE + i, column·FINE + j) of the
            fine grid at ``[i, j, row, column]``, so that what all pixels see lies side by side
    left, top  gaze in pixels at which pixel (0, 0) sees point (0, 0); a gaze before it or beyond
            ``right``, ``bottom`` sees what it would see there
    """

    planes: NDArray[np.float32]
    left: float
    top: float
    right: float
    bottom: float


def view(image: NDArray[np.float32], retina: Retina, reach: NDArray[np.float64]) -> View:
    """Return what a retina can see of ``image`` [H, W] (values in [0, 1]).

    ``reach`` [2, 2]: the least and the greatest gaze (x, y) in pixels. Beyond its edge an image
    goes on as its edge is. Raises ValueError where the fine grid would be larger than 1 GiB.
    """
    rows, columns = image.shape
    span = reach[1] - reach[0]
    scale = _scale(retina, rows, columns, span)
    intensity = np.asarray(image, np.float32)
    if retina.negative:
        intensity = np.float32(1) - intensity
    if retina.gamma != 1:
        intensity = intensity ** np.float32(retina.gamma)
    intensity = np.float32(retina.black) + np.float32(1 - retina.black) * intensity
    # The middle of the path sees the middle of the image.
    middle = (reach[0] + reach[1]) / 2 + np.array([retina.shift_x, retina.shift_y])
    first = np.floor(reach[0])
    sides = np.ceil(reach[1] - first).astype(int) + 2 + np.array([retina.width, retina.height])
    if int(sides[0]) * int(sides[1]) * FINE * FINE > _MOST:
        raise ValueError(f"a path over {span[0]:.0f}×{span[1]:.0f} pixels is too long")
    across = _weights(columns, int(sides[0]), first[0], middle[0], retina.width, scale, retina)
    down = _weights(rows, int(sides[1]), first[1], middle[1], retina.height, scale, retina)
    grid = np.empty((down[1].shape[0], across[1].shape[0]), np.float32)
    _resample(np.ascontiguousarray(intensity), *down, *across, grid)
    planes = grid.reshape(sides[1], FINE, sides[0], FINE).transpose(1, 3, 0, 2)
    return View(np.ascontiguousarray(planes), *first.tolist(), *reach[1].tolist())


def _scale(retina: Retina, rows: int, columns: int, span: NDArray[np.float64]) -> float:
    """Return the sensor's pixels per pixel of the image."""
    if retina.fit == "cover":
        return float(max((retina.width + span[0]) / columns, (retina.height + span[1]) / rows))
    if retina.fit == "contain":
        room = max(retina.width - span[0], 1), max(retina.height - span[1], 1)
        return float(min(room[0] / columns, room[1] / rows))
    return float(retina.fit)


def _weights(
    n: int, side: int, first: float, middle: float, pixels: int, scale: float, retina: Retina
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return for each fine column the first of an image's ``n`` that adds to it, and how much.

    ``[m]`` i8 and ``[m, taps]`` f4, the weights of the columns from there on.
    """
    # Where the fine columns' centres lie in the image, its pixel 0 being [0, 1).
    gaze = first + np.arange(side * FINE) / FINE
    centre = ((gaze + 0.5) - pixels / 2 - middle) / scale + n / 2
    offsets, shares = _aperture(retina)
    # Enough looks at the image that none of its pixels falls between two.
    looks = max(1, int(np.ceil(2 / (scale * len(offsets)) * (offsets[-1] - offsets[0] + 1))))
    gap = (offsets[1] - offsets[0]) if len(offsets) > 1 else 0.0
    inner = ((np.arange(looks) + 0.5) / looks - 0.5) * gap
    places = centre[:, None] + (offsets[:, None] + inner).ravel() / scale - 0.5
    low = np.floor(places)
    part = places - low
    column = np.clip(low.astype(int), -1, n)
    start = np.clip(column.min(1), 0, n - 1)
    taps = np.zeros((side * FINE, int((column.max(1) - start).max()) + 2), np.float64)
    row = np.broadcast_to(np.arange(side * FINE)[:, None], column.shape)
    share = np.repeat(shares / looks, looks)
    for step, weight in ((0, 1 - part), (1, part)):
        at = np.clip(column + step, 0, n - 1) - start[:, None]
        np.add.at(taps, (row, at), share * weight)
    return start, taps.astype(np.float32)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _resample(image, top, down, left, across, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill ``out`` [M, N] with ``image`` [H, W] under weights of its rows, then of its columns.

    ``top`` [M] and ``left`` [N] are the first row and column that count, ``down`` [M, ·] and
    ``across`` [N, ·] the weights from there on; those beyond the image are zero.
    """
    rows, columns = image.shape
    line = np.empty(columns, np.float32)
    for i in range(out.shape[0]):
        line[:] = 0
        for k in range(min(down.shape[1], rows - top[i])):
            weight = down[i, k]
            for x in range(columns):
                line[x] += weight * image[top[i] + k, x]
        for j in range(out.shape[1]):
            total = np.float32(0)
            for k in range(min(across.shape[1], columns - left[j])):
                total += across[j, k] * line[left[j] + k]
            out[i, j] = min(max(total, np.float32(0)), np.float32(1))


def _aperture(retina: Retina) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points in sensor pixels and shares of the aperture blurred by the lens, one axis."""
    # Far less than the fine grid's distance is none.
    blur = retina.blur if retina.blur >= _LEAST_BLUR else 0.0
    half = retina.aperture / 2 + 3 * blur
    if half == 0:
        return np.zeros(1), np.ones(1)
    n = max(9, 2 * int(np.ceil(8 * half)) + 1)
    points = (np.arange(n) + 0.5) / n * 2 * half - half
    if blur == 0:
        return points, np.full(n, 1 / n)
    fine = np.linspace(-0.5, 0.5, 33) * retina.aperture
    shares = np.exp(-0.5 * ((points[:, None] - fine) / blur) ** 2).sum(1)
    return points, shares / shares.sum()
