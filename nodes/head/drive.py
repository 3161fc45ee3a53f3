"""Sending a trajectory to a head as timed commands, stopped safely whatever happens."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator

import msgspec

from nodes.head.guard import Guard, Wanted, refuse, samples
from nodes.head.head import Head, Limits
from nodes.head.motion import glide, never, settle
from nodes.head.priority import realtime
from pipeline.clock import Clock, MonotonicClock
from pipeline.errors import DeviceError, UsageError

_CHUNK = 64
_SPIN_NS = 400_000
_COAST_TICKS = 10
_BIN_NS = 10_000
_NAP_NS = 20_000_000
_UNASKED_TICKS = 10


class Jitter(msgspec.Struct, frozen=True):
    """How late commands left against the trajectory, in ms.

    A tick that was missed, its time being over before anything could be sent, counts with the
    lateness of the command that came in its place. ``realtime``: the system granted real-time
    scheduling.
    """

    commands: int
    missed: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    realtime: bool


class Driver:
    """Sends ``at`` to ``head`` every ``tick_us`` on an absolute schedule.

    ``at`` takes times [n] int64 in µs and gives wanted angles [n, 2] float64 in degrees.
    Raises UsageError, before anything moves, where the trajectory exceeds ``limits`` or the line
    is too slow for the ticks. The second line of defence is the ``Guard``, through which every
    command passes. ``hurry`` asks for real-time scheduling while the trajectory runs, without
    which a machine that is busy elsewhere makes commands late.
    """

    def __init__(
        self,
        head: Head,
        limits: Limits,
        at: Wanted,
        duration_us: int,
        tick_us: int = 2000,
        clock: Clock | None = None,
        *,
        hurry: bool = True,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if tick_us < 1 or duration_us < 0:
            raise UsageError(
                f"drive: tick_us = {tick_us}, duration_us = {duration_us}; a tick of at least 1 µs "
                "and a duration of at least 0 would be right"
            )
        refuse(at, duration_us, tick_us, limits)
        self._head = head
        self._limits = limits
        self._at = at
        self._duration_us = duration_us
        self._tick_us = tick_us
        self._clock = clock or MonotonicClock()
        self._sleep = sleep
        self._hurry = hurry
        self._realtime = False
        self._late: Counter[int] = Counter()
        self._most_late = 0
        self._missed = 0
        self._unasked = 0

    @property
    def jitter(self) -> Jitter:
        """Lateness of the commands sent so far."""
        total = sum(self._late.values())
        return Jitter(
            commands=total - self._missed,
            missed=self._missed,
            p50_ms=self._quantile(total, 0.50),
            p99_ms=self._quantile(total, 0.99),
            max_ms=self._most_late / 1e6,
            realtime=self._realtime,
        )

    def run(
        self, stop: Callable[[], bool] = never
    ) -> Generator[tuple[int, float, float, int], None, None]:
        """Home, then yield (time in µs, pan, tilt as sent, monotonic ns when sent) per command.

        The head must not be open yet; it is opened here, and at the end stopped and closed. It
        ends at rest: after the last tick, and when ``stop`` says so, it brakes within its limits
        (the braking commands are yielded too). On a fault, Ctrl-C, or where the generator is
        closed, the head's own ``stop`` brings it to rest. Close the generator
        (``contextlib.closing``) rather than leave that to the garbage collector.
        """
        head = self._head
        told = False
        try:
            head.open()
            if self._tick_us < head.least_tick_us:
                raise UsageError(
                    f"{head.name}: a tick of {self._tick_us} µs is too short for its line, which "
                    f"needs {head.least_tick_us} µs: a higher baud rate or longer ticks"
                )
            head.home(stop)
            start = self._start()
            if glide(head, self._limits, (0.0, 0.0), start, stop):
                settle(head, start, stop)
                with realtime(self._hurry) as self._realtime:
                    yield from self._follow(start, stop)
            told = True
            head.stop()
        except DeviceError as error:
            told = True
            if not _stopped(head):
                raise DeviceError(f"{error}; {head.hold_note}") from None
            raise
        finally:
            try:
                if not told:
                    _stopped(head)
            finally:
                head.close()

    def _start(self) -> tuple[float, float]:
        _, wanted = next(samples(self._at, 0, self._tick_us, 1))
        return float(wanted[0, 0]), float(wanted[0, 1])

    def _follow(
        self, start: tuple[float, float], stop: Callable[[], bool]
    ) -> Generator[tuple[int, float, float, int], None, None]:
        guard = Guard(self._limits, self._tick_us, start)
        tick_ns = self._tick_us * 1000
        due = self._clock.now_ns()
        skipped: list[int] = []
        t_us = -self._tick_us
        for t, wanted in samples(self._at, self._duration_us, self._tick_us, _CHUNK):
            for t_us, (pan, tilt) in zip(t.tolist(), wanted.tolist(), strict=True):
                due += tick_ns
                if not self._wait(due, stop):
                    break
                if self._clock.now_ns() >= due + tick_ns:
                    skipped.append(due)
                    # The path goes on over a short stall; after a long one the head stands still.
                    if len(skipped) <= _COAST_TICKS:
                        guard.step(pan, tilt)
                    continue
                if len(skipped) > _COAST_TICKS:
                    guard = Guard(self._limits, self._tick_us, start)
                start = guard.step(pan, tilt)
                yield t_us, *self._send(start, [*skipped, due])
                skipped = []
            else:
                continue
            break
        if len(skipped) > _COAST_TICKS:
            return
        while not guard.at_rest:
            due = max(due + tick_ns, self._clock.now_ns() - tick_ns)
            t_us += self._tick_us
            self._wait(due, never)
            yield t_us, *self._send(guard.brake(), [due])

    def _send(self, angles: tuple[float, float], due: list[int]) -> tuple[float, float, int]:
        pan, tilt = self._head.send(*angles)
        sent = self._clock.now_ns()
        for each in due:
            late = max(sent - each, 0)
            self._late[late // _BIN_NS] += 1
            self._most_late = max(self._most_late, late)
        self._missed += len(due) - 1
        # On a line with one pair of wires the answers of a late question meet the next command.
        free_ns = due[-1] + (self._tick_us - self._head.least_tick_us) * 1000 - sent
        if free_ns >= 0 or self._unasked >= _UNASKED_TICKS:
            self._unasked = 0
            self._head.poll()
        else:
            self._unasked += 1
        return pan, tilt, sent

    def _wait(self, due: int, stop: Callable[[], bool]) -> bool:
        """Wait until ``due``, the last of it spinning; False where ``stop`` says so."""
        while not stop():
            left = due - self._clock.now_ns()
            if left > _SPIN_NS:
                self._sleep(min(left - _SPIN_NS, _NAP_NS) / 1e9)
                # In a long tick the head must hear something, or its watchdog stops it.
                if left > _NAP_NS:
                    self._head.poll()
                continue
            while self._clock.now_ns() < due:
                pass
            return True
        return False

    def _quantile(self, total: int, share: float) -> float:
        count = 0
        for late in sorted(self._late):
            count += self._late[late]
            if count >= share * total:
                return (late + 1) * _BIN_NS / 1e6
        return 0.0


def _stopped(head: Head) -> bool:
    """Stop ``head`` and return whether it heard; a second Ctrl-C waits until that is done."""
    interrupted = False
    heard = False
    for _ in range(3):
        try:
            head.stop()
            heard = True
            break
        except KeyboardInterrupt:
            interrupted = True
        except DeviceError:
            break
    if interrupted:
        raise KeyboardInterrupt
    return heard
