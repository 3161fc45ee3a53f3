"""Crop: a rectangle of the sensor is kept and becomes a sensor of its own.

And before it goes what claims to lie outside the sensor: the stages behind take it for granted that
events do not.
"""

from __future__ import annotations

import numba
import numpy as np

from nodes.filter.settings import FilterSettings, Rectangle, rectangle
from nodes.filter.stage import Size, Span, Stage, Words

_NOTHING = Rectangle(0, 0, 0, 0)


class Outside(Stage):
    """Drops events that lie outside the sensor of their own packet."""

    name = "outside"

    def lay(self, settings: FilterSettings, size: Size) -> Size:
        """Take over the sensor's size."""
        self.active = True
        self._size = size
        return size

    def apply(self, words: Words, n: int, span: Span) -> int:
        """Keep what lies within."""
        return int(crop(words, n, 0, 0, *self._size))


class Crop(Stage):
    """Keeps the part of the rectangle that lies on the sensor."""

    name = "crop"

    def __init__(self) -> None:
        super().__init__()
        self._view = _NOTHING
        self.empty = False
        """Whether the rectangle has no pixel in common with the sensor."""

    def lay(self, settings: FilterSettings, size: Size) -> Size:
        """Lay the rectangle on the sensor; where they do not meet one blank pixel comes out."""
        wanted = rectangle(settings.crop)
        width, height = size
        self.active = wanted is not None
        view = Rectangle(0, 0, width, height)
        if wanted is not None:
            right = min(wanted.x0 + wanted.width, width)
            bottom = min(wanted.y0 + wanted.height, height)
            view = Rectangle(wanted.x0, wanted.y0, right - wanted.x0, bottom - wanted.y0)
        self.empty = min(view.width, view.height) < 1
        self._view = _NOTHING if self.empty else view
        return max(1, self._view.width), max(1, self._view.height)

    @property
    def origin(self) -> tuple[int, int]:
        """Where the new sensor's first pixel lies on the old."""
        return self._view.x0, self._view.y0

    def apply(self, words: Words, n: int, span: Span) -> int:
        """Keep what lies within, counted from the rectangle's corner."""
        return int(crop(words, n, *self._view))


@numba.njit(cache=True, nogil=True)
def crop(words, n, x0, y0, width, height):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Keep the first ``n`` events' share in the rectangle, moved to its corner; return how many."""
    # Nearly always everything is within: then these are vectorised loops.
    outside = np.int64(0)
    for i in range(n):
        x = ((words[i] >> 32) & 0xFFFF) - x0
        y = ((words[i] >> 49) & 0x7FFF) - y0
        outside |= x | y | (width - 1 - x) | (height - 1 - y)
    corner = (x0 << 32) + (y0 << 49)
    if outside >= 0:
        if corner:
            for i in range(n):
                words[i] -= corner
        return np.int64(n)
    columns = np.uint64(width)
    rows = np.uint64(height)
    kept = np.uint64(0)
    for i in range(np.uint64(n)):
        w = words[i]
        # As unsigned numbers what lies left of or above the view is far to the right of it.
        x = np.uint64(((w >> 32) & 0xFFFF) - x0)
        y = np.uint64(((w >> 49) & 0x7FFF) - y0)
        words[kept] = w - corner
        kept += np.uint64((x < columns) & (y < rows))
    return np.int64(kept)
