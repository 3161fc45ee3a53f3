"""The event: what one pixel of a silicon retina says, in memory and on the wire.

In memory an event is 16 bytes with AEDAT4's field order (``EVENT``); on the wire it is 8 bytes
with its time counted from the beginning of its packet (``WIRE_EVENT``). The two convert into
each other without loss while a packet covers less than 2**32 µs and y stays below 2**15.
"""

from __future__ import annotations

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
    # numba takes 100 MB and a second to load: a node without events does without.
    from pipeline import event_kernels

    words = np.ascontiguousarray(events).view(np.int64).reshape(-1, 2)
    out = np.empty(len(words), WIRE_EVENT)
    first, last, row = event_kernels.pack(words, t_begin, out.view(np.int64))
    if len(words) and (first < t_begin or last - t_begin > MAX_PACKET_US):
        raise ValueError(
            f"events from {first} to {last} µs do not fit a packet that begins at {t_begin} µs"
        )
    if row >= MAX_SIDE:
        raise ValueError(f"row {row} is not below {MAX_SIDE}")
    return out


def unpack(wire: Events, t_begin: int) -> Events:
    """Unpack wire events ``[n] WIRE_EVENT`` of a packet that begins at ``t_begin`` µs."""
    from pipeline import event_kernels

    out = np.empty(len(wire), EVENT)
    event_kernels.unpack(
        np.ascontiguousarray(wire).view(np.int64), t_begin, out.view(np.int64).reshape(-1, 2)
    )
    return out
