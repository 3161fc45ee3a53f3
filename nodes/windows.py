"""Live events in packets of equal event time: for sources that cannot know what comes next.

Packet k covers ``[k·packet_us, (k + 1)·packet_us)``. It leaves when an event, or the clock, has
passed its end; what may still get events is held back until then, or until ``rest`` is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from pipeline import EventPacket
from pipeline.events import Events, empty_events
from pipeline.packets import EventHeader
from recordings.counts import Counts
from recordings.policy import GAP_US, Policy
from recordings.windows import joined

SILENCE_US = 60_000_000
"""A longer silence is leapt over, with a reset, rather than told packet by packet."""

_MOST = 1024
_MOST_HELD = 1 << 21


class Windows:
    """Cuts the events of one sensor into packets; ``counts`` says what was mended.

    announce_reset  called when the next packet does not go on where the last one ended
    zero            event time begins at zero; else as the stream's own clock says

    Event time never steps back. A stream that follows another (``join``) keeps its place in time
    where its clock has run on by up to a day; else it goes on where the last packet ended.
    """

    def __init__(
        self, packet_us: int, announce_reset: Callable[[], None], *, zero: bool = True
    ) -> None:
        self.counts = Counts()
        self.width = self.height = 1
        self.shift = 0
        """Event time less the stream's own clock, in µs."""
        self._step = packet_us
        self._announce_reset = announce_reset
        self._zero = zero
        self._policy = Policy(None, None)
        self._next: int | None = None
        self._joined = self._fresh = False
        self._held: list[Events] = []
        self._held_events = 0

    @property
    def holds(self) -> bool:
        """Whether events wait for their packet's end."""
        return bool(self._held)

    def join(self, width: int, height: int) -> None:
        """A stream of a sensor of ``width`` × ``height`` begins, with a clock of its own.

        What is held back of another stream must have been asked for (``rest``) before.
        """
        self.width, self.height = width, height
        self._policy = Policy(width, height)
        self._joined = False
        self._fresh = True
        self._held, self._held_events = [], 0
        self._announce_reset()

    def take(self, events: Events) -> Iterator[EventPacket]:
        """Yield the packets that events ``[n] EVENT`` (changed in place) complete."""
        jumps = self.counts.jumps
        events = self._policy.apply(events, self.counts)
        if not len(events):
            return
        if self.counts.jumps != jumps:
            yield from self.rest()
            self._announce_reset()
        times = events["t"]
        self._set_clock(int(times[0]))
        times += self.shift
        first, last = int(times[0]), int(times[-1])
        if self._next is not None and first < self._next:
            # Their packet has left already (see ``rest``).
            late = int(np.searchsorted(times, self._next))
            times[:late] = self._next
            self.counts.late += late
            first, last = self._next, max(last, self._next)
        start = 0
        if last - (first if self._next is None else self._next) > SILENCE_US:
            gaps = np.flatnonzero(np.diff(times) > SILENCE_US) + 1
            for gap in gaps.tolist():
                yield from self._go_on(events[start:gap])
                start = gap
        yield from self._go_on(events[start:])

    def advance(self, t: int) -> Iterator[EventPacket]:
        """Yield the packets that end by ``t`` µs of the stream's clock: no event is to come."""
        self._set_clock(t)
        t += self.shift
        if self._next is None or self._fresh:
            self._next = max(self._next or self._floor(t), self._floor(t))
        self._fresh = False
        yield from self._until(self._floor(t))

    def rest(self) -> Iterator[EventPacket]:
        """Yield what is held back, in a packet that ends with the last event."""
        if self._held:
            end = int(self._held[-1]["t"][-1]) + 1
            events = joined(self._held)
            self._held, self._held_events = [], 0
            yield self._packet(events, end)

    def _floor(self, t: int) -> int:
        return t // self._step * self._step

    def _set_clock(self, first: int) -> None:
        """Set the stream's clock in event time, by the first time that it tells."""
        if self._joined:
            return
        self._joined = True
        if self._next is None:
            self.shift = -self._floor(first) if self._zero else 0
        elif not self._next <= first + self.shift <= self._next + GAP_US:
            self.shift = self._floor(self._next + self._step - 1) - self._floor(first)

    def _go_on(self, events: Events) -> Iterator[EventPacket]:
        first, last = int(events["t"][0]), int(events["t"][-1])
        if self._next is None:
            self._next = self._floor(first)
        elif self._fresh:
            self._next = max(self._next, self._floor(first))
        elif first - self._next > SILENCE_US:
            yield from self.rest()
            self._announce_reset()
            self._next = self._floor(first)
        self._fresh = False
        self._held.append(events)
        self._held_events += len(events)
        yield from self._until(self._floor(last))
        if self._held_events > _MOST_HELD:
            # A clock that stands still must not fill the memory.
            yield from self.rest()

    def _until(self, t: int) -> Iterator[EventPacket]:
        """Yield the packets up to ``t``, a multiple of a packet's length."""
        assert self._next is not None
        if t <= self._next:
            return
        # All that was held before the latest events lies in the first of these packets.
        *before, events = self._held or [empty_events(0)]
        self._held, self._held_events = [], 0
        times = events["t"]
        begin = self._floor(self._next)
        low = 0
        while begin < t:
            upto = min(t, begin + _MOST * self._step)
            ends = np.arange(begin + self._step, upto + 1, self._step)
            for end, high in zip(ends.tolist(), np.searchsorted(times, ends).tolist(), strict=True):
                part = events[low:high]
                if before:
                    part = joined([*before, part] if high else before)
                    before = []
                yield self._packet(part, end)
                low = high
            begin = upto
        if low < len(events):
            self._held.append(events[low:])
            self._held_events = len(events) - low

    def _packet(self, events: Events, end: int) -> EventPacket:
        assert self._next is not None
        header = EventHeader(
            t_begin=self._next, t_end=end, width=self.width, height=self.height, n=0
        )
        self._next = end
        return EventPacket.of(events, header)
