"""AEDAT4's packets of frames, IMU samples and triggers, and its table of packets, as bytes.

Every packet is a flatbuffer with its length ahead. The tables in a vector of one kind are all
alike, so that they are an array of numpy, whose first field leads back to their common vtable.
"""

from __future__ import annotations

import struct
from array import array
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recordings.side import Frame, Samples

_FRAME_VTABLE = struct.pack("<13H", 26, 60, 8, 16, 24, 32, 40, 56, 48, 50, 52, 54, 4)
_FRAME = struct.Struct("<II4s26s2xiIqqqqq4hb7xI")
_FORMATS = {1: 0, 3: 16, 4: 24}
"""A frame's pixel format by its channels: OpenCV's 8U_C1, 8U_C3, 8U_C4."""

_IMU = np.dtype(
    [
        ("vtable", "<i4"),
        ("temperature", "<f4"),
        ("t", "<i8"),
        ("acceleration", "<f4", (3,)),
        ("rotation", "<f4", (3,)),
        ("magnetic", "<f4", (3,)),
        ("_", "V4"),
    ]
)
_IMU_VTABLE = struct.pack("<13H", 26, 52, 8, 4, *range(16, 52, 4))

_TRIGGER = np.dtype([("vtable", "<i4"), ("kind", "i1"), ("_", "V3"), ("t", "<i8")])
_TRIGGER_VTABLE = struct.pack("<4H", 8, 16, 8, 4)

_ENTRY = np.dtype(
    [
        ("vtable", "<i4"), ("stream", "<i4"), ("size", "<i4"), ("_", "V4"),
        ("at", "<i8"), ("n", "<i8"), ("first", "<i8"), ("last", "<i8"),
    ]
)  # fmt: skip
_ENTRY_VTABLE = struct.pack("<7H", 14, 48, 16, 4, 24, 32, 40)
ENTRY_FIELDS = ("stream", "size", "at", "n", "first", "last")
"""What the table tells of a packet: its stream and length, where it begins, behind its prefix of
eight bytes, how many items it holds, and the times of the first and the last."""


def frame_packet(frame: Frame) -> bytes:
    """Return a packet of one frame; raises ValueError where its pixels are no image."""
    pixels = frame.pixels
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in _FORMATS:
        raise ValueError(f"a frame of {pixels.dtype} {pixels.shape}, expected u1 [H, W, 1, 3 or 4]")
    height, width, channels = pixels.shape
    data = np.ascontiguousarray(pixels).tobytes()
    begin, end = frame.t_begin, frame.t_end
    middle = begin + (end - begin) // 2
    size = _FRAME.size + len(data)
    # vtable at 12, table at 40, the vector of pixels at 104.
    head = _FRAME.pack(
        size + -size % 8 - 4, 36, b"FRME", _FRAME_VTABLE, 28, 60, middle, begin, end, begin, end,
        width, height, frame.x, frame.y, _FORMATS[channels], len(data),
    )  # fmt: skip
    return b"".join((head, data, bytes(-size % 8)))


def imu_packet(samples: Samples) -> bytes:
    """Return a packet of IMU samples ``[n] IMU``."""
    tables = np.zeros(len(samples), _IMU)
    for name in ("t", "temperature", "acceleration", "rotation", "magnetic"):
        tables[name] = samples[name]
    return _packet(b"IMUS", tables, _IMU_VTABLE)


def trigger_packet(triggers: Samples) -> bytes:
    """Return a packet of triggers ``[n] TRIGGER``."""
    tables = np.zeros(len(triggers), _TRIGGER)
    tables["t"], tables["kind"] = triggers["t"], triggers["kind"]
    return _packet(b"TRIG", tables, _TRIGGER_VTABLE)


def table_of_packets(entries: array[int]) -> bytes:
    """Return the table of a file's packets; ``entries`` are ``ENTRY_FIELDS`` of each in turn."""
    columns = np.frombuffer(entries, np.int64).reshape(-1, len(ENTRY_FIELDS))
    tables = np.zeros(len(columns), _ENTRY)
    for i, name in enumerate(ENTRY_FIELDS):
        tables[name] = columns[:, i]
    return _packet(b"FTAB", tables, _ENTRY_VTABLE)


def _packet(identifier: bytes, tables: NDArray[Any], vtable: bytes) -> bytes:
    """Return a flatbuffer whose root holds a vector of ``tables``, with its length ahead."""
    n, item = len(tables), tables.dtype.itemsize
    # The root's vtable at 14, its table at 20, the vector of offsets at 28; then tables, vtable.
    first = 32 + 4 * n + (4 * n) % 8
    behind = first + item * n
    size = behind + len(vtable)
    size += -size % 8
    out = np.zeros(size, np.uint8)
    head = struct.pack("<II4s2x3HiII", size - 4, 16, identifier, 6, 8, 4, 6, 4, n)
    out[:32] = np.frombuffer(head, np.uint8)
    at = first + item * np.arange(n)
    out[32 : 32 + 4 * n].view("<u4")[:] = at - (32 + 4 * np.arange(n))
    tables["vtable"] = at - behind
    out[first:behind] = tables.view(np.uint8).reshape(-1)
    out[behind : behind + len(vtable)] = np.frombuffer(vtable, np.uint8)
    return out.tobytes()
