"""The event: what one pixel of a silicon retina says, in memory and on the wire.

In memory an event is 16 bytes with AEDAT4's field order (``EVENT``); on the wire it is 8 bytes
with its time counted from the beginning of its packet (``WIRE_EVENT``). The two convert into
each other without loss while a packet covers less than 2**32 µs and y stays below 2**15.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

EVENT = np.dtype(
    {
        "names": ["t", "x", "y", "p"],
        "formats": ["<i8", "<u2", "<u2", "u1"],
        "offsets": [0, 8, 10, 12],
        "itemsize": 16,
    }
)
"""One event in memory: time in µs, pixel column, pixel row, polarity (1 ON, 0 OFF)."""

WIRE_EVENT = np.dtype([("dt", "<u4"), ("x", "<u2"), ("yp", "<u2")])
"""One event on the wire: µs since the packet's ``t_begin``, column, ``row << 1 | polarity``."""

MAX_PACKET_US = 2**32 - 1
"""The longest interval that one packet of events can cover, in µs."""

MAX_SIDE = 2**15
"""The largest width or height of a sensor, in pixels."""

Events = NDArray[np.void]


@numba.njit(cache=True, nogil=True)
def _pack(words, t_begin, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Pack ``words`` [n, 2] = (t, x | y << 16 | p << 32); return earliest, latest time and row."""
    # Plain integers vectorise where records do not.
    first = np.int64(0x7FFFFFFFFFFFFFFF)
    last = -first
    row = np.int64(0)
    for i in range(words.shape[0]):
        t = words[i, 0]
        xyp = words[i, 1]
        first = min(first, t)
        last = max(last, t)
        row = max(row, (xyp >> 16) & 0xFFFF)
        yp = ((xyp >> 15) & 0xFFFE) | ((xyp >> 32) & 1)
        out[i] = ((t - t_begin) & 0xFFFFFFFF) | ((xyp & 0xFFFF) << 32) | (yp << 48)
    return first, last, row


@numba.njit(cache=True, nogil=True)
def _unpack(wire, t_begin, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    for i in range(wire.shape[0]):
        w = wire[i]
        out[i, 0] = t_begin + (w & 0xFFFFFFFF)
        out[i, 1] = ((w >> 32) & 0xFFFF) | (((w >> 49) & 0x7FFF) << 16) | (((w >> 48) & 1) << 32)


def empty_events(n: int) -> Events:
    """Return ``n`` zeroed events of dtype ``EVENT``."""
    return np.zeros(n, EVENT)


def pack(events: Events, t_begin: int) -> Events:
    """Pack events ``[n] EVENT`` into the wire form ``[n] WIRE_EVENT``.

    ``t_begin`` (µs) is the beginning of the packet: no event may be earlier, nor later than
    ``t_begin + MAX_PACKET_US``. Raises ValueError otherwise, or where y is not below 2**15.
    """
    if events.dtype != EVENT:
        raise ValueError(f"events have dtype {events.dtype}, expected {EVENT}")
    words = np.ascontiguousarray(events).view(np.int64).reshape(-1, 2)
    out = np.empty(len(words), WIRE_EVENT)
    first, last, row = _pack(words, t_begin, out.view(np.int64))
    if len(words) and (first < t_begin or last - t_begin > MAX_PACKET_US):
        raise ValueError(
            f"events from {first} to {last} µs do not fit a packet that begins at {t_begin} µs"
        )
    if row >= MAX_SIDE:
        raise ValueError(f"row {row} is not below {MAX_SIDE}")
    return out


def unpack(wire: Events, t_begin: int) -> Events:
    """Unpack wire events ``[n] WIRE_EVENT`` of a packet that begins at ``t_begin`` µs."""
    out = np.empty(len(wire), EVENT)
    _unpack(np.ascontiguousarray(wire).view(np.int64), t_begin, out.view(np.int64).reshape(-1, 2))
    return out
