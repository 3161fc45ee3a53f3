"""Added noise: spikes at any pixel, at any time, of either polarity, as many as are asked for.

Time is parted into windows of ``noise_over_ms`` from the last reset on. A window of a sensor of P
pixels gets N = (noise_per_pixel + noise_hz · noise_over_ms / 1000) · P spikes, a fraction being
carried over to the next window; pixel, time and polarity of each are uniform. That is a Poisson
process on the whole sensor, given its count: the number at each pixel is Poisson but for 1/P of
its variance, and the total is exact. It is the law of ``models.noise.add_noise`` (``retina evaluate
--noise``), drawn as time goes on: with n spikes left and a time T left, the next comes after
T · (1 − U^(1/n)), U uniform.

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

_AT_ONCE = 1 << 18
_SHORTEST_US = 1000


class Noise:
    """Draws noise in order of time and merges it into a stream; ``added`` counts it."""

    def __init__(self) -> None:
        self.active = False
        self.added = 0
        self._size: Size = (1, 1)
        self._wanted = 0.0
        self._length_us = 1000
        self._seed = 0
        self._next = np.zeros(1)
        self._random = np.zeros(1, np.uint64)
        self._times: NDArray[np.int64] = np.zeros(0, np.int64)
        self._codes: NDArray[np.int64] = np.zeros(0, np.int64)
        self.reset(0)

    def lay(self, settings: FilterSettings, size: Size) -> None:
        """Take over how much; from now on there is so much of it."""
        s = settings
        if (s.noise_over_ms * 1000, s.noise_seed) != (self._length_us, self._seed):
            self._length_us, self._seed = s.noise_over_ms * 1000, s.noise_seed
            self.reset(self._until)
        wanted = (s.noise_per_pixel + s.noise_hz * s.noise_over_ms / 1000) * math.prod(size)
        self.active = wanted > 0
        if (wanted, size) != (self._wanted, self._size):
            self._wanted, self._size = wanted, size
            if self._until > self._begin:
                self._share(self._until - self._begin)

    @property
    def longest_us(self) -> int:
        """The interval in which about as many spikes come as are good to have in memory."""
        return max(_SHORTEST_US, int(_AT_ONCE * self._length_us / self._wanted))

    def reset(self, t_begin: int) -> None:
        """Begin a window at ``t_begin`` µs."""
        self._first = self._begin = self._until = t_begin
        self._left = 0
        self._carried = 0.0

    def draw(self, t_begin: int, t_end: int) -> int:
        """Draw what comes in [t_begin, t_end); return how many spikes ``merge`` is to add."""
        if t_begin > self._until:
            self._skip(t_begin)
        n = 0
        while self._until < t_end:
            if self._until == self._begin:
                self._open(0)
            stop = min(t_end - self._begin, self._length_us)
            self._make_room(n, stop - (self._until - self._begin))
            n, left = draw(
                self._begin, self._length_us, stop, self._left, self._next, self._random,
                *self._size, self._times, self._codes, n,
            )  # fmt: skip
            self._left = left
            if n < len(self._times):
                self._until = self._begin + stop
            if self._until == self._begin + self._length_us:
                self._begin = self._until
        return int(n)

    def merge(self, words: Words, n: int, t_begin: int, added: int) -> int:
        """Merge the ``added`` spikes into the first ``n`` of ``words``, which has room for both."""
        merge(words, n, t_begin, self._times, self._codes, added)
        self.added += added
        return n + added

    def _open(self, gone_us: int) -> None:
        """Begin a window of which ``gone_us`` are over."""
        entropy = [self._seed, self._begin % (1 << 64)]
        self._random[:] = np.random.SeedSequence(entropy).generate_state(1, np.uint64)
        self._share(gone_us)

    def _share(self, gone_us: int) -> None:
        """Work out how many spikes the rest of a window gets; carry the fraction over."""
        exact = self._wanted * (1 - gone_us / self._length_us) + self._carried
        self._left = math.floor(exact + 0.5)
        self._carried = exact - self._left
        self._next[0] = gone_us
        begin(self._length_us, self._left, self._next, self._random)

    def _skip(self, t: int) -> None:
        """Pass over time that no packet covered, or in which no noise was wanted."""
        self._carried = 0.0
        self._until = t
        gone = (t - self._first) % self._length_us
        self._begin = t - gone
        if gone:
            self._open(gone)

    def _make_room(self, n: int, span_us: int) -> None:
        """Make room for what ``span_us`` of the window may bring behind the first ``n``."""
        expected = self._wanted * span_us / self._length_us
        # One place is always left: a full array tells that there is more to come.
        room = n + min(self._left, int(expected + 10 * math.sqrt(expected) + 16)) + 1
        if room > len(self._times):
            for name in ("_times", "_codes"):
                larger = np.empty(2 * room, np.int64)
                larger[:n] = getattr(self, name)[:n]
                setattr(self, name, larger)


@numba.njit(cache=True, nogil=True)
def _uniform(state):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return a number in (0, 1] (Steele, Lea and Flood, "SplitMix", 2014, figure 16)."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return (np.float64(z >> np.uint64(11)) + 1.0) * 2.0**-53


@numba.njit(cache=True, nogil=True)
def begin(length, left, following, random):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Move ``following`` [1], µs from a window's beginning, on to the next of ``left`` spikes."""
    if left > 0:
        rest = length - following[0]
        after = following[0] - rest * np.expm1(np.log(_uniform(random)) / left)
        # However it is rounded, it comes before the window ends.
        following[0] = min(after, length - 1e-3)


@numba.njit(cache=True, nogil=True)
def draw(t_begin, length, stop, left, following, random, width, height, times, codes, n):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Draw a window's spikes before ``stop`` µs from its beginning, or as many as there is room.

    ``left`` are to come, the next at ``following`` [1] µs. Appends to ``times`` and ``codes`` int64
    behind ``n``; returns the new n and what is left.
    """
    both = 2.0 * width * height
    while left > 0 and following[0] < stop and n < times.shape[0]:
        where = min(np.int64(_uniform(random) * both), np.int64(both) - 1)
        y = (where >> 1) // width
        x = (where >> 1) - y * width
        times[n] = t_begin + np.int64(following[0])
        codes[n] = (x << 32) | ((where & 1) << 48) | (y << 49)
        n += 1
        left -= 1
        begin(length, left, following, random)
    return n, left


@numba.njit(cache=True, nogil=True)
def merge(words, n, t_begin, times, codes, added):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Merge ``added`` spikes into the first ``n`` events, from behind; events go first."""
    i = n - 1
    k = n + added - 1
    for j in range(added - 1, -1, -1):
        dt = times[j] - t_begin
        while i >= 0 and (words[i] & 0xFFFFFFFF) > dt:
            words[k] = words[i]
            i -= 1
            k -= 1
        words[k] = codes[j] | dt
        k -= 1
