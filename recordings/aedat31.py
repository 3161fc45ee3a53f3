"""AEDAT 3.1, cAER's format: lines of text, then packets of one type each, little-endian.

A packet's head is 28 bytes: type (i2), source (i2), and as i4 an event's size, where its time lies,
the time's overflow in units of 2**31 µs, capacity, number, number of valid ones. A polarity event
(type 1) is 8 bytes: y from the top at bit 2, x at bit 17 (15 bits each), polarity at bit 1, valid
at bit 0; then the time (i4). Events marked invalid are passed over. Of several sources the first is
read.
Source: docs.inivation.com, AEDAT 3.1; libcaer.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PacketError
from pipeline.packets import Buffer
from recordings.counts import Counts
from recordings.decoder import OWN, ByteDecoder, head_of
from recordings.packets import PACKET_BYTES, PacketDecoder
from recordings.side import FRAMES, IMU, IMU_SAMPLES, TRIGGER, TRIGGERS, Frame, Samples, TriggerKind
from recordings.unaligned import load64

_SENSORS = {
    "dvs128": (128, 128),
    "davis128": (128, 128),
    "davis208": (208, 192),
    "davis240": (240, 180),
    "davis346": (346, 260),
    "davis640": (640, 480),
    "dvxplorer lite": (320, 240),
    "dvxplorerlite": (320, 240),
    "dvxplorer": (640, 480),
}
_END = b"#!END-HEADER\r\n"
_HEAD = struct.Struct("<Hh6i")
_FRAME = struct.Struct("<I8i")
_SPECIAL, _POLARITY, _FRAMES, _IMU6, _IMU9 = range(5)
_COMPRESSED = 0x8000

_SPECIALS = {
    1: (TriggerKind.RESET, 0),
    2: (TriggerKind.RISING, 0),
    3: (TriggerKind.FALLING, 0),
    4: (TriggerKind.PULSE, 0),
    6: (TriggerKind.RISING, 1),
    7: (TriggerKind.FALLING, 1),
    8: (TriggerKind.PULSE, 1),
    9: (TriggerKind.RISING, 2),
    10: (TriggerKind.FALLING, 2),
    11: (TriggerKind.PULSE, 2),
    12: (TriggerKind.GENERATOR_RISING, 0),
    13: (TriggerKind.GENERATOR_FALLING, 0),
    14: (TriggerKind.FRAME_BEGIN, 0),
    15: (TriggerKind.FRAME_END, 0),
    16: (TriggerKind.EXPOSURE_BEGIN, 0),
    17: (TriggerKind.EXPOSURE_END, 0),
}
"""Triggers, and their inputs, by the type of a special event; the others are no triggers."""


class Head(NamedTuple):
    """What a packet's head says."""

    type: int
    source: int
    size: int
    overflow_us: int
    number: int


@numba.njit(cache=True, nogil=True)
def _decode(raw, words, state):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Decode packets.

    The kernel's own state: bytes of the file ahead, its size, source, events left, the time's
    overflow in µs, bytes to pass over, whether the file's end cuts a packet.
    """
    room = words.shape[0]
    at, end, source = state[4], state[5], state[6]
    left, overflow, over = state[7], state[8], state[9]
    n = 0
    i = 0
    while i < len(raw) and n < room:
        if over > 0:
            m = min(over, len(raw) - i)
            over -= m
            i += m
        elif left > 0:
            m = min(left, (len(raw) - i) // 8, room - n)
            if m == 0:
                break
            for k in range(i, i + 8 * m, 8):
                w = load64(raw, k)
                words[n, 0] = overflow + (w >> 32)
                words[n, 1] = (w >> 17 & 0x7FFF) | (w >> 2 & 0x7FFF) << 16 | (w >> 1 & 1) << 32
                n += w & 1
            left -= m
            i += 8 * m
        else:
            if i + 28 > len(raw):
                break
            a, b, c = load64(raw, i), load64(raw, i + 8), load64(raw, i + 16)
            kind, size, number = a & 0xFFFF, a >> 32, c >> 32
            if size <= 0 or number < 0 or number > 1 << 26:
                state[3] = 1
                break
            if kind & 0x8000:
                state[3] = 2
                break
            ours = kind == 1 and (source < 0 or (a >> 16 & 0xFFFF) == source)
            if ours and size != 8:
                state[3] = 3
                break
            if at + i + 28 + size * number > end:
                # Of a packet that is not whole nothing is known for sure.
                state[10] = 1
                over = end - at - i
                state[1] += over
                continue
            left = number if ours else 0
            over = 0 if ours else size * number
            overflow = (b >> 32) << 31
            i += 28
    state[0] = i
    state[4] = at + i
    state[7], state[8], state[9] = left, overflow, over
    return n


class Aedat31(ByteDecoder, PacketDecoder):
    """Decodes AEDAT 3.1."""

    format = "aedat3"
    kernel = _decode
    state_size = 7
    faults = (
        "a packet whose head cannot be true",
        "a compressed packet, expected the format RAW",
        "a packet of polarity events that are not 8 bytes each",
    )
    head_bytes = _HEAD.size

    def __init__(self, path: Path) -> None:
        head = head_of(path)
        found = head.find(_END)
        super().__init__(path, found + len(_END))
        if found < 0:
            raise self.fail(f"has no line {_END.strip().decode()!r} in its header", len(head))
        text = head[:found].decode("latin-1")
        format_told = re.search(r"^#Format: *(.*?)\r?$", text, re.MULTILINE)
        if format_told and format_told[1].strip() != "RAW":
            raise self.fail(f"is of the format {format_told[1][:40]!r}, expected 'RAW'")
        source = re.search(r"^#Source +(\d{1,4}): *(.*?)\r?$", text, re.MULTILINE)
        self._source = int(source[1]) if source else -1
        camera = source[2].lower() if source else ""
        known = next((size for name, size in _SENSORS.items() if camera.startswith(name)), None)
        if known is not None:
            self.width, self.height = known
        self._side: frozenset[str] | None = None

    def initial(self) -> NDArray[np.int64]:
        """Return the kernel's state at the first byte."""
        state = super().initial()
        with self.open() as file:
            end = file.size() if self.follow is None else 1 << 62
        state[OWN : OWN + 3] = self.begin, end, self._source
        return state

    def unfinished(self, state: NDArray[np.int64]) -> bool:
        """Tell whether the file's end cuts a packet."""
        return bool(state[OWN + 3] or state[OWN + 5] or state[OWN + 6])

    def frame(self, head: memoryview, at: int) -> tuple[Head, int]:
        """Read a packet's head, see ``PacketDecoder``."""
        kind, source, size, _, overflow, _, number, _ = _HEAD.unpack_from(head)
        if size <= 0 or number < 0 or kind & _COMPRESSED:
            raise self.fail(self.faults[1 if kind & _COMPRESSED else 0], at)
        wanted = kind != _POLARITY and self._source in (-1, source)
        if wanted and size * number > PACKET_BYTES:
            raise self.fail(f"a packet of {size * number} bytes, expected {PACKET_BYTES}", at)
        return Head(kind, source, size, overflow << 31, number), size * number

    @property
    def side(self) -> frozenset[str]:
        """What there is beside events; all heads in the file are looked at, once."""
        if self._side is None:
            names = {_FRAMES: FRAMES, _IMU6: IMU_SAMPLES, _IMU9: IMU_SAMPLES, _SPECIAL: TRIGGERS}
            found: set[str] = set()
            for packet in self.packets(lambda head: self._ours(head, *names), Counts()):
                if packet.head.type != _SPECIAL or _triggers(packet.head, packet.data):
                    found.add(names[packet.head.type])
                if len(found) == 3:
                    break
            self._side = frozenset(found)
        return self._side

    def frames(self, counts: Counts) -> Iterator[Frame]:
        """Yield the frames, see ``Decoder``; of 16 bits the upper 8 are kept."""
        return self.beside(lambda head: self._ours(head, _FRAMES), counts, _frames)

    def imu(self, counts: Counts) -> Iterator[Samples]:
        """Yield the IMU samples, see ``Decoder``."""
        return self.beside(lambda head: self._ours(head, _IMU6, _IMU9), counts, _imu)

    def triggers(self, counts: Counts) -> Iterator[Samples]:
        """Yield the triggers, see ``Decoder``."""
        return self.beside(lambda head: self._ours(head, _SPECIAL), counts, _triggers)

    def _ours(self, head: Head, *types: int) -> bool:
        return head.type in types and self._source in (-1, head.source)


