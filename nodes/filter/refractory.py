"""Refractory filter: a pixel that fired is not heard for a while, whatever it says.

The time runs from the last event let through, so that a pixel that never rests is heard once in
every period: a neuron's absolute refractory period; a dead time that does not extend itself.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from nodes.filter.settings import FilterSettings
from nodes.filter.stage import Size, Span, Stage, Words, set_back


class Refractory(Stage):
    """Drops events less than ``refractory_us`` after the last one let through, pixel by pixel."""

    name = "refractory"

    def __init__(self) -> None:
        super().__init__()
        self._last: NDArray[np.uint32] = np.zeros(0, np.uint32)

    def lay(self, settings: FilterSettings, size: Size) -> Size:
        """Take over the period."""
        self._period = settings.refractory_us
        self.active = self._period > 0
        if not self.planned((size, self.active)):
            self._size = size
            self.reset()
        return size

    def reset(self) -> None:
        """Let every pixel be heard."""
        width, height = self._size
        self._last = np.zeros(width * height if self.active else 0, np.uint32)

    def age(self, by_us: int) -> None:
        """Set the pixels' times back."""
        set_back(self._last, by_us)

    def apply(self, words: Words, n: int, span: Span) -> int:
        """Keep the events of pixels that have rested."""
        return int(rest(words, n, span.base, self._size[0], self._last, self._period))


@numba.njit(cache=True, nogil=True)
def rest(words, n, base, width, last, period):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Keep the first ``n`` events' share whose pixel was let through ``period`` µs ago or more."""
    columns = np.uint64(width)
    kept = np.uint64(0)
    for i in range(np.uint64(n)):
        w = np.uint64(words[i])
        at = (w >> np.uint64(49)) * columns + ((w >> np.uint64(32)) & np.uint64(0xFFFF))
        now = base + np.int64(w & np.uint64(0xFFFFFFFF))
        before = last[at]
        rested = now - np.int64(before) >= period
        last[at] = np.uint32(now) if rested else before
        words[kept] = words[i]
        kept += np.uint64(rested)
    return np.int64(kept)
