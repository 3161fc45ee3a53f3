"""Event Stream (``.es``), version 2: a byte or more for the time, four for the place.

    dvs    µs since the event ahead of it (0 to 126) << 1 | polarity, x (u2), y (u2)
           ff: 127 µs more; fe: nothing
    atis   µs since the event ahead (0 to 62) << 2 | polarity << 1 | exposure, x (u2), y (u2)
           fc to ff: 0, 63, 126, 189 µs more

Rows count from the bottom; here, as everywhere, from the top. Of an ATIS file the changes of
contrast are read, its measures of exposure passed over. Files of colours or of bytes without a
place are refused: they hold no events. Source: github.com/neuromorphic-paris/event_stream.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numba
import numpy as np
from numpy.typing import NDArray

from recordings.decoder import OWN, ByteDecoder, Decoder, head_of
from recordings.unaligned import load64

MAGIC = b"Event Stream"
_HEADER = struct.Struct("<12s3BBHH")
_TYPES = {0: "generic", 3: "amd", 4: "color"}
"""Types that hold no events of pixels that saw a change."""


@numba.njit(cache=True, nogil=True)
def _dvs(raw, words, state):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Decode events of type dvs; the kernel's own state: time, height."""
    room = words.shape[0]
    t, bottom = state[4], state[5] - 1
    n = 0
    i = 0
    while i < len(raw) and n < room:
        w = load64(raw, i)
        b = w & 0xFF
        if b < 0xFE:
            if i + 5 > len(raw):
                break
            t += b >> 1
            words[n, 0] = t
            y = (bottom - (w >> 24 & 0xFFFF)) & 0xFFFF
            words[n, 1] = (w >> 8 & 0xFFFF) | y << 16 | (b & 1) << 32
            n += 1
            i += 5
        else:
            t += 127 * (b & 1)
            i += 1
    state[0], state[4] = i, t
    return n


@numba.njit(cache=True, nogil=True)
def _atis(raw, words, state):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Decode events of type atis; the kernel's own state: time, height."""
    room = words.shape[0]
    t, bottom = state[4], state[5] - 1
    n = 0
    i = 0
    while i < len(raw) and n < room:
        w = load64(raw, i)
        b = w & 0xFF
        if b < 0xFC:
            if i + 5 > len(raw):
                break
            t += b >> 2
            words[n, 0] = t
            y = (bottom - (w >> 24 & 0xFFFF)) & 0xFFFF
            words[n, 1] = (w >> 8 & 0xFFFF) | y << 16 | (b >> 1 & 1) << 32
            n += 1 - (b & 1)
            i += 5
        else:
            t += 63 * (b & 3)
            i += 1
    state[0], state[4] = i, t
    return n


class EventStream(ByteDecoder):
    """Decodes Event Stream files of type dvs."""

    format = "es"
    kernel = _dvs
    state_size = 2

    def __init__(self, path: Path, width: int, height: int) -> None:
        super().__init__(path, _HEADER.size)
        self.width, self.height, self._rows = width, height, height

    def initial(self) -> NDArray[np.int64]:
        """Return the kernel's state at the first byte."""
        state = super().initial()
        state[OWN + 1] = self._rows
        return state


class AtisStream(EventStream):
    """Decodes Event Stream files of type atis."""

    kernel = _atis


def open_event_stream(path: Path) -> Decoder:
    """Return the decoder of a file that begins with ``Event Stream``; raises RecordingError."""
    head = head_of(path, _HEADER.size)
    error = EventStream(path, 1, 1).fail
    if len(head) < 16:
        raise error("ends within its header", len(head))
    major, minor, patch, kind = head[12:16]
    if major != 2:
        raise error(f"is of version {major}.{minor}.{patch}, expected 2", 12)
    if kind not in (1, 2):
        what = f"{kind} ({_TYPES[kind]})" if kind in _TYPES else str(kind)
        raise error(
            f"holds no events of pixels: its type is {what}, expected 1 or 2 (dvs, atis)", 15
        )
    if len(head) < _HEADER.size:
        raise error("ends within its header", len(head))
    width, height = _HEADER.unpack(head)[-2:]
    if not width or not height:
        raise error(f"a sensor of {width}×{height} pixels, expected at least 1×1", 16)
    return (EventStream if kind == 1 else AtisStream)(path, width, height)
