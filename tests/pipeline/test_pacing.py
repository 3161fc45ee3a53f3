"""Replays at the pace of the events, on a clock that the test drives."""

from __future__ import annotations

import math
import time

import pytest

from pipeline.clock import Clock, DrivenClock, MonotonicClock
from pipeline.pacing import Pacer, wait_until
from pipeline.packets import Header

MS = 1_000_000


def header(t_begin: int, t_end: int) -> Header:
    return Header(t_begin=t_begin, t_end=t_end)


@pytest.mark.parametrize("speed", [0.1, 1.0, 3.0, 1000.0])
def test_a_packet_is_due_when_its_last_event_would_have_happened(speed: float) -> None:
    clock = DrivenClock(77)
    pacer = Pacer(speed, clock)
    for k in range(100):
        due = pacer.due_ns(header(5000 + k * 1000, 6000 + k * 1000))
        assert due == 77 + round((k + 1) * MS / speed)
        clock.advance(max(0, due - clock.now_ns()))


def test_small_delays_do_not_add_up() -> None:
    clock = DrivenClock()
    pacer = Pacer(1.0, clock)
    for k in range(1000):
        due = pacer.due_ns(header(k * 1000, (k + 1) * 1000))
        assert due == (k + 1) * MS
        clock.advance(due + 50_000 - clock.now_ns())


def test_after_a_long_delay_it_goes_on_from_now() -> None:
    clock = DrivenClock()
    pacer = Pacer(1.0, clock)
    pacer.due_ns(header(0, 1000))
    clock.advance(99 * MS)
    assert pacer.due_ns(header(1000, 2000)) == 2 * MS, "a little late: it catches up"
    clock.advance(10_000 * MS)
    now = clock.now_ns()
    assert pacer.due_ns(header(2000, 3000)) == now + MS
    assert pacer.due_ns(header(3000, 4000)) == now + 2 * MS


def test_time_that_goes_back_begins_anew() -> None:
    clock = DrivenClock()
    pacer = Pacer(1.0, clock)
    pacer.due_ns(header(500_000, 501_000))
    clock.advance(MS)
    assert pacer.due_ns(header(0, 1000)) == 2 * MS


def test_as_fast_as_possible_is_now() -> None:
    clock = DrivenClock(5)
    pacer = Pacer(math.inf, clock)
    assert pacer.due_ns(header(0, 10**15)) == 5


class Waiter:
    """Serves and sleeps by advancing the clock."""

    def __init__(self, clock: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = clock
        self.served: list[int] = []
        monkeypatch.setattr(time, "sleep", lambda s: clock.advance(round(s * 1e9)))

    def serve(self, ms: int) -> None:
        self.served.append(ms)
        self.clock.advance(ms * MS)


def test_waiting_serves_and_is_never_early(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = DrivenClock()
    waiter = Waiter(clock, monkeypatch)
    assert wait_until(123_456_789, clock, waiter.serve, lambda: False)
    assert 123_456_789 <= clock.now_ns() < 123_456_789 + 2
    assert all(1 <= ms <= 20 for ms in waiter.served)
    assert sum(waiter.served) * MS <= 123_456_789


def test_what_is_due_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = DrivenClock(100)
    waiter = Waiter(clock, monkeypatch)
    assert wait_until(100, clock, waiter.serve, lambda: False)
    assert wait_until(-5, clock, waiter.serve, lambda: False)
    assert waiter.served == []
    assert clock.now_ns() == 100


def test_a_stop_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = DrivenClock()
    waiter = Waiter(clock, monkeypatch)
    assert not wait_until(10**15, clock, waiter.serve, lambda: clock.now_ns() > 100 * MS)
    assert clock.now_ns() <= 130 * MS
    assert not wait_until(0, clock, waiter.serve, lambda: True)


def test_the_clock_goes_on() -> None:
    clock: Clock = MonotonicClock()
    assert clock.now_ns() <= clock.now_ns()
