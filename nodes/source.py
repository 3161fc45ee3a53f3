"""source: replays a recording, or a folder of recordings, as a live stream of events."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from pipeline import EventPacket, Meta, Packet, Settings, SourceNode
from pipeline.events import empty_events, pack
from pipeline.packets import EventHeader
from recordings.folder import Sample, open_samples, read
from recordings.nmnist import decode, sensor_size


class SourceSettings(Settings):
    """Settings of ``source``."""

    path: Annotated[
        str, Meta(description="a recording, a folder in N-MNIST's layout, or 'samples' (shipped)")
    ] = "samples"
    split: Annotated[str | None, Meta(description="only this split of the folder")] = None
    pace: Annotated[
        Literal["real", "fast"] | Annotated[float, Meta(ge=1e-6, le=1e6)],
        Meta(description="'real' time, as 'fast' as possible, or a factor of real time"),
    ] = "real"
    loop: Annotated[bool, Meta(description="begin again when all are shown")] = False
    shuffle: Annotated[bool, Meta(description="show the recordings in random order")] = False
    seed: Annotated[int, Meta(ge=0, description="seed of the random order")] = 0
    limit: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="show only so many recordings")
    ] = None
    packet_us: Annotated[
        int, Meta(ge=10, le=1_000_000, description="event time in one packet, in µs")
    ] = 1000
    sample_ms: Annotated[
        int, Meta(ge=0, le=60_000, description="least time for a recording, padded with silence")
    ] = 300
    gap_ms: Annotated[
        int, Meta(ge=0, le=60_000, description="silence after each recording, in ms")
    ] = 20


class Source(SourceNode):
    """Yields EventPackets of ``packet_us`` each; every recording begins with a reset mark."""

    settings_type = SourceSettings
    emits = (EventPacket,)
    settings: SourceSettings

    def open(self) -> None:
        """Find the recordings; raises RecordingError where there are none."""
        settings = self.settings
        # One file is of no split, whatever the graph says of folders.
        split = None if Path(settings.path).is_file() else settings.split
        self._samples = open_samples(settings.path, split)
        if settings.shuffle:
            order = np.random.default_rng(settings.seed).permutation(len(self._samples))
            self._samples = [self._samples[i] for i in order]
        if settings.limit is not None:
            self._samples = self._samples[: settings.limit]
        # The first call compiles: that belongs to the start, not to the first packet's pace.
        decode(bytes(5), self.name)
        pack(empty_events(1), 0)
        factor = {"real": 1.0, "fast": float("inf")}
        pace = settings.pace
        self.speed = factor[pace] if isinstance(pace, str) else pace

    def produce(self) -> Iterator[Packet]:
        """Yield the packets of every recording in turn, event time running on throughout."""
        t = 0
        n = len(self._samples)
        while self.settings.loop or self.cursor < n:
            sample = self._samples[self.cursor % n]
            for packet in self._replay(sample, t):
                yield packet
                t = packet.header.t_end
            self.cursor += 1

    def _replay(self, sample: Sample, start: int) -> Iterator[Packet]:
        settings = self.settings
        events = read(sample)
        times = events["t"]
        if (np.diff(times) < 0).any():
            events = events[np.argsort(times, kind="stable")]
            times = events["t"]
        step = settings.packet_us
        length = max(int(times[-1]) + 1, settings.sample_ms * 1000) + settings.gap_ms * 1000
        n_packets = -(-length // step)
        bounds = np.searchsorted(times, np.arange(n_packets + 1) * step)
        width, height = sensor_size(events)
        events["t"] += start
        for k in range(n_packets):
            header = EventHeader(
                t_begin=start + k * step,
                t_end=start + (k + 1) * step,
                reset=k == 0,
                label=sample.label,
                sample=sample.name,
                width=width,
                height=height,
                n=0,
            )
            yield EventPacket.of(events[bounds[k] : bounds[k + 1]], header)
