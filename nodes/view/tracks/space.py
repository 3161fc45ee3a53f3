"""Events in space and time, seen from anywhere: a projection that needs no graphics card."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from nodes.view.palette import Inks
from nodes.view.tracks.canvas import packed
from nodes.view.tracks.ring import Recent

_SHADES = 64


class Pose(NamedTuple):
    """From where the box is seen: turned about its upright axis, then tipped, in radians."""

    turn: float = 0.6
    tip: float = 0.35
    zoom: float = 1.0


def axes(pose: Pose) -> NDArray[np.float64]:
    """Return the matrix ``[2, 3]`` that takes a place in the box to one on the screen.

    The box's axes are the sensor's column, its row and age, each from -0.5 to 0.5; the screen's
    point right and down, the box's longest edge is ``zoom`` long.
    """
    ct, st, cp, sp = np.cos(pose.turn), np.sin(pose.turn), np.cos(pose.tip), np.sin(pose.tip)
    return pose.zoom * np.array([[ct, 0.0, st], [st * sp, cp, -ct * sp]])


@numba.njit(cache=True, nogil=True)
def _dots(places, ages, p, table, size, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Paint dots of ``size`` pixels at ``places`` [n, 2], the colour by polarity and age."""
    height, width = out.shape
    steps = table.shape[1]
    for i in range(places.shape[0]):
        x, y = int(places[i, 0]), int(places[i, 1])
        colour = table[p[i], min(steps - 1, int(ages[i] * steps))]
        for dy in range(size):
            for dx in range(size):
                if 0 <= x + dx < width and 0 <= y + dy < height:
                    out[y + dy, x + dx] = colour


def stretch(shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return how long the box's edges are: the sensor's aspect, and time as long as its longer."""
    height, width = shape
    longest = max(height, width)
    return np.array([width / longest, height / longest, 1.0])


def cloud(recent: Recent, shape: tuple[int, int], span_us: int) -> NDArray[np.float64]:
    """Return where events lie in the box, ``[n, 3]``: now is at the front, -0.5."""
    height, width = shape
    edges = stretch(shape)
    return np.stack(
        [
            ((recent.x + 0.5) / width - 0.5) * edges[0],
            ((recent.y + 0.5) / height - 0.5) * edges[1],
            (recent.age_us / span_us - 0.5) * edges[2],
        ],
        1,
    )


def paint(
    recent: Recent,
    shape: tuple[int, int],
    span_us: int,
    pose: Pose,
    inks: Inks,
    out: NDArray[np.uint32],
) -> None:
    """Paint events ``recent`` of a sensor of ``shape`` into ``out`` [H, W] u4, each 0xFFRRGGBB.

    The oldest are painted first, and paler: what is in front covers what is behind.
    """
    ground = np.array(inks.ground, float)
    share = np.linspace(1, 0.25, _SHADES)[:, None]
    table = np.stack(
        [packed(ground + share * (np.array(ink, float) - ground)) for ink in (inks.off, inks.on)]
    )
    out.fill(packed(ground[None])[0])
    height, width = out.shape
    middle = np.array([width / 2, height / 2])
    places = cloud(recent, shape, span_us) @ axes(pose).T * min(width, height) * 0.62 + middle
    _dots(places, recent.age_us / span_us, recent.p, table, max(1, min(width, height) // 250), out)


def frame(
    shape: tuple[int, int], pose: Pose, width: int, height: int
) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Return the box's twelve edges on a screen of ``width`` × ``height`` pixels."""
    half = stretch(shape) / 2
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * half
    flat = corners @ axes(pose).T * min(width, height) * 0.62 + np.array([width / 2, height / 2])
    return [
        ((flat[i, 0], flat[i, 1]), (flat[j, 0], flat[j, 1]))
        for i in range(8)
        for j in range(i + 1, 8)
        if (np.abs(corners[i] - corners[j]) > 1e-9).sum() == 1
    ]
