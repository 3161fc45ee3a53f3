"""NumPy's NPZ: ``events``, one array of events that grows, ``width`` and ``height``.

An archive ends with its directory, and says ahead of each member how long it is. Both, and the
array's own header, are written anew with every packet: first the packet and a new directory, over
the old directory, then the lengths ahead. So the file is a sound archive after each packet, not
only at the end, and nothing but the packet at hand is held in memory.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.errors import RecordingError, UsageError
from pipeline.events import EVENT, Events
from pipeline.packets import Buffer
from recordings.write_file import OutFile
from recordings.write_npy import HEADER_BYTES, header
from recordings.writing import Writer

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_SIZES = struct.Struct("<2H2Q")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q4sIQI")
_FULL = 0xFFFF_FFFF
_VERSION = 45
_DATE = 1 << 5 | 1
"""1 January 1980: the same events make the same file."""
_METHODS = {"none": 0, "deflate": 8}
_LAST_BLOCK = b"\x01\x00\x00\xff\xff"
"""An empty block that ends a deflated stream."""


class _Member(NamedTuple):
    """A member of the archive: its name, method, where it begins, its checksum and its lengths."""

    name: bytes
    method: int
    at: int
    crc: int
    packed: int
    plain: int

    def local(self) -> bytes:
        sizes = _SIZES.pack(1, 16, self.plain, self.packed)
        head = _LOCAL.pack(
            b"PK\3\4", _VERSION, 0, self.method, 0, _DATE, self.crc, _FULL, _FULL, len(self.name),
            len(sizes),
        )  # fmt: skip
        return head + self.name + sizes

    def central(self) -> bytes:
        sizes = _SIZES.pack(1, 16, self.plain, self.packed)
        head = _CENTRAL.pack(
            b"PK\1\2", _VERSION, _VERSION, 0, self.method, 0, _DATE, self.crc, _FULL, _FULL,
            len(self.name), len(sizes), 0, 0, 0, 0, self.at,
        )  # fmt: skip
        return head + self.name + sizes


class NpzWriter(Writer):
    """Writes NPZ; ``compression`` is ``none`` or ``deflate``."""

    format = "npz"

    def __init__(
        self,
        path: Path,
        width: int,
        height: int,
        *,
        compression: str = "none",
        overwrite: bool = False,
        origin_us: int = 0,
    ) -> None:
        if compression not in _METHODS:
            raise UsageError(
                f"{path}: compression '{compression}' is none of {', '.join(_METHODS)}"
            )
        self._method = _METHODS[compression]
        self._deflate = zlib.compressobj(1, zlib.DEFLATED, -15) if self._method else None
        super().__init__(path, width, height, overwrite=overwrite, origin_us=origin_us)

    def _begin(self, overwrite: bool) -> None:
        self._members = []
        parts: list[Buffer] = []
        at = 0
        for name, side in (("width", self.width), ("height", self.height)):
            array = io.BytesIO()
            np.save(array, np.int64(side))
            data = array.getvalue()
            member = _Member(f"{name}.npy".encode(), 0, at, zlib.crc32(data), len(data), len(data))
            self._members.append(member)
            parts += [member.local(), data]
            at += len(member.local()) + len(data)
        self._at = at
        self._crc = 0
        self._n = 0
        self._file = OutFile(self.path, overwrite=overwrite)
        head = self._head()
        self._body = self._end_at = at + len(head)
        self._file.append(*parts, head, self._tail(self._end_at))
        self.bytes = self._file.size

    def _put(self, events: Events) -> None:
        data: Buffer = events.view(np.uint8).data
        before = self._crc, self._n
        self._crc = zlib.crc32(data, self._crc)
        self._n += len(events)
        if self._deflate is not None:
            data = self._deflate.compress(data) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        end = self._end_at + memoryview(data).nbytes
        try:
            size = self._file.put(self._end_at, data, self._tail(end))
            self._file.put(self._at, self._head(end))
        except RecordingError:
            # What was there before fits: the file only shrinks.
            self._crc, self._n = before
            self._file.cut(self._end_at)
            self._file.put(self._end_at, self._tail(self._end_at))
            self._file.put(self._at, self._head(self._end_at))
            raise
        self._end_at = end
        self._file.size = self.bytes = size

    def _end(self) -> None:
        self._file.close()

    def _member(self, end: int) -> _Member:
        """Return the array's member where its packed bytes reach up to ``end``."""
        head = header(self._n)
        plain = HEADER_BYTES + self._n * EVENT.itemsize
        crc = combined(zlib.crc32(head), self._crc, plain - HEADER_BYTES)
        if self._deflate is None:
            return _Member(b"events.npy", 0, self._at, crc, plain, plain)
        body = self._body - self._packed_header
        return _Member(b"events.npy", 8, self._at, crc, end - body + len(_LAST_BLOCK), plain)

    @property
    def _packed_header(self) -> int:
        return HEADER_BYTES + (5 if self._method else 0)

    def _head(self, end: int | None = None) -> bytes:
        """Return what comes ahead of the events: the member's head and the array's."""
        if end is None:
            self._body = end = self._at + len(_Member(b"events.npy", 0, 0, 0, 0, 0).local())
            self._body = end = end + self._packed_header
        block = b""
        if self._method:
            # A block that is stored as it is, so that it can be written anew.
            block = struct.pack("<BHH", 0, HEADER_BYTES, HEADER_BYTES ^ 0xFFFF)
        return self._member(end).local() + block + header(self._n)

    def _tail(self, end: int) -> bytes:
        """Return what comes behind the events that reach up to ``end``."""
        last = _LAST_BLOCK if self._method else b""
        begin = end + len(last)
        members = [*self._members, self._member(end)]
        directory = b"".join(member.central() for member in members)
        n, size = len(members), len(directory)
        end64 = b""
        if begin + size >= _FULL:
            end64 = _END64.pack(
                b"PK\6\6", 44, _VERSION, _VERSION, 0, 0, n, n, size, begin,
                b"PK\6\7", 0, begin + size, 1,
            )  # fmt: skip
        tail = _END.pack(b"PK\5\6", 0, 0, n, n, size, min(begin, _FULL), 0)
        return last + directory + end64 + tail


def combined(first: int, second: int, length: int) -> int:
    """Return the CRC-32 of two stretches of bytes behind one another, of their own two.

    ``length`` is the second one's, in bytes. Behind the first stand so many zero bytes: its
    remainder is multiplied by x**(8·length) modulo the polynomial.
    """
    power, shift = 1 << 31, 1 << 30
    n = 8 * length
    while n:
        if n & 1:
            power = _times(power, shift)
        shift = _times(shift, shift)
        n >>= 1
    return _times(power, first) ^ second


def _times(a: int, b: int) -> int:
    """Return the product of two polynomials modulo CRC-32's, bit 31 the lowest power."""
    product = 0
    for bit in range(31, -1, -1):
        if a >> bit & 1:
            product ^= b
        b = b >> 1 ^ (0xEDB8_8320 if b & 1 else 0)
    return product
