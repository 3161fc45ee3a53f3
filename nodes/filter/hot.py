"""Hot pixels: learnt in the stream's first second, then masked.

A pixel is hot that, over the time of learning, fired at ``hot_hz`` or more and over ``hot_factor``
times as often as the second busiest of its up to eight neighbours. So it stands alone, or with one
other: a pixel on a moving edge or a flickering lamp has neighbours that fire like it. Learning is
about the sensor, not the scene: it goes on over resets, and the mask is kept until another sensor
comes or learning is asked for anew.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from nodes.filter.settings import FilterSettings
from nodes.filter.stage import Size, Span, Stage, Words

_SHOWN = 64


class Hot(Stage):
    """Counts events of each pixel of the sensor, then drops those of the pixels that are hot."""

    name = "hot"

    def __init__(self) -> None:
        super().__init__()
        self._size: Size = (0, 0)
        self._learnt_us = 0
        self._learn_us = 0
        self._count: NDArray[np.uint32] | None = None
        self._mask: NDArray[np.uint8] | None = None
        self._where = ""

    @property
    def learning(self) -> bool:
        """Whether it still learns."""
        return self.active and self._mask is None

    @property
    def pixels(self) -> list[tuple[int, int]]:
        """The hot pixels as (x, y), row by row."""
        if self._mask is None:
            return []
        flat = np.flatnonzero(self._mask)
        return [(int(i % self._size[0]), int(i // self._size[0])) for i in flat]

    def lay(self, settings: FilterSettings, size: Size) -> Size:
        """Take over settings; another sensor or another criterion is learnt anew."""
        self.active = settings.hot_pixels
        self._learn_us = settings.hot_learn_ms * 1000
        self._hz, self._factor = settings.hot_hz, settings.hot_factor
        plan = (self.active, size, self._learn_us, self._hz, self._factor)
        if not self.planned(plan):
            self._size = size
            self.relearn()
        return size

    def relearn(self) -> None:
        """Forget the mask and learn another."""
        self._learnt_us = 0
        self._mask = None
        self._where = ""
        width, height = self._size
        self._count = np.zeros(width * height, np.uint32) if self.active else None

    def apply(self, words: Words, n: int, span: Span) -> int:
        """Learn, and drop nothing; or drop the hot pixels' events."""
        if self._mask is not None:
            return int(mask(words, n, self._size[0], self._mask))
        assert self._count is not None
        count(words, n, self._size[0], self._count)
        self._learnt_us += span.t_end - span.t_begin
        if self._learnt_us >= self._learn_us:
            self._learn(self._count)
        return n

    def _learn(self, counts: NDArray[np.uint32]) -> None:
        width, height = self._size
        least = max(1.0, self._hz * self._learnt_us / 1e6)
        found = np.zeros(width * height, np.uint8)
        stand_out(counts, width, height, least, self._factor, found)
        self._mask, self._count = found, None
        shown = [f"{x},{y}" for x, y in self.pixels[: _SHOWN + 1]]
        self._where = " ".join(shown[:_SHOWN]) + (" ..." if len(shown) > _SHOWN else "")

    def facts(self) -> dict[str, str | int | float]:
        """Return the mask: how many pixels, and where the first 64 of them are."""
        if not self.active:
            return {}
        if self._mask is None:
            return {"hot_learnt_s": round(self._learnt_us / 1e6, 3)}
        return {"hot_pixels": int(self._mask.sum()), "hot_mask": self._where}


@numba.njit(cache=True, nogil=True)
def count(words, n, width, counts):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Add the first ``n`` events to ``counts`` uint32 [height · width]."""
    columns = np.uint64(width)
    for i in range(np.uint64(n)):
        w = np.uint64(words[i])
        at = (w >> np.uint64(49)) * columns + ((w >> np.uint64(32)) & np.uint64(0xFFFF))
        counts[at] += np.uint32(1)


@numba.njit(cache=True, nogil=True)
def mask(words, n, width, hot):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Keep the events whose pixel is 0 in ``hot`` uint8 [height · width]; return how many."""
    columns = np.uint64(width)
    kept = np.uint64(0)
    for i in range(np.uint64(n)):
        w = np.uint64(words[i])
        at = (w >> np.uint64(49)) * columns + ((w >> np.uint64(32)) & np.uint64(0xFFFF))
        words[kept] = words[i]
        kept += np.uint64(hot[at] == 0)
    return np.int64(kept)


@numba.njit(cache=True, nogil=True)
def stand_out(counts, width, height, least, factor, found):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Set ``found`` uint8 [height · width] to 1 where a pixel is hot."""
    for y in range(height):
        for x in range(width):
            mine = counts[y * width + x]
            if mine < least:
                continue
            busiest = second = np.uint32(0)
            for v in range(max(y - 1, 0), min(y + 2, height)):
                for u in range(max(x - 1, 0), min(x + 2, width)):
                    if u != x or v != y:
                        theirs = counts[v * width + u]
                        second = max(second, min(busiest, theirs))
                        busiest = max(busiest, theirs)
            found[y * width + x] = mine > factor * second
