"""Writing recordings: one way into every format, in constant memory, whole at every moment.

A writer takes events in order of time and writes them by packets. What a format cannot hold is
refused before any of it is written. A process that is killed, or a disk that is full, leaves a file
that ends with its last whole packet; ``flush`` ends a packet early.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pipeline.errors import RecordingError, UsageError
from pipeline.events import EVENT, MAX_SIDE, Events, empty_events
from recordings.write_kernels import check, copy, unpack

PACKET_EVENTS = 1 << 16
"""The most events in one packet of a file (1 MiB in memory)."""

_NO_WORDS = np.empty(0, np.int64)
_NO_WORDS.flags.writeable = False

ERA_US = 2**61
"""Times of events lie within ± this many µs."""


class Format(NamedTuple):
    """A writable format: the endings that mean it, where its writer stands, and its options."""

    endings: tuple[str, ...]
    place: str
    options: tuple[str, ...] = ()


WRITABLE: dict[str, Format] = {
    "aedat4": Format(
        (".aedat4",),
        "recordings.write_aedat4:Aedat4Writer",
        ("compression", "side", "source", "more"),
    ),
    "es": Format((".es",), "recordings.write_es:EventStreamWriter"),
    "nmnist": Format((".bin",), "recordings.write_nmnist:NMnistWriter"),
    "csv": Format((".csv",), "recordings.write_csv:CsvWriter"),
    "npz": Format((".npz",), "recordings.write_npz:NpzWriter", ("compression",)),
    "npy": Format((".npy",), "recordings.write_npy:NpyWriter"),
    "hdf5": Format((".h5", ".hdf5"), "recordings.write_hdf5:Hdf5Writer", ("compression",)),
}
"""What can be written, by the format's name."""


def create_recording(
    path: str | Path,
    width: int,
    height: int,
    *,
    format: str | None = None,  # noqa: A002
    overwrite: bool = False,
    **options: Any,
) -> Writer:
    """Begin a recording of a sensor of ``width`` × ``height`` pixels at ``path``.

    The name's ending tells the format where ``format`` does not. An existing file is refused,
    or with ``overwrite`` replaced. ``options`` are the format's own (``compression``, ...), and
    ``origin_us``, which is taken from every time.

    Raises UsageError where the format is unknown or has no such option, RecordingError where the
    file cannot be made or the format has no room for the sensor.
    """
    path = Path(path)
    kind = writer_of(path, format)
    own = WRITABLE[kind.format].options
    for key in options:
        if key not in own and key != "origin_us":
            known = ", ".join((*own, "origin_us"))
            raise UsageError(f"{path}: {kind.format} has no option '{key}' (known: {known})")
    return kind(path, width, height, overwrite=overwrite, **options)


def writer_of(path: Path, format: str | None = None) -> type[Writer]:  # noqa: A002
    """Return the class that writes ``format``, or what the path's ending means."""
    name = format or format_of(path)
    if name is None or name not in WRITABLE:
        endings = ", ".join(ending for each in WRITABLE.values() for ending in each.endings)
        if format is not None:
            raise UsageError(
                f"{path}: format '{format}' is not written, expected one of {', '.join(WRITABLE)}"
            )
        raise UsageError(
            f"{path}: '{path.suffix}' is no ending that is written, expected one of {endings}"
        )
    module, _, cls = WRITABLE[name].place.partition(":")
    try:
        found: type[Writer] = getattr(importlib.import_module(module), cls)
    except ModuleNotFoundError as error:
        extra = {"h5py": "hdf5"}.get(error.name or "")
        if extra is None:
            raise
        raise RecordingError(
            f"{path}: {name} needs {error.name}: pip install 'silicon-retina[{extra}]'"
        ) from None
    return found


def format_of(path: Path) -> str | None:
    """Return the writable format that a path's ending means, or None."""
    ending = path.suffix.lower()
    return next((name for name, each in WRITABLE.items() if ending in each.endings), None)


