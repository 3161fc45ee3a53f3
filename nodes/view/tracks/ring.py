"""The last events, kept one by one: of a time, or a number of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nodes.view.tracks import kernels
from nodes.view.tracks.show import MOST_RECENT

_FIRST = 2**16


class Recent(NamedTuple):
    """Some of the last events, oldest first: column, row, polarity, age in µs, each ``[n] i8``."""

    x: NDArray[np.int64]
    y: NDArray[np.int64]
    p: NDArray[np.int64]
    age_us: NDArray[np.int64]


class Ring:
    """The events of the last ``span_us`` µs, or the ``last_n`` last ones where that is given.

    ``counts`` [H, W, 2] i4 says how many of OFF and ON lie in it at each pixel. Of a time that
    holds more than ``MOST_RECENT`` events the oldest are left out.
    """

    def __init__(self, shape: tuple[int, int], span_us: int, last_n: int | None = None) -> None:
        self.span_us, self.last_n = span_us, last_n
        self._room(_FIRST if last_n is None else min(last_n, MOST_RECENT))
        self._ends = np.zeros(2, np.int64)
        self.counts = np.zeros((*shape, 2), np.int32)

    def _room(self, room: int) -> None:
        self._times = np.zeros(room, np.int64)
        self._places = np.zeros(room, np.uint32)

    def __len__(self) -> int:
        return int(self._ends[1])

    def forget(self) -> None:
        """Let go of every event."""
        self._ends[:] = 0
        self.counts.fill(0)

    def resize(self, shape: tuple[int, int]) -> None:
        """Begin anew with another sensor."""
        self._ends[:] = 0
        self.counts = np.zeros((*shape, 2), np.int32)

    def add(self, words: NDArray[np.int64], begin: int, span: int) -> None:
        """Take in a packet's events, which begins at ``begin`` and is ``span`` µs long."""
        if self.last_n is None:
            self.expire(begin + span)
            self._grow(len(words))
        kernels.push(words, begin, span, self._times, self._places, self._ends, self.counts)

    def expire(self, now: int) -> None:
        """Let go of what is too old at ``now`` µs."""
        if self.last_n is None:
            until = now - self.span_us
            kernels.expire(until, self._times, self._places, self._ends, self.counts)

    def _grow(self, n: int) -> None:
        times, places = self._times, self._places
        room, needed = len(times), len(self) + n
        if needed <= room or room >= MOST_RECENT:
            return
        while room < min(needed, MOST_RECENT):
            room *= 2
        order = (self._ends[0] + np.arange(len(self))) % len(times)
        self._room(room)
        self._times[: len(order)] = times[order]
        self._places[: len(order)] = places[order]
        self._ends[0] = 0

    def recent(self, now: int, most: int) -> Recent:
        """Return the events that it holds at ``now`` µs, evenly thinned to ``most``."""
        self.expire(now)
        first, n = int(self._ends[0]), len(self)
        order = (first + np.arange(0, n, max(1, -(-n // most)))) % len(self._times)
        place = self._places[order].astype(np.int64)
        y, x = np.divmod(place >> 1, self.counts.shape[1])
        return Recent(x, y, place & 1, np.maximum(now - self._times[order], 0))
