"""Added noise: spikes at any pixel, at any time, of either polarity, as many as are asked for.

Time is parted into windows of ``noise_over_ms`` from the last reset on. A window of a sensor of P
pixels gets N = (noise_per_pixel + noise_hz · noise_over_ms / 1000) · P spikes, a fraction being
carried over to the next window; pixel, time and polarity of each are uniform. That is a Poisson
process on the whole sensor, given its count: the number at each pixel is Poisson but for 1/P of
its variance, and the total is exact. It is the law of ``models.noise.add_noise`` (``retina evaluate
--noise``), drawn as time goes on: a slice of 1 ms gets Binomial(spikes left, 1 / slices left).

A window's spikes depend on the seed, the event time at which it begins and N, not on how the
stream is cut into packets.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from nodes.filter.settings import FilterSettings
from nodes.filter.stage import Size, Words

SLICE_US = 1000
_AT_ONCE = 1 << 18


class Noise:
    """Draws noise in order of time and merges it into a stream; ``added`` counts it."""

    def __init__(self) -> None:
        self.active = False
        self.added = 0
        self._size: Size = (1, 1)
        self._wanted = 0.0
        self._slices = 1
        self._seed = 0
        self._rng = np.random.Generator(np.random.PCG64(0))
        self._times: NDArray[np.int64] = np.zeros(0, np.int64)
        self._codes: NDArray[np.int64] = np.zeros(0, np.int64)
        self._tally = np.zeros(SLICE_US, np.uint32)
        self.reset(0)

    def lay(self, settings: FilterSettings, size: Size) -> None:
        """Take over how much; from the next slice on there is so much of it."""
        s = settings
        if (s.noise_over_ms, s.noise_seed) != (self._slices, self._seed):
            self._slices, self._seed = s.noise_over_ms, s.noise_seed
            self.reset(self._next)
        wanted = (s.noise_per_pixel + s.noise_hz * s.noise_over_ms / 1000) * math.prod(size)
        self.active = wanted > 0
        if (wanted, size) != (self._wanted, self._size):
            self._wanted, self._size = wanted, size
            self._left = self._share(self._slices_left)

    @property
    def longest_us(self) -> int:
        """The interval in which about as many spikes come as are good to have in memory."""
        return max(SLICE_US, int(_AT_ONCE * self._slices * SLICE_US / self._wanted))

    def reset(self, t_begin: int) -> None:
        """Begin a window at ``t_begin`` µs."""
        self._begin = self._next = t_begin
        self._slices_left = self._left = 0
        self._carried = 0.0
        self._head = self._tail = 0

    def draw(self, t_begin: int, t_end: int) -> int:
        """Draw what comes in [t_begin, t_end); return how many spikes ``merge`` is to add."""
        if t_begin - self._next >= SLICE_US:
            self._skip(t_begin)
        while self._next < t_end:
            if not self._slices_left:
                self._open(0)
            many = min(self._slices_left, -(-(t_end - self._next) // SLICE_US))
            self._make_room(many)
            self._tail, self._left = draw(
                self._rng, self._next, self._left, self._slices_left, many, *self._size,
                self._tally, self._times, self._codes, self._tail,
            )  # fmt: skip
            self._next += many * SLICE_US
            self._slices_left -= many
        return int(np.searchsorted(self._times[self._head : self._tail], t_end))

    def merge(self, words: Words, n: int, t_begin: int, added: int) -> int:
        """Merge ``added`` spikes into the first ``n`` of ``words``, which has room for both."""
        merge(words, n, t_begin, self._times, self._codes, self._head, self._head + added)
        self._head += added
        self.added += added
        return n + added

    def _open(self, gone: int) -> None:
        """Begin a window of which ``gone`` slices are over."""
        self._slices_left = self._slices - gone
        self._left = self._share(self._slices_left)
        begin = self._next - gone * SLICE_US
        self._rng = np.random.Generator(np.random.PCG64([self._seed, begin % (1 << 64)]))

    def _skip(self, t: int) -> None:
        """Pass over time that no packet covered, or in which no noise was wanted."""
        self._head = self._tail = 0
        self._carried = 0.0
        self._slices_left = 0
        self._next += (t - self._next) // SLICE_US * SLICE_US
        gone = (self._next - self._begin) // SLICE_US % self._slices
        if gone:
            self._open(gone)

    def _share(self, slices: int) -> int:
        """Return how many spikes so many slices of a window get; carry the fraction over."""
        exact = self._wanted * slices / self._slices + self._carried
        if not slices:
            return 0
        whole = math.floor(exact + 0.5)
        self._carried = exact - whole
        return whole

    def _make_room(self, slices: int) -> None:
        """Make room for what so many of a window's slices may bring."""
        waiting = self._tail - self._head
        expected = self._left * slices / self._slices_left
        # Ten standard deviations; and the kernel never writes beyond the room that there is.
        room = waiting + min(self._left, int(expected + 10 * math.sqrt(expected) + 16))
        if room <= len(self._times) - self._head:
            return
        times, codes = (a[self._head : self._tail].copy() for a in (self._times, self._codes))
        if room > len(self._times) // 2:
            self._times, self._codes = (np.empty(max(1024, 2 * room), np.int64) for _ in "tc")
        self._times[:waiting], self._codes[:waiting] = times, codes
        self._head, self._tail = 0, waiting


@numba.njit(cache=True, nogil=True)
def draw(rng, begin, left, slices, many, width, height, tally, times, codes, tail):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Draw the first ``many`` of ``slices`` slices from ``begin`` µs on that ``left`` spikes get.

    Appends to ``times`` and ``codes`` int64 behind ``tail``; returns the new tail and what is left.
    ``tally`` uint32 [SLICE_US] is zero before and after.
    """
    both = 2.0 * width * height
    for k in range(many):
        n = left if slices - k == 1 else rng.binomial(left, 1 / (slices - k))
        n = min(n, times.shape[0] - tail)
        if n == 0:
            continue
        left -= n
        # Whole µs drawn, counted, and told off in order.
        for _ in range(n):
            tally[int(rng.random() * SLICE_US)] += np.uint32(1)
        for dt in range(SLICE_US):
            for _ in range(tally[dt]):
                where = np.int64(rng.random() * both)
                y = (where >> 1) // width
                x = (where >> 1) - y * width
                times[tail] = begin + k * SLICE_US + dt
                codes[tail] = (x << 32) | ((where & 1) << 48) | (y << 49)
                tail += 1
            tally[dt] = 0
    return tail, left


@numba.njit(cache=True, nogil=True)
def merge(words, n, t_begin, times, codes, lo, hi):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Merge spikes ``lo`` to ``hi`` into the first ``n`` events, from behind; events go first."""
    i = n - 1
    k = n + hi - lo - 1
    for j in range(hi - 1, lo - 1, -1):
        dt = max(times[j] - t_begin, 0)
        while i >= 0 and (words[i] & 0xFFFFFFFF) > dt:
            words[k] = words[i]
            i -= 1
            k -= 1
        words[k] = codes[j] | dt
        k -= 1
