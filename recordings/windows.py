"""A recording in windows of equal length, and what its events tell where its file does not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from pipeline.events import Events, empty_events
from recordings.nmnist import CALTECH_SENSOR, SENSOR
from recordings.recording import Recording, joined

__all__ = ["extent", "joined", "origin_us", "usual_sensor", "windows"]

_SENSORS = (SENSOR, (128, 128), CALTECH_SENSOR, (346, 260), (640, 480), (1280, 720))
_MOST = 4096


def windows(
    chunks: Iterable[Events], begin_us: int, step_us: int, least: int = 1
) -> Iterator[Events]:
    """Yield the events ``[n] EVENT`` of one window after the other, at least ``least`` of them.

    chunks  events in order of time, none before ``begin_us``; window k covers
            ``[begin_us + k·step_us, begin_us + (k + 1)·step_us)``

    The last window is that of the last event. The arrays are the caller's own.
    """
    k = 0
    waiting: list[Events] = []
    for chunk in chunks:
        last = (int(chunk["t"][-1]) - begin_us) // step_us
        if last == k:
            waiting.append(chunk)
            continue
        waiting.append(chunk)
        events = joined(waiting)
        times = events["t"]
        while k < last:
            # A long silence is many windows: not all of their bounds at once.
            upto = min(last, k + _MOST)
            bounds = np.searchsorted(times, begin_us + np.arange(k, upto + 1) * step_us)
            for low, high in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
                yield events[low:high]
            k = upto
        waiting = [events[int(bounds[-1]) :]]
    yield joined(waiting)
    for _ in range(k + 1, least):
        yield empty_events(0)


def origin_us(recording: Recording) -> int:
    """Return the time in the file that is a replay's zero: its first event's.

    N-MNIST's and N-Caltech101's files begin at zero themselves, with the head's movement.
    """
    if recording.format == "nmnist":
        return 0
    for chunk in recording.chunks():
        return int(chunk["t"][0])
    return 0


def extent(recording: Recording) -> tuple[int, int]:
    """Return the width and height of the smallest usual sensor that holds every event.

    Reads the whole recording. Where no usual one does, one just as large as need be.
    """
    width = height = 1
    for chunk in recording.chunks():
        width = max(width, int(chunk["x"].max()) + 1)
        height = max(height, int(chunk["y"].max()) + 1)
    return usual_sensor(width, height)


def usual_sensor(width: int, height: int) -> tuple[int, int]:
    """Return the smallest usual sensor that holds ``width`` × ``height`` pixels, or just these."""
    for size in _SENSORS:
        if width <= size[0] and height <= size[1]:
            return size
    return width, height
