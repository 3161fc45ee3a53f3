"""Reading flatbuffers with every offset checked against the bytes that are there.

A table is a signed offset back to its vtable (u2 sizes of vtable and table, then one u2 per field:
where the field lies in the table, 0 absent) and its fields; strings, vectors and tables in it are
unsigned offsets forward. Little-endian throughout.
"""

from __future__ import annotations

import struct
from typing import Self

from pipeline.errors import PacketError

_u2 = struct.Struct("<H")
_u4 = struct.Struct("<I")
_i4 = struct.Struct("<i")
_SCALARS = {code: struct.Struct(f"<{code}") for code in "?bBhHiIqQfd"}


class Table:
    """One table of a flatbuffer; ``data`` holds the whole buffer, without a size before it."""

    __slots__ = ("_at", "_fields", "_size", "_vtable", "data")

    def __init__(self, data: memoryview, at: int) -> None:
        self.data = data
        self._at = at
        self._vtable = at - _read(_i4, data, at)
        vtable_size = _read(_u2, data, self._vtable)
        self._size = _read(_u2, data, self._vtable + 2)
        if vtable_size < 4 or self._size < 4:
            raise PacketError("a flatbuffer's table is shorter than its head")
        if self._vtable + vtable_size > len(data) or at + self._size > len(data):
            raise PacketError("a flatbuffer's table ends outside its buffer")
        self._fields = (vtable_size - 4) // 2

    @classmethod
    def root(cls, data: memoryview, identifier: bytes) -> Self:
        """Return the root table of a buffer that begins with (offset, ``identifier``)."""
        if bytes(data[4:8]) != identifier:
            raise PacketError(f"a flatbuffer of {bytes(data[4:8])!r}, expected {identifier!r}")
        return cls(data, _read(_u4, data, 0))

    def _place(self, field: int, size: int) -> int:
        """Return where a field of ``size`` bytes lies, or 0 where it is absent."""
        if field >= self._fields:
            return 0
        offset = _read(_u2, self.data, self._vtable + 4 + 2 * field)
        if not offset:
            return 0
        if offset < 4 or offset + size > self._size:
            raise PacketError(f"field {field} of a flatbuffer lies outside its table")
        return self._at + offset

    def scalar(self, field: int, code: str, default: float = 0) -> int | float:
        """Return a number of ``struct``'s format ``code``."""
        form = _SCALARS[code]
        at = self._place(field, form.size)
        value: int | float = form.unpack_from(self.data, at)[0] if at else default
        return value

    def integer(self, field: int, code: str, default: int = 0) -> int:
        """Return a whole number of ``struct``'s format ``code``."""
        return int(self.scalar(field, code, default))

    def inline(self, field: int, size: int) -> memoryview | None:
        """Return the ``size`` bytes of a struct that stands in the table, or None."""
        at = self._place(field, size)
        return self.data[at : at + size] if at else None

    def vector(self, field: int, item_size: int) -> memoryview:
        """Return the bytes of a vector of numbers or structs; empty where it is absent."""
        at = self._forward(field)
        if not at:
            return self.data[:0]
        n = _read(_u4, self.data, at)
        end = at + 4 + n * item_size
        if end > len(self.data):
            raise PacketError(
                f"a vector of {n} × {item_size} bytes in the {len(self.data) - at - 4} left"
            )
        return self.data[at + 4 : end]

    def text(self, field: int) -> str:
        """Return a string; what is no UTF-8 in it is replaced."""
        return str(self.vector(field, 1), "utf-8", "replace")

    def table(self, field: int) -> Table | None:
        """Return a table within, or None."""
        at = self._forward(field)
        return Table(self.data, at) if at else None

    def tables(self, field: int) -> list[Table]:
        """Return a vector of tables."""
        at = self._forward(field)
        if not at:
            return []
        offsets = self.vector(field, 4)
        places = (at + 4 + 4 * i for i in range(len(offsets) // 4))
        return [Table(self.data, place + _read(_u4, self.data, place)) for place in places]

    def _forward(self, field: int) -> int:
        at = self._place(field, 4)
        return at + _read(_u4, self.data, at) if at else 0


def _read(form: struct.Struct, data: memoryview, at: int) -> int:
    if at < 0 or at + form.size > len(data):
        raise PacketError(f"a flatbuffer of {len(data)} bytes is read at {at}")
    value: int = form.unpack_from(data, at)[0]
    return value
