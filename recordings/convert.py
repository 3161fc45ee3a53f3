"""From one format to another: whole, or a stretch of time, a part of the sensor, one polarity."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import RecordingError, UsageError
from pipeline.events import EVENT, Events
from recordings.counts import Counts
from recordings.opening import open_recording
from recordings.recording import Recording
from recordings.side import FRAMES, IMU_SAMPLES, TRIGGERS, Frame
from recordings.windows import extent, origin_us
from recordings.write_aedat4 import Aedat4Writer
from recordings.writing import WRITABLE, Writer, create_recording, writer_of

_NEAR_ZERO_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Cut:
    """What of a recording is taken.

    begin_s, end_s  from so long to so long after its first event; None: from its beginning, to its
                    end
    crop            x0, y0, width and height in pixels; (x0, y0) becomes (0, 0)
    polarity        1 ON or 0 OFF alone; None both
    """

    begin_s: float | None = None
    end_s: float | None = None
    crop: tuple[int, int, int, int] | None = None
    polarity: int | None = None

    def of(self, events: Events) -> Events:
        """Return those of ``events`` whose place and polarity are taken."""
        if self.polarity is not None:
            events = _kept(events, events["p"] == self.polarity)
        if self.crop is not None:
            x0, y0, width, height = self.crop
            inside = (events["x"] >= x0) & (events["x"] < x0 + width)
            inside &= (events["y"] >= y0) & (events["y"] < y0 + height)
            events = _kept(events, inside)
            events["x"] -= x0
            events["y"] -= y0
        return events

    def frame(self, frame: Frame) -> Frame | None:
        """Return the part of a frame that is taken, None where there is none."""
        if self.crop is None:
            return frame
        x0, y0, width, height = self.crop
        left, top = max(x0, frame.x), max(y0, frame.y)
        right = min(x0 + width, frame.x + frame.pixels.shape[1])
        bottom = min(y0 + height, frame.y + frame.pixels.shape[0])
        if left >= right or top >= bottom:
            return None
        pixels = frame.pixels[top - frame.y : bottom - frame.y, left - frame.x : right - frame.x]
        return frame._replace(pixels=pixels, x=left - x0, y=top - y0)


@dataclass(slots=True)
class Done:
    """What a conversion did.

    events    how many events were written, and ``bytes``
    kept      what else was taken along: frames, imu, triggers
    lost      what else there was that the format does not hold
    origin_us what was taken from every time, for formats that begin near zero
    counts    what the reading met
    """

    events: int = 0
    bytes: int = 0
    kept: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    origin_us: int = 0
    counts: Counts = field(default_factory=Counts)


def convert(
    source: str | Path,
    target: str | Path,
    cut: Cut | None = None,
    *,
    format: str | None = None,  # noqa: A002
    overwrite: bool = False,
    progress: Callable[[float], None] | None = None,
    **options: Any,
) -> Done:
    """Write the recording at ``source`` to ``target``, in its ending's format or ``format``.

    ``progress`` is told how much is done, 0 to 1; ``options`` are the format's. Where the source
    is broken, or the disk is full, what was written before is kept.

    Raises RecordingError or UsageError, one line.
    """
    source, target, cut = Path(source), Path(target), cut or Cut()
    kind = writer_of(target, format)
    if target.exists() and source.exists() and target.samefile(source):
        raise UsageError(f"{target}: is what is read, expected another file")
    with open_recording(source) as recording:
        width, height = _size(recording)
        if cut.crop is not None:
            width, height = _cropped(cut.crop, width, height, target)
        base = origin_us(recording)
        begin, end = (
            None if s is None else base + round(s * 1e6) for s in (cut.begin_s, cut.end_s)
        )
        start = base if begin is None else begin
        done = Done()
        if not kind.absolute and not 0 <= start < _NEAR_ZERO_US:
            done.origin_us = options["origin_us"] = start
        if issubclass(kind, Aedat4Writer):
            options["side"] = recording.side
            done.kept = tuple(sorted(recording.side))
        else:
            done.lost = tuple(sorted(recording.side))
        with create_recording(
            target, width, height, format=kind.format, overwrite=overwrite, **options
        ) as writer:
            try:
                _pour(recording, writer, cut, begin, end, progress)
            except RecordingError as error:
                raise RecordingError(
                    f"{error}; {target} holds the {writer.written:,} events before that"
                    if str(target) not in str(error)
                    else str(error)
                ) from None
        done.events, done.bytes, done.counts = writer.written, writer.bytes, recording.counts
        return done


def ending_of(format: str) -> str:  # noqa: A002
    """Return the ending of a format's files; raises UsageError where it is not written."""
    if format not in WRITABLE:
        raise UsageError(f"format '{format}' is not written, expected one of {', '.join(WRITABLE)}")
    return WRITABLE[format].endings[0]


