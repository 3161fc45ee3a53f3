"""Packets decompressed, LZ4 or Zstandard frames: each whole, and bounded whatever it claims."""

from __future__ import annotations

import lz4.frame
import zstandard

from pipeline.errors import PacketError
from pipeline.packets import Buffer
from recordings import evts
from recordings.packets import PACKET_BYTES

_STEP = 1 << 16


class ZstdFrames:
    """Decompresses Zstandard frames into memory that is there."""

    def __init__(self, limit: int = PACKET_BYTES) -> None:
        self._context = zstandard.ZstdDecompressor(max_window_size=limit)

    def into(self, data: memoryview, target: memoryview) -> int | None:
        """Decompress ``data``; return how many bytes they are, None: they do not fit.

        Raises PacketError.
        """
        try:
            if zstandard.frame_content_size(data) > len(target):
                return None
            with self._context.stream_reader(data) as stream:
                n: int = stream.readinto(target)
                return None if stream.read(1) else n
        except (ValueError, MemoryError, zstandard.ZstdError) as error:
            raise PacketError(f"what cannot be decompressed ({error})") from None


class Inflater:
    """Decompresses one packet after the other, none longer than ``limit`` bytes.

    compression  a number of ``evts.COMPRESSIONS``
    """

    def __init__(self, compression: int, limit: int = PACKET_BYTES) -> None:
        self._limit = limit
        # What the last packet took is about what the next one takes: room is made once for it.
        self._guess = _STEP
        if compression == evts.NONE:
            self._inflate = self._none
        elif compression in (evts.LZ4, evts.LZ4_HIGH):
            self._lz4_context = lz4.frame.create_decompression_context()
            self._inflate = self._lz4
        else:
            self._zstd_context = zstandard.ZstdDecompressor(max_window_size=limit)
            self._inflate = self._zstd

    def __call__(self, data: memoryview) -> Buffer:
        """Return ``data`` decompressed; raises PacketError."""
        try:
            return self._inflate(data)
        except (RuntimeError, ValueError, EOFError, MemoryError, zstandard.ZstdError) as error:
            raise PacketError(f"what cannot be decompressed ({error})") from None

    def _none(self, data: memoryview) -> Buffer:
        return data

    def _lz4(self, data: memoryview) -> Buffer:
        context = self._lz4_context
        lz4.frame.reset_decompression_context(context)
        plain, read, ended = lz4.frame.decompress_chunk(context, data, max_length=self._guess)
        if ended:
            return bytes(plain)
        parts, size = [plain], len(plain)
        while not ended:
            room = min(max(size, _STEP), self._limit + 1 - size)
            if room <= 0 or (not plain and read == len(data)):
                raise PacketError(f"what is cut off or over {self._limit} bytes decompressed")
            data = data[read:]
            plain, read, ended = lz4.frame.decompress_chunk(context, data, max_length=room)
            parts.append(plain)
            size += len(plain)
        self._guess = min(size + size // 4, self._limit)
        return b"".join(parts)

    def _zstd(self, data: memoryview) -> Buffer:
        size = zstandard.frame_content_size(data)
        if size > self._limit:
            raise PacketError(f"what is over {self._limit} bytes decompressed")
        if size >= 0:
            plain: bytes = self._zstd_context.decompress(data, max_output_size=self._limit)
            return plain
        parts, size = [], 0
        with self._zstd_context.stream_reader(data) as stream:
            while part := stream.read(min(max(size, _STEP), self._limit + 1 - size)):
                parts.append(part)
                size += len(part)
                if size > self._limit:
                    raise PacketError(f"what is over {self._limit} bytes decompressed")
        return b"".join(parts)
