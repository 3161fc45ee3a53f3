"""Polarity: ON alone, OFF alone, or both as one."""

from __future__ import annotations

import numba
import numpy as np

from nodes.filter.settings import FilterSettings
from nodes.filter.stage import Size, Span, Stage, Words


class Polarity(Stage):
    """Keeps events of one polarity, or calls them all ON."""

    name = "polarity"

    def lay(self, settings: FilterSettings, size: Size) -> Size:
        """Take over what is wanted."""
        self._wanted = settings.polarity
        self.active = self._wanted != "both"
        return size

    def apply(self, words: Words, n: int, span: Span) -> int:
        """Keep what is wanted."""
        if self._wanted == "merge":
            merge(words, n)
            return n
        return int(select(words, n, int(self._wanted == "on")))


@numba.njit(cache=True, nogil=True)
def select(words, n, wanted):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Keep the first ``n`` events' share of polarity ``wanted``; return how many."""
    kept = np.uint64(0)
    for i in range(np.uint64(n)):
        w = words[i]
        words[kept] = w
        kept += np.uint64(((w >> 48) & 1) == wanted)
    return np.int64(kept)


@numba.njit(cache=True, nogil=True)
def merge(words, n):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Make the first ``n`` events ON."""
    for i in range(n):
        words[i] |= np.int64(1) << 48
