"""Cuts what a camera gives into packets of equal event time, in silence too.

Event time begins at zero and runs on through everything: a camera's clock that is set anew, a
camera that was away. While events come, a packet is ready as soon as the camera's time has
passed its end. In silence the host's clock says how far the camera's time must have come, less
``patience_us``, within which an event may still be under way.

What comes later all the same is lifted to the earliest time still open, and counted.
"""

from __future__ import annotations

from collections.abc import Iterator

import numba
import numpy as np
from numpy.typing import NDArray

from nodes.camera.device import Batch
from pipeline.events import EVENT, Events

LATE_US = 10_000
"""A larger step back of a camera's clock means that it was set anew."""

JUMP_US = 3_600_000_000
"""A larger step ahead of a camera's clock than this (an hour) means so too."""

Words = NDArray[np.int64]
"""Events as integers ``[n, 2]``: (t, x | y << 16 | p << 32)."""


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
        self._pending: list[Words] = []

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
        if len(events):
            words = np.ascontiguousarray(events).view(np.int64).reshape(-1, 2)
            out = np.empty_like(words)
            floor = max(self._latest, self.end_us)
            kept, late, latest = _admit(words, out, self.shift_us, floor, self._width, self._height)
            self.late += late
            self.outside += len(events) - kept
            if kept:
                self._latest = latest
                self._pending.append(out[:kept])
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
        if self._pending:
            words = self._pending[0] if len(self._pending) == 1 else np.concatenate(self._pending)
            edges = begin + np.arange(1, n + 1, dtype=np.int64) * self.step_us
            bounds = [0, *np.searchsorted(words[:, 0], edges).tolist()]
            rest = words[bounds[-1] :]
            self._pending = [rest] if len(rest) else []
        else:
            words = np.empty((0, 2), np.int64)
            bounds = [0] * (n + 1)
        events = words.view(EVENT).reshape(-1)
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


@numba.njit(cache=True, nogil=True)
def _admit(words, out, shift, latest, width, height):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Copy to ``out`` what lies on the sensor, ``shift`` added and time never stepping back.

    Returns how many were copied, how many of them lifted, and the latest time.
    """
    kept = late = 0
    for i in range(words.shape[0]):
        t = words[i, 0] + shift
        c = words[i, 1]
        if (c & 0xFFFF) >= width or (c >> 16 & 0xFFFF) >= height:
            continue
        late += t < latest
        latest = max(t, latest)
        out[kept, 0] = latest
        out[kept, 1] = c
        kept += 1
    return kept, late, latest
