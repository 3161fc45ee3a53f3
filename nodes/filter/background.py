"""Background activity: what no neighbour bears out is taken for noise.

An event stays where one of its eight neighbours had an event less than ``background_us`` before, of
either polarity, let through or not. This is dv-processing's BackgroundActivityNoiseFilter event by
event, except that there every pixel counts as having fired at time 0. The idea: Delbruck,
"Frame-free dynamic digital vision", 2008.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from nodes.filter.settings import FilterSettings
from nodes.filter.stage import Size, Span, Stage, Words, set_back


class Background(Stage):
    """Drops events that none of the eight neighbours preceded within ``background_us``."""

    name = "background"

    def __init__(self) -> None:
        super().__init__()
        self._last: NDArray[np.uint32] = np.zeros(0, np.uint32)

    def lay(self, settings: FilterSettings, size: Size) -> Size:
        """Take over the period."""
        self._period = settings.background_us
        self.active = self._period > 0
        if not self.planned((size, self.active)):
            self._size = size
            self.reset()
        return size

    def reset(self) -> None:
        """Forget what every pixel said last."""
        width, height = self._size
        # A border that never fires, so that no pixel needs asking whether it has neighbours.
        cells = (width + 2) * (height + 2) if self.active else 0
        self._last = np.zeros(cells, np.uint32)

    def age(self, by_us: int) -> None:
        """Set the pixels' times back."""
        set_back(self._last, by_us)

    def apply(self, words: Words, n: int, span: Span) -> int:
        """Keep the events that a neighbour bears out."""
        return int(support(words, n, span.base, self._size[0], self._last, self._period))


@numba.njit(cache=True, nogil=True)
def support(words, n, base, width, last, period):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Keep the first ``n`` events' share that a neighbour preceded by less than ``period`` µs.

    ``last`` uint32 [(height + 2) · (width + 2)] has a border of zeros, which stays so.
    """
    one = np.uint64(1)
    stride = np.uint64(width + 2)
    first = stride + one
    kept = np.uint64(0)
    for i in range(np.uint64(n)):
        w = np.uint64(words[i])
        at = first + (w >> np.uint64(49)) * stride + ((w >> np.uint64(32)) & np.uint64(0xFFFF))
        now = base + np.int64(w & np.uint64(0xFFFFFFFF))
        above = at - stride
        below = at + stride
        # The latest of eight, without a branch that noise would make unpredictable.
        over = max(last[above - one], last[above], last[above + one])
        beside = max(last[at - one], last[at + one])
        under = max(last[below - one], last[below], last[below + one])
        newest = max(over, beside, under)
        last[at] = np.uint32(now)
        words[kept] = words[i]
        kept += np.uint64(now - np.int64(newest) < period)
    return np.int64(kept)
