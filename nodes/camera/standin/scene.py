"""What a camera that is not there sees: recordings one after the other, again and again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.errors import RecordingError
from pipeline.events import Events, empty_events
from recordings.folder import open_samples
from recordings.opening import open_recording
from recordings.windows import extent, joined, origin_us

_PAUSE_US = 50_000


class Scene:
    """Events of a recording, a folder of them or ``samples``, without an end.

    width, height  the sensor's size, that of the first recording
    """

    def __init__(self, path: str = "samples") -> None:
        self._paths = [Path(sample.path) for sample in open_samples(path)]
        with open_recording(self._paths[0]) as first:
            if first.width is not None and first.height is not None:
                self.width, self.height = first.width, first.height
            else:
                self.width, self.height = extent(first)
        self._chunks = _endless(self._paths, self.width, self.height)
        self._waiting: list[Events] = []

    def until(self, t_us: int) -> Events:
        """Return the events ``[n] EVENT`` since the last call that happened before ``t_us``.

        Times are µs since the scene began.
        """
        while not self._waiting or int(self._waiting[-1]["t"][-1]) < t_us:
            self._waiting.append(next(self._chunks))
        events = joined(self._waiting)
        n = int(np.searchsorted(events["t"], t_us))
        self._waiting = [events[n:]] if n < len(events) else []
        return events[:n].copy() if n else empty_events(0)


def _endless(paths: list[Path], width: int, height: int) -> Iterator[Events]:
    """Yield the events of every recording in turn, time going on, and begin again."""
    # No method: a scene that nobody holds any more must close its file at once.
    t = 0
    while True:
        begin = t
        for path in paths:
            with open_recording(path) as recording:
                base = origin_us(recording)
                start = t
                for chunk in recording.chunks():
                    kept = chunk[(chunk["x"] < width) & (chunk["y"] < height)]
                    if len(kept):
                        kept["t"] += start - base
                        t = int(kept["t"][-1])
                        yield kept
            t += _PAUSE_US
        if t - begin <= _PAUSE_US * len(paths):
            raise RecordingError(f"{paths[0]}: holds no events, a scene needs some")
