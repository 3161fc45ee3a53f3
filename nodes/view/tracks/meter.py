"""How much comes in a second of wall time, now and over the last ten seconds."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

SLOT_MS = 250
SLOTS = 40
_NOW = 4


class Rates(NamedTuple):
    """Rates of the last second, and events/s over the last 10 s, oldest first."""

    events: float
    packets: float
    frames: float
    history: list[float]


class Meter:
    """Counts into slots of ``SLOT_MS``; slots without anything count as zero."""

    def __init__(self) -> None:
        self._since: int | None = None
        self._open = [0, 0, 0]
        self._slots: deque[tuple[float, float, float]] = deque(maxlen=SLOTS)
        self.closed = 0
        """How many slots have been closed."""

    def count(self, now_ns: int, events: int = 0, packets: int = 0, frames: int = 0) -> None:
        """Count what happened at ``now_ns`` of the monotonic clock."""
        self.advance(now_ns)
        for i, n in enumerate((events, packets, frames)):
            self._open[i] += n

    def advance(self, now_ns: int) -> None:
        """Close the slots that have ended by ``now_ns``."""
        if self._since is None:
            self._since = now_ns
        ended = (now_ns - self._since) // (SLOT_MS * 1_000_000)
        if ended < 1:
            return
        self.closed += ended
        self._since += ended * SLOT_MS * 1_000_000
        e, p, f = (1000 / SLOT_MS * n for n in self._open)
        self._slots.append((e, p, f))
        # A slot is only ever closed late where nothing came: the rest of them are empty.
        self._slots.extend([(0.0, 0.0, 0.0)] * min(ended - 1, SLOTS))
        self._open = [0, 0, 0]

    def rates(self) -> Rates:
        """Return the rates as of the last closed slot, a second."""
        recent = list(self._slots)[-_NOW:]
        events, packets, frames = (
            sum(slot[i] for slot in recent) / max(1, len(recent)) for i in range(3)
        )
        return Rates(events, packets, frames, [slot[0] for slot in self._slots])
