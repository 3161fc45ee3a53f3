"""What writers do with every event: check it, and copy it to where their packets are made."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def check(words, latest, origin, width, height):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return which of ``words`` [n, 2] = (t, x | y << 16 | p << 32) is the first flaw, or -1."""
    n = words.shape[0]
    if n == 0:
        return -1
    before = latest + origin
    flaws = np.int64(0)
    for i in range(n):
        t, c = words[i, 0], words[i, 1]
        flaws |= t - before
        flaws |= width - 1 - (c & 0xFFFF)
        flaws |= height - 1 - (c >> 16 & 0xFFFF)
        flaws |= 1 - (c >> 32 & 0xFF)
        before = t
    # The first and the last time bound all others, where they are in order.
    if flaws >= 0 and words[0, 0] >= -(1 << 61) and before - origin <= 1 << 61:
        return -1
    before = latest + origin
    for i in range(n):
        t, c = words[i, 0], words[i, 1]
        if (
            t < before
            or t < -(1 << 61)
            or t - origin > 1 << 61
            or (c & 0xFFFF) >= width
            or (c >> 16 & 0xFFFF) >= height
            or (c >> 32 & 0xFF) > 1
        ):
            return i
        before = t
    return -1


@numba.njit(cache=True, nogil=True)
def copy(words, out, origin):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Copy ``words`` [n, 2] to ``out``, less the origin and what stands in padding."""
    for i in range(words.shape[0]):
        out[i, 0] = words[i, 0] - origin
        out[i, 1] = words[i, 1] & 0x1_FFFF_FFFF


@numba.njit(cache=True, nogil=True)
def unpack(wire, out, begin, latest, width, height):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill ``out`` [n, 2] from words dt | x << 32 | y << 49 | p << 48; tell whether all is well."""
    before = latest - begin
    flaws = np.int64(0)
    for i in range(out.shape[0]):
        w = wire[i]
        dt = w & 0xFFFF_FFFF
        x = w >> 32 & 0xFFFF
        y = w >> 49 & 0x7FFF
        flaws |= (dt - before) | (width - 1 - x) | (height - 1 - y)
        before = dt
        out[i, 0] = begin + dt
        out[i, 1] = x | y << 16 | (w >> 48 & 1) << 32
    return flaws >= 0
