"""LZ4 of AEDAT4's events, by what is known of them: an LZ4 frame as any other, only sooner made.

Where events come many to the µs, an event is little news: its column and its row's low byte. The
rest, from the row's high byte over the polarity and the padding to the whole time of the event that
follows, stood behind an earlier event already, most often a near one. So each event is three
bytes as they are and one match of thirteen, six bytes in all, and nothing has to be searched for;
where no near one has its row's high byte and its polarity these are told as well, eight bytes.
Where time runs on between events LZ4's own search finds more, and is used.

Source of the format: "LZ4 Frame Format Description" 1.6.3 and "LZ4 Block Format Description", by
Yann Collet, github.com/lz4/lz4.
"""

from __future__ import annotations

import struct

import numba
import numpy as np
from numpy.typing import NDArray

from pipeline.packets import Buffer
from recordings.unaligned import store64

_FRAME = bytes.fromhex("04224d18 6070 73")
"""An LZ4 frame's beginning: blocks of up to 4 MB, each on its own; no checksums beside its own."""

_END = bytes(4)
_MOST = 4 << 20
_SAME = 0.75
"""The least share of events at the time of the event ahead of them, for which this is the way."""

_HEAD = 32


def packed(head: bytes, words: NDArray[np.int64]) -> list[Buffer] | None:
    """Return the LZ4 frame of a packet: its 32 bytes ``head``, then events ``words`` ``[n, 2]``.

    It is the buffers one behind the other.

    Every byte of an event beyond t, x, y and a polarity of 0 or 1 must be zero. None where LZ4's
    own search would make less of it.
    """
    n = len(words)
    size = _HEAD + 16 * n
    if n < 16 or size > _MOST or _standing(words) < _SAME * n:
        return None
    first = np.frombuffer(head, np.uint8)
    raw = words.view(np.uint8).reshape(-1)
    out = np.empty(size + size // 128 + 64, np.uint8)
    length = int(_encode(first, words, raw, out, np.full(512, -1, np.int64)))
    if length >= size:
        return None
    return [_FRAME + struct.pack("<I", length), out[:length].data, _END]


@numba.njit(cache=True, nogil=True)
def _standing(words):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return how many events have the time of the event ahead of them."""
    n = 0
    for i in range(1, words.shape[0]):
        n += words[i, 0] == words[i - 1, 0]
    return n


@numba.njit(cache=True, nogil=True)
def _encode(head, words, raw, out, last):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill ``out`` with the LZ4 block of ``head`` and events; return its length.

    words, raw  the events as words ``[n, 2]`` and as bytes
    last        for each row's high byte and polarity the event that had them last, or -1
    """
    n = words.shape[0]
    at = 0
    # The bytes from here on are not yet written; those of the head lie before zero.
    anchor = -32
    # The first event that another at the time of this one follows; times are in order.
    first = 0
    for i in range(n - 1):
        base = 16 * i
        now, following = words[i, 0], words[i + 1, 0]
        c = words[i, 1]
        key = (c >> 23 & 0x1FE) | (c >> 32 & 1)
        j = last[key]
        last[key] = i
        if anchor == base + 8:
            change = now ^ following
            if change == 0:
                # The event ahead will always do, but for the row's high byte and the polarity.
                near = (j >= first) & (i - j < 4096)
                short = 0x39 | (c & 0xFFFFFF) << 8 | (i - j) << 36
                long = 0x57 | (c & 0xFF_FFFF_FFFF) << 8 | 16 << 48
                store64(out, at, short if near else long)
                at += 6 if near else 8
                anchor = base + 24
                continue
            if (j >= 0) & (i - j < 4096) & (change >> 32 == 0):
                store64(out, at, 0x31 | (c & 0xFFFFFF) << 8 | (i - j) << 36)
                fresh = 1 + (change > 0xFF) + (change > 0xFFFF) + (change > 0xFFFFFF)
                low = following & ((1 << 8 * fresh) - 1)
                token = fresh << 4 | (4 - fresh)
                store64(out, at + 6, token | low << 8 | 16 << (8 + 8 * fresh))
                at += 9 + fresh
                first = i
                anchor = base + 24
                continue
        if anchor <= base and i > 0:
            change = words[i, 0] ^ words[i - 1, 0]
            fresh = 0
            while change != 0:
                change = (change >> 8) & 0xFF_FFFF_FFFF_FFFF
                fresh += 1
            if fresh <= 4:
                at = _sequence(head, raw, anchor, base + fresh, 16, 8 - fresh, out, at)
                anchor = base + 8
        if now != following:
            first = i
        if j < 0 or i - j >= 4096:
            continue
        length = 13 if j >= first and now == following else 5
        at = _sequence(head, raw, anchor, base + 11, 16 * (i - j), length, out, at)
        anchor = base + 11 + length
    # A block ends with bytes that are no match.
    return _literals(head, raw, anchor, 16 * n, 0, out, at)


@numba.njit(cache=True, nogil=True)
def _sequence(head, raw, anchor, upto, offset, length, out, at):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Write bytes as they are, then a match; return where it ends."""
    at = _literals(head, raw, anchor, upto, length - 4, out, at)
    out[at] = offset & 0xFF
    out[at + 1] = offset >> 8
    return at + 2


@numba.njit(cache=True, nogil=True)
def _literals(head, raw, anchor, upto, match, out, at):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Write a token for a match below 15 + 4, and the bytes ahead of it; return where they end."""
    literals = upto - anchor
    out[at] = min(literals, 15) << 4 | match
    at += 1
    if literals >= 15:
        rest = literals - 15
        while rest >= 255:
            out[at] = 255
            at += 1
            rest -= 255
        out[at] = rest
        at += 1
    for k in range(anchor, upto):
        out[at] = raw[k] if k >= 0 else head[32 + k]
        at += 1
    return at
