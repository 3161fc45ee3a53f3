"""The one clock that everything reads, so that a test can drive it by hand."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Monotonic time, the same for all processes of one host."""

    def now_ns(self) -> int:
        """Return the monotonic time in ns."""
        ...


class MonotonicClock:
    """The system's monotonic clock."""

    def now_ns(self) -> int:
        """Return the monotonic time in ns."""
        return time.monotonic_ns()


class DrivenClock:
    """A clock that stands still until a test advances it."""

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        """Return the time that the test has set, in ns."""
        return self._now_ns

    def advance(self, ns: int) -> None:
        """Let ``ns`` nanoseconds pass."""
        self._now_ns += ns
