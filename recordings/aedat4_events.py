"""AEDAT4's packets of events, several at once: small ones cost little more than their events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PacketError
from pipeline.packets import Buffer
from recordings import evts
from recordings.aedat4_blocks import HEAD, LARGE, Large
from recordings.aedat_kernels import gather, scan
from recordings.inflate import Inflater, ZstdFrames
from recordings.lz4_frames import Lz4Frames, available
from recordings.packets import PACKET_BYTES, Window

_MOST = 1024
_JOINED = 1 << 15
"""So many bytes of decompressed packets are joined; more is looked at packet by packet."""

_ROOM = 1 << 18


class Batch(NamedTuple):
    """Packets of events that follow one another in a file.

    at, end        where each begins there with its head, and where it ends
    raw            their data, decompressed
    starts, sizes  where each begins there, and its bytes
    errors         of those that cannot be decompressed, by their number
    """

    at: list[int]
    end: list[int]
    raw: NDArray[np.uint8]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    errors: dict[int, PacketError]

    def place(self, k: int) -> int:
        """Return where in the file the ``k``-th packet begins, or where the last one ends."""
        return self.at[k] if k < len(self.at) else self.end[-1]

    def take(self, k: int, into: int, octets: NDArray[np.uint8], n: int) -> tuple[int, int, int]:
        """Add events to the ``n`` in ``octets``, see ``aedat_kernels.gather``."""
        n, k, into = gather(self.raw, self.starts, self.sizes, len(self.at), k, into, octets, n)
        return n, k, into


class Finder:
    """Finds the packets of one stream of events.

    stream       its number
    streams      those of all there are
    compression  a number of ``evts.COMPRESSIONS``
    table_at     where in the file the table of packets is
    large        places large packets, where it can
    """

    def __init__(self, stream: int, streams: list[int], compression: int, table_at: int) -> None:
        self._stream, self._table_at = stream, table_at
        self._streams = np.array(streams, np.int64)
        self._starts, self._sizes = np.empty((2, _MOST), np.int64)
        self._plain_starts, self._plain_sizes = np.empty((2, _MOST), np.int64)
        self._unpack = Inflater(compression)
        self._plain = compression == evts.NONE
        self._frames: Lz4Frames | None = None
        if compression in (evts.LZ4, evts.LZ4_HIGH) and available:
            self._frames = Lz4Frames()
            self._room = np.empty(_ROOM, np.uint8)
        zstd = compression in (evts.ZSTD, evts.ZSTD_HIGH)
        self.large = Large(stream, table_at, ZstdFrames() if zstd else self._frames)
        self._least = LARGE if self._plain or zstd or self._frames else PACKET_BYTES + 1

    def find(self, window: Window) -> tuple[int, Iterator[Batch]]:
        """Look at the whole packets at the beginning of a window, up to a large one of events.

        Returns how many bytes they are, and those that hold events.
        """
        raw = window.room[window.begin : window.begin + len(window.data)]
        starts, sizes = self._starts, self._sizes
        before = self._table_at - window.at
        n, length = scan(
            raw, before, self._stream, self._least, self._streams, PACKET_BYTES, starts, sizes
        )
        if not n:
            return length, iter(())
        begins, lengths = starts[:n].tolist(), sizes[:n].tolist()
        if self._plain:
            at = [window.at - HEAD + begin for begin in begins]
            ends = [window.at + begin + size for begin, size in zip(begins, lengths, strict=True)]
            return length, iter((Batch(at, ends, raw, starts, sizes, {}),))
        return length, self._unpacked(window, begins, lengths)

    def takes(self, stream: int) -> bool:
        """Tell whether it looks for packets of a stream."""
        return stream == self._stream

    def is_large(self, size: int) -> bool:
        """Tell whether a packet of ``size`` bytes, with its head, is one for ``large``."""
        return size - HEAD >= self._least

    def one(self, window: Window, size: int) -> Batch:
        """Return the large packet at the beginning of a window as any other."""
        packet = self.large.taken()
        if packet is None:
            window.have(size)
            if not self._plain:
                return next(self._unpacked(window, [HEAD], [size - HEAD]))
            packet = np.asarray(window.data[HEAD:size])
        sizes = np.array([len(packet)], np.int64)
        at, end = [window.at], [window.at + size]
        return Batch(at, end, packet, np.zeros(1, np.int64), sizes, {})

    def _unpacked(self, window: Window, begins: list[int], lengths: list[int]) -> Iterator[Batch]:
        if self._frames:
            return self._lz4(window, begins, lengths, self._frames)
        return self._others(window, begins, lengths)

    def _lz4(
        self, window: Window, begins: list[int], lengths: list[int], frames: Lz4Frames
    ) -> Iterator[Batch]:
        """Decompress packets one behind the other into memory that is used again and again."""
        starts, sizes = self._plain_starts, self._plain_sizes
        source, target = window.address + window.begin, int(self._room.ctypes.data)
        at: list[int] = []
        ends: list[int] = []
        errors: dict[int, PacketError] = {}
        used = k = 0
        while k < len(begins):
            begin, length = begins[k], lengths[k]
            room = len(self._room) - used
            plain: int | None = 0
            try:
                plain = frames.into(source + begin, length, target + used, room)
                if plain is None and room == len(self._room) >= PACKET_BYTES:
                    raise PacketError(f"what is over {PACKET_BYTES} bytes decompressed")
            except PacketError as error:
                errors[len(at)] = error
                plain = 0
            if plain is not None:
                starts[len(at)], sizes[len(at)] = used, plain
                at.append(window.at - HEAD + begin)
                ends.append(window.at + begin + length)
                used += plain
                k += 1
            elif not at:
                self._room = np.empty(2 * len(self._room), np.uint8)
                target = int(self._room.ctypes.data)
            if at and (plain is None or used >= _JOINED or k == len(begins)):
                yield Batch(at, ends, self._room, starts, sizes, errors)
                at, ends, errors, used = [], [], {}, 0

    def _others(self, window: Window, begins: list[int], lengths: list[int]) -> Iterator[Batch]:
        """Decompress packets one by one and join the small ones."""
        starts, sizes = self._plain_starts, self._plain_sizes
        at: list[int] = []
        ends: list[int] = []
        parts: list[Buffer] = []
        errors: dict[int, PacketError] = {}
        used = 0
        for begin, length in zip(begins, lengths, strict=True):
            plain: Buffer = b""
            try:
                plain = self._unpack(window.data[begin : begin + length])
            except PacketError as error:
                errors[len(at)] = error
            starts[len(at)], sizes[len(at)] = used, len(plain)
            at.append(window.at - HEAD + begin)
            ends.append(window.at + begin + length)
            parts.append(plain)
            used += len(plain)
            if used >= _JOINED or begin == begins[-1]:
                joined = parts[0] if len(parts) == 1 else b"".join(parts)
                raw = np.asarray(memoryview(joined))
                yield Batch(at, ends, raw, starts, sizes, errors)
                at, ends, parts, errors, used = [], [], [], {}, 0
