"""Hypothesis strategies and small builders that the tests share."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from pipeline.events import EVENT, WIRE_EVENT, Events
from pipeline.packets import (
    GAZE,
    ActivityHeader,
    ActivityPacket,
    EventHeader,
    EventPacket,
    GazeHeader,
    GazePacket,
    ImageHeader,
    ImagePacket,
    Packet,
    PredictionHeader,
    PredictionPacket,
    ReconstructionHeader,
    ReconstructionPacket,
    SpikeHeader,
    SpikePacket,
)

ERA = 2**61
"""Times of packets in the tests are within ± this many µs."""


def events_of(t: Any, x: Any, y: Any, p: Any) -> Events:
    """Return events ``[n] EVENT`` from their fields."""
    events = np.zeros(len(t), EVENT)
    events["t"], events["x"], events["y"], events["p"] = t, x, y, p
    return events


def random_events(n: int, width: int, height: int, length_us: int, seed: int = 0) -> Events:
    """Return ``n`` events in order of time within ``[0, length_us)``."""
    rng = np.random.default_rng(seed)
    return events_of(
        np.sort(rng.integers(0, length_us, n)),
        rng.integers(0, width, n),
        rng.integers(0, height, n),
        rng.integers(0, 2, n),
    )


def event_packet(
    events: Events, t_begin: int, t_end: int, width: int = 34, height: int = 34, **head: Any
) -> EventPacket:
    """Return a packet of the events that lie in ``[t_begin, t_end)``."""
    inside = events[(events["t"] >= t_begin) & (events["t"] < t_end)]
    header = EventHeader(t_begin=t_begin, t_end=t_end, width=width, height=height, n=0, **head)
    return EventPacket.of(inside, header)


def cut(events: Events, bounds: list[int], width: int, height: int) -> list[EventPacket]:
    """Cut a recording into packets that end at ``bounds``; the first begins at 0 with a reset."""
    starts = [0, *bounds[:-1]]
    return [
        event_packet(events, a, b, width, height, reset=a == 0)
        for a, b in zip(starts, bounds, strict=True)
    ]


@st.composite
def recordings(
    draw: st.DrawFn,
    *,
    width: int,
    height: int,
    length_us: int,
    most: int = 200,
    ordered: bool = True,
) -> Events:
    """Draw events of a sensor within ``[0, length_us)``."""
    n = draw(st.integers(0, most))

    def column(high: int, dtype: str) -> NDArray[Any]:
        return draw(hnp.arrays(dtype, n, elements=st.integers(0, high)))

    t = column(length_us - 1, "i8")
    if ordered:
        t = np.sort(t)
    return events_of(t, column(width - 1, "u2"), column(height - 1, "u2"), column(1, "u1"))


@st.composite
def cuts(draw: st.DrawFn, length_us: int) -> list[int]:
    """Draw where packets end that together cover ``[0, length_us)``."""
    inner = draw(st.sets(st.integers(1, length_us - 1), max_size=12))
    return [*sorted(inner), length_us]


def heads(length_us: st.SearchStrategy[int] = st.integers(0, 2**32 - 1)) -> st.SearchStrategy[Any]:  # noqa: B008
    """Draw the fields that every header has."""
    return st.builds(
        lambda t_begin, length, **rest: {"t_begin": t_begin, "t_end": t_begin + length, **rest},
        t_begin=st.integers(-ERA, ERA),
        length=length_us,
        stream=st.text(max_size=20),
        seq=st.integers(0, 2**63 - 1),
        born_ns=st.integers(0, 2**63 - 1),
        reset=st.booleans(),
        label=st.none() | st.integers(-(2**63), 2**63 - 1),
        sample=st.none() | st.text(max_size=20),
    )


@st.composite
def event_packets(draw: st.DrawFn) -> EventPacket:
    """Draw packets of events, of one frame and of two."""
    width, height = draw(st.integers(1, 2**15)), draw(st.integers(1, 2**15))
    wire = draw(
        hnp.arrays(
            WIRE_EVENT, st.sampled_from([0, 1, 5, 5000]), fill=st.just(np.zeros((), WIRE_EVENT))
        )
    )
    header = EventHeader(width=width, height=height, n=len(wire), **draw(heads()))
    return EventPacket(header, wire.tobytes())


@st.composite
def spike_packets(draw: st.DrawFn) -> SpikePacket:
    """Draw packets of binned spikes."""
    channels, height, width = (draw(st.integers(1, high)) for high in (4, 300, 300))
    sizes = draw(st.lists(st.integers(0, 4), max_size=6))
    n = sum(sizes)
    offsets = np.cumsum([0, *sizes]).astype(np.uint32)
    index = draw(hnp.arrays(np.uint32, n, elements=st.integers(0, channels * height * width - 1)))
    count = draw(hnp.arrays(np.uint8, n))
    bin_us = draw(st.integers(1, 10**7))
    head = draw(heads(st.just(bin_us * len(sizes))))
    header = SpikeHeader(
        channels=channels, height=height, width=width, bin_us=bin_us, n_bins=0, n=0, **head
    )
    return SpikePacket.of(offsets, index, count, header)


@st.composite
def prediction_packets(draw: st.DrawFn) -> PredictionPacket:
    """Draw predictions."""
    classes = tuple(
        draw(st.lists(st.integers(-(2**31), 2**31), min_size=1, unique=True, max_size=12))
    )
    n = len(classes)
    header = PredictionHeader(
        classes=classes,
        answer=draw(st.sampled_from(classes)),
        final=draw(st.booleans()),
        window_us=draw(st.integers(0, 2**40)),
        **draw(heads()),
    )
    counts = draw(hnp.arrays(np.int64, n))
    score = draw(hnp.arrays(np.float32, n, elements=st.floats(0, 1, width=32)))
    return PredictionPacket.of(counts, score, header)


@st.composite
def image_packets(draw: st.DrawFn) -> ImagePacket:
    """Draw images, of one frame and of two."""
    height, width = draw(st.integers(1, 40)), draw(st.sampled_from([1, 7, 1000]))
    channels = draw(st.sampled_from([1, 3]))
    pixels = draw(hnp.arrays(np.uint8, (height, width, channels), fill=st.integers(0, 255)))
    header = ImageHeader(height=height, width=width, channels=channels, **draw(heads()))
    return ImagePacket(header, pixels)


@st.composite
def reconstruction_packets(draw: st.DrawFn) -> ReconstructionPacket:
    """Draw reconstructions, of one frame and of two."""
    shape = (draw(st.integers(1, 40)), draw(st.sampled_from([1, 7, 1000])))
    pixels = draw(
        hnp.arrays(
            np.float32, shape, elements=st.floats(0, 1, width=32), fill=st.floats(0, 1, width=32)
        )
    )
    header = ReconstructionHeader(
        height=0,
        width=0,
        final=draw(st.booleans()),
        window_us=draw(st.integers(0, 2**40)),
        **draw(heads()),
    )
    return ReconstructionPacket.of(pixels, header)


@st.composite
def gaze_packets(draw: st.DrawFn) -> GazePacket:
    """Draw gaze samples."""
    gaze = np.zeros(draw(st.integers(0, 20)), GAZE)
    for name, dtype in (("t", np.int64), ("x", np.float32), ("y", np.float32)):
        gaze[name] = draw(hnp.arrays(dtype, len(gaze)))
    return GazePacket(GazeHeader(n=len(gaze), **draw(heads())), gaze.tobytes())


@st.composite
def activity_packets(draw: st.DrawFn) -> ActivityPacket:
    """Draw a network's activity."""
    shapes = draw(
        st.lists(
            st.tuples(st.integers(1, 200), st.integers(1, 40), st.integers(1, 40)),
            min_size=1,
            max_size=5,
        )
    )
    n_bins = draw(st.integers(0, 5))
    spikes = [
        draw(st.lists(st.integers(0, c * h * w - 1), max_size=4))
        for _ in range(n_bins)
        for c, h, w in shapes
    ]
    bin_us = draw(st.integers(1, 10**7))
    header = ActivityHeader(
        names=tuple(draw(st.text(max_size=8)) for _ in shapes),
        shapes=tuple(shapes),
        bin_us=bin_us,
        n_bins=0,
        n=0,
        **draw(heads(st.just(bin_us * n_bins))),
    )
    offsets = np.cumsum([0, *map(len, spikes)]).astype(np.uint32)
    return ActivityPacket.of(
        offsets, np.array([i for each in spikes for i in each], np.uint32), header
    )


def packets() -> st.SearchStrategy[Packet]:
    """Draw packets of every kind."""
    return st.one_of(
        event_packets(),
        spike_packets(),
        prediction_packets(),
        image_packets(),
        reconstruction_packets(),
        gaze_packets(),
        activity_packets(),
    )
