"""Noise on recordings: the report's, a fixed number of spikes anywhere at any time."""

from __future__ import annotations

import numpy as np

from pipeline.events import EVENT, Events, empty_events


def add_noise(
    events: Events,
    size: tuple[int, int],
    window_us: int,
    per_pixel: float,
    rng: np.random.Generator,
) -> Events:
    """Return ``events`` [n] EVENT with ``per_pixel`` times as many noise spikes as pixels.

    Polarity, x, y and time are uniform, over the sensor's (width, height) ``size`` and over
    [0, ``window_us``). In order of time. Raises ValueError where ``per_pixel`` is negative.
    """
    if not 0 <= per_pixel < np.inf:
        raise ValueError(f"noise of {per_pixel!r} spikes a pixel, expected 0 or more")
    width, height = size
    n = round(per_pixel * (width * height))
    noise = empty_events(n)
    noise["t"] = rng.integers(0, window_us, n)
    noise["x"] = rng.integers(0, width, n)
    noise["y"] = rng.integers(0, height, n)
    noise["p"] = rng.integers(0, 2, n)
    both = np.concatenate([events, noise]).astype(EVENT, copy=False)
    return both[np.argsort(both["t"], kind="stable")]
