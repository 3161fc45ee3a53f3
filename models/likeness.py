"""How alike two sets of recordings are: real ones and simulated ones of the same scenes.

What is compared is what the recordings' users see: events per recording, share of ON, rate over
time, the image of counts, events per pixel, and the time from one event of a pixel to its next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.events import Events

SPAN_US = 320_000
BIN_US = 10_000
_INTERVALS = np.concatenate([[0], np.geomspace(500, SPAN_US, 48)])
_COUNTS = np.concatenate([np.arange(20), [1000]])


@dataclass(frozen=True, slots=True)
class Signs:
    """What is looked at in a set of n recordings of one sensor.

    events     ``[n]`` events of each
    on_share   ``[n]`` share of ON
    rate       ``[2, bins]`` events of either polarity in 10 ms, mean over recordings
    counts     ``[n, H, W]`` events of each pixel
    intervals  ``[48]`` share of intervals between two events of a pixel, in bins even in log time
    per_pixel  ``[20]`` share of pixels with 0, 1, 2, ... events
    """

    events: NDArray[np.int64]
    on_share: NDArray[np.float64]
    rate: NDArray[np.float64]
    counts: NDArray[np.int64]
    intervals: NDArray[np.float64]
    per_pixel: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Likeness:
    """Simulated against real.

    median_ratio   events simulated over events real, median over recordings
    within_quarter share of recordings whose ratio is within 25 % of one
    on_share       mean share of ON, simulated minus real
    rate           correlation of the rate over time, 10 ms bins, mean over recordings
    image          correlation of each pair's image of counts, median
    per_pixel      half the sum of differences of the shares of pixels with so many events
    intervals      the same of the intervals between events of a pixel
    """

    median_ratio: float
    within_quarter: float
    on_share: float
    rate: float
    image: float
    per_pixel: float
    intervals: float


def signs(recordings: Sequence[Events], height: int, width: int) -> Signs:
    """Return what there is to see in recordings, each ``[n] EVENT`` of ``height``×``width``."""
    n = len(recordings)
    bins = SPAN_US // BIN_US
    rate = np.zeros((2, bins))
    counts = np.zeros((n, height, width), np.int64)
    gaps = []
    for i, events in enumerate(recordings):
        pixel = events["y"].astype(np.int64) * width + events["x"]
        counts[i] = np.bincount(pixel, minlength=height * width).reshape(height, width)
        for p in (0, 1):
            times = events["t"][events["p"] == p]
            rate[p] += np.histogram(times, bins, (0, SPAN_US))[0]
        order = np.lexsort((events["t"], pixel))
        gap = np.diff(events["t"][order])
        gaps.append(gap[np.diff(pixel[order]) == 0])
    intervals = np.histogram(np.concatenate(gaps), _INTERVALS)[0]
    per_pixel = np.histogram(counts, _COUNTS)[0]
    return Signs(
        events=np.array([len(events) for events in recordings]),
        on_share=np.array([events["p"].mean() if len(events) else 0.5 for events in recordings]),
        rate=rate / max(n, 1),
        counts=counts,
        intervals=intervals / max(intervals.sum(), 1),
        per_pixel=per_pixel / max(per_pixel.sum(), 1),
    )


def likeness(simulated: Signs, real: Signs) -> Likeness:
    """Compare simulated recordings with real ones, pair by pair."""
    ratio = simulated.events / np.maximum(real.events, 1)
    return Likeness(
        median_ratio=float(np.median(ratio)),
        within_quarter=float((np.abs(ratio - 1) <= 0.25).mean()),
        on_share=float(simulated.on_share.mean() - real.on_share.mean()),
        rate=correlation(simulated.rate.sum(0), real.rate.sum(0)),
        image=float(
            np.median(
                [correlation(a, b) for a, b in zip(simulated.counts, real.counts, strict=True)]
            )
        ),
        per_pixel=float(np.abs(simulated.per_pixel - real.per_pixel).sum() / 2),
        intervals=float(np.abs(simulated.intervals - real.intervals).sum() / 2),
    )


def correlation(a: NDArray[np.generic], b: NDArray[np.generic]) -> float:
    """Return Pearson's correlation of two arrays of one shape; 0 where either is constant."""
    x = np.asarray(a, np.float64).ravel()
    y = np.asarray(b, np.float64).ravel()
    x, y = x - x.mean(), y - y.mean()
    size = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / size) if size > 0 else 0.0
