"""AEDAT4's large packets of events put where they are to lie, without a copy on the way.

A packet's events are the last of it, behind a front of some bytes that is of the same length in all
packets of a writer. So the packet is read, or decompressed, to just so far ahead of the events'
place that they come to lie there; the front falls upon the events ahead, which are put back.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PacketError
from recordings.aedat_kernels import evts
from recordings.decoder import BLOCK_EVENTS
from recordings.inflate import ZstdFrames
from recordings.lz4_frames import Lz4Frames
from recordings.packets import PACKET_BYTES, Window

HEAD = 8
"""The bytes of a packet's head."""

LARGE = 1 << 14
"""A packet of so many bytes in the file is a large one."""

_FRONT = 64
_EVENT = 16
_PREFIX = struct.Struct("<ii")


class Block:
    """Room for ``BLOCK_EVENTS`` events: as words ``[n, 2]``, and as ``octets``."""

    def __init__(self) -> None:
        self.memory = np.empty(_FRONT + _EVENT * BLOCK_EVENTS + _FRONT, np.uint8)
        self.octets = self.memory[_FRONT:-_FRONT]
        self.words = self.octets.view(np.int64).reshape(-1, 2)
        self.address = int(self.memory.ctypes.data)


class Large:
    """Places the large packets of one reading.

    stream    the number of the stream of events
    table_at  where in the file the table of packets is
    frames    decompresses them; None: they are not compressed
    """

    def __init__(self, stream: int, table_at: int, frames: Lz4Frames | ZstdFrames | None) -> None:
        self._stream, self._table_at, self._frames = stream, table_at, frames
        self._front = 48
        # What the last one took when decompressed is about what the next one takes.
        self._plain_size = 0
        self._packet: NDArray[np.uint8] | None = None

    def whole(self, window: Window, size: int) -> bool:
        """Tell whether the file has all ``size`` bytes of the packet at the window's beginning."""
        if self._frames is not None:
            return window.have(size)
        return window.file.size() - window.at >= size

    def fits(self, size: int, n: int) -> bool:
        """Tell whether a packet's events may be expected to fit behind ``n`` others in a block."""
        plain = size if self._frames is None else self._plain_size
        return _EVENT * n + plain <= _EVENT * BLOCK_EVENTS

    def place(self, window: Window, size: int, block: Block, n: int) -> tuple[int, int]:
        """Place the packet at the window's beginning, a whole one, and the large ones behind it.

        Goes over what was placed. Returns how many events there are then, and the size of a packet
        that then is the window's beginning and is to be taken in another way, or 0.
        """
        while True:
            try:
                placed = self._place(window, size, block, n)
            except PacketError:
                # What is wrong comes out where it is taken like any other.
                placed = None
            if placed is None:
                return n, size
            n = placed
            window.passes(size)
            if not window.have(_EVENT) or window.at == self._table_at:
                return n, 0
            stream, size = _PREFIX.unpack_from(window.data)
            if stream != self._stream or not LARGE <= size <= PACKET_BYTES:
                return n, 0
            size += HEAD
            if not self.fits(size, n) or not self.whole(window, size):
                return n, 0

    def taken(self) -> NDArray[np.uint8] | None:
        """Return the data of the packet that was not placed, where they have been read."""
        packet, self._packet = self._packet, None
        return packet

    def _place(self, window: Window, size: int, block: Block, n: int) -> int | None:
        """Place one packet behind ``n`` events; None where it does not fit or is another way."""
        front = self._front
        begin = _FRONT + _EVENT * n - front
        saved = block.memory[begin : begin + front].copy()
        try:
            length = self._put(window, size, block, begin)
            if length is None:
                return None
            packet = block.memory[begin : begin + length]
            at, count = evts(packet)
            if at == front and n + count <= BLOCK_EVENTS:
                return n + int(count)
            if 0 < at <= _FRONT:
                self._front = int(at)
            self._packet = packet.copy()
            return None
        finally:
            block.memory[begin : begin + front] = saved

    def _put(self, window: Window, size: int, block: Block, begin: int) -> int | None:
        """Put a packet's data into a block; return how many bytes they are, None: too many."""
        room = len(block.memory) - begin
        if self._frames is not None:
            if isinstance(self._frames, Lz4Frames):
                source = window.address + window.begin + HEAD
                length = self._frames.into(source, size - HEAD, block.address + begin, room)
            else:
                target = block.memory[begin:].data
                length = self._frames.into(window.data[HEAD:size], target)
            self._plain_size = length or self._plain_size
            return length
        rest = size - HEAD
        if rest > room:
            return None
        there = np.asarray(window.data[HEAD:size])
        target_data = block.memory[begin : begin + rest]
        target_data[: len(there)] = there
        return len(there) + window.file.fill(target_data[len(there) :].data)
