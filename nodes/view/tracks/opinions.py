"""What the network says: its answer now, how it came to it, and its final answers so far."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.packets import PredictionPacket

_RECENT = 64
_LONGEST = 4096


class Opinion(NamedTuple):
    """What the network says after ``ms`` of its window of ``window_ms``.

    ``counts`` [n_classes] i8 are the output spikes so far. ``since_ms`` is the moment from which
    it has given this answer without a break; None before the first output spike.
    """

    classes: tuple[int, ...]
    counts: NDArray[np.int64]
    answer: int
    label: int | None
    sample: str | None
    ms: float
    window_ms: float
    since_ms: float | None
    final: bool


class Course(NamedTuple):
    """How the scores of a window went: ``ms`` [n] f8, ``score`` [n, n_classes] f4 in [0, 1]."""

    ms: NDArray[np.float64]
    score: NDArray[np.float32]


class Verdict(NamedTuple):
    """A final answer beside the true class, where known."""

    answer: int
    label: int | None


class Opinions:
    """Keeps what predictions say; ``version`` grows with each. Its owner keeps threads apart."""

    def __init__(self) -> None:
        self.version = 0
        self.now: Opinion | None = None
        self.recent: deque[Verdict] = deque(maxlen=_RECENT)
        self.right = self.answered = 0
        self._window: tuple[int, str | None] | None = None
        self._steps: list[tuple[float, NDArray[np.float32]]] = []

    def forget(self) -> None:
        """Forget the open window; not the final answers."""
        self.now = self._window = None
        self._steps = []
        self.version += 1

    def add(self, packet: PredictionPacket) -> None:
        """Take note of an opinion; final ones are held against the label.

        An opinion says everything of its window, so a window that begins needs no mark.
        """
        head = packet.header
        counts = packet.counts.copy()
        ms = (head.t_end - head.t_begin) / 1000
        window = (head.t_begin, head.sample)
        # Before the first output spike the answer is no more than the first of equals.
        since = ms if counts.any() else None
        before = self.now
        same = before is not None and window == self._window and before.classes == head.classes
        if before and same and before.answer == head.answer:
            since = since if before.since_ms is None else before.since_ms
        if not same or (self._steps and ms < self._steps[-1][0]):
            self._steps = []
        if len(self._steps) == _LONGEST:
            self._steps = self._steps[::2]
        self._steps.append((ms, packet.score.copy()))
        self._window = window
        window_ms = head.window_us / 1000
        self.now = Opinion(
            head.classes, counts, head.answer, head.label, head.sample, ms, window_ms, since,
            head.final,
        )  # fmt: skip
        if head.final:
            self.recent.append(Verdict(head.answer, head.label))
            if head.label is not None:
                self.answered += 1
                self.right += head.answer == head.label
        self.version += 1

    def course(self) -> Course | None:
        """Return how the scores of the open window have gone so far, None without one."""
        if not self._steps:
            return None
        ms, score = zip(*self._steps, strict=True)
        return Course(np.array(ms), np.array(score))
