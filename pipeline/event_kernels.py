"""How events become wire events and back; loaded by those alone who have events to convert."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def pack(words, t_begin, out):  # type: ignore[no-untyped-def]  # pragma: no cover
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
def unpack(wire, t_begin, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill ``out`` [n, 2] as in ``pack`` from ``wire`` [n] i8."""
    for i in range(wire.shape[0]):
        w = wire[i]
        out[i, 0] = t_begin + (w & 0xFFFFFFFF)
        out[i, 1] = ((w >> 32) & 0xFFFF) | (((w >> 49) & 0x7FFF) << 16) | (((w >> 48) & 1) << 32)
