"""Time binning: events into sparse counts, bin by bin; the cost follows the events.

A bin holds one entry for each (polarity, row, column) that fired in it, in order of its first
event, with the number of its events saturated at 255. Empty bins cost nothing but an offset, and
no dense frame is ever built.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from pipeline.events import WIRE_EVENT, Events, pack

_ENTRIES_BEFORE_CLEAR = 2**31 - 2**26


class Bins(NamedTuple):
    """Sparse bins: ``offsets`` u4 [n_bins + 1], flat ``index`` u4 [n] into (2, H, W), ``count``."""

    # The tuple's own index() and count() are of no use here.
    offsets: NDArray[np.uint32]
    index: NDArray[np.uint32]  # type: ignore[assignment]
    count: NDArray[np.uint8]  # type: ignore[assignment]


class Field(NamedTuple):
    """Which part of the sensor the bins show.

    Columns ``x0`` to ``x0 + width·pool`` and rows ``y0`` to ``y0 + height·pool`` of the sensor,
    summed over squares of ``pool`` pixels.
    """

    x0: int
    y0: int
    width: int
    height: int
    pool: int


@numba.njit(cache=True, nogil=True)
def _bin(  # type: ignore[no-untyped-def]  # pragma: no cover
    wire,
    start,
    bin_us,
    n_bins,
    x0,
    y0,
    width,
    height,
    pool,
    binary,
    last,
    base,
    offsets,
    index,
    count,
):
    """Fill ``offsets``, ``index`` and ``count`` from packed events.

    ``wire`` [n] i8 are WIRE_EVENTs as integers; ``start`` is the µs from the first bin's beginning
    to the events' time zero. ``last`` i4 [2·H·W] holds, for each input, the number of the entry
    that it made last, counted from ``base``: an entry belongs to the current bin if it is not
    older than the bin's first. Returns (entries, late, outside): ``late`` events lay before the
    bin that was open and were counted in it.
    """
    entries = 0
    late = 0
    outside = 0
    bin_first = 0
    current = 0
    bin_begin = np.int64(0)
    bin_end = np.int64(bin_us)
    if n_bins == 1:
        bin_end = np.int64(2**62)
    plane = width * height
    field_w = width * pool
    field_h = height * pool
    for i in range(wire.shape[0]):
        w = wire[i]
        t = (w & 0xFFFFFFFF) + start
        if t >= bin_end:
            k = min(t // bin_us, n_bins - 1)
            while current < k:
                current += 1
                offsets[current] = entries
            bin_first = entries
            bin_begin = current * bin_us
            bin_end = bin_begin + bin_us if current < n_bins - 1 else np.int64(2**62)
        elif t < bin_begin:
            late += 1
        x = ((w >> 32) & 0xFFFF) - x0
        y = ((w >> 49) & 0x7FFF) - y0
        if x < 0 or y < 0 or x >= field_w or y >= field_h:
            outside += 1
            continue
        if pool > 1:
            x //= pool
            y //= pool
        address = ((w >> 48) & 1) * plane + y * width + x
        entry = last[address] - base
        if entry >= bin_first:
            if not binary and count[entry] < 255:
                count[entry] += 1
        else:
            last[address] = base + entries
            index[entries] = address
            count[entries] = 1
            entries += 1
    while current < n_bins:
        current += 1
        offsets[current] = entries
    return entries, late, outside


class Binner:
    """Bins packed events of one sensor; keeps its scratch memory from call to call.

    ``last`` grows with the field of view (4 bytes an input); everything else with the events.
    """

    def __init__(self, field: Field, *, binary: bool = False) -> None:
        self.field = field
        self.binary = binary
        self.late = 0
        self.outside = 0
        self._last = np.full(2 * field.width * field.height, -1, np.int32)
        self._base = 0
        self._index = np.empty(0, np.uint32)
        self._count = np.empty(0, np.uint8)

    def bin(self, wire: Events, start_us: int, bin_us: int, n_bins: int) -> Bins:
        """Bin ``wire`` [n] WIRE_EVENT into ``n_bins`` bins of ``bin_us`` µs.

        ``start_us``: µs from the beginning of the first bin to the events' time zero (≥ 0).
        Events after the last bin are counted in the last. The arrays returned are views that the
        next call overwrites.
        """
        n = len(wire)
        if len(self._index) < n:
            self._index = np.empty(max(n, 2 * len(self._index)), np.uint32)
            self._count = np.empty(len(self._index), np.uint8)
        if self._base > _ENTRIES_BEFORE_CLEAR or n > 2**26:
            self._last.fill(-1)
            self._base = 0
        offsets = np.zeros(n_bins + 1, np.uint32)
        entries, late, outside = _bin(
            wire.view(np.int64),
            start_us,
            bin_us,
            n_bins,
            *self.field,
            self.binary,
            self._last,
            self._base,
            offsets,
            self._index,
            self._count,
        )
        self._base += entries
        self.late += late
        self.outside += outside
        return Bins(offsets, self._index[:entries], self._count[:entries])


def bin_events(
    events: Events, height: int, width: int, bin_us: int, n_bins: int, t_begin: int = 0
) -> Bins:
    """Bin a whole recording ``[n] EVENT`` into ``n_bins`` bins from ``t_begin`` µs on.

    Events outside ``[t_begin, t_begin + n_bins·bin_us)`` or outside the sensor are left out.
    """
    inside = (events["t"] >= t_begin) & (events["t"] < t_begin + n_bins * bin_us)
    binner = Binner(Field(0, 0, width, height, 1))
    return binner.bin(pack(events[inside], t_begin), 0, bin_us, n_bins)


def wire_of(buffer: Events) -> Events:
    """Return ``buffer`` as aligned, contiguous wire events (copied only where it is neither)."""
    return np.require(buffer, WIRE_EVENT, ["C", "A"])
