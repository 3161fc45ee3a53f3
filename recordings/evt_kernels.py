"""Kernels of Prophesee's word formats: EVT2, EVT2.1, EVT3 and DAT.

Written after the specifications at docs.prophesee.ai (Data Encoding Formats, File Formats). Every
kernel keeps its state across calls: (consumed, skipped, wraps, fault, its own ...), see
``decoder.Kernel``. Events ahead of the first word that tells the time are skipped and counted.
"""

from __future__ import annotations

import numba
import numpy as np

from recordings.policy import undo_wrap
from recordings.unaligned import trailing_zeros

EVT2_STATE = 3
"""Time has been told (0 or 1), the time's high part with its wraps in µs, the last TIME_HIGH."""

EVT3_STATE = 7
"""As EVT2's; then TIME_LOW, row, the next column of a vector, its polarity."""

DAT_STATE = 2
"""The last time, the wraps in µs."""


@numba.njit(cache=True, nogil=True, inline="always")
def _time_high(high, ticks, unit_bits, state):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Take in a TIME_HIGH of a counter of ``ticks``."""
    if state[4] == 0:
        state[4] = 1
        state[5] = high << unit_bits
    else:
        wrapped = undo_wrap(high, state[6], ticks)
        state[2] += wrapped
        state[5] += (high - state[6] + wrapped * ticks) << unit_bits
    state[6] = high


@numba.njit(cache=True, nogil=True)
def evt2(raw, words, state):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Decode EVT2: 32-bit words, type in the highest four bits."""
    data = raw[: len(raw) // 4 * 4].view(np.uint32)
    flat = words.reshape(-1)
    room = words.shape[0]
    n = 0
    i = 0
    begun, high = state[4], state[5]
    while i < len(data) and n < room:
        some = data[i : i + min(32, room - n)]
        # Words up to the next that is no event are decoded several at once.
        others = np.uint32(begun == 0) << np.uint32(31)
        for k in range(len(some)):
            others |= some[k]
        events = len(some)
        if others >= 1 << 29:
            events = 0
            while begun == 1 and some[events] < 1 << 29:
                events += 1
        out = flat[2 * n : 2 * (n + events)]
        for k in range(events):
            w = np.int64(some[k])
            out[2 * k] = high | (w >> 22 & 0x3F)
            out[2 * k + 1] = (w >> 11 & 0x7FF) | (w & 0x7FF) << 16 | (w & 1 << 28) << 4
        n += events
        i += events
        if others < 1 << 29:
            continue
        w = np.int64(data[i])
        kind = w >> 28
        i += 1
        if kind == 8:
            _time_high(w & 0xFFFFFFF, 1 << 28, 6, state)
            begun, high = state[4], state[5]
        elif kind not in (0xA, 0xE, 0xF):
            state[1] += 4
    state[0] = 4 * i
    return n


@numba.njit(cache=True, nogil=True)
def evt21(raw, words, state):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Decode EVT2.1: 64-bit words, each up to 32 pixels of a row; see ``evt2``.

    The last field of the state tells whether the halves of a word have changed places.
    """
    data = raw[: len(raw) // 8 * 8].view(np.uint64)
    room = words.shape[0] - 32
    swapped = state[7]
    n = 0
    i = 0
    while i < len(data) and n <= room:
        w = data[i]
        if swapped:
            w = w >> np.uint64(32) | w << np.uint64(32)
        top = np.int64(w >> np.uint64(32))
        kind = top >> 28
        i += 1
        if kind <= 1 and state[4] == 1:
            t = state[5] | (top >> 22 & 0x3F)
            c = (top >> 11 & 0x7FF) | (top & 0x7FF) << 16 | kind << 32
            valid = np.int64(w & np.uint64(0xFFFFFFFF))
            while valid:
                words[n, 0] = t
                words[n, 1] = c + np.int64(trailing_zeros(valid))
                valid &= valid - 1
                n += 1
        elif kind == 8:
            _time_high(top & 0xFFFFFFF, 1 << 28, 6, state)
        elif kind not in (0xA, 0xE, 0xF):
            state[1] += 8
    state[0] = 8 * i
    return n


@numba.njit(cache=True, nogil=True)
def evt3(raw, words, state):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Decode EVT3: 16-bit words that each tell what changes; see ``evt2``.

    TIME_LOW may step back by a few µs ahead of its TIME_HIGH; only TIME_HIGH wraps.
    """
    data = raw[: len(raw) // 2 * 2].view(np.uint16)
    room = words.shape[0] - 12
    n = 0
    i = 0
    while state[4] == 0 and i < len(data):
        w = np.int64(data[i])
        kind = w >> 12
        i += 1
        if kind == 8:
            _time_high(w & 0xFFF, 1 << 12, 12, state)
        elif kind == 0:
            state[8] = (w & 0x7FF) << 16
        elif kind not in (0x6, 0x7, 0xA, 0xE, 0xF):
            state[1] += 2
    high, row, base, polarity = state[5], state[8], state[9], state[10]
    same = state[6] | 8 << 12
    t = high | state[7]
    while i < len(data) and n <= room:
        w = np.int64(data[i])
        kind = w >> 12
        i += 1
        # Row, event and TIME_LOW follow each other in no order that a branch could learn; neither
        # do words of other kinds (triggers, their continuations, the same TIME_HIGH once more).
        if 1 << kind & 0b1100_0100_1100_0101 or w == same:
            is_low = -np.int64(kind == 6)
            is_row = -np.int64(kind == 0)
            t = (t & ~is_low) | ((high | (w & 0xFFF)) & is_low)
            row = (row & ~is_row) | ((w & 0x7FF) << 16 & is_row)
            words[n, 0] = t
            words[n, 1] = (w & 0x7FF) | row | (w & 0x800) << 21
            n += kind == 2
        elif kind == 3:
            base = w & 0x7FF
            polarity = (w & 0x800) << 21
        elif 4 <= kind <= 5:
            length = 12 if kind == 4 else 8
            valid = w & ((1 << length) - 1)
            while valid:
                words[n, 0] = t
                words[n, 1] = (base + np.int64(trailing_zeros(valid))) | row | polarity
                valid &= valid - 1
                n += 1
            base = (base + length) & 0x1FFF
        elif kind == 8:
            _time_high(w & 0xFFF, 1 << 12, 12, state)
            high = state[5]
            same = w
            t = high | (t & 0xFFF)
        else:
            state[1] += 2
    state[7], state[8], state[9], state[10] = t & 0xFFF, row, base, polarity
    state[0] = 2 * i
    return n


@numba.njit(cache=True, nogil=True)
def dat(raw, words, state):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Decode DAT: 32 bits of time, 14 of column, 14 of row, 4 of polarity."""
    data = raw[: len(raw) // 8 * 8].view(np.uint64)
    n = min(len(data), words.shape[0])
    flat = words.reshape(-1)
    for begin in range(0, n, 1024):
        end = min(begin + 1024, n)
        before, wrap = state[4], state[5]
        back = np.int64(0)
        some = data[begin:end]
        # In one dimension several are decoded in one instruction.
        out = flat[2 * begin : 2 * end]
        for i in range(len(some)):
            w = np.int64(some[i])
            t = w & 0xFFFFFFFF
            back |= t - before
            before = t
            out[2 * i] = t + wrap
            out[2 * i + 1] = (w >> 32 & 0x3FFF) | (w >> 30 & 0x3FFF0000) | (w >> 28 & 1 << 32)
        if back < 0:
            before = _mend(words[begin:end], state)
        state[4] = before
    state[0] = 8 * n
    return n


@numba.njit(cache=True, nogil=True)
def dat1(raw, words, state):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Decode DAT of version 1: 9 bits of column, 8 of row, 1 of polarity."""
    data = raw[: len(raw) // 8 * 8].view(np.uint64)
    n = min(len(data), words.shape[0])
    if n:
        for i in range(n):
            w = np.int64(data[i])
            words[i, 0] = (w & 0xFFFFFFFF) + state[5]
            words[i, 1] = (w >> 32 & 0x1FF) | (w >> 41 & 0xFF) << 16 | (w >> 49 & 1) << 32
        state[4] = _mend(words[:n], state)
    state[0] = 8 * n
    return n


@numba.njit(cache=True, nogil=True)
def _mend(words, state):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Undo the wraps of a 32-bit clock; return the last time as the file tells it."""
    before, wrap = state[4], state[5]
    entry = wrap
    for i in range(words.shape[0]):
        t = words[i, 0] - entry
        wrapped = undo_wrap(t, before, 1 << 32)
        wrap += wrapped << 32
        state[2] += wrapped
        words[i, 0] = t + wrap
        before = t
    state[5] = wrap
    return before
