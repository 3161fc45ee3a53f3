"""Event-rate limit: a bucket that fills with event time; what finds it empty is dropped.

It fills by ``limit_hz`` events a second up to what flows in ``limit_burst_us``. So in any time T no
more than limit_hz · (T + limit_burst_us) + 1 events pass, and under a load that lasts they pass
evenly in time.
"""

from __future__ import annotations

import numba
import numpy as np

from nodes.filter.settings import FilterSettings
from nodes.filter.stage import Size, Span, Stage, Words

EVENT_COST = 1_000_000
"""What an event takes from the bucket, into which every µs puts ``limit_hz``."""


class Limit(Stage):
    """Lets no more than ``limit_hz`` events a second pass."""

    name = "limit"

    def __init__(self) -> None:
        super().__init__()
        self._state = np.zeros(2, np.int64)

    def lay(self, settings: FilterSettings, size: Size) -> Size:
        """Take over the rate; a bucket of another size begins full."""
        self._rate = settings.limit_hz
        self._room = max(self._rate * settings.limit_burst_us, EVENT_COST)
        self.active = self._rate > 0
        if not self.planned((self._rate, self._room)):
            self.reset()
        return size

    def reset(self) -> None:
        """Fill the bucket."""
        self._state[:] = self._room, 0

    def age(self, by_us: int) -> None:
        """Set back when the bucket was last filled."""
        self._state[1] = max(0, self._state[1] - by_us)

    def apply(self, words: Words, n: int, span: Span) -> int:
        """Let pass what the bucket allows."""
        return int(limit(words, n, span.base, self._rate, self._room, self._state))


@numba.njit(cache=True, nogil=True)
def limit(words, n, base, rate, room, state):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Keep the first ``n`` events' share that the bucket pays for; return how many.

    ``state`` int64 [2] is what the bucket holds and the time up to which it was filled.
    """
    cost = np.int64(EVENT_COST)
    holds, before = state
    kept = np.uint64(0)
    for i in range(np.uint64(n)):
        w = words[i]
        now = base + (w & 0xFFFFFFFF)
        # An hour of silence fills no bucket higher than a second does: nothing can overflow.
        passed = min(max(now - before, 0), np.int64(10_000_000))
        before = max(now, before)
        holds = min(holds + passed * rate, room)
        pays = holds >= cost
        holds -= cost if pays else 0
        words[kept] = w
        kept += np.uint64(pays)
    state[0] = holds
    state[1] = before
    return np.int64(kept)
