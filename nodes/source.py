"""source: replays a recording, or a folder of recordings, as a live stream of events."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import msgspec
import numpy as np

from nodes.live_sources import live_class
from nodes.source_settings import SourceSettings
from pipeline import EventPacket, Node, Packet, Settings, SourceNode
from pipeline.errors import SettingError
from pipeline.events import Events, empty_events, pack
from pipeline.packets import EventHeader

# Compiled code takes its time to load: who only looks at a graph's kinds does without.
if TYPE_CHECKING:
    from nodes.showing import Showing
    from recordings.folder import Sample

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
    blas = False
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

    @classmethod
    def prepare(cls) -> None:
        """Load what recordings are read with, and compile what events are packed with."""
        import_module("nodes.showing")
        pack(empty_events(1), 0)

    def open(self) -> None:
        """Find the recordings; raises RecordingError where there are none."""
        from recordings.folder import open_samples

        settings = self.settings
        # One file is of no split, whatever the graph says of folders.
        split = None if Path(settings.path).is_file() else settings.split
        self._samples = open_samples(settings.path, split)
        if settings.shuffle:
            order = np.random.default_rng(settings.seed).permutation(len(self._samples))
            self._samples = [self._samples[i] for i in order]
        if settings.limit is not None:
            self._samples = self._samples[: settings.limit]
        self._showing: Showing | None = None
        self._t = self._offset_us = self._position_us = 0
        self.retuned({"pace", "paused", "roi"})
        # The first call compiles: that belongs to the start, not to the first packet's pace.
        self.prepare()
        if not settings.follow and self.cursor < len(self._samples):
            self._enter(self._samples[self.cursor])

    def close(self) -> None:
        """Let go of the recording."""
        if self._showing is not None:
            self._showing.close()
            self._showing = None

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
            at_us = round(self._number(name, value, 0, 1e9) * 1e6) - self.settings.begin_us
            if self._showing is not None and self._showing.whole:
                at_us = min(at_us, self._showing.length_us)
            self._jump(min(self.cursor, self._last), max(0, at_us))
        else:
            self._jump(self._numbered(value), 0)

    def facts(self) -> dict[str, str | int | float]:
        """Return where in the recording it is; seconds count from the recording's beginning."""
        showing = self._showing if self._open else None
        if showing is None:
            return {}
        begin, length = self.settings.begin_us, showing.length_us
        return {
            "sample": showing.sample.name,
            "number": self._current,
            "recordings": len(self._samples),
            "position_s": (begin + min(self._position_us, length)) / 1e6,
            "begin_s": begin / 1e6,
            "end_s": (begin + length) / 1e6,
            "duration_s": length / 1e6,
            "timeline": "whole" if showing.whole else "so far",
        }

    def timeline(self) -> list[int]:
        """Return the events in equal parts of the recording; of a part of it, as long as that is
        all that has been read (``timeline`` of the facts says so).
        """
        showing = self._showing if self._open else None
        if showing is None:
            return []
        # Who reads as fast as can be, or waits for more, sees all of it soon enough.
        if not self.settings.follow and self.speed != math.inf:
            showing.survey()
        return showing.timeline()

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
        from recordings.windows import windows

        s = self.settings
        showing = self._enter(sample)
        step = s.packet_us
        offset_us -= offset_us % step
        begin = showing.zero_us + offset_us
        k, last = 0, begin - 1
        # Only what is asked for: a file's own first events may come a little late.
        first = begin if begin > showing.origin_us else None
        chunks = showing.recording.chunks(first, showing.end_us)
        for k, events in enumerate(windows(chunks, begin, step)):
            if len(events):
                last = int(events["t"][-1])
                events["t"] += start - begin
            showing.note(offset_us + k * step, len(events))
            yield self._packet(events, showing, start, k, offset_us)
        length_us = max(last + 1 - showing.zero_us, s.sample_ms * 1000)
        showing.over(length_us)
        n_packets = -(-(length_us + s.gap_ms * 1000 - offset_us) // step)
        silent = empty_events(0)
        for j in range(k + 1, n_packets):
            yield self._packet(silent, showing, start, j, offset_us)
        return start + max(k + 1, n_packets) * step

    def _packet(
        self, events: Events, showing: Showing, start: int, k: int, offset_us: int
    ) -> EventPacket:
        step = self.settings.packet_us
        self._position_us = offset_us + k * step
        header = EventHeader(
            t_begin=start + k * step,
            t_end=start + (k + 1) * step,
            reset=k == 0,
            label=showing.sample.label,
            sample=showing.sample.name,
            width=showing.size[0],
            height=showing.size[1],
            n=0,
        )
        if self._roi is not None and len(events):
            x0, y0, width, height = self._roi
            x, y = events["x"], events["y"]
            inside = (x >= x0) & (x < x0 + width) & (y >= y0) & (y < y0 + height)
            events = np.ascontiguousarray(events[inside])
        return EventPacket.of(events, header)

    # Where it is.

    def _enter(self, sample: Sample) -> Showing:
        """Open a recording, unless it is the one that was shown."""
        from nodes.showing import Showing
        from recordings.follow import Follow

        showing = self._showing
        if showing is not None and showing.sample is sample:
            return showing
        if showing is not None:
            showing.close()
        follow = None
        if self.settings.follow:
            follow = Follow(stop=self._enough, pause=lambda s: self.wait(round(s * 1000)))
        self._showing = showing = Showing(sample, self.settings, follow)
        return showing

    def _enough(self) -> bool:
        return self.stopping() or self.jumped

    @property
    def _current(self) -> int:
        """The number of the recording that is shown, or was the last to be."""
        return min(self.cursor, self._last) % len(self._samples)

    @property
    def _last(self) -> int:
        """The largest number that ``cursor`` can have."""
        return self.cursor if self.settings.loop else len(self._samples) - 1

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
