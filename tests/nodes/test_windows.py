"""Live events in packets: nothing is lost or doubled, time has no holes but with a reset."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nodes.windows import SILENCE_US, Windows
from pipeline import EventPacket
from pipeline.events import Events
from recordings.windows import joined
from tests.strategies import events_of, random_events, recordings

STEP = 1000


class Stream:
    """Windows, and what came out of them, with the resets that were announced."""

    def __init__(self, *, zero: bool = False) -> None:
        self.packets: list[EventPacket] = []
        self._pending = False
        self.windows = Windows(STEP, self._announce, zero=zero)

    def _announce(self) -> None:
        self._pending = True

    def _note(self, packets: object) -> None:
        for packet in packets:  # type: ignore[attr-defined]
            packet.header.reset, self._pending = self._pending, False
            self.packets.append(packet)

    def take(self, events: Events) -> None:
        self._note(self.windows.take(events.copy()))

    def rest(self) -> None:
        self._note(self.windows.rest())

    def advance(self, t: int) -> None:
        self._note(self.windows.advance(t))

    @property
    def events(self) -> Events:
        return joined([p.events for p in self.packets])

    def resets(self) -> list[int]:
        return [k for k, p in enumerate(self.packets) if p.header.reset]

    def check(self) -> None:
        for a, b in pairwise(self.packets):
            if b.header.reset:
                assert b.header.t_begin >= a.header.t_end
            else:
                assert b.header.t_begin == a.header.t_end
        for p in self.packets:
            assert p.header.t_end - p.header.t_begin <= STEP
            times = p.events["t"]
            assert ((times >= p.header.t_begin) & (times < p.header.t_end)).all()


@given(
    recordings(width=34, height=34, length_us=20_000),
    st.lists(st.integers(0, 200), max_size=8),
    st.booleans(),
)
def test_events_pass_whole_however_they_come(
    events: Events, cuts: list[int], flushed: bool
) -> None:
    stream = Stream()
    stream.windows.join(34, 34)
    at = sorted({min(c, len(events)) for c in cuts} | {0, len(events)})
    for a, b in pairwise(at):
        stream.take(events[a:b])
        if flushed and b < len(events) and b > 0 and events["t"][b] > events["t"][b - 1]:
            stream.rest()
    stream.rest()
    stream.check()
    if len(events):
        np.testing.assert_array_equal(stream.events, events)
        assert stream.windows.counts.late == 0


def test_time_begins_at_zero_where_asked_for() -> None:
    stream = Stream(zero=True)
    stream.windows.join(34, 34)
    stream.take(events_of([5_000_123, 5_001_000], [1, 2], [3, 4], [0, 1]))
    stream.rest()
    assert [p.header.t_begin for p in stream.packets] == [0, 1000]
    assert stream.events["t"].tolist() == [123, 1000]
    assert stream.windows.shift == -5_000_000


def test_a_packet_leaves_when_its_end_has_passed() -> None:
    stream = Stream()
    stream.windows.join(34, 34)
    stream.take(events_of([10, 999], [0, 0], [0, 0], [0, 0]))
    assert not stream.packets
    assert stream.windows.holds
    stream.take(events_of([1000], [0], [0], [0]))
    assert [p.header.n for p in stream.packets] == [2]
    stream.advance(4500)
    assert [(p.header.t_begin, p.header.n) for p in stream.packets] == [
        (0, 2), (1000, 1), (2000, 0), (3000, 0),
    ]  # fmt: skip
    assert not stream.windows.holds


def test_what_comes_for_a_packet_that_has_left_is_lifted_and_counted() -> None:
    stream = Stream()
    stream.windows.join(34, 34)
    stream.take(events_of([10, 500], [0, 0], [0, 0], [0, 0]))
    stream.rest()
    stream.take(events_of([500, 700, 1200], [1, 2, 3], [0, 0, 0], [0, 0, 0]))
    stream.rest()
    stream.check()
    assert stream.events["t"].tolist() == [10, 500, 501, 700, 1200]
    assert stream.windows.counts.late == 1


def test_a_stream_that_follows_another_keeps_its_time_or_goes_on() -> None:
    stream = Stream()
    for start in (10_000, 4_000_000, 5_000):
        stream.windows.join(34, 34)
        stream.take(_shifted(random_events(20, 34, 34, 3000), start))
        stream.rest()
    stream.check()
    first, second, third = (stream.packets[k].header.t_begin for k in stream.resets())
    assert first == 10_000
    assert second == 4_000_000
    assert third == 4_003_000
    assert len(stream.events) == 60


def _shifted(events: Events, start: int) -> Events:
    events = events.copy()
    events["t"] += start
    events["t"][0] = start
    return events


def test_a_long_silence_is_leapt_over_with_a_reset() -> None:
    stream = Stream()
    stream.windows.join(34, 34)
    far = 5 * SILENCE_US
    stream.take(events_of([0, far, 2 * far], [1, 1, 1], [1, 1, 1], [1, 1, 1]))
    stream.take(events_of([3 * far], [1], [1], [1]))
    stream.rest()
    stream.check()
    assert len(stream.packets) == 4
    assert stream.resets() == [0, 1, 2, 3]
    assert stream.events["t"].tolist() == [0, far, 2 * far, 3 * far]


def test_a_silence_within_a_minute_is_told() -> None:
    stream = Stream()
    stream.windows.join(34, 34)
    stream.take(events_of([0, 5_000_000], [1, 1], [1, 1], [1, 1]))
    stream.rest()
    stream.check()
    assert len(stream.packets) == 5001
    assert stream.resets() == [0]


def test_a_clock_that_is_set_back_goes_on_with_a_reset() -> None:
    stream = Stream()
    stream.windows.join(34, 34)
    stream.take(events_of([1_000_000, 1_000_500], [1, 1], [1, 1], [1, 1]))
    stream.take(events_of([100, 2100], [1, 1], [1, 1], [1, 1]))
    stream.rest()
    stream.check()
    assert stream.windows.counts.jumps == 1
    assert stream.events["t"].tolist() == [1_000_000, 1_000_500, 1_000_501, 1_002_500]
    assert len(stream.resets()) == 2


def test_events_outside_the_sensor_are_dropped_and_counted() -> None:
    stream = Stream()
    stream.windows.join(8, 8)
    stream.take(events_of([1, 2, 3], [7, 8, 0], [0, 0, 8], [1, 1, 1]))
    stream.rest()
    assert len(stream.events) == 1
    assert stream.windows.counts.outside == 2


def test_a_clock_that_stands_still_does_not_fill_the_memory() -> None:
    stream = Stream()
    stream.windows.join(8, 8)
    n = 1 << 18
    zeros = np.zeros(n)
    for _ in range(20):
        stream.take(events_of(zeros + 5, zeros, zeros, zeros))
    assert [p.header.n for p in stream.packets] == [9 * n, 9 * n]
    stream.rest()
    stream.check()
    assert len(stream.events) == 20 * n
