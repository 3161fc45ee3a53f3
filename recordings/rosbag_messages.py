"""ROS messages that carry events, as bytes of ROS 1 and of ROS 2 (CDR), and what decodes them.

    event_camera_msgs/EventPacket   header, height, width, seq, time_base, encoding, is_bigendian,
                                    bytes in the encoding: EVT2, EVT2.1, EVT3, mono
    dvs_msgs/EventArray             header, height, width, events of x, y, time, polarity

A decoder here is a ``decoder.Kernel``. Sources: the messages' definitions and README in
ros-event-camera/event_camera_msgs, ROS 1's serialization, OMG's CDR.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recordings import evt_kernels
from recordings.decoder import OWN, Kernel

PACKETS = ("event_camera_msgs/msg/EventPacket", "event_array_msgs/msg/EventArray")
ARRAYS = ("dvs_msgs/msg/EventArray", "prophesee_event_msgs/msg/EventArray")
"""Messages that can be read, by the names that ``rosbags`` gives them."""

_ROS1 = np.dtype([("x", "<u2"), ("y", "<u2"), ("s", "<u4"), ("ns", "<u4"), ("p", "u1")])
_CDR = np.dtype(
    {
        "names": ["x", "y", "s", "ns", "p"],
        "formats": ["<u2", "<u2", "<u4", "<u4", "u1"],
        "offsets": [0, 2, 6, 10, 14],
        "itemsize": 16,
    }
)
"""The events of an array in CDR, once the first is moved to where the others are aligned."""


class Message(NamedTuple):
    """A message: the sensor's size, and bytes in an encoding."""

    width: int
    height: int
    encoding: str
    base_us: int
    data: NDArray[np.uint8]


class Encoding(NamedTuple):
    """How an encoding is decoded: kernel and the size of its own state."""

    kernel: Kernel
    state_size: int


class MessageError(Exception):
    """A message's bytes are no valid message."""


class _Cursor:
    """Reads fields one after the other, never past the end."""

    def __init__(self, data: bytes, cdr: bool) -> None:
        self._data = memoryview(data)
        self._at = 0
        self._base = 0
        self._cdr = cdr
        if cdr:
            kind = self.take(4)
            if bytes(kind[:2]) != b"\0\1":
                raise MessageError(f"is serialized as {bytes(kind).hex()}, expected CDR 0001")
            self._base = 4

    def take(self, n: int) -> memoryview:
        """Return the next n bytes."""
        end = self._at + n
        if end > len(self._data):
            raise MessageError(f"ends at {len(self._data)} bytes, {end} expected")
        part = self._data[self._at : end]
        self._at = end
        return part

    def number(self, size: int) -> int:
        """Return the next unsigned number of ``size`` bytes."""
        if self._cdr:
            self._at += -(self._at - self._base) % size
        return int.from_bytes(self.take(size), "little")

    def text(self) -> str:
        """Return the next string."""
        raw = bytes(self.take(self.number(4)))
        return raw.rstrip(b"\0").decode("latin-1")

    def header(self) -> None:
        """Pass over a header: its number in ROS 1, time, frame."""
        for _ in range(2 if self._cdr else 3):
            self.number(4)
        self.text()


def parse(raw: bytes, kind: str, cdr: bool) -> Message:
    """Parse a message of a kind that is in ``PACKETS`` or ``ARRAYS``; raises MessageError."""
    cursor = _Cursor(raw, cdr)
    cursor.header()
    height, width = cursor.number(4), cursor.number(4)
    if kind in ARRAYS:
        return Message(width, height, "cdr" if cdr else "ros1", 0, _array(cursor, cdr))
    cursor.number(8)
    base = cursor.number(8)
    encoding = cursor.text()
    if cursor.number(1):
        raise MessageError("is big-endian, expected little-endian")
    data = np.frombuffer(cursor.take(cursor.number(4)), np.uint8)
    # A copy: the kernels want their words aligned.
    return Message(width, height, encoding, (base + 500) // 1000, data.copy())


def _array(cursor: _Cursor, cdr: bool) -> NDArray[np.uint8]:
    """Return an array's events, in rows of the same layout."""
    n = cursor.number(4)
    if n == 0:
        return np.zeros(0, np.uint8)
    if not cdr:
        return np.frombuffer(cursor.take(n * _ROS1.itemsize), np.uint8)
    raw = np.frombuffer(cursor.take(16 * n - 3), np.uint8)
    # Aligned to four bytes, the first event lies two bytes closer than the others do.
    out: NDArray[np.uint8] = np.zeros(16 * n, np.uint8)
    out[:4] = raw[:4]
    out[6:-1] = raw[4:]
    return out


def _records(dtype: np.dtype[Any]) -> Kernel:
    def records(raw: NDArray[np.uint8], words: NDArray[np.int64], state: NDArray[np.int64]) -> int:
        n = min(len(raw) // dtype.itemsize, len(words))
        rows = raw[: n * dtype.itemsize].view(dtype)
        words[:n, 0] = rows["s"] * np.int64(1_000_000) + (rows["ns"] + np.int64(500)) // 1000
        _places(words[:n, 1], rows["x"], rows["y"], rows["p"] > 0)
        state[0] = n * dtype.itemsize
        return n

    return records


def _mono(raw: NDArray[np.uint8], words: NDArray[np.int64], state: NDArray[np.int64]) -> int:
    """Decode mono: polarity, 15 bits of row, 16 of column, 32 of ns since the message's base."""
    n = min(len(raw) // 8, len(words))
    rows = raw[: 8 * n].view("<u8")
    words[:n, 0] = state[OWN] + ((rows & np.uint64(2**32 - 1)).astype(np.int64) + 500) // 1000
    x, y = rows >> np.uint64(32) & np.uint64(0xFFFF), rows >> np.uint64(48) & np.uint64(0x7FFF)
    _places(words[:n, 1], x, y, rows >> np.uint64(63) > 0)
    state[0] = 8 * n
    return n


def _places(out: NDArray[np.int64], x: NDArray[Any], y: NDArray[Any], p: NDArray[np.bool_]) -> None:
    out[:] = x
    out |= y.astype(np.int64) << 16
    out |= p.astype(np.int64) << 32


def _skip(raw: NDArray[np.uint8], words: NDArray[np.int64], state: NDArray[np.int64]) -> int:
    state[0] = len(raw)
    return 0


ENCODINGS: dict[str, Encoding] = {
    "evt2": Encoding(evt_kernels.evt2, evt_kernels.EVT2_STATE),
    "evt21": Encoding(evt_kernels.evt21, evt_kernels.EVT2_STATE + 1),
    "evt3": Encoding(evt_kernels.evt3, evt_kernels.EVT3_STATE),
    "mono": Encoding(_mono, 1),
    "trigger": Encoding(_skip, 0),
    "ros1": Encoding(_records(_ROS1), 0),
    "cdr": Encoding(_records(_CDR), 0),
}
"""How each encoding is decoded; ``trigger`` messages hold no events."""
