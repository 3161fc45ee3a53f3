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


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _pack(events, t_begin, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    for i in range(events.shape[0]):
        e = events[i]
        out[i].dt = e.t - t_begin
        out[i].x = e.x
        out[i].yp = (e.y << 1) | (e.p & 1)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _unpack(wire, t_begin, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    for i in range(wire.shape[0]):
        w = wire[i]
        out[i].t = t_begin + w.dt
        out[i].x = w.x
        out[i].y = w.yp >> 1
        out[i].p = w.yp & 1


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
    if len(events):
        first, last = int(events["t"].min()), int(events["t"].max())
        if first < t_begin or last - t_begin > MAX_PACKET_US:
            raise ValueError(
                f"events from {first} to {last} µs do not fit a packet that begins at {t_begin} µs"
            )
        if int(events["y"].max()) >= MAX_SIDE:
            raise ValueError(f"row {int(events['y'].max())} is not below {MAX_SIDE}")
    out = np.empty(len(events), WIRE_EVENT)
    _pack(events, t_begin, out)
    return out


def unpack(wire: Events, t_begin: int) -> Events:
    """Unpack wire events ``[n] WIRE_EVENT`` of a packet that begins at ``t_begin`` µs."""
    out = np.zeros(len(wire), EVENT)
    _unpack(wire, t_begin, out)
    return out
