"""The bytes of a DV server, as they come: its header, then whole packets, nothing trusted."""

from __future__ import annotations

import socket

from pipeline.errors import PacketError
from recordings.evts import (
    HEADER_BYTES,
    PACKET_BYTES,
    PREFIX,
    SIZE,
    IOHeader,
    decode_header,
)

_FIRST = 1 << 18
_MOST_KEPT = 1 << 24


class Incoming:
    """Cuts bytes into packets. Its memory grows with what has come, not with what is announced.

    Raises PacketError where the stream's framing is lost: nothing that follows can be read.
    """

    def __init__(self) -> None:
        self.header: IOHeader | None = None
        self.received = 0
        """Bytes that have come."""
        self._buffer = bytearray(_FIRST)
        self._begin = 0
        self._end = 0

    @property
    def waiting(self) -> int:
        """Bytes that have come and are not yet read."""
        return self._end - self._begin

    def receive(self, link: socket.socket) -> int:
        """Read once from a socket that has something; return how many bytes (0: it has ended)."""
        if self._begin == self._end:
            self._begin = self._end = 0
            if len(self._buffer) > _MOST_KEPT:
                self._buffer = bytearray(_FIRST)
        if self._end == len(self._buffer):
            self._make_room()
        with memoryview(self._buffer) as view:
            n = link.recv_into(view[self._end :])
        self._end += n
        self.received += n
        return n

    def _make_room(self) -> None:
        """Move what is left to the front; where that is most of the buffer, take a larger one."""
        left = self.waiting
        fresh = bytearray(2 * len(self._buffer)) if 2 * left > len(self._buffer) else self._buffer
        fresh[:left] = bytes(self._buffer[self._begin : self._end])
        self._buffer = fresh
        self._begin, self._end = 0, left

    def read_header(self) -> IOHeader | None:
        """Return the stream's header once it is there."""
        if self.header is not None:
            return self.header
        view = memoryview(self._buffer)[self._begin : self._end]
        if len(view) < SIZE.size:
            return None
        size = SIZE.unpack_from(view)[0]
        if not 16 <= size <= HEADER_BYTES:
            raise PacketError(f"what answers is no DV server: its header has {size} bytes")
        if len(view) >= 12 and bytes(view[8:12]) != b"IOHE":
            raise PacketError(f"what answers is no DV server: it begins with {bytes(view[:12])!r}")
        if len(view) < SIZE.size + size:
            return None
        self.header = decode_header(view[SIZE.size : SIZE.size + size])
        self._begin += SIZE.size + size
        return self.header

    def next(self) -> tuple[int, memoryview] | None:
        """Return the next whole packet as (stream, bytes as sent), or None where none is there.

        The bytes are good until the next ``receive``.
        """
        if self.waiting < PREFIX.size:
            return None
        stream, size = PREFIX.unpack_from(self._buffer, self._begin)
        if not 0 <= size <= PACKET_BYTES:
            raise PacketError(f"a packet of {size} bytes is none of 0 to {PACKET_BYTES}")
        begin = self._begin + PREFIX.size
        if begin + size > self._end:
            return None
        self._begin = begin + size
        return stream, memoryview(self._buffer)[begin : begin + size]
