"""What the columns of events are called, in which unit their times are, and how they become events.

A time's unit stands in its column's name (``t_us``, ``timestamp [ns]``). Where it does not, whole
times are µs, and times of which any has a fraction are seconds. Columns without names are told
by their values: see ``guess``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.events import Events, empty_events

SECONDS, MICROSECONDS = 6, 0
"""Units of time, as the power of ten that makes µs of them."""

_UNITS = {
    "s": 6, "sec": 6, "seconds": 6, "ms": 3, "msec": 3, "us": 0, "µs": 0, "μs": 0, "usec": 0,
    "microseconds": 0, "ns": -3, "nsec": -3, "nanoseconds": -3,
}  # fmt: skip

_ROLES = (
    ("t", "ts", "timestamp", "timestamps", "time", "times"),
    ("x", "xs", "x_pos", "col", "column"),
    ("y", "ys", "y_pos", "row"),
    ("p", "ps", "pol", "polarity", "polarities", "on"),
)

_ORDERS = ((0, 1, 2, 3), (2, 0, 1, 3), (3, 0, 1, 2), (0, 2, 3, 1))
"""Where t, x, y, p stand in columns without names: ``txyp``, ``xytp``, ``xypt``, ``tpxy``."""

_WITH_UNIT = re.compile(r"(.+?)(?:[_\s]+|\s*[\[(]\s*)([a-zµμ]+)[\])]?$")
_LIMIT = 2**61
_BROKEN = 0.01

Column = NDArray[Any]


class Named(NamedTuple):
    """Which of the given names are t, x, y, p, and the time's unit where it is told."""

    t: int
    x: int
    y: int
    p: int
    exponent: int | None


def named(names: Sequence[str]) -> Named | None:
    """Find the columns of events among ``names``; None unless there are all four."""
    plain = [name.strip().strip("\"'").strip().casefold() for name in names]
    found: list[int] = []
    exponent: int | None = None
    for role in _ROLES:
        at = next((i for i, name in enumerate(plain) if name in role), None)
        if at is None and role is _ROLES[0]:
            for i, name in enumerate(plain):
                match = _WITH_UNIT.match(name)
                if match and match[1] in role and match[2] in _UNITS:
                    at, exponent = i, _UNITS[match[2]]
                    break
        if at is None:
            return None
        found.append(at)
    t, x, y, p = found
    return Named(t, x, y, p, exponent)


def guess(rows: NDArray[np.float64]) -> Named | None:
    """Tell by their values which of four columns without names are t, x, y and p.

    rows  the first rows, ``[n, 4]``

    Of the orders ``t x y p``, ``x y t p``, ``x y p t`` and ``t p x y`` it is the one in which p is
    only ever -1, 0 or 1, x and y are whole and not negative (but for one row in 100), and time
    steps back most seldom; the first of several. None where none fits.
    """
    best: tuple[int, Named] | None = None
    for order in _ORDERS:
        t, x, y, p = (rows[:, i] for i in order)
        fits = np.isin(p, (-1, 0, 1)) & np.isfinite(t)
        for place in (x, y):
            fits &= (place >= 0) & (place < 2**16) & (place == np.floor(place))
        if np.count_nonzero(~fits) > _BROKEN * len(rows):
            continue
        falls = int(np.count_nonzero(np.diff(t) < 0))
        if best is None or falls < best[0]:
            best = falls, Named(*order, None)
    return best and best[1]


def unit_of(times: Column) -> int:
    """Return the unit of times whose name tells none, by the first of them."""
    if times.dtype.kind != "f":
        return MICROSECONDS
    finite = times[np.isfinite(times)]
    return SECONDS if (finite != np.floor(finite)).any() else MICROSECONDS


def microseconds(times: Column, exponent: int, offset_us: int = 0) -> NDArray[np.int64]:
    """Return times in whole µs, rounded to the nearest; what is out of all bounds is ±2**62."""
    if times.dtype.kind == "f":
        scaled = np.floor(times.astype(np.float64) * 10.0**exponent + 0.5)
        scaled[~(np.abs(scaled) <= _LIMIT)] = 2 * _LIMIT
        return scaled.astype(np.int64) + offset_us
    if times.dtype == np.uint64:
        times = np.minimum(times, np.uint64(2**63 - 1))
    whole = times.astype(np.int64)
    if exponent > 0:
        bound = _LIMIT // 10**exponent
        whole = np.clip(whole, -bound - 1, bound + 1) * 10**exponent
    elif exponent < 0:
        whole = (whole + 10**-exponent // 2) // 10**-exponent
    return np.clip(whole, -2 * _LIMIT, 2 * _LIMIT) + offset_us


def joined(
    t: Column, x: Column, y: Column, p: Column, exponent: int, offset_us: int = 0
) -> tuple[Events, int]:
    """Return events ``[m] EVENT`` of columns ``[n]`` of any numeric dtype, and how many fell out.

    t  times in units of 10**``exponent`` µs; ``offset_us`` is added to them
    p  ON where it is above 0

    An event whose x or y is no pixel (negative, above 65,535, no number) falls out.
    """
    events = empty_events(len(t))
    events["t"] = microseconds(t, exponent, offset_us)
    good: NDArray[np.bool_] | None = None
    for name, column in (("x", x), ("y", y)):
        if column.dtype.kind == "b" or column.dtype in (np.uint8, np.uint16):
            events[name] = column
            continue
        held = (column >= 0) & (column < 2**16)
        if held.all():
            events[name] = column
            continue
        events[name] = np.where(held, column, 0)
        good = held if good is None else good & held
    events["p"] = p if p.dtype.kind == "b" else p > 0
    if good is None:
        return events, 0
    kept = empty_events(int(np.count_nonzero(good)))
    kept[:] = events[good]
    return kept, len(events) - len(kept)