def _pour(
    recording: Recording,
    writer: Writer,
    cut: Cut,
    begin: int | None,
    end: int | None,
    progress: Callable[[float], None] | None,
) -> None:
    """Write everything, in order of time."""
    beside = _beside(recording, writer, cut, begin, end)
    due = next(beside, None)
    for chunk in recording.chunks(begin, end):
        events = cut.of(chunk)
        while due is not None and due[0] <= chunk["t"][-1]:
            n = int(np.searchsorted(events["t"], due[0]))
            writer.write(events[:n])
            # What comes beside the events stands behind those that are earlier.
            writer.flush()
            events = events[n:]
            due[2]()
            due = next(beside, None)
        writer.write(events)
        if progress is not None:
            progress(recording.progress)
    while due is not None:
        due[2]()
        due = next(beside, None)


_Item = tuple[int, int, Callable[[], None]]


def _beside(
    recording: Recording, writer: Writer, cut: Cut, begin: int | None, end: int | None
) -> Iterator[_Item]:
    """Yield what there is beside the events in order of time: its time, and what writes it."""
    if not isinstance(writer, Aedat4Writer):
        return iter(())

    def taken(t: int) -> bool:
        return (begin is None or t >= begin) and (end is None or t < end)

    def frames() -> Iterator[_Item]:
        for frame in recording.frames():
            part = cut.frame(frame)
            if part is not None and taken(part.t_begin):
                yield part.t_begin, 0, lambda part=part: writer.write_frame(part)  # type: ignore[misc]

    def samples(name: str, order: int) -> Iterator[_Item]:
        is_imu = name == IMU_SAMPLES
        found = recording.imu() if is_imu else recording.triggers()
        write = writer.write_imu if is_imu else writer.write_triggers
        for part in found:
            if begin is not None:
                part = part[part["t"] >= begin]  # noqa: PLW2901
            if end is not None:
                part = part[part["t"] < end]  # noqa: PLW2901
            if len(part):
                yield int(part["t"][0]), order, lambda part=part: write(part)  # type: ignore[misc]

    ways = []
    if FRAMES in recording.side:
        ways.append(frames())
    ways += [
        samples(name, i)
        for i, name in enumerate((IMU_SAMPLES, TRIGGERS), 1)
        if name in recording.side
    ]
    return heapq.merge(*ways, key=lambda item: item[:2])


def _kept(events: Events, which: np.ndarray[Any, np.dtype[np.bool_]]) -> Events:
    # Copied as words: numpy's own way forgets the padding of an event.
    kept: Events = events.view(np.int64).reshape(-1, 2)[which].reshape(-1).view(EVENT)
    return kept


def _size(recording: Recording) -> tuple[int, int]:
    if recording.width is not None and recording.height is not None:
        return recording.width, recording.height
    return extent(recording)


def _cropped(
    crop: tuple[int, int, int, int], width: int, height: int, target: Path
) -> tuple[int, int]:
    x0, y0, w, h = crop
    if x0 < 0 or y0 < 0 or w < 1 or h < 1 or x0 + w > width or y0 + h > height:
        raise UsageError(
            f"{target}: a crop of {w}×{h} pixels at ({x0}, {y0}) does not lie in the sensor of "
            f"{width}×{height}"
        )
    return w, h
