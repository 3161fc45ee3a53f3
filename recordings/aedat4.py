"""AEDAT4, iniVation's format since 2019: events, frames, IMU samples and triggers in packets.

What the bytes are stands in ``evts.py``. Of several streams of one kind the first is read. At the
end of a file that was closed lies a table of its packets, by which a reading begins near a time;
where it is not there or cannot be true, packets are gone through one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PacketError, RecordingError
from pipeline.events import Events
from pipeline.packets import Buffer
from recordings import evts
from recordings.aedat4_blocks import HEAD, Block
from recordings.aedat4_events import Batch, Finder
from recordings.aedat4_table import PacketTable, read_table
from recordings.aedat_kernels import tables
from recordings.counts import Counts
from recordings.decoder import BLOCK_EVENTS, ByteFile, Mark, as_events, head_of
from recordings.inflate import Inflater
from recordings.packets import PACKET_BYTES, PacketDecoder, Window
from recordings.side import FRAMES, IMU, IMU_SAMPLES, TRIGGER, TRIGGERS, Frame, Samples

_KINDS = {"EVTS": "events", "FRME": FRAMES, "IMUS": IMU_SAMPLES, "TRIG": TRIGGERS}
_CHANNELS = {0: 1, 16: 3, 24: 4}
"""A frame's channels by its format: OpenCV's 8U_C1, 8U_C3, 8U_C4."""

_IMU_WIDTHS = np.array([8] + [4] * 10)
_TRIGGER_WIDTHS = np.array([8, 1])
_TABLE_MAGIC = {
    evts.LZ4: b"\x04\x22\x4d\x18",
    evts.LZ4_HIGH: b"\x04\x22\x4d\x18",
    evts.ZSTD: b"\x28\xb5\x2f\xfd",
    evts.ZSTD_HIGH: b"\x28\xb5\x2f\xfd",
}


class Aedat4(PacketDecoder):
    """Decodes AEDAT4."""

    format = "aedat4"
    head_bytes = HEAD
    least_bytes = 16

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        at = len(evts.MAGIC) + evts.SIZE.size
        head = head_of(path, at)
        size = evts.SIZE.unpack_from(head, at - 4)[0] if len(head) >= at else 1
        if not 0 < size <= evts.HEADER_BYTES:
            raise self.fail(
                f"an AEDAT4 header of {size} bytes, expected 1 to {evts.HEADER_BYTES}", at - 4
            )
        head = head_of(path, at + size)
        if len(head) < at + size:
            raise self.fail("ends within its header of AEDAT4", len(head))
        try:
            self.header = evts.decode_header(memoryview(head)[at : at + size])
        except PacketError as error:
            raise self.fail(f"a broken header of AEDAT4: {error}", at) from None
        self.begin = at + size
        self._streams = {stream.id: stream for stream in self.header.streams}
        self._first: dict[str, int] = {}
        for stream in self.header.streams:
            self._first.setdefault(_KINDS.get(stream.type, stream.type), stream.id)
        if not self._streams:
            raise self.fail("a header that names no streams", at)
        sensor = self._streams.get(self._first.get("events", -1))
        if sensor is not None:
            self.width, self.height = sensor.width, sensor.height
        self._table: PacketTable | None = None
        self._looked = False

    def frame(self, head: memoryview, at: int) -> tuple[int, int] | None:
        """Read a packet's stream and length, see ``PacketDecoder``."""
        stream, size = evts.PREFIX.unpack_from(head)
        if at == self.header.table_at:
            return None
        if stream not in self._streams:
            # The table of packets may be there without the header's being told so yet.
            magic = _TABLE_MAGIC.get(self.header.compression)
            if bytes(head[:4]) == magic if magic else bytes(head[8:12]) == b"FTAB":
                return None
            raise self.fail(
                f"a packet of stream {stream}, expected one of {sorted(self._streams)}", at
            )
        if not 0 < size <= PACKET_BYTES:
            raise self.fail(f"a packet of {size} bytes, expected 1 to {PACKET_BYTES}", at)
        return stream, size

    def blocks(self, counts: Counts, mark: Mark | None = None) -> Iterator[tuple[Events, Mark]]:
        """Yield blocks of raw events, see ``Decoder``; a mark's state counts a packet's events."""
        behind, into = (self.begin, 0) if mark is None else mark
        good = mark is not None
        finder = self._finder()
        large = finder.large
        block, n = Block(), 0
        with self.open() as file:
            window = Window(file, behind)
            for found in self._found(finder, window, counts):
                size = found if isinstance(found, int) else 0
                if n and (found is None or (size and not large.fits(size, n))):
                    yield as_events(block.words, n), Mark(behind, into)
                    block, n = Block(), 0
                if size and not into:
                    before = n
                    n, size = large.place(window, size, block, n)
                    good = good or n > before
                    behind = window.at
                batch = finder.one(window, size) if size else found
                k = 0
                while isinstance(batch, Batch) and k < len(batch.at):
                    if n == BLOCK_EVENTS:
                        yield as_events(block.words, n), Mark(behind, into)
                        block, n = Block(), 0
                    before = k
                    n, k, into = batch.take(k, into, block.octets, n)
                    good = good or k > before
                    if into < 0:
                        error = batch.errors.get(k, PacketError("no events"))
                        self.skip(batch.at[k], batch.end[k], error, counts, good)
                        k, into = k + 1, 0
                    behind = batch.place(k)
                window.passes(size)

    def _finder(self) -> Finder:
        stream = self._first.get("events", -1)
        header = self.header
        return Finder(stream, list(self._streams), header.compression, header.table_at)

    def _found(
        self, finder: Finder, window: Window, counts: Counts
    ) -> Iterator[Batch | int | None]:
        """Yield what holds events, and None where there is no more of it for now, or at all.

        That is small packets, or the size of a large one, which then is the window's beginning and
        is to be gone over by whoever takes it.
        """
        while True:
            seen = window.file.size() if self.follow else 0
            if window.have(self.least_bytes):
                length, batches = finder.find(window)
                yield from batches
                if length:
                    window.passes(length)
                    continue
                try:
                    head = self.frame(window.data, window.at)
                except RecordingError:
                    # What is ahead of it is true, and given on.
                    yield None
                    raise
                if head is None:
                    yield None
                    return
                stream, size = head[0], HEAD + head[1]
                if not finder.takes(stream):
                    if window.passes(size):
                        continue
                elif finder.is_large(size):
                    if finder.large.whole(window, size):
                        yield size
                        continue
                elif window.have(size):
                    continue
            yield None
            if not self.waits(window, seen, counts):
                return

    def unpacker(self) -> Callable[[memoryview], Buffer]:
        """Return what decompresses the packets of one reading; it raises PacketError."""
        return Inflater(self.header.compression)

    def near(self, begin_us: int) -> Mark | None:
        """Return a mark ahead of ``begin_us`` by the table of packets, see ``Decoder``."""
        if self._table is None and not self._looked:
            self._looked = True
            with ByteFile(self.path) as file:
                events = self._first.get("events")
                self._table = read_table(file, self.header, self.begin, events)
        at = self._table.before(begin_us) if self._table else None
        return None if at is None else Mark(at, 0)

    @property
    def side(self) -> frozenset[str]:
        """What the header says there is beside events."""
        return frozenset(self._first) & {FRAMES, IMU_SAMPLES, TRIGGERS}

    def frames(self, counts: Counts) -> Iterator[Frame]:
        """Yield the frames, see ``Decoder``."""
        return self.beside(self._of(FRAMES), counts, _frame)

    def imu(self, counts: Counts) -> Iterator[Samples]:
        """Yield the IMU samples, see ``Decoder``."""
        return self.beside(self._of(IMU_SAMPLES), counts, _imu)

    def triggers(self, counts: Counts) -> Iterator[Samples]:
        """Yield the triggers, see ``Decoder``."""
        return self.beside(self._of(TRIGGERS), counts, _triggers)

    def _of(self, name: str) -> Callable[[int], bool]:
        stream = self._first.get(name)
        return lambda head: bool(head == stream)


