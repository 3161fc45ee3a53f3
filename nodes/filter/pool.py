"""Down-sampling: squares of pixels become one pixel that integrates and fires.

A square adds 1 for an ON event and takes 1 away for an OFF event. At ``pool_count`` it fires ON, at
minus ``pool_count`` OFF, and begins again from 0. So a square of p × p pixels with a count of p²
answers to light as one pixel of its size with the same contrast threshold would, and what goes
back and forth within a square cancels; with a count of 1 every event stays. A square that has fired
takes no notice of events for ``pool_refractory_us``. Rows and columns that do not fill a square are
cut.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from nodes.filter.settings import FilterSettings
from nodes.filter.stage import Size, Span, Stage, Words, set_back


class Pool(Stage):
    """Sums events over squares; gives an event of the square where the sum reaches a count."""

    name = "pool"

    def __init__(self) -> None:
        super().__init__()
        self._level: NDArray[np.int16] = np.zeros(0, np.int16)
        self._last: NDArray[np.uint32] = np.zeros(0, np.uint32)

    def lay(self, settings: FilterSettings, size: Size) -> Size:
        """Take over the square; one larger than the sensor is as large as that."""
        self.side = min(settings.pool, *size)
        self._rule = (settings.pool_count, settings.pool_refractory_us)
        self.active = self.side > 1 or self._rule != (1, 0)
        self._size = (size[0] // self.side, size[1] // self.side)
        if not self.planned((size, self.side, self._rule[0])):
            self.reset()
        return self._size

    def reset(self) -> None:
        """Empty every square and let it be heard."""
        cells = self._size[0] * self._size[1] if self.active else 0
        self._level = np.zeros(cells, np.int16)
        self._last = np.zeros(cells, np.uint32)

    def age(self, by_us: int) -> None:
        """Set the squares' times back."""
        set_back(self._last, by_us)

    def apply(self, words: Words, n: int, span: Span) -> int:
        """Give the squares' events."""
        return int(
            pool(words, n, span.base, self.side, *self._size, self._level, self._last, *self._rule)
        )


@numba.njit(cache=True, nogil=True)
def pool(words, n, base, side, columns, rows, level, last, count, period):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Replace the first ``n`` events by those of squares of ``side`` pixels; return how many.

    ``level`` int16 and ``last`` uint32 [rows · columns] are the squares' sums and times.
    """
    # Dividing by a number that is not known takes longer than all the rest: x · ceil(2^32 / side)
    # >> 32 is the quotient of every x below 2^26.
    inverse = np.uint64(((np.int64(1) << 32) + side - 1) // side)
    low = np.uint64(32)
    across = np.uint64(columns)
    kept = np.uint64(0)
    for i in range(np.uint64(n)):
        w = np.uint64(words[i])
        x = (((w >> low) & np.uint64(0xFFFF)) * inverse) >> low
        y = ((w >> np.uint64(49)) * inverse) >> low
        dt = w & np.uint64(0xFFFFFFFF)
        sign = w & np.uint64(1 << 48)
        if (x >= across) | (y >= np.uint64(rows)):
            continue
        at = y * across + x
        now = base + np.int64(dt)
        if period and now - np.int64(last[at]) < period:
            continue
        total = np.int64(level[at]) + (1 if sign else -1)
        fires = abs(total) >= count
        # Nothing here depends on a branch that chance would decide.
        level[at] = total * (1 - np.int64(fires))
        if period:
            last[at] = np.uint32(now) if fires else last[at]
        words[kept] = np.int64(dt | (x << low) | sign | (y << np.uint64(49)))
        kept += np.uint64(fires)
    return np.int64(kept)
