"""source: replays a recording, or a folder of recordings, as a live stream of events."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import ClassVar

import msgspec
import numpy as np

from nodes.live_sources import live_class
from nodes.source_settings import SourceSettings
from nodes.survey import Histogram, Survey
from pipeline import EventPacket, Node, Packet, Settings, SourceNode
from pipeline.errors import SettingError
from pipeline.events import Events, empty_events, pack
from pipeline.packets import EventHeader
from recordings.folder import Sample, open_samples
from recordings.follow import Follow
from recordings.opening import open_recording
from recordings.recording import Recording
from recordings.windows import extent, origin_us, windows

__all__ = ["Source", "SourceSettings"]

_GLANCE_US = 33_000
"""A source that is paused and sent elsewhere shows so much of it."""
_MOST_STEPS = 1_000_000


class Source(SourceNode):
    """Yields EventPackets of ``packet_us`` each; every recording begins with a reset mark.

    It can be paused, stepped, sent to another time or recording, and its pace changed while it
    runs; event time goes on meanwhile, whatever is shown.
    """

    settings_type = SourceSettings
    emits = (EventPacket,)
    live = frozenset({"pace", "loop", "paused", "hold", "roi"})
    actions: ClassVar[dict[str, str]] = {
        "step": "let so many packets go (1), and pause",
        "seek_s": "go to so many seconds after the recording's beginning",
        "show": "go to a recording of the folder: its number from 0, 'next' or 'previous'",
    }
    settings: SourceSettings

    @classmethod
    def variant(cls, settings: Settings) -> type[Node]:
        """Return the class that reads the SOURCE in ``path``, which may be a live one."""
        assert isinstance(settings, SourceSettings)
        return live_class(settings) or cls

    def open(self) -> None:
        """Find the recordings; raises RecordingError where there are none."""
        settings = self.settings
        # One file is of no split, whatever the graph says of folders.
        split = None if Path(settings.path).is_file() else settings.split
        self._samples = open_samples(settings.path, split)
        if settings.shuffle:
            order = np.random.default_rng(settings.seed).permutation(len(self._samples))
            self._samples = [self._samples[i] for i in order]
        if settings.limit is not None:
            self._samples = self._samples[: settings.limit]
        self._recording: Recording | None = None
        self._survey: Survey | None = None
        self._passed = Histogram()
        self._passed_whole = False
        self._size = (1, 1)
        self._origin_us = 0
        self._t = self._offset_us = self._position_us = 0
        self._length_us = 0
        self.retuned({"pace", "paused", "roi"})
        # The first call compiles: that belongs to the start, not to the first packet's pace.
        pack(empty_events(1), 0)
        if not settings.follow and self.cursor < len(self._samples):
            self._enter(self._samples[self.cursor])

    def close(self) -> None:
        """Let go of the recording."""
        self._leave()

    # Controls.

    def retuned(self, names: set[str]) -> None:
        """Put pace, pause and region of interest into force."""
        settings = self.settings
        if "pace" in names:
            factor = {"real": 1.0, "fast": math.inf}
            pace = settings.pace
            self.speed = factor[pace] if isinstance(pace, str) else pace
        if "roi" in names:
            self._roi = settings.region()
        if "paused" in names:
            self._pause(settings.paused)

    def act(self, name: str, value: str) -> None:
        """Step, or go to another time or recording; raises SettingError where that is none."""
        if name == "step":
            self.steps += int(self._number(name, value or "1", 1, _MOST_STEPS))
            self._pause(True)
        elif name == "seek_s":
            at_us = round(self._number(name, value, 0, 1e9) * 1e6) - self._begin_us
            if self._whole:
                at_us = min(at_us, self._duration_us)
            self._jump(min(self.cursor, self._last), max(0, at_us))
        else:
            self._jump(self._numbered(value), 0)

    def facts(self) -> dict[str, str | int | float]:
        """Return where in the recording it is; seconds count from the recording's beginning."""
        if not self._open or not self._samples:
            return {}
        begin, length = self._begin_us, self._duration_us
        number = self._current
        return {
            "sample": self._samples[number].name,
            "number": number,
            "recordings": len(self._samples),
            "position_s": (begin + min(self._position_us, length)) / 1e6,
            "begin_s": begin / 1e6,
            "end_s": (begin + length) / 1e6,
            "duration_s": length / 1e6,
            "timeline": "whole" if self._whole else "so far",
        }

    def timeline(self) -> list[int]:
        """Return the events in equal parts of the recording; of a part of it, as long as that is
        all that has been read (``timeline`` of the facts says so).
        """
        if not self._open:
            return []
        # Who reads as fast as can be, or waits for more, sees all of it soon enough.
        hurried = self.settings.follow or self.speed == math.inf or self._passed_whole
        if self._survey is None and self._recording is not None and not hurried:
            begin, end = self._origin_us + self._begin_us, self._end_us
            self._survey = Survey(self._recording, begin, end)
            self._survey.start()
        return self._seen.slices()

    # The stream.

    def produce(self) -> Iterator[Packet]:
        """Yield the packets of every recording in turn, event time running on throughout."""
        n, t = len(self._samples), self._t
        while True:
            while self.settings.loop or self.cursor < n:
                offset_us, self._offset_us = self._offset_us, 0
                t = yield from self._replay(self._samples[self.cursor % n], offset_us, t)
                if self.jumped:
                    return
                self.cursor += 1
            if not (self.settings.hold and self._wait_at_end()):
                return

    def stamp(self, packet: Packet) -> Packet:
        """Note how far event time has come: a packet that a jump has overtaken does not count."""
        self._t = packet.header.t_end
        return super().stamp(packet)

    def _replay(self, sample: Sample, offset_us: int, start: int) -> Generator[Packet, None, int]:
        """Yield a recording's packets; return the event time at which they end."""
        s = self.settings
        recording = self._enter(sample)
        step = s.packet_us
        offset_us -= offset_us % step
        zero = self._origin_us + self._begin_us
        begin = zero + offset_us
        k, last = 0, begin - 1
        # Only what is asked for: a file's own first events may come a little late.
        chunks = recording.chunks(begin if begin > self._origin_us else None, self._end_us)
        for k, events in enumerate(windows(chunks, begin, step)):
            if len(events):
                last = int(events["t"][-1])
                events["t"] += start - begin
            self._pass(offset_us + k * step, len(events))
            yield self._packet(events, sample, start, k, offset_us)
        length_us = max(last + 1 - zero, s.sample_ms * 1000)
        self._length_us = max(self._length_us, length_us)
        self._passed_whole |= self._unbroken
        n_packets = -(-(length_us + s.gap_ms * 1000 - offset_us) // step)
        silent = empty_events(0)
        for j in range(k + 1, n_packets):
            yield self._packet(silent, sample, start, j, offset_us)
        return start + max(k + 1, n_packets) * step

    def _packet(
        self, events: Events, sample: Sample, start: int, k: int, offset_us: int
    ) -> EventPacket:
        step = self.settings.packet_us
        self._position_us = offset_us + k * step
        header = EventHeader(
            t_begin=start + k * step,
            t_end=start + (k + 1) * step,
            reset=k == 0,
            label=sample.label,
            sample=sample.name,
            width=self._size[0],
            height=self._size[1],
            n=0,
        )
        if self._roi is not None and len(events):
            x0, y0, width, height = self._roi
            x, y = events["x"], events["y"]
            inside = (x >= x0) & (x < x0 + width) & (y >= y0) & (y < y0 + height)
            events = np.ascontiguousarray(events[inside])
        return EventPacket.of(events, header)

    def _pass(self, at_us: int, n: int) -> None:
        """Count a packet's events for the time line, where that has not been done."""
        if self._passed.end_us <= at_us:
            # Whatever a jump has left out is not counted.
            self._unbroken &= at_us == self._passed.end_us
            self._passed.add(at_us, n, at_us + self.settings.packet_us)

    # Where it is.

    def _enter(self, sample: Sample) -> Recording:
        """Open a recording, unless it is the one that was shown."""
        s = self.settings
        recording = self._recording
        if recording is not None and recording.path == sample.path:
            return recording
        self._leave()
        follow = Follow(stop=self._enough, pause=lambda seconds: self.wait(round(seconds * 1000)))
        recording = open_recording(sample.path, follow=follow if s.follow else False)
        self._recording = recording
        self._origin_us = origin_us(recording)
        self._size = self._size_of(recording)
        self._length_us = 0
        self._passed = Histogram()
        self._passed_whole, self._unbroken = False, True
        return recording

    def _leave(self) -> None:
        if self._survey is not None:
            self._survey.stop()
        self._survey = None
        if self._recording is not None:
            self._recording.close()
            self._recording = None

    def _enough(self) -> bool:
        return self.stopping() or self.jumped

    def _size_of(self, recording: Recording) -> tuple[int, int]:
        """Return the sensor's size: as asked, as the file says, or as its events need."""
        s = self.settings
        width, height = s.width or recording.width, s.height or recording.height
        if width is None or height is None:
            found = extent(recording)
            width, height = width or found[0], height or found[1]
        return width, height

    @property
    def _begin_us(self) -> int:
        return round((self.settings.begin_s or 0) * 1e6)

    @property
    def _current(self) -> int:
        """The number of the recording that is shown, or was the last to be."""
        return min(self.cursor, self._last) % len(self._samples)

    @property
    def _last(self) -> int:
        """The largest number that ``cursor`` can have."""
        return self.cursor if self.settings.loop else len(self._samples) - 1

    @property
    def _end_us(self) -> int | None:
        """Where to end, in the file's time."""
        end_s = self.settings.end_s
        return None if end_s is None else self._origin_us + round(end_s * 1e6)

    @property
    def _seen(self) -> Histogram:
        return self._passed if self._survey is None else self._survey.seen

    @property
    def _whole(self) -> bool:
        return self._passed_whole if self._survey is None else self._survey.whole

    @property
    def _duration_us(self) -> int:
        """How long the recording is, as far as that is known."""
        return max(self._length_us, self.settings.sample_ms * 1000, self._seen.end_us)

    def _pause(self, paused: bool) -> None:
        self.paused = paused
        self.condition = "paused" if paused else ""
        if self.settings.paused != paused:
            self.settings = msgspec.structs.replace(self.settings, paused=paused)
        if not paused:
            self.steps = 0

    def _jump(self, cursor: int, offset_us: int) -> None:
        self.cursor, self._offset_us = cursor, offset_us
        self._position_us = offset_us
        self.jumped = True
        self.steps = -(-_GLANCE_US // self.settings.packet_us) if self.paused else 0

    def _wait_at_end(self) -> bool:
        """Wait, paused, until it is sent back or goes on from the beginning; False: it is over."""
        if self.surroundings is None:
            return False
        self._pause(True)
        self.condition = "at the end"
        while not self._enough() and self.paused and not self.settings.loop:
            self.wait(20)
        if self._enough():
            return False
        self.cursor = 0
        return True

    def _number(self, name: str, value: str, low: float, high: float) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not low <= number <= high:
            raise SettingError(
                f'{self.name}: {name} = "{value}" is not a number from {low:g} to {high:g}'
            )
        return number

    def _numbered(self, value: str) -> int:
        n, now = len(self._samples), self._current
        steps = {"next": now + 1, "previous": now - 1}
        number = steps.get(value.strip(), -1)
        if value.strip() not in steps:
            number = int(self._number("show", value, 0, n - 1))
        if not 0 <= number < n and not self.settings.loop:
            raise SettingError(f"{self.name}: show = {value}: there are {n} recordings, from 0 on")
        return number % n
