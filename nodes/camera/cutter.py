"""Cuts what a camera gives into packets of equal event time, in silence too.

Event time begins at zero and runs on through everything: a camera's clock that is set anew, a
camera that was away. While events come, a packet is ready as soon as the camera's time has
passed its end. In silence the host's clock says how far the camera's time must have come, less
``patience_us``, within which an event may still be under way.

What comes later all the same is lifted to the earliest time still open, and counted.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nodes.camera.device import Batch
from pipeline.events import Events, empty_events

LATE_US = 10_000
"""A larger step back of a camera's clock means that it was set anew."""

JUMP_US = 3_600_000_000
"""A larger step ahead of a camera's clock than this (an hour) means so too."""


class Cutter:
    """Cuts batches into packets of ``step_us``.

    begin_us       event time of the first packet's beginning
    width, height  the sensor's; what lies outside is dropped

    Counts ``late`` (events lifted), ``outside`` (events dropped) and ``jumps`` (of the clock).
    """

    def __init__(self, step_us: int, begin_us: int, width: int, height: int) -> None:
        self.step_us = step_us
        self.patience_us = 20_000
        self.end_us = begin_us
        """Event time up to which packets were given."""
        self.late = 0
        self.outside = 0
        self.jumps = 0
        self.shift_us: int | None = None
        """Event time less the camera's own; None until something has come."""
        self.size(width, height)
        self._host_us: int | None = None
        self._latest = begin_us
        self._reached = begin_us
        self._heard_us = 0
        self._pending: list[Events] = []

    def size(self, width: int, height: int) -> None:
        """Set the sensor's size."""
        self._width, self._height = width, height

    def restart(self) -> None:
        """Take the next batch as the first of a camera that has (again) begun; flush before."""
        self.shift_us = None
        self._pending = []

    def push(self, batch: Batch, now_us: int) -> None:
        """Take a batch that has come at ``now_us`` of the host's clock."""
        events = batch.events
        reached = batch.reached_us
        first = min(int(events["t"][0]), reached) if len(events) else reached
        if self.shift_us is None:
            self.shift_us = self._open_us(now_us) - first
        step = first + self.shift_us - self._latest
        if step < -LATE_US or step > JUMP_US:
            self.jumps += 1
            self.shift_us = max(self._expected(now_us), self._latest) - first
        events = self._inside(events)
        if len(events):
            times = events["t"]
            times += self.shift_us
            self._order(times)
            self._latest = int(times[-1])
            self._pending.append(events)
        self._reached = max(self._reached, self._latest, reached + self.shift_us)
        self._heard_us = now_us

    def cut(self, now_us: int) -> Iterator[tuple[int, Events]]:
        """Yield (beginning, events ``[n] EVENT``) of every packet that is complete now."""
        yield from self._upto((self.horizon(now_us) - self.end_us) // self.step_us)

    def flush(self) -> Iterator[tuple[int, Events]]:
        """Yield the packets of what has come and waits: the camera is gone, no more will come."""
        if self._pending:
            yield from self._upto((self._latest - self.end_us) // self.step_us + 1)

    def _upto(self, n: int) -> Iterator[tuple[int, Events]]:
        if n <= 0:
            return
        begin = self.end_us
        events = _joined(self._pending)
        bounds = [0]
        if len(events):
            edges = begin + np.arange(1, n + 1, dtype=np.int64) * self.step_us
            bounds += np.searchsorted(events["t"], edges).tolist()
        else:
            bounds = [0] * (n + 1)
        rest = events[bounds[-1] :]
        self._pending = [rest] if len(rest) else []
        self.end_us = begin + n * self.step_us
        for k in range(n):
            yield begin + k * self.step_us, events[bounds[k] : bounds[k + 1]]

    def horizon(self, now_us: int) -> int:
        """Return the event time up to which everything has come, as far as can be known."""
        if self.shift_us is None:
            return self.end_us
        return max(self._reached, self._expected(now_us) - self.patience_us)

    def _expected(self, now_us: int) -> int:
        return self._reached + max(0, now_us - self._heard_us)

    def _open_us(self, now_us: int) -> int:
        """Return the event time at which a camera that begins now begins: a packet's edge."""
        if self._host_us is None:
            self._host_us = now_us - self.end_us
            self._heard_us = now_us
        # While a camera was away time went on.
        passed = now_us - self._host_us - self.end_us
        self.end_us += max(0, passed // self.step_us * self.step_us)
        self._latest = self._reached = self.end_us
        return self.end_us

    def _inside(self, events: Events) -> Events:
        if not len(events):
            return events
        if int(events["x"].max()) < self._width and int(events["y"].max()) < self._height:
            return events
        kept = events[(events["x"] < self._width) & (events["y"] < self._height)]
        self.outside += len(events) - len(kept)
        return kept

    def _order(self, times: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
        """Lift what is earlier than the time before it, or than what is still open."""
        floor = max(self._latest, self.end_us)
        if int(times[0]) >= floor and not (times[1:] < times[:-1]).any():
            return
        lifted = np.maximum.accumulate(np.maximum(times, floor))
        self.late += int((lifted != times).sum())
        times[:] = lifted


def _joined(parts: list[Events]) -> Events:
    if len(parts) == 1:
        return parts[0]
    out = empty_events(sum(map(len, parts)))
    at = 0
    for part in parts:
        out[at : at + len(part)] = part
        at += len(part)
    return out