def _frames(head: Head, data: Buffer) -> list[Frame]:
    view = memoryview(data)
    found = []
    for k in range(head.number):
        event = view[k * head.size : (k + 1) * head.size]
        if len(event) < _FRAME.size:
            raise PacketError(f"a frame of {len(event)} bytes")
        info, *times, width, height, x, y = _FRAME.unpack_from(event)
        channels = info >> 1 & 7
        n = width * height * channels
        if channels not in (1, 3, 4) or min(width, height) < 0 or 2 * n > len(event) - _FRAME.size:
            raise PacketError(f"a frame of {width}×{height}×{channels} in {len(event)} bytes")
        if info & 1:
            words = np.frombuffer(event, "<u2", n, _FRAME.size).reshape(height, width, channels)
            pixels = (words >> 8).astype(np.uint8)
            if channels > 1:
                pixels[..., :3] = pixels[..., 2::-1].copy()
            begin, end = times[2:] if any(times[2:]) else times[:2]
            found.append(Frame(begin + head.overflow_us, end + head.overflow_us, pixels, x, y))
    return found


def _imu(head: Head, data: Buffer) -> list[Samples]:
    axes = 9 if head.type == _IMU9 else 6
    form = np.dtype([("info", "<u4"), ("t", "<i4"), ("values", "<f4", (axes + 1,))])
    samples = _valid(head, data, form)
    out = np.zeros(len(samples), IMU)
    out["t"] = samples["t"].astype(np.int64) + head.overflow_us
    values = samples["values"]
    out["acceleration"], out["rotation"] = values[:, :3], values[:, 3:6]
    out["temperature"] = values[:, 6]
    if axes == 9:
        out["magnetic"] = values[:, 7:]
    return [out] if len(out) else []


def _triggers(head: Head, data: Buffer) -> list[Samples]:
    specials = _valid(head, data, np.dtype([("info", "<u4"), ("t", "<i4")]))
    kinds = (specials["info"] >> 1 & 0x7F).tolist()
    kept = [i for i, kind in enumerate(kinds) if kind in _SPECIALS]
    out = np.zeros(len(kept), TRIGGER)
    out["t"] = specials["t"][kept].astype(np.int64) + head.overflow_us
    for row, i in enumerate(kept):
        out["kind"][row], out["channel"][row] = _SPECIALS[kinds[i]]
    return [out] if len(out) else []


def _valid(head: Head, data: Buffer, form: np.dtype[np.void]) -> NDArray[np.void]:
    """Return a packet's events that are marked valid."""
    if head.size != form.itemsize:
        raise PacketError(f"events of type {head.type} of {head.size}, not {form.itemsize}, bytes")
    events = np.frombuffer(data, form, head.number) if head.number else np.zeros(0, form)
    valid: NDArray[np.void] = events[(events["info"] & 1) == 1]
    return valid
