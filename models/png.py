"""Grey images from PNG files: what a folder of true images holds.

Eight bits a sample, grey, grey with alpha, RGB or RGBA, not interlaced; colours are averaged,
alpha is left out. Source: W3C, "Portable Network Graphics (PNG) Specification", second edition.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import RecordingError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
_MOST = 2**26


def read(path: Path) -> NDArray[np.float32]:
    """Return an image ``[H, W]`` float32 in [0, 1]; raises RecordingError naming the file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return decode(data)
    except (ValueError, struct.error, zlib.error) as error:
        raise RecordingError(f"{path}: is no PNG that can be read: {error}") from None


def decode(data: bytes) -> NDArray[np.float32]:
    """Return the image ``[H, W]`` float32 in [0, 1] in ``data``.

    Raises ValueError, struct.error or zlib.error where it is not one.
    """
    if not data.startswith(_SIGNATURE):
        raise ValueError("it does not begin like one")
    at, packed, head = len(_SIGNATURE), b"", b""
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        head = body if kind == b"IHDR" else head
        packed += body if kind == b"IDAT" else b""
        at += 12 + length
    width, height, bits, colour, _, _, interlaced = struct.unpack(">IIBBBBB", head)
    if bits != 8 or colour not in _CHANNELS or interlaced:
        raise ValueError(f"{bits} bits of colour type {colour}, expected 8 bits of grey or RGB")
    channels = _CHANNELS[colour]
    size = height * (1 + width * channels)
    if not 0 < size <= _MOST:
        raise ValueError(f"{width}×{height} pixels")
    raw = zlib.decompressobj().decompress(packed, size)
    if len(raw) < size:
        raise ValueError(f"{len(raw)} bytes of pixels, expected {size}")
    rows = np.frombuffer(raw, np.uint8).reshape(height, 1 + width * channels)
    pixels = _unfiltered(rows[:, 0], rows[:, 1:], channels).reshape(height, width, channels)
    shown: NDArray[np.float32] = pixels[:, :, : 3 if channels >= 3 else 1].mean(2, dtype=np.float32)
    shown /= np.float32(255)
    return shown


def _unfiltered(
    kinds: NDArray[np.uint8], rows: NDArray[np.uint8], channels: int
) -> NDArray[np.uint8]:
    """Return the rows of bytes before the filter ``kinds`` of each (section 9 of the source)."""
    out = np.zeros_like(rows)
    above = [0] * rows.shape[1]
    for y, (kind, row) in enumerate(zip(kinds.tolist(), rows.tolist(), strict=True)):
        if kind > 4:
            raise ValueError(f"row {y} has filter {kind}, expected 0 to 4")
        now: list[int] = []
        for i, value in enumerate(row):
            left = now[i - channels] if i >= channels else 0
            corner = above[i - channels] if i >= channels else 0
            now.append((value + _predicted(kind, left, above[i], corner)) & 255)
        out[y] = above = now
    return out


def _predicted(kind: int, left: int, up: int, corner: int) -> int:
    if kind < 3:
        return (0, left, up)[kind]
    if kind == 3:
        return (left + up) // 2
    guess = left + up - corner
    return min((left, up, corner), key=lambda value: abs(guess - value))
