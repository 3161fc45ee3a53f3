"""Files as cameras write them, encoded word by word from events, for tests.

Written after the specifications, apart from the readers' code.
"""

from __future__ import annotations

import struct

import numpy as np

from pipeline.events import Events


def _rows(events: Events) -> list[tuple[int, int, int, int]]:
    names = ("t", "x", "y", "p")
    return list(zip(*(events[name].tolist() for name in names), strict=True))


def header(*lines: str) -> bytes:
    """Return Prophesee's header of lines ``% key value``."""
    return b"".join(f"% {line}\n".encode() for line in lines)


def evt2(events: Events) -> bytes:
    """Return EVT2's 32-bit words."""
    words, high = [], None
    for t, x, y, p in _rows(events):
        if t >> 6 != high:
            high = t >> 6
            words.append(8 << 28 | high & 0xFFFFFFF)
        words.append(p << 28 | (t & 63) << 22 | x << 11 | y)
    return np.array(words, "<u4").tobytes()


def evt21(events: Events, legacy: bool = False) -> bytes:
    """Return EVT2.1's 64-bit words, one pixel each; ``legacy``: the high half first."""
    words, high = [], None
    for t, x, y, p in _rows(events):
        if t >> 6 != high:
            high = t >> 6
            words.append((8 << 28 | high & 0xFFFFFFF) << 32)
        words.append((p << 28 | (t & 63) << 22 | (x & ~31) << 11 | y) << 32 | 1 << (x & 31))
    halves = np.array(words, "<u8").view("<u4").reshape(-1, 2)
    return (halves[:, ::-1] if legacy else halves).tobytes()


def evt3(events: Events) -> bytes:
    """Return EVT3's 16-bit words, no vectors."""
    words: list[int] = []
    high = low = row = None
    for t, x, y, p in _rows(events):
        if t >> 12 != high:
            high = t >> 12
            words.append(8 << 12 | high & 0xFFF)
        if t & 0xFFF != low:
            low = t & 0xFFF
            words.append(6 << 12 | low)
        if y != row:
            row = y
            words.append(y)
        words.append(2 << 12 | p << 11 | x)
    return np.array(words, "<u2").tobytes()


def dat(events: Events) -> bytes:
    """Return DAT's type and size, and its pairs of 32-bit words."""
    pairs = [(t & 0xFFFFFFFF, x | y << 14 | p << 28) for t, x, y, p in _rows(events)]
    return bytes([12, 8]) + np.array(pairs, "<u4").reshape(-1, 2).tobytes()


def event_stream(events: Events, width: int, height: int, atis: bool = False) -> bytes:
    """Return an Event Stream file; ``atis``: with a measure of exposure behind each event."""
    out = bytearray(b"Event Stream\2\0\0" + bytes([2 if atis else 1]))
    out += struct.pack("<HH", width, height)
    before = 0
    for t, x, y, p in _rows(events):
        step = t - before
        before = t
        place = struct.pack("<HH", x, height - 1 - y)
        if atis:
            while step > 62:
                many = min(step // 63, 3)
                out.append(0xFC | many)
                step -= 63 * many
            out += bytes([step << 2 | p << 1]) + place
            out += bytes([1 | p << 1]) + place
        else:
            while step > 126:
                out.append(0xFF)
                step -= 127
            out += bytes([step << 1 | p]) + place
    return bytes(out)


def aedat2(events: Events, width: int, height: int, davis: bool, chip: str | None = None) -> bytes:
    """Return an AEDAT 2.0 file."""
    lines = ["#!AER-DAT2.0", "# This is a raw AE data file - do not edit"]
    if chip:
        lines.append(f"# AEChip: {chip}")
    out = bytearray("".join(line + "\r\n" for line in lines).encode())
    for t, x, y, p in _rows(events):
        right, up = width - 1 - x, height - 1 - y
        address = up << 22 | right << 12 | p << 11 if davis else up << 8 | right << 1 | (1 - p)
        out += struct.pack(">II", address, t & 0xFFFFFFFF)
    return bytes(out)


def aedat31_packet(
    kind: int, size: int, number: int, data: bytes, overflow: int = 0, source: int = 1
) -> bytes:
    """Return a packet of AEDAT 3.1."""
    return struct.pack("<hh6i", kind, source, size, 4, overflow, number, number, number) + data


def aedat31_header(source: str = "DAVIS240C", form: str = "RAW") -> bytes:
    """Return AEDAT 3.1's header."""
    lines = ("!AER-DAT3.1", f"Format: {form}", f"Source 1: {source}", "!END-HEADER")
    return "".join(f"#{line}\r\n" for line in lines).encode()


def aedat31(events: Events, packet: int = 50, source: str = "DAVIS240C") -> bytes:
    """Return an AEDAT 3.1 file of polarity events, so many a packet."""
    out = bytearray(aedat31_header(source))
    for overflow in np.unique(events["t"] >> 31).tolist():
        some = events[events["t"] >> 31 == overflow]
        for k in range(0, len(some), packet):
            part = some[k : k + packet]
            data = b"".join(
                struct.pack("<Ii", 1 | p << 1 | y << 2 | x << 17, t & 0x7FFFFFFF)
                for t, x, y, p in _rows(part)
            )
            out += aedat31_packet(1, 8, len(part), data, overflow)
    return bytes(out)
