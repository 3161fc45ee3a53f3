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

_MAX_EVENTS = 2**24
_ENTRIES_BEFORE_CLEAR = 2**31 - 1 - _MAX_EVENTS
_DIRECT = 1 << 16
"""Up to so many inputs each has a slot of its own; beyond that slots follow the events."""


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


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _addresses(wire, first, stop, view, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Write the inputs of events ``first`` to ``stop`` to ``out``; return how many are in view."""
    x0, y0, width, height, pool = view
    plane = width * height
    if pool == 1:
        # Nearly always everything is in view: then this is one vectorised loop.
        outside = 0
        for i in range(first, stop):
            w = wire[i]
            x = ((w >> 32) & 0xFFFF) - x0
            y = ((w >> 49) & 0x7FFF) - y0
            out[i - first] = ((w >> 48) & 1) * plane + y * width + x
            outside |= x | y | (width - 1 - x) | (height - 1 - y)
        if outside >= 0:
            return stop - first
    n = 0
    for i in range(first, stop):
        w = wire[i]
        x = (((w >> 32) & 0xFFFF) - x0) // pool
        y = (((w >> 49) & 0x7FFF) - y0) // pool
        # Written in any case and counted only where it is in view: no branch to mispredict.
        out[n] = ((w >> 48) & 1) * plane + y * width + x
        n += (x >= 0) & (y >= 0) & (x < width) & (y < height)
    return n


@numba.njit(cache=True, nogil=True)
def _merge(index, count, n, binary, slots, shift, base):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Make ``n`` inputs in ``index`` unique in place, counting; return how many are left.

    ``slots`` i4 finds the entry that an input made last, as a number counted from ``base``;
    entries below ``base`` are of earlier bins. An input has the slot of its own address where
    ``shift`` is 0, else one found by hashing.
    """
    entries = 0
    last_slot = np.uint64(slots.shape[0] - 1)
    for i in range(n):
        address = index[i]
        slot = np.uint64(address)
        if shift:
            slot = ((slot * np.uint64(2654435761)) & np.uint64(0xFFFFFFFF)) >> np.uint64(shift)
        entry = slots[slot] - base
        while entry >= 0 and index[entry] != address:
            slot = (slot + np.uint64(1)) & last_slot
            entry = slots[slot] - base
        if entry >= 0:
            if not binary and count[entry] < 255:
                count[entry] += 1
        else:
            slots[slot] = base + entries
            index[entries] = address
            count[entries] = 1
            entries += 1
    return entries


@numba.njit(cache=True, nogil=True)
def _bin(  # type: ignore[no-untyped-def]  # pragma: no cover
    wire, start, bin_us, n_bins, view, binary, slots, shift, base, offsets, index, count
):
    """Fill ``offsets``, ``index`` and ``count`` from packed events.

    ``wire`` [n] i8 are WIRE_EVENTs as integers; ``start`` is the µs from the first bin's beginning
    to the events' time zero. Returns (entries, late, outside): ``late`` events lay before the
    open bin and are counted in it.
    """
    n = wire.shape[0]
    entries = 0
    late = 0
    seen = 0
    i = 0
    current = 0
    while i < n:
        current = min(max(current, ((wire[i] & 0xFFFFFFFF) + start) // bin_us), n_bins - 1)
        bin_begin = current * bin_us
        bin_end = bin_begin + bin_us
        stop = i
        if current == n_bins - 1:
            for k in range(i, n):
                late += (wire[k] & 0xFFFFFFFF) + start < bin_begin
            stop = n
        while stop < n:
            t = (wire[stop] & 0xFFFFFFFF) + start
            if t >= bin_end:
                break
            late += t < bin_begin
            stop += 1
        found = _addresses(wire, i, stop, view, index[entries:])
        seen += found
        entries += _merge(
            index[entries:], count[entries:], found, binary, slots, shift, base + entries
        )
        offsets[current + 1] = entries
        i = stop
    # Bins in which nothing happened end where the bin before them does.
    for k in range(1, n_bins + 1):
        offsets[k] = max(offsets[k], offsets[k - 1])
    return entries, late, n - seen


class Binner:
    """Bins packed events of one sensor; keeps its scratch memory from call to call.

    Its memory follows the events of a call, whatever the sensor's size.
    """

    def __init__(self, field: Field, *, binary: bool = False) -> None:
        self.field = field
        self.binary = binary
        self.late = 0
        self.outside = 0
        self._inputs = 2 * field.width * field.height
        self._slots = np.empty(0, np.int32)
        self._shift = 0
        self._base = 0
        self._index = np.empty(0, np.uint32)
        self._count = np.empty(0, np.uint8)

    def _make_room(self, n: int) -> None:
        """Make room for ``n`` events: entries for all, and eight slots for each."""
        room = max(1024, 1 << (n - 1).bit_length())
        # One more: an event out of view is written behind the last and not counted.
        self._index = np.empty(room + 1, np.uint32)
        self._count = np.empty(room + 1, np.uint8)
        bits = (8 * room - 1).bit_length()
        direct = self._inputs <= max(_DIRECT, 1 << bits)
        self._shift = 0 if direct else 32 - bits
        self._slots = np.empty(self._inputs if direct else 1 << bits, np.int32)
        self._forget()

    def _forget(self) -> None:
        self._slots.fill(-1)
        self._base = 0

    def bin(self, wire: Events, start_us: int, bin_us: int, n_bins: int) -> Bins:
        """Bin ``wire`` [n] WIRE_EVENT into ``n_bins`` bins of ``bin_us`` µs.

        ``start_us``: µs from the beginning of the first bin to the events' time zero (≥ 0).
        Events after the last bin are counted in the last. The arrays returned are views that the
        next call overwrites.
        """
        n = len(wire)
        if n > _MAX_EVENTS:
            raise ValueError(f"{n} events at once are more than {_MAX_EVENTS}")
        if len(self._index) <= n:
            self._make_room(n)
        if self._base > _ENTRIES_BEFORE_CLEAR:
            self._forget()
        offsets = np.zeros(n_bins + 1, np.uint32)
        entries, late, outside = _bin(
            wire.view(np.int64),
            start_us,
            bin_us,
            n_bins,
            tuple(self.field),
            self.binary,
            self._slots,
            self._shift,
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
