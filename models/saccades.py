"""Which saccade it is: a network that knows where the eye goes has input channels for each.

An edge that moves to the left gives the events that its mirror image gives moving to the right. A
network that is told which of the window's saccades it sees, and so which way the eye moves, can
tell the two apart: its first layer has an OFF and an ON channel a saccade, of which those of the
saccade at hand get the events. The eye's clock starts with the network's own, at a reset, and
starts anew after every window.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from pipeline.binning import Bins

_NOWHERE = np.uint32(0xFFFFFFFF)


class Saccades:
    """The saccades of a window, as a count of bins.

    starts     bins at which each begins, from 0, rising; one or none: the network is not told
    n_bins     bins of the window
    inputs     of one saccade: channels · rows · columns
    """

    def __init__(self, starts: Sequence[int], n_bins: int, inputs: int) -> None:
        self._n_bins, self._inputs = n_bins, inputs
        which = np.searchsorted(np.array(starts or (0,)), np.arange(n_bins), "right") - 1
        self._first = (which * inputs).astype(np.uint32)
        self.told = len(starts) > 1

    def first(self, k: int) -> np.uint32:
        """Return the first input of the saccade in bin ``k`` since the reset."""
        found: np.uint32 = self._first[k % self._n_bins]
        return found

    def apart(self, bins: Bins, begin: int = 0) -> Bins:
        """Return bins of events, the first of which is the window's ``begin``-th, as inputs.

        An index outside one saccade's inputs lies outside the network's too.
        """
        offsets, index, count = bins
        if not self.told:
            return bins
        steps = (offsets[1:] - offsets[:-1]).astype(np.int64)
        at = (begin + np.arange(len(steps))) % self._n_bins
        moved = np.where(index < self._inputs, index + np.repeat(self._first[at], steps), _NOWHERE)
        return Bins(offsets, moved.astype(np.uint32), count)


def starts(saccades_ms: Sequence[float], ts_ms: float) -> tuple[int, ...]:
    """Return the bins at which saccades begin.

    Raises ValueError where they are no whole bins, or do not rise from 0.
    """
    bins = tuple(round(ms / ts_ms) for ms in saccades_ms)
    if any(abs(k * ts_ms - ms) > 1e-6 for k, ms in zip(bins, saccades_ms, strict=True)):
        raise ValueError(f"saccades_ms {tuple(saccades_ms)} are not in whole bins of {ts_ms} ms")
    if bins and (bins[0] != 0 or any(b <= a for a, b in pairwise(bins))):
        raise ValueError(f"saccades_ms {tuple(saccades_ms)} do not rise from 0")
    return bins
