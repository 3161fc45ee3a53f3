"""record: writes a stream of events to a file, in any format that can be written."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from nodes.continuity import Continuity
from pipeline import EventPacket, Meta, Node, Packet, Settings
from pipeline.errors import RecordingError, RetinaError, UsageError
from pipeline.events import empty_events
from pipeline.packets import EventHeader
from recordings.counts import Counts
from recordings.policy import Policy, PolicyState
from recordings.write_file import check_way
from recordings.writing import WRITABLE, Writer, create_recording, writer_of

_FLUSH_US = 1_000_000
_MB = 1_000_000
_CAMERA = ("model", "serial", "firmware", "driver")


class RecordSettings(Settings):
    """Settings of ``record``."""

    path: Annotated[
        str, Meta(min_length=1, description="the file; its ending tells the format: .aedat4, .es, "
                  ".bin, .csv, .npz, .npy, .h5")
    ]  # fmt: skip
    format: Annotated[
        Literal["aedat4", "es", "nmnist", "csv", "npz", "npy", "hdf5"] | None,
        Meta(description="the format, where the ending does not tell it"),
    ] = None
    compression: Annotated[
        Literal["none", "lz4", "zstd", "gzip", "deflate"] | None,
        Meta(description="of AEDAT4 (lz4), NPZ (none) and HDF5 (gzip)"),
    ] = None
    overwrite: Annotated[bool, Meta(description="replace a file that is there already")] = False
    rotate_mb: Annotated[
        int, Meta(ge=0, le=10_000_000, description="begin a new file after so many MB (0: never)")
    ] = 0
    rotate_s: Annotated[
        float, Meta(ge=0, le=1e9, description="begin a new file after so many s (0: never)")
    ] = 0
    recording: Annotated[
        bool, Meta(description="false: let packets pass by; true: go on in a new file")
    ] = True


class Record(Node):
    """EventPackets in, files out, and a word at the end whether they hold everything.

    Files are begun at a packet's first moment: ``name.aedat4``, or ``name-0001.aedat4`` and so on
    where they rotate; a stream whose clock was set back goes on in a new file. What was taken is in
    the file at least once a second of event time. Late events are lifted (``recordings.policy``).
    """

    settings_type = RecordSettings
    blas = False
    accepts = (EventPacket,)
    live = frozenset({"recording"})
    leisure_ms = 10
    patient = True
    settings: RecordSettings

    def open(self) -> None:
        """See to it that the first file can be made; raises RecordingError or UsageError."""
        s = self.settings
        self._path = Path(s.path)
        self._kind = writer_of(self._path, s.format)
        self._options: dict[str, Any] = {}
        if s.compression is not None:
            self._options["compression"] = s.compression
        self._writer: Writer | None = None
        self._policy: Policy | None = None
        self._stream = Continuity()
        self._counts = Counts()
        self._files: list[str] = []
        self._events = self._bytes = self._covered_us = 0
        self._begin = self._end = self._flushed = 0
        self._ended = self._told = False
        self._crashes = int(self.cursor > 0)
        if not self._crashes:
            check_way(self._name(1), s.overwrite)
        # From here on a successor leaves alone what may be this process's own file.
        self.cursor = max(1, self.cursor)
        self._warm()
        self.condition = "" if s.recording else "paused"

    def process(self, packet: Packet) -> Iterator[Packet]:
        """Write one packet's events; raises RecordingError where they cannot be written."""
        assert isinstance(packet, EventPacket)
        head = packet.header
        if not self.settings.recording:
            self._stream.skip(head)
            return
        try:
            self._stream.see(head)
            writer = self._file(head)
            if self._policy is not None or not writer.write_wire(packet.wire, head.t_begin):
                self._mend(packet, writer)
            self._end = head.t_end
            if head.t_end - self._flushed >= _FLUSH_US:
                writer.flush()
                self._flushed = head.t_end
        except RetinaError as error:
            self._give_up(error)
        yield from ()

    def finish(self) -> Iterator[Packet]:
        """Close the file: the stream has ended."""
        self._ended = True
        self._close_file()
        self._tell()
        yield from ()

    def close(self) -> None:
        """Close the file, also where the stream has not ended."""
        self._close_file()
        self._tell()

    def retuned(self, names: set[str]) -> None:
        """Close the file where recording was stopped; the next packet begins a new one."""
        if not self.settings.recording:
            self._close_file()
        self.condition = "" if self.settings.recording else "paused"

    def facts(self) -> dict[str, str | int | float]:
        """Return the file at hand, and what there is in all files together."""
        writer = self._writer
        return {
            "file": self._files[-1] if self._files else "",
            "files": len(self._files),
            "events": self._events + (writer.written if writer else 0),
            "bytes": self._bytes + (writer.bytes if writer else 0),
            "duration_s": (self._covered_us + (self._end - self._begin if writer else 0)) / 1e6,
            "missed_packets": self._stream.missed_packets,
        }

    def words(self) -> list[str]:
        """Say what the files lack."""
        missing = self._missing()
        return [f"INCOMPLETE: {'; '.join(missing)}"] if missing else []

    def _file(self, head: EventHeader) -> Writer:
        """Return the file for a packet: the one at hand, or a new one."""
        s, writer = self.settings, self._writer
        if writer is not None:
            full = s.rotate_mb and writer.bytes >= s.rotate_mb * _MB
            long = s.rotate_s and head.t_begin - self._begin >= s.rotate_s * 1e6
            other = (head.width, head.height) != (writer.width, writer.height)
            if not (full or long or other or self._stream.set_back):
                return writer
            self._close_file()
        path = self._next()
        origin = {} if self._kind.absolute else {"origin_us": head.t_begin}
        overwrite = s.overwrite and not self._crashes
        self._writer = writer = create_recording(
            path, head.width, head.height, format=self._kind.format, overwrite=overwrite,
            **self._options, **origin, **self._camera(),
        )  # fmt: skip
        self._policy = None
        self._files.append(str(path))
        self._begin = self._end = self._flushed = head.t_begin
        return writer

    def _mend(self, packet: EventPacket, writer: Writer) -> None:
        """Write a packet of which something is amiss, and from then on all of this file."""
        if self._policy is None:
            before = PolicyState(writer.latest_us, begun=1) if writer.written else None
            self._policy = Policy(writer.width, writer.height, before)
        writer.write(self._policy.apply(packet.events, self._counts))

    def _camera(self) -> dict[str, Any]:
        """Return what AEDAT4's header says of the camera up the stream, as far as it is known."""
        if "more" not in WRITABLE[self._kind.format].options:
            return {}
        cameras = [s for s in self.statuses().values() if s.facts.get("serial")]
        if len(cameras) != 1:
            return {}
        facts, settings = cameras[0].facts, cameras[0].settings
        more = {name: str(facts[name]) for name in _CAMERA if name in facts}
        more |= {f"setting.{each.name}": each.actual for each in settings}
        return {"source": f"{facts.get('model', 'camera')}_{facts['serial']}", "more": more}

    def _next(self) -> Path:
        """Return the next file's name; one of a process that died is left alone."""
        number = len(self._files) + 1
        if not self._crashes:
            self.cursor = number
            return self._name(number)
        while self._name(number).exists() or str(self._name(number)) in self._files:
            number += 1
        return self._name(number)

    def _name(self, number: int) -> Path:
        rotates = self.settings.rotate_mb or self.settings.rotate_s
        if number == 1 and not rotates:
            return self._path
        return self._path.with_name(f"{self._path.stem}-{number:04d}{self._path.suffix}")

    def _close_file(self) -> None:
        writer, self._writer = self._writer, None
        if writer is None:
            return
        try:
            writer.close()
        finally:
            self._events += writer.written
            self._bytes += writer.bytes
            self._covered_us += self._end - self._begin

    def _give_up(self, error: RetinaError) -> None:
        """Close what there is and end with one line."""
        with contextlib.suppress(RecordingError):
            self._close_file()
        self._told = True
        self._journal([str(error)])
        failure = type(error)(f"INCOMPLETE: {error}")
        raise failure from None

    def _missing(self) -> list[str]:
        """Say what the files lack of the stream."""
        said = self._stream.words()
        if self._counts.outside:
            said.append(f"{self._counts.outside:,} events outside the sensor")
        if self._crashes:
            said.append("the recorder was started anew: what it had not written is missing")
        return said

    def _tell(self) -> None:
        """Say and enter into the report what was recorded; once."""
        if self._told:
            return
        self._told = True
        missing = self._missing()
        if not self._ended:
            missing.append("ended before the stream did")
        self._journal(missing)
        if not self._files:
            line = f"{self._path}: no file, for no packet came"
        else:
            last = f" to {Path(self._files[-1]).name}" if len(self._files) > 1 else ""
            line = (
                f"{self._files[0]}{last}: {self._events:,} events, {self._covered_us / 1e6:.3f} s, "
                f"{self._bytes / _MB:.1f} MB"
            )
        if missing:
            line += f"; INCOMPLETE: {'; '.join(missing)}"
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def _journal(self, missing: list[str]) -> None:
        self.journal(
            {
                "recording": self._files,
                "events": self._events,
                "bytes": self._bytes,
                "duration_s": self._covered_us / 1e6,
                "complete": not missing,
                "missing": missing,
                "missed_packets": self._stream.missed_packets,
                "missed_s": self._stream.missed_us / 1e6,
                "late_events": self._counts.late,
            }
        )

    def _warm(self) -> None:
        """Write a small file elsewhere: compiling belongs to the start, not to the first packet."""
        event = empty_events(1)
        Policy(1, 1).apply(event.copy(), Counts())
        header = EventHeader(t_end=1, width=1, height=1, n=0)
        packet = EventPacket.of(event, header)
        ending = WRITABLE[self._kind.format].endings[0]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"warm{ending}"
            try:
                with create_recording(path, 1, 1, **self._options) as writer:
                    writer.write_wire(packet.wire, 0)
                    writer.write(packet.events)
            except UsageError as error:
                # An option's mistake is the user's file's.
                raise UsageError(str(error).replace(str(path), str(self._path))) from None
