"""What a recording holds, found in one reading: rates, pixels, silences, and what else there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import msgspec
import numba
import numpy as np
from numpy.typing import NDArray

from pipeline.events import Events
from recordings.opening import open_recording
from recordings.recording import Recording
from recordings.windows import usual_sensor

COLUMNS = 64
"""Into so many parts the rate over time is divided at most."""

HOT_FACTOR = 5
"""A pixel is called hot where it has more than so many times the events of its betters.

Its betters: the pixel that 1 % of the active ones surpass.
"""

_HOT_EVENTS = 20
_BINS = 4096
_FIRST_BIN_US = 100
_MOST_PIXELS = 1 << 24
_LISTED = 10


class Pixel(msgspec.Struct):
    """A pixel and how many events it has."""

    x: int
    y: int
    events: int


class Gap(msgspec.Struct):
    """A silence: when it begins, from the first event on, and how long it is."""

    at_s: float
    length_s: float


class Side(msgspec.Struct):
    """How much of one kind there is beside the events, and over which time of the file."""

    n: int
    begin_us: int
    end_us: int


class Info(msgspec.Struct):
    """What ``retina info`` tells.

    sensor_told     whether the file tells the sensor's size; else the usual one that holds all
    begin_us        time of the first event in the file; ``end_us`` of the last
    rates_hz        events/s in equal parts of ``part_s`` of the recording
    on_share        share of ON events, 0 to 1; None without events
    hot_pixels      how many, and the most active of them; None where the pixels are too many
    gaps            silences of at least ``gap_s``, and the longest of them
    counts          what the reading met (``counts.py``)
    side            frames, imu, triggers
    """

    file: str
    format: str
    bytes: int
    width: int
    height: int
    sensor_told: bool
    events: int
    begin_us: int | None
    end_us: int | None
    duration_s: float
    rate_hz: float
    peak_hz: float
    part_s: float
    rates_hz: list[float]
    on_share: float | None
    active_pixels: int | None
    hot_pixels: int | None
    hottest: list[Pixel]
    gap_s: float
    gaps: int
    longest_gaps: list[Gap]
    counts: dict[str, int]
    side: dict[str, Side]


def look(
    path: str | Path, gap_s: float = 0.1, progress: Callable[[float], None] | None = None
) -> Info:
    """Read the recording at ``path`` once, and once more for what it holds beside events.

    ``progress`` is told how much is done, 0 to 1. Raises RecordingError.
    """
    path = Path(path)
    with open_recording(path) as recording:
        side = {name: _beside(recording, name) for name in sorted(recording.side)}
        survey = _Survey(recording.width, recording.height, round(gap_s * 1e6))
        for chunk in recording.chunks():
            survey.add(chunk)
            if progress is not None:
                progress(recording.progress)
        told = recording.width is not None and recording.height is not None
        size = usual_sensor(survey.columns, survey.rows)
        begin, end = survey.begin, survey.latest
        duration_s = (end - begin) / 1e6
        part_s, rates = survey.rates()
        hot = survey.hot()
        return Info(
            file=str(path),
            format=recording.format,
            bytes=_size(path),
            width=recording.width or size[0],
            height=recording.height or size[1],
            sensor_told=told,
            events=survey.events,
            begin_us=begin if survey.events else None,
            end_us=end if survey.events else None,
            duration_s=duration_s,
            rate_hz=survey.events / duration_s if duration_s else 0.0,
            peak_hz=max(rates, default=0.0),
            part_s=part_s,
            rates_hz=rates,
            on_share=survey.on / survey.events if survey.events else None,
            active_pixels=None if survey.pixels is None else int(np.count_nonzero(survey.pixels)),
            hot_pixels=None if hot is None else len(hot),
            hottest=(hot or [])[:_LISTED],
            gap_s=gap_s,
            gaps=survey.gaps,
            longest_gaps=[Gap((at - begin) / 1e6, n / 1e6) for n, at in survey.longest],
            counts=asdict(recording.counts),
            side=side,
        )


class _Survey:
    """Sums up chunks of events in order of time, in constant memory."""

    def __init__(self, width: int | None, height: int | None, gap_us: int) -> None:
        self.events = self.on = self.gaps = 0
        self.begin = self.latest = 0
        self.columns = self.rows = 1
        self.longest: list[tuple[int, int]] = []
        self._gap_us = gap_us
        self._step = _FIRST_BIN_US
        self._bins: NDArray[np.int64] = np.zeros(_BINS, np.int64)
        self.pixels: NDArray[np.uint32] | None = None
        self._fit(width or 1, height or 1)

    def add(self, events: Events) -> None:
        times = events["t"]
        if not self.events:
            self.begin = self.latest = int(times[0])
        self.events += len(events)
        self.on += int(np.count_nonzero(events["p"]))
        self._silences(times)
        self.latest = int(times[-1])
        while self.latest - self.begin >= self._step * _BINS:
            # The bins of a longer recording are wider: two by two they become one.
            self._bins[: _BINS // 2] = self._bins.reshape(-1, 2).sum(axis=1)
            self._bins[_BINS // 2 :] = 0
            self._step *= 2
        words = events.view(np.int64).reshape(-1, 2)
        columns, rows = _extent(words)
        self._fit(max(columns, self.columns), max(rows, self.rows))
        self.columns, self.rows = max(columns, self.columns), max(rows, self.rows)
        pixels = self.pixels if self.pixels is not None else np.zeros((0, 0), np.uint32)
        _tally(words, self.begin, self._step, self._bins, pixels)

    def rates(self) -> tuple[float, list[float]]:
        """Return how long each part of the recording is, in s, and its events/s."""
        if not self.events:
            return 0.0, []
        used = (self.latest - self.begin) // self._step + 1
        group = -(-used // COLUMNS)
        n = -(-used // group)
        sums = np.zeros(n * group, np.int64)
        sums[:used] = self._bins[:used]
        part_s = group * self._step / 1e6
        # The last part ends with the recording.
        lengths = np.full(n, part_s)
        lengths[-1] = max((self.latest - self.begin + 1) / 1e6 - (n - 1) * part_s, 1e-4)
        rates: list[float] = (sums.reshape(n, group).sum(axis=1) / lengths).tolist()
        return part_s, rates

    def hot(self) -> list[Pixel] | None:
        """Return the hot pixels, the most active first."""
        if self.pixels is None:
            return None
        active = self.pixels[self.pixels > 0]
        if not len(active):
            return []
        bound = max(float(np.quantile(active, 0.99)) * HOT_FACTOR, _HOT_EVENTS)
        ys, xs = np.nonzero(self.pixels > bound)
        found = [Pixel(int(x), int(y), int(self.pixels[y, x])) for x, y in zip(xs, ys, strict=True)]
        return sorted(found, key=lambda pixel: -pixel.events)

    def _silences(self, times: NDArray[np.int64]) -> None:
        steps = np.diff(times, prepend=self.latest)
        places = np.flatnonzero(steps >= self._gap_us)
        if not len(places):
            return
        self.gaps += len(places)
        found = [(int(steps[i]), int(times[i] - steps[i])) for i in places]
        self.longest = sorted([*self.longest, *found], key=lambda gap: -gap[0])[:_LISTED]

    def _fit(self, columns: int, rows: int) -> None:
        """Let there be a count for every pixel, unless they are too many."""
        if columns * rows > _MOST_PIXELS:
            self.pixels = None
            return
        before = self.pixels
        if before is None and self.events > 0:
            return
        height, width = (0, 0) if before is None else before.shape
        if columns <= width and rows <= height:
            return
        grown = np.zeros((max(rows, height), max(columns, width)), np.uint32)
        if grown.size > _MOST_PIXELS:
            self.pixels = None
            return
        if before is not None:
            grown[:height, :width] = before
        self.pixels = grown


@numba.njit(cache=True, nogil=True)
def _extent(words):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return the columns and rows that hold events ``words`` [n, 2]."""
    columns = rows = np.int64(0)
    for i in range(words.shape[0]):
        columns = max(columns, words[i, 1] & 0xFFFF)
        rows = max(rows, words[i, 1] >> 16 & 0xFFFF)
    return columns + 1, rows + 1


