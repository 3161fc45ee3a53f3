"""Kernels of AEDAT's formats.

Whatever offset a file tells is checked against the bytes that are there before they are read.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def scan(raw, end, stream, large, streams, most, starts, sizes):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Find AEDAT4's whole packets of ``stream`` in ``raw``, which begins with a packet's head.

    Goes over those of ``streams``, none longer than ``most`` bytes, up to byte ``end``, the first
    packet that is none of these or not whole, or of ``stream`` and at least ``large``, or as many
    as ``starts`` and ``sizes`` hold: where the data of each begin, and how many bytes they are.
    Returns how many are found and how many bytes are gone over.
    """
    at = np.int64(0)
    n = 0
    while n < len(starts) and at != end and at + 8 <= len(raw):
        found, size = _u4(raw, at), _u4(raw, at + 4)
        known = False
        for other in streams:
            known |= other == found
        if not known or not 0 < size <= most or at + 8 + size > len(raw):
            break
        if found == stream:
            if size >= large:
                break
            starts[n], sizes[n] = at + 8, size
            n += 1
        at += 8 + size
    return n, at


@numba.njit(cache=True, nogil=True)
def evts(raw):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return where the events of an AEDAT4 packet begin, 16 bytes each, and how many there are.

    ``raw`` is a size-prefixed flatbuffer ``EVTS``; (-1, 0) where it cannot be true.
    """
    at, count = _vector(raw, 0x53545645)
    if at < 0 or at + 16 * count > len(raw):
        return -1, 0
    return at, count


@numba.njit(cache=True, nogil=True)
def gather(raw, starts, sizes, count, k, into, octets, n):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Add the events of AEDAT4's packets to the ``n`` that are in ``octets``, 16 bytes each.

    The ``count`` packets are size-prefixed flatbuffers ``EVTS`` in ``raw``; from the ``into``-th
    event of the ``k``-th on. Stops where ``octets`` is full, behind the last packet, or at one that
    cannot be true: then ``into`` is -1. Returns (n, k, into).
    """
    room = len(octets) // 16
    while k < count and n < room:
        packet = raw[starts[k] : starts[k] + sizes[k]]
        at, length = _vector(packet, 0x53545645)
        if at < 0 or at + 16 * length > len(packet) or into > length:
            return n, k, -1
        m = min(length - into, room - n)
        source = packet[at + 16 * into : at + 16 * (into + m)]
        target = octets[16 * n : 16 * (n + m)]
        for i in range(len(target)):
            target[i] = source[i]
        n += m
        into += m
        if into == length:
            into = 0
            k += 1
    return n, k, into


@numba.njit(cache=True, nogil=True)
def tables(raw, identifier, widths, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill ``out`` [m, fields] with the tables in a size-prefixed flatbuffer's vector.

    ``widths`` are the fields' bytes, 1, 4 or 8; the bytes are filled in at the low end, a field
    that a table lacks is zero. Returns how many tables there are, whether or not ``out`` holds them
    all; -1 where the buffer cannot be true.
    """
    at, count = _vector(raw, identifier)
    # A table takes eight bytes and more beside its place in the vector: fewer are a lie.
    if at < 0 or at + 4 * count > len(raw) or 12 * count > len(raw):
        return -1
    for i in range(min(count, out.shape[0])):
        place = at + 4 * i
        table = place + _u4(raw, place)
        fields, vtable, size = _fields(raw, table)
        if fields < 0:
            return -1
        for k in range(len(widths)):
            offset = _u2(raw, vtable + 4 + 2 * k) if k < fields else 0
            if offset != 0 and (offset < 4 or offset + widths[k] > size):
                return -1
            value = np.int64(0)
            if offset != 0:
                for b in range(widths[k]):
                    value |= np.int64(raw[table + offset + b]) << 8 * b
            out[i, k] = value
    return count


@numba.njit(cache=True, nogil=True, inline="always")
def _u2(raw, at):  # type: ignore[no-untyped-def]  # pragma: no cover
    return np.int64(raw[at]) | np.int64(raw[at + 1]) << 8


@numba.njit(cache=True, nogil=True, inline="always")
def _u4(raw, at):  # type: ignore[no-untyped-def]  # pragma: no cover
    return _u2(raw, at) | _u2(raw, at + 2) << 16


@numba.njit(cache=True, nogil=True)
def _fields(raw, table):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return a table's number of fields, where its vtable is, and its size; -1 for none at all."""
    if table < 4 or table + 4 > len(raw):
        return -1, 0, 0
    back = _u4(raw, table)
    vtable = table - (back - (1 << 32) if back >= 1 << 31 else back)
    if vtable < 4 or vtable + 4 > len(raw):
        return -1, 0, 0
    n, size = _u2(raw, vtable), _u2(raw, vtable + 2)
    if n < 4 or size < 4 or vtable + n > len(raw) or table + size > len(raw):
        return -1, 0, 0
    return (n - 4) // 2, vtable, size


@numba.njit(cache=True, nogil=True)
def _vector(raw, identifier):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return where the root's vector, its first field, begins, and its length; -1 for none.

    A root without one has an empty vector.
    """
    if len(raw) < 16 or _u4(raw, 0) > len(raw) - 4 or _u4(raw, 8) != identifier:
        return -1, 0
    table = 4 + _u4(raw, 4)
    fields, vtable, size = _fields(raw, table)
    if fields < 0:
        return -1, 0
    offset = _u2(raw, vtable + 4) if fields > 0 else 0
    if offset == 0:
        return 0, 0
    if offset < 4 or offset + 4 > size:
        return -1, 0
    at = table + offset
    at += _u4(raw, at)
    if at + 4 > len(raw):
        return -1, 0
    return at + 4, _u4(raw, at)
