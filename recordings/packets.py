"""Files that are a row of packets, each whole in itself: what AEDAT 3.1 and AEDAT4 have in common.

A packet whose bytes cannot be true is skipped and counted, for the next one begins where its head
says; where the first one is such, the file is none of the format. A head that cannot be true ends
the reading with an error; a packet that the file's end cuts is counted.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np

from pipeline.errors import PacketError
from pipeline.packets import Buffer
from recordings.counts import Counts
from recordings.decoder import BLOCK_BYTES, ByteFile, Decoder

PACKET_BYTES = 1 << 26
"""The longest packet that is read, as it is in the file or decompressed (4 million events)."""

_LEAST = 1 << 15
_LARGE = 1 << 15
_BEHIND = 1 << 12

T = TypeVar("T")


class Packet(NamedTuple):
    """A packet: where its head begins and its data ends, what its head says, its data.

    The data are there until the next packet is read.
    """

    at: int
    end: int
    head: Any
    data: memoryview


class PacketDecoder(Decoder):
    """Decodes a file that is a row of packets from ``begin`` on."""

    follows = True
    head_bytes: ClassVar[int]
    least_bytes: ClassVar[int] = 0
    """What any packet takes, with its head, where that is more than the head."""
    begin: int = 0

    @abstractmethod
    def frame(self, head: memoryview, at: int) -> tuple[Any, int] | None:
        """Read a packet's head: what it says, and how many bytes of data follow.

        ``head`` holds at least ``head_bytes`` and ``least_bytes``. Returns None where no more
        packets follow; raises RecordingError where it cannot be true.
        """

    def unpacker(self) -> Callable[[memoryview], Buffer]:
        """Return what decompresses the packets of one reading; it raises PacketError."""
        return _as_it_is

    def beside(
        self,
        wanted: Callable[[Any], bool],
        counts: Counts,
        read: Callable[[Any, Buffer], list[T]],
    ) -> Iterator[T]:
        """Yield what ``read`` makes of the head and the data of each packet that is wanted."""
        good, unpack = False, self.unpacker()
        for packet in self.packets(wanted, counts):
            try:
                found = read(packet.head, unpack(packet.data))
                good = True
            except PacketError as error:
                self.skip(packet.at, packet.end, error, counts, good)
                continue
            yield from found

    def packets(self, wanted: Callable[[Any], bool], counts: Counts) -> Iterator[Packet]:
        """Yield the packets that are wanted, as their heads tell."""
        with self.open() as file:
            window = Window(file, self.begin)
            while True:
                seen = file.size() if self.follow else 0
                if window.have(max(self.head_bytes, self.least_bytes)):
                    found = self.frame(window.data, window.at)
                    if found is None:
                        return
                    head, size = found[0], self.head_bytes + found[1]
                    if not wanted(head):
                        if window.passes(size):
                            continue
                    elif window.have(size):
                        data = window.data[self.head_bytes : size]
                        yield Packet(window.at, window.at + size, head, data)
                        window.passes(size)
                        continue
                if not self.waits(window, seen, counts):
                    return

    def waits(self, window: Window, seen: int, counts: Counts) -> bool:
        """Wait for a file to grow beyond ``seen`` bytes; False: this was its end, which is counted.

        The end is no clean one where something of a packet is left.
        """
        if window.file.more(seen):
            return True
        rest = max(0, window.file.size() - window.at)
        counts.skipped_bytes += rest
        counts.cuts += rest > 0
        return False

    def skip(self, begin: int, end: int, error: PacketError, counts: Counts, good: bool) -> None:
        """Count a packet that cannot be true; raises RecordingError where none was good so far."""
        if not good:
            raise self.fail(f"{error}, in the packet", begin) from None
        counts.skipped_bytes += end - begin


class Window:
    """What of a file is in memory, ``data``, from its byte ``at`` on.

    ``data`` begin at the byte ``begin`` of ``room``, which is at ``address``.
    """

    def __init__(self, file: ByteFile, at: int) -> None:
        self.file = file
        self.at = at
        self._make(BLOCK_BYTES)
        self.data = self._view[:0]
        # Where much is passed over, little is read ahead.
        self._ahead = BLOCK_BYTES
        file.seek(at)

    def have(self, n: int) -> bool:
        """Tell whether the next ``n`` bytes are there, once they have been read."""
        rest = len(self.data)
        if rest >= n:
            return True
        # What a head claims is not room made for it before the file holds it.
        if n > len(self._view):
            if self.file.size() - self.at < n:
                return False
            self._make(n)
        self._view[:rest] = self.data
        self.begin = 0
        # Behind a large packet a little is read, not much that would have to be moved then.
        upto = n + _BEHIND if n >= _LARGE else max(n, self._ahead)
        rest += self.file.fill(self._view[rest:upto])
        self._ahead = min(2 * self._ahead, BLOCK_BYTES)
        self.data = self._view[:rest]
        return rest >= n

    def passes(self, n: int) -> bool:
        """Go on by ``n`` bytes, where the file has as many."""
        if n > len(self.data):
            if self.file.size() - self.at < n:
                return False
            self._ahead = max(self._ahead // 4, _LEAST)
            self.file.seek(self.at + n)
        self.data = self.data[n:]
        self.begin += n
        self.at += n
        return True

    def _make(self, n: int) -> None:
        self.room = np.empty(n, np.uint8)
        self._view = self.room.data
        self.address = int(self.room.ctypes.data)
        self.begin = 0


def _as_it_is(data: memoryview) -> Buffer:
    return data
