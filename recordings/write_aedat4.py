"""AEDAT4, iniVation's format: events, and what else a camera gives, in packets of their own.

Behind the header (``evts.py``) follow packets, each whole in itself; at the close the table of
packets, by which a reader finds a time, and its place in the header. Until then the header says -1,
and a reader goes through the packets one by one.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from pipeline.errors import RecordingError, UsageError
from pipeline.events import Events
from pipeline.packets import Buffer
from recordings import evts
from recordings.lz4_events import packed
from recordings.side import FRAMES, IMU_SAMPLES, TRIGGERS, Frame, Samples
from recordings.write_file import OutFile
from recordings.write_flatbuf import frame_packet, imu_packet, table_of_packets, trigger_packet
from recordings.writing import Writer

COMPRESSIONS = {"none": evts.NONE, "lz4": evts.LZ4, "zstd": evts.ZSTD}
"""What packets may be compressed by."""

_TYPES = {FRAMES: "FRME", IMU_SAMPLES: "IMUS", TRIGGERS: "TRIG"}
"""Side data that the format holds, each a stream."""

_MOST = 1 << 14


class Aedat4Writer(Writer):
    """Writes AEDAT4.

    compression  ``none``, ``lz4`` or ``zstd``
    side         which of ``frames``, ``imu`` and ``triggers`` will come as well
    source       the camera's name
    more         what else its header says of the events' stream: names and texts
    """

    format = "aedat4"

    def __init__(
        self,
        path: Path,
        width: int,
        height: int,
        *,
        compression: str = "lz4",
        side: Iterable[str] = (),
        source: str = "silicon-retina",
        more: Mapping[str, str] | None = None,
        overwrite: bool = False,
        origin_us: int = 0,
    ) -> None:
        if compression not in COMPRESSIONS:
            raise UsageError(
                f"{path}: compression '{compression}' is none of {', '.join(COMPRESSIONS)}"
            )
        self._compression = COMPRESSIONS[compression]
        self._source = source
        self._more = tuple((more or {}).items())
        self._streams = {name: i for i, name in enumerate(_TYPES, 1) if name in set(side)}
        self._packets = array("q")
        super().__init__(path, width, height, overwrite=overwrite, origin_us=origin_us)

    def write_frame(self, frame: Frame) -> None:
        """Write a frame; in the file it is read out while it is exposed."""
        begin, end = frame.t_begin - self.origin_us, frame.t_end - self.origin_us
        moved = frame._replace(t_begin=begin, t_end=end)
        self._side(FRAMES, frame_packet(moved), 1, begin, end)

    def write_imu(self, samples: Samples) -> None:
        """Write IMU samples ``[n] IMU``."""
        self._samples(IMU_SAMPLES, samples, imu_packet)

    def write_triggers(self, triggers: Samples) -> None:
        """Write triggers ``[n] TRIGGER``; the format has no room for their inputs' numbers."""
        self._samples(TRIGGERS, triggers, trigger_packet)

    def _samples(self, name: str, samples: Samples, encode: Callable[[Samples], bytes]) -> None:
        for i in range(0, len(samples), _MOST):
            part = samples[i : i + _MOST].copy()
            part["t"] -= self.origin_us
            self._side(name, encode(part), len(part), int(part["t"][0]), int(part["t"][-1]))

    def _begin(self, overwrite: bool) -> None:
        size = {"width": self.width, "height": self.height, "source": self._source}
        streams = [evts.Stream(**size, more=self._more)]  # type: ignore[arg-type]
        for name, i in self._streams.items():
            sized = size if name == FRAMES else {"source": self._source}
            streams.append(evts.Stream(id=i, type=_TYPES[name], name=name, **sized))
        self._header = evts.IOHeader(self._compression, tuple(streams))
        self._file = OutFile(self.path, overwrite=overwrite)
        self._append(evts.MAGIC, evts.encode_header(self._header))

    def _put(self, events: Events) -> None:
        parts: list[Buffer] | None = None
        if self._compression == evts.LZ4:
            parts = self._quick(events)
        parts = parts or evts.encode_events(events, 0, self._compression)
        self._packet(parts, 0, len(events), int(events["t"][0]), int(events["t"][-1]))

    def _quick(self, events: Events) -> list[Buffer] | None:
        """Return a packet compressed by what is known of events, None where that is no gain."""
        prefixed = bytes(evts.encode_events(events)[0])
        frame = packed(prefixed[evts.PREFIX.size :], events.view(np.int64).reshape(-1, 2))
        if frame is None:
            return None
        return [evts.PREFIX.pack(0, sum(map(len, frame))), *frame]

    def _side(self, name: str, packet: bytes, n: int, first: int, last: int) -> None:
        if name not in self._streams:
            raise ValueError(f"{self.path}: was not made for {name}")
        if not self._open or self._failed:
            raise RecordingError(f"{self.path}: takes no more")
        stream = self._streams[name]
        plain = self._compression == evts.NONE
        packed = packet if plain else evts.compress(packet, self._compression)
        try:
            self._packet([evts.PREFIX.pack(stream, len(packed)), packed], stream, n, first, last)
        except RecordingError:
            self._failed = True
            raise

    def _packet(self, parts: list[Buffer], stream: int, n: int, first: int, last: int) -> None:
        at = self._file.size + evts.PREFIX.size
        self._append(*parts)
        size = sum(memoryview(part).nbytes for part in parts) - evts.PREFIX.size
        self._packets.extend((stream, size, at, n, first, last))

    def _append(self, *parts: Buffer) -> None:
        self._file.append(*parts)
        self.bytes = self._file.size

    def _end(self) -> None:
        try:
            at = self._file.size
            table = table_of_packets(self._packets)
            if self._compression != evts.NONE:
                table = evts.compress(table, self._compression)
            self._append(table)
            header = self._header._replace(table_at=at)
            self._file.put(len(evts.MAGIC), evts.encode_header(header))
        except RecordingError:
            # Without its table the file is as readable, only slower to find one's way in.
            if not self._failed:
                raise
        finally:
            self._file.close()
