"""A picture of a few ms of events: ON red, OFF blue, as papers print them."""

from __future__ import annotations

import numpy as np
from PIL import Image

from pipeline.events import Events

ON = (214, 39, 40)
OFF = (31, 119, 180)
_LEAST_SIDE = 300


def preview(
    events: Events, width: int, height: int, begin_us: int | None = None, span_us: int = 10_000
) -> Image.Image:
    """Return events ``[n] EVENT`` of ``span_us`` as an image, a sensor's pixel at least one large.

    begin_us  from when on; None: the span with the most events
    """
    times = events["t"]
    if begin_us is None:
        begin_us = 0
        if len(times):
            n = np.searchsorted(times, times + span_us) - np.arange(len(times))
            begin_us = int(times[int(n.argmax())])
    shown = events[(times >= begin_us) & (times < begin_us + span_us)]
    pixels = np.full((height, width, 3), 255, np.uint8)
    pixels[shown["y"], shown["x"]] = np.where((shown["p"] == 1)[:, None], ON, OFF)
    scale = max(1, -(-_LEAST_SIDE // max(width, height)))
    return Image.fromarray(pixels).resize((width * scale, height * scale), Image.Resampling.NEAREST)