def _frame(head: int, packet: Buffer) -> list[Frame]:
    table = evts.flatbuffer(packet, b"FRME")
    read_out = table.integer(1, "q"), table.integer(2, "q")
    exposed = table.integer(3, "q"), table.integer(4, "q")
    if not any(exposed):
        exposed = read_out if any(read_out) else (table.integer(0, "q"),) * 2
    kind, width, height = (table.integer(k, c) for k, c in ((5, "b"), (6, "h"), (7, "h")))
    pixels = np.frombuffer(table.vector(10, 1), np.uint8)
    channels = _CHANNELS.get(kind)
    if channels is None:
        raise PacketError(f"a frame of OpenCV's format {kind}, expected one of {list(_CHANNELS)}")
    if width < 0 or height < 0 or len(pixels) != width * height * channels:
        raise PacketError(f"a frame of {width}×{height}×{channels} in {len(pixels)} bytes")
    # The packet's bytes are there only until the next one is read.
    image = pixels.reshape(height, width, channels).copy()
    return [Frame(*exposed, image, table.integer(8, "h"), table.integer(9, "h"))]


def _imu(head: int, packet: Buffer) -> list[Samples]:
    rows = _rows(packet, b"IMUS", _IMU_WIDTHS)
    samples = np.zeros(len(rows), IMU)
    numbers = rows[:, 1:].astype(np.uint32).view(np.float32)
    samples["t"] = rows[:, 0]
    samples["temperature"] = numbers[:, 0]
    for i, name in enumerate(("acceleration", "rotation", "magnetic")):
        samples[name] = numbers[:, 1 + 3 * i : 4 + 3 * i]
    return [samples] if len(samples) else []


def _triggers(head: int, packet: Buffer) -> list[Samples]:
    rows = _rows(packet, b"TRIG", _TRIGGER_WIDTHS)
    triggers = np.zeros(len(rows), TRIGGER)
    triggers["t"], triggers["kind"] = rows.T
    return [triggers] if len(triggers) else []


def _rows(packet: Buffer, kind: bytes, widths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the fields of a packet's tables ``[n, fields]``."""
    raw = np.frombuffer(packet, np.uint8)
    rows = np.empty((len(raw) // 12, len(widths)), np.int64)
    n = int(tables(raw, int.from_bytes(kind, "little"), widths, rows))
    if n < 0:
        raise PacketError(f"no {kind.decode()}")
    return rows[:n]
