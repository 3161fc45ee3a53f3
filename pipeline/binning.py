"""Time binning: events into sparse counts, bin by bin; the cost follows the events.

A bin holds one entry for each (polarity, row, column) that fired in it, in order of its first
event, with the number of its events saturated at 255. Empty bins cost nothing but an offset, and
no dense frames are built: one byte for each input is all that is kept, whatever the duration.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from pipeline.events import WIRE_EVENT, Events, pack

_STRIDE = 32
_FEW = 64


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
def _addresses(wire, view, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Write the inputs of events ``wire`` [n] i8 to ``out``; return how many are in view."""
    x0, y0, width, height, pool = view
    plane = width * height
    if pool == 1:
        # Nearly always everything is in view: then this is one vectorised loop.
        outside = 0
        for i in range(wire.shape[0]):
            w = wire[i]
            x = ((w >> 32) & 0xFFFF) - x0
            y = ((w >> 49) & 0x7FFF) - y0
            out[i] = ((w >> 48) & 1) * plane + y * width + x
            outside |= x | y | (width - 1 - x) | (height - 1 - y)
        if outside >= 0:
            return wire.shape[0]
    n = 0
    for i in range(wire.shape[0]):
        w = wire[i]
        x = (((w >> 32) & 0xFFFF) - x0) // pool
        y = (((w >> 49) & 0x7FFF) - y0) // pool
        # Written in any case and counted only where it is in view: no branch to mispredict.
        out[n] = ((w >> 48) & 1) * plane + y * width + x
        n += (x >= 0) & (y >= 0) & (x < width) & (y < height)
    return n


@numba.njit(cache=True, nogil=True)
def _count(index, count, n, most, frame):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Make ``n`` inputs in ``index`` unique in place, counting up to ``most``.

    ``frame`` u1 holds a zero for each input, before and after. Returns how many are left.
    """
    left = np.uint64(0)
    for i in range(np.uint64(n)):
        address = index[i]
        so_far = frame[address]
        index[left] = address
        left += np.uint64(so_far == 0)
        frame[address] = so_far + np.uint8(so_far < most)
    for i in range(left):
        address = index[i]
        count[i] = frame[address]
        frame[address] = 0
    return np.int64(left)


@numba.njit(cache=True, nogil=True)
def _in_order(wire):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return whether no event is earlier than the one before it."""
    back = 0
    for i in range(1, wire.shape[0]):
        back |= (wire[i] & 0xFFFFFFFF) - (wire[i - 1] & 0xFFFFFFFF)
    return back >= 0


