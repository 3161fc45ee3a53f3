"""A stream that is always the same, in a file that loads nothing else: processes start with it."""

from __future__ import annotations

import numpy as np

from pipeline.events import EVENT, Events


def known_stream(n: int, width: int = 200, height: int = 180) -> Events:
    """Return the first ``n`` events of a stream that is always the same, about 1 event/µs.

    It looks random, so that no compression makes it very small.
    """
    i = np.arange(n)
    mixed = (i * 2654435761) & (2**32 - 1)
    events = np.zeros(n, EVENT)
    events["t"] = i + i // 7
    events["x"], events["y"], events["p"] = (
        (mixed >> 9) % width,
        (mixed >> 17) % height,
        mixed >> 31,
    )
    return events
