"""A recording and the image that it shows, moved together by whole pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.events import Events


def draw(most: float, rng: np.random.Generator) -> tuple[int, int]:
    """Return columns and rows to move by, each uniform in ± ``most`` rounded down."""
    dx, dy = rng.integers(-int(most), int(most) + 1, 2)
    return int(dx), int(dy)


def shift_events(events: Events, by: tuple[int, int], size: tuple[int, int]) -> Events:
    """Return a copy of ``events`` moved by (columns, rows); those off ``size`` are gone."""
    x = events["x"].astype(np.int64) + by[0]
    y = events["y"].astype(np.int64) + by[1]
    inside = (x >= 0) & (x < size[0]) & (y >= 0) & (y < size[1])
    moved = events[inside]
    moved["x"], moved["y"] = x[inside], y[inside]
    return moved


def shift_image(image: NDArray[np.float32], by: tuple[int, int]) -> NDArray[np.float32]:
    """Return an image ``[H, W]`` moved by (columns, rows); what comes in is black."""
    height, width = image.shape
    dx, dy = by
    out = np.zeros_like(image)
    if abs(dx) < width and abs(dy) < height:
        part = image[max(-dy, 0) : height - max(dy, 0), max(-dx, 0) : width - max(dx, 0)]
        out[max(dy, 0) : height - max(-dy, 0), max(dx, 0) : width - max(-dx, 0)] = part
    return out