class Writer(ABC):
    """Writes one recording; ``create_recording`` makes one.

    path           the file
    width, height  the sensor's size in pixels
    written        events that were taken; where the file could not be written to, those in it
    bytes          bytes in the file so far
    origin_us      what is taken from every time before it is written
    """

    format: ClassVar[str]
    most_side: ClassVar[int] = MAX_SIDE - 1
    """The largest sensor's side that the format holds, in pixels."""
    absolute: ClassVar[bool] = True
    """Whether the format holds any time; else times begin near zero (``origin_us``)."""
    packet_events: ClassVar[int] = PACKET_EVENTS

    def __init__(
        self,
        path: Path,
        width: int,
        height: int,
        *,
        overwrite: bool = False,
        origin_us: int = 0,
    ) -> None:
        self.path = path
        self.width, self.height = width, height
        self.written = 0
        self.bytes = 0
        self.origin_us = origin_us
        self._latest = -ERA_US if self.absolute else 0
        self._buffer = empty_events(self.packet_events)
        self._words = self._buffer.view(np.int64).reshape(-1, 2)
        self._held = 0
        self._in_file = 0
        self._failed = False
        self._open = False
        if not (1 <= width <= self.most_side and 1 <= height <= self.most_side):
            raise RecordingError(
                f"{path}: a sensor of {width}×{height} pixels does not fit {self.format}, which "
                f"holds 1 to {self.most_side} each way"
            )
        # The first call compiles: that belongs to the beginning, not to the first packet.
        check(self._words[:0], 0, 0, width, height)
        copy(self._words[:0], self._words[:0], 0)
        unpack(_NO_WORDS, self._words[:0], 0, 0, width, height)
        self._begin(overwrite)
        self._open = True

    # What a format overrides.

    @abstractmethod
    def _begin(self, overwrite: bool) -> None:
        """Make the file and write what comes ahead of the events; set ``bytes``."""

    @abstractmethod
    def _put(self, events: Events) -> None:
        """Write a packet of checked events, all or nothing; set ``bytes``.

        Raises RecordingError where it cannot be written.
        """

    @abstractmethod
    def _end(self) -> None:
        """Write what comes behind the events, and close the file; also after a failure."""

    def _refusal(self, events: Events, before_us: int | None) -> str | None:
        """Say what of ``events`` the format cannot hold, beyond what every format cannot.

        Times are those that would be written; ``before_us`` is that of the event ahead, None where
        there is none.
        """
        return None

    # What its users call.

    def write(self, events: Events) -> None:
        """Take events ``[n] EVENT`` in order of time, on from those before.

        Raises RecordingError, and takes none of them, where one steps back in time or lies outside
        the sensor or the format; also where the file cannot be written to.
        """
        if not self._open:
            raise RecordingError(f"{self.path}: the recording is closed")
        if self._failed:
            raise RecordingError(f"{self.path}: could not be written to, and takes no more")
        if events.dtype != EVENT:
            raise ValueError(f"events have dtype {events.dtype}, expected {EVENT}")
        if not len(events):
            return
        words = np.ascontiguousarray(events).view(np.int64).reshape(-1, 2)
        self._accept(words)
        at, n = 0, len(words)
        while at < n:
            take = min(n - at, self.packet_events - self._held)
            copy(words[at : at + take], self._words[self._held : self._held + take], self.origin_us)
            self._held += take
            self.written += take
            at += take
            if self._held == self.packet_events:
                self.flush()
        self._latest = int(words[-1, 0]) - self.origin_us

    def write_wire(self, wire: Events, t_begin: int) -> bool:
        """Take events ``[n] WIRE_EVENT`` of a packet that begins at ``t_begin`` µs, if all is well.

        A shorter way than ``write``: False, and none is taken, where an event is not in order or
        outside the sensor, or the format or the number of events asks for the other way.
        Raises RecordingError where the file cannot be written to.
        """
        n = len(wire)
        particular = type(self)._refusal is not Writer._refusal
        if not self._open or self._failed or particular or n > self.packet_events:
            return False
        if n > self.packet_events - self._held:
            self.flush()
        begin = t_begin - self.origin_us
        words = np.frombuffer(np.ascontiguousarray(wire), np.int64)
        place = self._words[self._held : self._held + n]
        if not -ERA_US <= begin <= ERA_US or not unpack(
            words, place, begin, self._latest, self.width, self.height
        ):
            return False
        if n:
            self._held += n
            self.written += n
            self._latest = int(place[n - 1, 0])
        return True

    @property
    def latest_us(self) -> int:
        """The time of the latest event, in µs, as it was given."""
        return self._latest + self.origin_us

    def flush(self) -> None:
        """Write what was taken so far, as a whole packet; raises RecordingError."""
        if not self._held or not self._open:
            return
        n, self._held = self._held, 0
        try:
            self._put(self._buffer[:n])
        except RecordingError as error:
            self._failed = True
            self.written = self._in_file
            raise RecordingError(
                f"{error}; the {self._in_file:,} events before that are kept"
            ) from None
        self._in_file += n

    def close(self) -> None:
        """Write what is left and close the file; raises RecordingError where that fails."""
        if not self._open:
            return
        try:
            if not self._failed:
                self.flush()
        finally:
            self._open = False
            self._end()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _accept(self, words: np.ndarray[Any, np.dtype[np.int64]]) -> None:
        """Raise RecordingError where an event cannot be written."""
        flaw = check(words, self._latest, self.origin_us, self.width, self.height)
        if flaw >= 0:
            raise RecordingError(
                f"{self.path}: event {self.written + flaw}: {self._flaw(words, flaw)}"
            )
        if type(self)._refusal is Writer._refusal:
            return
        events = empty_events(len(words))
        copy(words, events.view(np.int64).reshape(-1, 2), self.origin_us)
        why = self._refusal(events, self._latest if self.written else None)
        if why is not None:
            raise RecordingError(f"{self.path}: {why}")

    def _flaw(self, words: np.ndarray[Any, np.dtype[np.int64]], i: int) -> str:
        t = int(words[i, 0]) - self.origin_us
        code = int(words[i, 1])
        x, y, p = code & 0xFFFF, code >> 16 & 0xFFFF, code >> 32 & 0xFF
        if x >= self.width or y >= self.height:
            return f"pixel ({x}, {y}) is outside the sensor of {self.width}×{self.height}"
        if p > 1:
            return f"polarity {p} is not 0 or 1"
        before = int(words[i - 1, 0]) - self.origin_us if i else self._latest
        if t < before and (i or self.written):
            return f"time steps back from {before} to {t} µs, expected order of time"
        return f"time {t} µs does not fit {self.format}, which begins at {self._latest}"