@numba.njit(cache=True, nogil=True)
def _bin(  # type: ignore[no-untyped-def]  # pragma: no cover
    wire, start, bin_us, n_bins, view, most, frame, offsets, index, count
):
    """Fill ``offsets`` (zeros before), ``index`` and ``count`` from packed events in order.

    ``wire`` [n] i8 are WIRE_EVENTs as integers; ``start`` is the µs from the first bin's beginning
    to the events' time zero. Returns the numbers of entries and of events out of view; -1 entries
    where the events are not in order of time.
    """
    n = wire.shape[0]
    entries = 0
    outside = 0
    i = 0
    while i < n:
        current = min(((wire[i] & 0xFFFFFFFF) + start) // bin_us, n_bins - 1)
        stop = n
        if current < n_bins - 1:
            end = (current + 1) * bin_us - start
            stop = i
            while stop + _STRIDE < n and (wire[stop + _STRIDE] & 0xFFFFFFFF) < end:
                stop += _STRIDE
            while stop < n and (wire[stop] & 0xFFFFFFFF) < end:
                stop += 1
        # The first event of a part is later than all before it, or the part would be another.
        part = wire[i:stop]
        if not _in_order(part):
            return -1, 0
        found = _addresses(part, view, index[entries:])
        outside += stop - i - found
        entries += _count(index[entries:], count[entries:], found, most, frame)
        offsets[current + 1] = entries
        i = stop
    # Bins in which nothing happened end where the bin before them does.
    for k in range(1, n_bins + 1):
        offsets[k] = max(offsets[k], offsets[k - 1])
    return entries, outside


@numba.njit(cache=True, nogil=True)
def _bin_few(  # type: ignore[no-untyped-def]  # pragma: no cover
    wire, start, bin_us, n_bins, view, most, frame, offsets, index, count
):
    """Do what ``_bin`` does, in one pass: faster where bins hold few events; ``pool`` must be 1."""
    x0, y0, width, height, _ = view
    plane = width * height
    columns = np.uint64(width)
    rows = np.uint64(height)
    never = np.int64(2**62)
    entries = first = np.uint64(0)
    current = 0
    inside = 0
    end = bin_us - start if n_bins > 1 else never
    back = before = np.int64(0)
    for i in range(wire.shape[0]):
        w = wire[i]
        t = w & 0xFFFFFFFF
        back |= t - before
        before = t
        if t >= end:
            for k in range(first, entries):
                address = index[k]
                count[k] = frame[address]
                frame[address] = 0
            offsets[current + 1] = entries
            first = entries
            current = min((t + start) // bin_us, n_bins - 1)
            end = (current + 1) * bin_us - start if current < n_bins - 1 else never
        # As unsigned numbers what lies left of or above the view is far to the right of it.
        x = np.uint64(((w >> 32) & 0xFFFF) - x0)
        y = np.uint64(((w >> 49) & 0x7FFF) - y0)
        if (x < columns) & (y < rows):
            address = np.uint64((w >> 48) & 1) * np.uint64(plane) + y * columns + x
            so_far = frame[address]
            index[entries] = address
            entries += np.uint64(so_far == 0)
            frame[address] = so_far + np.uint8(so_far < most)
            inside += 1
    for k in range(first, entries):
        address = index[k]
        count[k] = frame[address]
        frame[address] = 0
    if back < 0:
        return -1, 0
    offsets[current + 1] = entries
    for k in range(1, n_bins + 1):
        offsets[k] = max(offsets[k], offsets[k - 1])
    return np.int64(entries), wire.shape[0] - inside


class Binner:
    """Bins packed events of one sensor; keeps its scratch memory from call to call.

    Counts ``outside`` (events out of view) and ``unordered`` (calls whose events had to be
    brought into order of time first).
    """

    def __init__(self, field: Field, *, binary: bool = False) -> None:
        self.field = field
        self.outside = 0
        self.unordered = 0
        self._view = tuple(field)
        self._most = np.uint8(1 if binary else 255)
        self._frame = np.zeros(2 * field.width * field.height, np.uint8)
        self._index = np.empty(0, np.uint32)
        self._count = np.empty(0, np.uint8)

    def bin(self, wire: Events, start_us: int, bin_us: int, n_bins: int) -> Bins:
        """Bin ``wire`` [n] WIRE_EVENT into ``n_bins`` bins of ``bin_us`` µs.

        ``start_us``: µs from the beginning of the first bin to the events' time zero (≥ 0).
        Events after the last bin are counted in the last. The arrays returned are views that the
        next call overwrites.
        """
        n = len(wire)
        if len(self._index) <= n:
            # One more: an event out of view is written behind the last and not counted.
            room = max(1024, 1 << n.bit_length())
            self._index = np.empty(room + 1, np.uint32)
            self._count = np.empty(room + 1, np.uint8)
        words = wire.view(np.int64)
        offsets = np.zeros(n_bins + 1, np.uint32)
        rest = (start_us, bin_us, n_bins, self._view, self._most, self._frame, offsets)
        kernel = _bin_few if n < _FEW * n_bins and self.field.pool == 1 else _bin
        entries, outside = kernel(words, *rest, self._index, self._count)
        if entries < 0:
            self.unordered += 1
            offsets.fill(0)
            words = words[np.argsort(wire["dt"], kind="stable")]
            entries, outside = kernel(words, *rest, self._index, self._count)
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
