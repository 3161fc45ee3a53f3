"""Events as other libraries hold them: NumPy's structured arrays, in and out.

Ours is ``EVENT`` (t, x, y, p in 16 bytes). Each function returns a new array.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.events import EVENT, Events
from recordings.columns import joined, named, unit_of

TONIC = np.dtype([("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "?")])
"""tonic's event (``tonic.io.events_struct``)."""

PACKED = np.dtype([("t", "<u8"), ("x", "<u2"), ("y", "<u2"), (("p", "on"), "?")])
"""faery's event: 13 bytes, packed; ``on`` is ``p`` as well. event_stream's has the same bytes."""

METAVISION = np.dtype([("x", "<u2"), ("y", "<u2"), ("p", "<i2"), ("t", "<i8")])
"""The event of Prophesee's Metavision (``EventCD``)."""


def to_tonic(events: Events) -> NDArray[np.void]:
    """Return events ``[n] EVENT`` as ``[n] TONIC``.

    Raises ValueError where x or y is beyond 32,767, tonic's largest.
    """
    if len(events) and max(int(events["x"].max()), int(events["y"].max())) >= 2**15:
        raise ValueError("x or y is beyond 32,767, the largest that tonic's events hold")
    return _filled(events, TONIC, "p")


def to_packed(events: Events) -> NDArray[np.void]:
    """Return events ``[n] EVENT`` as ``[n] PACKED``; raises ValueError where a time is negative."""
    if len(events) and int(events["t"].min()) < 0:
        raise ValueError(f"time {int(events['t'].min())} µs is negative, which u8 cannot hold")
    return _filled(events, PACKED, "on")


def to_metavision(events: Events) -> NDArray[np.void]:
    """Return events ``[n] EVENT`` as ``[n] METAVISION``."""
    return _filled(events, METAVISION, "p")


def from_array(array: NDArray[np.void], exponent: int | None = None) -> Events:
    """Return the events of a structured array ``[n]`` as ``[n] EVENT``.

    array     fields by any of their usual names (``t``, ``ts``, ``timestamp``, ``timestamp_ns``;
              ``p``, ``polarity``, ``on``), in any order and of any numeric dtype; ON is above 0
    exponent  times are in units of 10**exponent µs: 6 for s, 0 for µs, -3 for ns; None: as the
              field's name says, else s where any time has a fraction, else µs

    Raises ValueError, naming what there is, where a field is missing or no number, and where x or
    y is negative or beyond 65,535.
    """
    fields = array.dtype.names or ()
    found = named(fields)
    if array.ndim != 1 or found is None:
        raise ValueError(
            f"an array of shape {array.shape} with fields {list(fields)} holds no events, expected "
            "one dimension and fields for t, x, y and p"
        )
    columns = [array[fields[i]] for i in found[:4]]
    for i, column in zip(found[:4], columns, strict=True):
        if column.dtype.kind not in "iufb" or column.ndim != 1:
            raise ValueError(f"field {fields[i]!r} is of dtype {column.dtype}, expected numbers")
    t, x, y, p = columns
    if exponent is None:
        exponent = unit_of(t) if found.exponent is None else found.exponent
    events, outside = joined(t, x, y, p, exponent)
    if outside:
        raise ValueError(f"x or y of {outside} events is outside 0 to 65,535")
    return events


def _filled(events: Events, dtype: np.dtype[np.void], on: str) -> NDArray[np.void]:
    if events.dtype != EVENT:
        raise ValueError(f"events have dtype {events.dtype}, expected {EVENT}")
    out = np.empty(len(events), dtype)
    for name in ("t", "x", "y"):
        out[name] = events[name]
    out[on] = events["p"]
    return out
