"""Flip and rotate: the picture as it should be seen, however the sensor is mounted."""

from __future__ import annotations

import numba

from nodes.filter.settings import FilterSettings
from nodes.filter.stage import Size, Span, Stage, Words


class Orient(Stage):
    """Mirrors, then turns clockwise by quarters; drops nothing."""

    name = "orient"

    def lay(self, settings: FilterSettings, size: Size) -> Size:
        """Work out the map; a quarter turn swaps width and height."""
        self.turn = affine(settings.flip, settings.rotate, size)
        self.active = settings.flip != "none" or settings.rotate != 0
        return size if settings.rotate in (0, 180) else size[::-1]

    def apply(self, words: Words, n: int, span: Span) -> int:
        """Move the events."""
        orient(words, n, *self.turn)
        return n


def affine(flip: str, degrees: int, size: Size) -> tuple[int, int, int, int, int, int]:
    """Return (a, b, c, d, e, f) of x' = a·x + b·y + c, y' = d·x + e·y + f on a sensor's pixels."""
    width, height = size
    a, b, c, d, e, f = 1, 0, 0, 0, 1, 0
    if flip in ("horizontal", "both"):
        a, c = -1, width - 1
    if flip in ("vertical", "both"):
        e, f = -1, height - 1
    for _ in range(degrees // 90):
        # A quarter clockwise, rows counted downwards: (x, y) goes to (height − 1 − y, x).
        a, b, c, d, e, f = -d, -e, height - 1 - f, a, b, c
        width, height = height, width
    return a, b, c, d, e, f


@numba.njit(cache=True, nogil=True)
def orient(words, n, a, b, c, d, e, f):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Move the first ``n`` events by an affine map of whole pixels."""
    for i in range(n):
        w = words[i]
        x = (w >> 32) & 0xFFFF
        y = (w >> 49) & 0x7FFF
        rest = w & 0x1_0000_FFFF_FFFF
        words[i] = rest | ((a * x + b * y + c) << 32) | ((d * x + e * y + f) << 49)