@numba.njit(cache=True, nogil=True)
def _tally(words, begin, step, bins, pixels):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Count events ``words`` [n, 2] in ``bins`` of ``step`` µs, and in ``pixels`` where any."""
    mapped = pixels.size > 0
    for i in range(words.shape[0]):
        bins[(words[i, 0] - begin) // step] += 1
        if mapped:
            pixels[words[i, 1] >> 16 & 0xFFFF, words[i, 1] & 0xFFFF] += 1


def _beside(recording: Recording, name: str) -> Side:
    n, begin, end = 0, 2**62, -(2**62)
    if name == "frames":
        for frame in recording.frames():
            n, begin, end = n + 1, min(begin, frame.t_begin), max(end, frame.t_end)
    else:
        for part in recording.imu() if name == "imu" else recording.triggers():
            n += len(part)
            begin, end = min(begin, int(part["t"].min())), max(end, int(part["t"].max()))
    return Side(n, begin, end) if n else Side(0, 0, 0)


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.iterdir())
    return path.stat().st_size


def plot(rates: list[float], rows: int = 5) -> list[str]:
    """Return a plot of ``rates`` as lines of characters, the highest first."""
    top = max(rates, default=0.0)
    if not top:
        return [""] * rows
    eighths = [max(int(rate / top * rows * 8 + 0.5), int(rate > 0)) for rate in rates]
    return [
        "".join(" ▁▂▃▄▅▆▇█"[min(8, max(0, level - 8 * row))] for level in eighths)
        for row in reversed(range(rows))
    ]
