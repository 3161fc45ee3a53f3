"""A recording: events in order of time, in chunks, from any moment on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

import numpy as np

from pipeline.errors import RecordingError
from pipeline.events import Events, empty_events
from recordings.counts import Counts
from recordings.decoder import Decoder, Mark
from recordings.policy import Policy, PolicyState
from recordings.side import Frame, Samples

_SPACING = 1 << 18
_ENTRY = tuple[int, Mark, PolicyState]


class Recording:
    """An open recording; ``open_recording`` makes one.

    path           the file
    format         its format's name, e.g. ``"evt3"``
    width, height  the sensor's size in pixels, None where the file does not tell
    counts         what the latest reading met so far
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self.path: Path = decoder.path
        self.format: str = decoder.format
        self.width = decoder.width
        self.height = decoder.height
        self.counts = Counts()
        # Marks along the way, so that a later reading may begin near the time it asks for.
        self._index: list[_ENTRY] = []
        self._closed = False
        self._reached = 0

    def chunks(self, begin_us: int | None = None, end_us: int | None = None) -> Iterator[Events]:
        """Yield the events of ``[begin_us, end_us)`` in chunks ``[n] EVENT``, in order of time.

        Times are the file's own, in µs; the policy (``policy.py``) is applied. No chunk is empty or
        longer than 65,536 events; what is held in memory does not grow with the file, but for an
        index of some bytes for every 262,144 events, by which a later reading begins
        near ``begin_us``; so does the first one of a file that holds an index itself. ``counts``
        begins anew and counts what is read.

        Raises RecordingError where the file is broken.
        """
        counts = self._counted()
        entry = self._nearest(begin_us)
        own = self._own_mark(begin_us, entry)
        policy = Policy(self.width, self.height, entry[2] if entry and not own else None)
        since = 0
        for events, mark in self._decoder.blocks(counts, own or (entry and entry[1])):
            chunk = policy.apply(events, counts)
            self._reached = mark.at
            since += len(events)
            # What was late or a jump is not known of what was passed over by the file's own marks.
            if since >= _SPACING and not own:
                since = 0
                self._note((policy.state.latest, mark, policy.state))
            if not len(chunk):
                continue
            if end_us is not None and int(chunk["t"][0]) >= end_us:
                return
            chunk = window(chunk, begin_us, end_us)
            if len(chunk):
                yield chunk

    def raw(self) -> Iterator[Events]:
        """Yield what the decoder gives, wraps undone and nothing else changed."""
        for events, _ in self._decoder.blocks(Counts()):
            yield events

    def read(self, begin_us: int | None = None, end_us: int | None = None) -> Events:
        """Return the events of ``[begin_us, end_us)`` as one array ``[n] EVENT``."""
        return joined(self.chunks(begin_us, end_us))

    @property
    def progress(self) -> float:
        """How much of the file the latest reading of events has gone through, from 0 to 1."""
        return min(1.0, self._reached / max(1, self._decoder.extent))

    @property
    def side(self) -> frozenset[str]:
        """What the recording holds beside its events: ``"frames"``, ``"imu"``, ``"triggers"``.

        Where a file does not tell it at its beginning, it is looked for in all of the file.
        """
        self._check_open()
        return self._decoder.side

    def frames(self) -> Iterator[Frame]:
        """Yield the frames, in the file's order; their times are the file's own (``side.py``)."""
        return self._decoder.frames(self._counted())

    def imu(self) -> Iterator[Samples]:
        """Yield the IMU samples in arrays ``[n] IMU``, none empty (``side.py``)."""
        return self._decoder.imu(self._counted())

    def triggers(self) -> Iterator[Samples]:
        """Yield the triggers in arrays ``[n] TRIGGER``, none empty (``side.py``)."""
        return self._decoder.triggers(self._counted())

    def close(self) -> None:
        """Let go of the file; a reading under way ends with RecordingError or early."""
        if not self._closed:
            self._closed = True
            self._decoder.close()

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Recording({str(self.path)!r}, {self.format!r}, {self.width}, {self.height})"

    def _counted(self) -> Counts:
        """Return the counts of a reading that begins."""
        self._check_open()
        self.counts = Counts()
        return self.counts

    def _check_open(self) -> None:
        if self._closed:
            raise RecordingError(f"{self.path}: the recording is closed")

    def _own_mark(self, begin_us: int | None, entry: _ENTRY | None) -> Mark | None:
        """Return the file's own mark near ``begin_us``, where it is the better one."""
        # Once a clock was set anew, the file's times and those given on differ.
        if begin_us is None or (self._index and self._index[-1][2].offset):
            return None
        mark = self._decoder.near(begin_us)
        return mark if mark and (entry is None or mark.at > entry[1].at) else None

    def _nearest(self, begin_us: int | None) -> _ENTRY | None:
        """Return the last entry of the index whose events so far are all before ``begin_us``."""
        if begin_us is None:
            return None
        before = [entry for entry in self._index if entry[0] < begin_us]
        return before[-1] if before else None

    def _note(self, entry: _ENTRY) -> None:
        if not self._index or entry[1].at > self._index[-1][1].at:
            self._index.append(entry)


def joined(parts: Iterable[Events]) -> Events:
    """Return several arrays of events as one; numpy's own way forgets how an event is laid out."""
    parts = list(parts)
    if len(parts) == 1:
        return parts[0]
    out = empty_events(sum(len(part) for part in parts))
    # As plain words: field by field it takes thirty times as long.
    words = out.view(np.int64)
    at = 0
    for part in parts:
        words[at : at + 2 * len(part)] = np.ascontiguousarray(part).view(np.int64)
        at += 2 * len(part)
    return out


def window(events: Events, begin_us: int | None, end_us: int | None) -> Events:
    """Return those of ``events`` (in order of time) that lie in ``[begin_us, end_us)``."""
    if not len(events):
        return events
    first, last = int(events["t"][0]), int(events["t"][-1])
    if end_us is not None and last >= end_us:
        events = events[: int(np.searchsorted(events["t"], end_us))]
    if begin_us is not None and first < begin_us:
        events = events[int(np.searchsorted(events["t"], begin_us)) :]
    return events
