"""LZ4 frames decompressed into memory that is there, by lz4's own functions.

What the package lz4 offers to Python makes room for each frame anew and copies what it made. Its
extension holds the library (or leads to it), whose functions are called here; where they cannot be
reached, ``available`` is false.
"""

from __future__ import annotations

import ctypes
import weakref
from typing import Any

import lz4.frame._frame

from pipeline.errors import PacketError

_VERSION = 100
"""LZ4F_VERSION, which has not changed since there are frames."""

_ERROR = 1 << 63


def _library() -> Any:
    try:
        library = ctypes.CDLL(lz4.frame._frame.__file__)
        size, place = ctypes.c_size_t, ctypes.c_void_p
        sizes = ctypes.POINTER(size)
        for name, result, arguments in (
            ("LZ4F_createDecompressionContext", size, [ctypes.POINTER(place), ctypes.c_uint]),
            ("LZ4F_freeDecompressionContext", size, [place]),
            ("LZ4F_resetDecompressionContext", None, [place]),
            ("LZ4F_decompress", size, [place, place, sizes, place, sizes, place]),
            ("LZ4F_getErrorName", ctypes.c_char_p, [size]),
        ):
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError, TypeError):
        return None
    return library


_LIBRARY = _library()
available = _LIBRARY is not None
"""Whether lz4's functions can be reached."""


class Lz4Frames:
    """Decompresses one frame after the other."""

    def __init__(self) -> None:
        context = ctypes.c_void_p()
        if _LIBRARY.LZ4F_createDecompressionContext(ctypes.byref(context), _VERSION):
            raise MemoryError("no room for LZ4's state")
        self._context = context.value
        weakref.finalize(self, _LIBRARY.LZ4F_freeDecompressionContext, self._context)
        self._room, self._read = ctypes.c_size_t(), ctypes.c_size_t()
        self._room_at, self._read_at = ctypes.byref(self._room), ctypes.byref(self._read)
        # Each frame is decompressed at once, so that what it refers to stays where it is.
        self._options = (ctypes.c_uint * 4)(1)

    def into(self, source: int, size: int, target: int, room: int) -> int | None:
        """Decompress ``size`` bytes at address ``source`` to ``target``, where there is ``room``.

        Returns how many bytes they are; None: they do not fit. Raises PacketError.
        """
        _LIBRARY.LZ4F_resetDecompressionContext(self._context)
        self._room.value, self._read.value = room, size
        left = _LIBRARY.LZ4F_decompress(
            self._context, target, self._room_at, source, self._read_at, self._options
        )
        if left == 0:
            return int(self._room.value)
        if left >= _ERROR:
            name = _LIBRARY.LZ4F_getErrorName(left).decode("latin-1")
            raise PacketError(f"what cannot be decompressed ({name})")
        if self._room.value < room:
            raise PacketError("what cannot be decompressed (it is cut off)")
        return None
