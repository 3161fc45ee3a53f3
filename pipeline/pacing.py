"""Releasing replayed packets at the pace at which their events happened."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from pipeline.clock import Clock
from pipeline.packets import Header

_LATE_NS = 100_000_000
_SPIN_NS = 1_500_000


class Pacer:
    """Says when a packet is due: when its last event would have happened.

    ``speed`` is event time over wall time; infinite means at once. Where the replay is more than
    0.1 s late (a consumer was slow) it goes on from now instead of rushing after the lost time.
    """

    def __init__(self, speed: float, clock: Clock) -> None:
        self._ns_per_us = 0.0 if math.isinf(speed) else 1000.0 / speed
        self._clock = clock
        self._t0 = 0
        self._wall0: int | None = None

    def due_ns(self, header: Header) -> int:
        """Return the monotonic time in ns at which to release a packet (now or later)."""
        now = self._clock.now_ns()
        if self._ns_per_us == 0.0:
            return now
        if self._wall0 is not None and header.t_begin >= self._t0:
            due = self._wall0 + round((header.t_end - self._t0) * self._ns_per_us)
            if due > now - _LATE_NS:
                return due
        self._t0, self._wall0 = header.t_begin, now
        return now + round((header.t_end - header.t_begin) * self._ns_per_us)


def wait_until(
    due_ns: int, clock: Clock, serve: Callable[[int], None], stop: Callable[[], bool]
) -> bool:
    """Wait for ``due_ns``; ``serve(ms)`` may use the time. False where stopped before."""
    while not stop():
        left = due_ns - clock.now_ns()
        if left <= 0:
            return True
        if left > _SPIN_NS:
            serve(min(20, int((left - _SPIN_NS) // 1_000_000) + 1))
        else:
            time.sleep(left / 1e9)
    return False
