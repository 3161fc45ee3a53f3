"""The kernel that reads lines of numbers into events."""

from __future__ import annotations

import numba
import numpy as np

TEXT_STATE = 4
"""Lines done; then of a fault its line, its column, and where it begins."""

NO_NUMBER, TOO_FEW, NOT_WHOLE = 1, 2, 3
"""Faults: a column is no number, a line ends too early, a pixel's place has a fraction."""

_POWERS = np.array([10**k for k in range(19)], np.int64)
_FAR = 2**62


@numba.njit(cache=True, nogil=True)
def text(raw, words, state, layout):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill ``words`` [m, 2] = (t, x | y << 16 | p << 32) from whole lines; return how many.

    raw     bytes, the last of which ends a line
    state   consumed, outside (events whose place is no pixel), -, fault; then ``TEXT_STATE``
    layout  the columns of t, x, y and p, the power of ten that makes µs of t, and whether it is
            commas or semicolons that divide columns (1) or blanks (0)

    Lines without any column and those that begin with ``#`` or ``%`` are passed over. Columns are
    divided by blanks, tabs, a comma or a semicolon.
    """
    room = words.shape[0]
    t_at, x_at, y_at, p_at = layout[0], layout[1], layout[2], layout[3]
    unit, divided = layout[4], layout[5] == 1
    last = max(t_at, x_at, y_at, p_at)
    end = len(raw)
    i = 0
    n = 0
    lines = state[4]
    while i < end and n < room:
        begin = i
        while raw[i] == 32 or raw[i] == 9 or raw[i] == 13:
            i += 1
        if raw[i] == 10:
            i += 1
            lines += 1
            continue
        if raw[i] == 35 or raw[i] == 37:
            while raw[i] != 10:
                i += 1
            i += 1
            lines += 1
            continue
        t = x = y = p = np.int64(0)
        fault = 0
        for column in range(last + 1):
            at = i
            if raw[i] == 10:
                fault = TOO_FEW
                break
            minus = raw[i] == 45
            i += int(minus or raw[i] == 43)
            m = np.int64(0)
            digits = 0
            scale = 0
            first = i
            d = np.int64(raw[i]) - 48
            while 0 <= d <= 9:
                m = m * 10 + d
                i += 1
                d = np.int64(raw[i]) - 48
            digits = i - first
            if digits > 18 or raw[i] == 46 or (raw[i] | 32) == 101:
                i, m, scale, digits = _careful(raw, first)
            if digits == 0:
                i, m, digits = _word(raw, first)
            if not _divides(raw[i]):
                digits = 0
                while not _divides(raw[i]) or (divided and (raw[i] == 32 or raw[i] == 9)):
                    i += 1
            if column == t_at:
                t = _scaled(m, scale + unit)
                t = -t if minus else t
            elif column in (x_at, y_at):
                if scale != 0:
                    whole = _scaled(m, scale)
                    if scale < 0 and _scaled(whole, -scale) != m:
                        fault = NOT_WHOLE
                    m = whole
                m = -m if minus else m
                if column == x_at:
                    x = m
                else:
                    y = m
            elif column == p_at:
                p = np.int64(m > 0 and not minus)
            else:
                digits = 1
            if digits == 0:
                fault = NO_NUMBER
            if fault:
                state[6] = column
                state[7] = at - begin
                break
            while raw[i] == 32 or raw[i] == 9 or raw[i] == 13:
                i += 1
            if raw[i] == 44 or raw[i] == 59:
                i += 1
                while raw[i] == 32 or raw[i] == 9 or raw[i] == 13:
                    i += 1
        if fault:
            state[3] = fault
            state[5] = lines
            if fault == TOO_FEW:
                state[7] = 0
            i = begin
            break
        while raw[i] != 10:
            i += 1
        i += 1
        lines += 1
        words[n, 0] = t
        words[n, 1] = (x & 0xFFFF) | (y & 0xFFFF) << 16 | p << 32
        good = 0 <= x <= 0xFFFF and 0 <= y <= 0xFFFF
        n += int(good)
        state[1] += int(not good)
    state[0] = i
    state[4] = lines
    return n


@numba.njit(cache=True, nogil=True, inline="always")
def _divides(byte):  # type: ignore[no-untyped-def]  # pragma: no cover
    return byte in (9, 10, 13, 32, 44, 59)


@numba.njit(cache=True, nogil=True)
def _careful(raw, i):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Read a number with a point, an exponent or many digits: its end, digits and power of ten.

    Of more than 18 significant digits the rest does not count.
    """
    m = np.int64(0)
    held = 0
    digits = 0
    scale = 0
    point = 0
    while True:
        d = np.int64(raw[i]) - 48
        if 0 <= d <= 9:
            digits += 1
            if held < 18:
                m = m * 10 + d
                held += int(m > 0)
                scale -= point
            else:
                scale += 1 - point
        elif raw[i] == 46 and point == 0:
            point = 1
        else:
            break
        i += 1
    if digits and (raw[i] | 32) == 101:
        j = i + 1
        minus = raw[j] == 45
        j += int(minus or raw[j] == 43)
        e = 0
        first = j
        d = np.int64(raw[j]) - 48
        while 0 <= d <= 9:
            if e < 1000:
                e = e * 10 + int(d)
            j += 1
            d = np.int64(raw[j]) - 48
        if j > first:
            scale += -e if minus else e
            i = j
    return i, m, scale, digits


@numba.njit(cache=True, nogil=True)
def _word(raw, i):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Read ``true`` or ``false``, in any case; digits 0 where it is neither."""
    word = np.int64(0)
    j = i
    while 97 <= (raw[j] | 32) <= 122 and j < i + 6:
        word = word << 8 | (raw[j] | 32)
        j += 1
    if word == 0x74727565:
        return j, np.int64(1), 1
    if word == 0x66616C7365:
        return j, np.int64(0), 1
    return i, np.int64(0), 0


@numba.njit(cache=True, nogil=True)
def _scaled(m, power):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return ``m`` (not negative) times a power of ten, rounded to the nearest, 2**62 at most."""
    if power == 0:
        return min(m, np.int64(_FAR))
    if power > 0:
        if m == 0:
            return np.int64(0)
        if power > 18 or m > _FAR // _POWERS[power]:
            return np.int64(_FAR)
        return m * _POWERS[power]
    if power < -18:
        return np.int64(0)
    by = _POWERS[-power]
    return (m + (by >> 1)) // by
