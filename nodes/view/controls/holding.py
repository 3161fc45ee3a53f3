"""How a network's answers hold as noise grows: final answers by the noise they were given under."""

from __future__ import annotations

import math
import threading
from typing import NamedTuple

import numpy as np

from pipeline.packets import PredictionPacket

MOST_NOISE = 8.0
"""The most noise that can be asked for, spikes a pixel."""

_MOST_LEVELS = 256
_Z = 1.96


class Level(NamedTuple):
    """The answers at one level of noise (spikes a pixel).

    ``right`` of ``labelled`` were right, of ``answers`` in all. ``lead`` is the mean share of the
    output spikes by which the answer was ahead of the next class, in [0, 1].
    """

    noise: float
    answers: int
    labelled: int
    right: int
    lead: float

    @property
    def accuracy(self) -> float | None:
        """The share of right answers, None where no true class is known."""
        return self.right / self.labelled if self.labelled else None

    def interval(self) -> tuple[float, float]:
        """Return where the accuracy lies with 95 % confidence (Wilson's score interval)."""
        n = self.labelled
        if not n:
            return 0.0, 1.0
        p, zz = self.right / n, _Z * _Z
        middle = (p + zz / (2 * n)) / (1 + zz / n)
        half = _Z / (1 + zz / n) * math.sqrt(p * (1 - p) / n + zz / (4 * n * n))
        return max(0.0, middle - half), min(1.0, middle + half)


class Holding:
    """Sorts final answers by noise; fed by the node's thread, told the noise by the window's.

    An answer counts where all of its window came in while one level was in force: the one before
    it was born after that was known, and nobody has asked for another since.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: dict[float, list[float]] = {}
        self._noise: float | None = None
        self._known_ns = 0
        self._whole = False
        self.version = 0

    def tell(self, noise: float | None, known_ns: int) -> None:
        """Note the noise that is in force, as said at ``known_ns`` of the monotonic clock.

        None: not known, or about to become another.
        """
        with self._lock:
            if noise != self._noise:
                self._noise, self._known_ns, self._whole = noise, known_ns, False

    def add(self, packet: PredictionPacket) -> None:
        """Take note of an opinion."""
        head = packet.header
        if not head.final:
            return
        with self._lock:
            counts = self._whole and self._noise is not None
            # The next window begins after this answer was born.
            self._whole = head.born_ns > self._known_ns
            if not counts or self._noise is None:
                return
            if self._noise not in self._sums and len(self._sums) >= _MOST_LEVELS:
                return
            sums = self._sums.setdefault(self._noise, [0, 0, 0, 0.0])
            spikes = np.sort(packet.counts)
            lead = (spikes[-1] - spikes[-2]) / max(int(spikes.sum()), 1) if len(spikes) > 1 else 1
            sums[0] += 1
            sums[1] += head.label is not None
            sums[2] += head.label is not None and head.label == head.answer
            sums[3] += float(lead)
            self.version += 1

    def forget(self) -> None:
        """Begin anew."""
        with self._lock:
            self._sums.clear()
            self.version += 1

    def levels(self) -> list[Level]:
        """Return the levels that there were answers at, the quietest first."""
        with self._lock:
            return [
                Level(noise, int(n), int(labelled), int(right), lead / n)
                for noise, (n, labelled, right, lead) in sorted(self._sums.items())
            ]
