"""The time line of a recording: its events in each of its parts, counted beside the stream."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import RecordingError
from pipeline.events import Events
from pipeline.status import SLICES
from recordings.recording import Recording

_BINS = 8192
_FIRST_BIN_US = 100
_SMALL_BYTES = 1 << 22
_REST = 4.0
"""A large file's reader rests so many times as long as it reads: the stream comes first."""
_NICE = 10


class Histogram:
    """Events over time from 0 on; its bins double in length wherever it grows too long.

    It may be read by one thread while another adds to it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.bins = np.zeros(_BINS, np.int64)
        self.bin_us = _FIRST_BIN_US
        self.end_us = 0

    def add(self, t_us: int, n: int, end_us: int) -> None:
        """Count ``n`` events at ``t_us``; the recording is known to reach to ``end_us``."""
        with self._lock:
            self._reach(max(t_us + 1, end_us))
            self.bins[t_us // self.bin_us] += n

    def add_all(self, times: NDArray[np.int64]) -> None:
        """Count events at ``times`` [n] i8 in µs, in order, at least one."""
        with self._lock:
            self._reach(int(times[-1]) + 1)
            first, last = int(times[0]) // self.bin_us, int(times[-1]) // self.bin_us
            edges = np.arange(first, last + 2) * self.bin_us
            self.bins[first : last + 1] += np.diff(np.searchsorted(times, edges))

    def slices(self) -> list[int]:
        """Return the events in ``SLICES`` equal parts of the time so far."""
        with self._lock:
            bin_us, end_us = self.bin_us, self.end_us
            total = np.concatenate([[0], np.cumsum(self.bins)])
        if not end_us:
            return []
        at = np.linspace(0, end_us, SLICES + 1)
        reached = np.rint(np.interp(at, np.arange(len(total)) * bin_us, total)).astype(np.int64)
        # The last bin ends behind the recording's end: all of it belongs to the last part.
        reached[-1] = total[-1]
        parts: list[int] = np.diff(reached).tolist()
        return parts

    def _reach(self, end_us: int) -> None:
        if end_us <= self.end_us:
            return
        while end_us > _BINS * self.bin_us:
            folded = np.zeros(_BINS, np.int64)
            folded[: _BINS // 2] = self.bins.reshape(-1, 2).sum(axis=1)
            self.bins, self.bin_us = folded, self.bin_us * 2
        self.end_us = end_us


class Survey:
    """Counts the events of one recording over time, in a thread of low priority.

    recording  may be read by others meanwhile
    begin_us   in the file's time: where the time line begins; ``end_us`` where it ends, or None

    Reading leaves marks in the recording by which a later jump finds its way.
    """

    def __init__(self, recording: Recording, begin_us: int, end_us: int | None) -> None:
        self.whole = False
        """All of the recording is counted."""
        self.seen = Histogram()
        self._stop = threading.Event()
        self._range = begin_us, end_us
        self._recording = recording
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to count."""
        self._thread = threading.Thread(target=self._count, name="survey", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what it has counted stays."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _count(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        begin, _ = self._range
        try:
            for chunk in self._chunks():
                self.seen.add_all(chunk["t"] - begin)
                if self._stop.is_set():
                    return
        except (RecordingError, OSError):
            # Whoever replays the file says what is wrong with it.
            return
        self.whole = True

    def _chunks(self) -> Iterator[Events]:
        rest = _REST if _size(self._recording) > _SMALL_BYTES else 0.0
        begun = time.thread_time()
        begin, end = self._range
        for chunk in self._recording.chunks(begin, end):
            yield chunk
            if rest:
                self._stop.wait(rest * (time.thread_time() - begun))
                begun = time.thread_time()


def _size(recording: Recording) -> int:
    try:
        return recording.path.stat().st_size
    except OSError:
        return 0
