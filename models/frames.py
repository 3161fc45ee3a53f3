"""Recordings as dense counts for training: one frame a bin, a channel a polarity."""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np
from numpy.typing import NDArray

from pipeline.events import Events


@numba.njit(cache=True, nogil=True)
def _fill(words, t_begin, bin_us, sample, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    steps, _, channels, height, width = out.shape
    for i in range(words.shape[0]):
        t = words[i, 0] - t_begin
        code = words[i, 1]
        x = code & 0xFFFF
        y = (code >> 16) & 0xFFFF
        p = (code >> 32) & 0xFF
        # Negative times must not be rounded up into bin 0.
        if 0 <= t < steps * bin_us and x < width and y < height and p < channels:
            out[t // bin_us, sample, p, y, x] += np.float32(1)


def frames(
    recordings: Sequence[Events],
    shape: tuple[int, int, int],
    n_bins: int,
    bin_us: int = 1_000,
    t_begin: Sequence[int] | None = None,
) -> NDArray[np.float32]:
    """Count events into ``[n_bins, B, C, H, W]`` float32, bin k from ``t_begin + k·bin_us`` µs.

    ``shape`` is (C, H, W); ``t_begin`` (µs) is each recording's beginning, 0 by default. Events
    outside the bins or the shape are left out.
    """
    begins = [0] * len(recordings) if t_begin is None else t_begin
    out = np.zeros((n_bins, len(recordings), *shape), np.float32)
    for sample, (events, begin) in enumerate(zip(recordings, begins, strict=True)):
        words = np.ascontiguousarray(events).view(np.int64).reshape(-1, 2)
        _fill(words, begin, bin_us, sample, out)
    return out
