"""The mode ``simulate``: still images before a modelled retina that moves become live events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from models.paths import named
from models.retina import changed, preset
from models.simulator import STEP_US, Simulator
from models.stills import Still
from models.trajectory import Gaze
from nodes.saccade.settings import Mode
from nodes.saccade.stills import open_images
from pipeline import EventPacket, GazePacket, ImagePacket, Packet, SourceNode
from pipeline.errors import SettingError
from pipeline.events import empty_events, pack
from pipeline.packets import GAZE, EventHeader, GazeHeader, ImageHeader


class Simulate(Mode, SourceNode):
    """Yields the events of each image in turn, where the retina was pointed, and the image.

    Every image begins with a reset mark, with an eye that has looked at it for long; seeds of
    noise follow from ``seed`` and the image's number, those of the pixels from ``seed`` alone.
    """

    emits = (EventPacket, GazePacket, ImagePacket)

    def open(self) -> None:
        """Find the images, the path and the retina; raises SettingError where one is none."""
        s = self.settings
        self._retina = preset(s.retina, f"{self.name}: retina")
        asked = {"width": s.width, "height": s.height, "fit": s.fit}
        self._retina = changed(self._retina, **{k: v for k, v in asked.items() if v is not None})
        if s.packet_us % STEP_US and STEP_US % s.packet_us:
            raise SettingError(
                f"{self.name}: packet_us = {s.packet_us} is no multiple or part of {STEP_US}"
            )
        self._step_us = min(STEP_US, s.packet_us)
        duration = None if s.duration_ms is None else s.duration_ms * 1000
        self._path = named(
            s.trajectory,
            seed=s.seed,
            duration_us=duration or 1_000_000,
            pixels_per_degree=s.pixels_per_degree,
            where=f"{self.name}: trajectory",
        )
        self._length = duration or self._path.duration_us
        self._length = -(-self._length // s.packet_us) * s.packet_us
        self._images = open_images(s.images, self.name)
        if s.limit is not None:
            self._images = self._images[: s.limit]
        factor = {"real": 1.0, "fast": float("inf")}
        self.speed = factor[s.pace] if isinstance(s.pace, str) else s.pace
        times = np.arange(0, self._length, self._step_us) + self._step_us
        self._gaze: Gaze = self._path.at(times)
        self._reach = np.stack([self._gaze.min(0), self._gaze.max(0)])
        # The first call compiles: that belongs to the start, not to the first packet's pace.
        blank = np.zeros((2, 2), np.float32)
        Simulator(blank, self._reach, changed(self._retina, width=2, height=2)).advance(
            self._gaze[:1]
        )
        pack(empty_events(1), 0)

    def produce(self) -> Iterator[Packet]:
        """Yield the packets of every image in turn, event time running on throughout."""
        t = 0
        n = len(self._images)
        while self.settings.loop or self.cursor < n:
            for packet in self._look(self._images[self.cursor % n], t):
                yield packet
                t = packet.header.t_end
            self.cursor += 1

    def _look(self, still: Still, start: int) -> Iterator[Packet]:
        s, retina = self.settings, self._retina
        image = still.read()
        simulator = Simulator(
            image, self._reach, retina, s.seed, noise_seed=self.cursor, step_us=self._step_us
        )
        common: dict[str, Any] = {"label": still.label, "sample": still.name}
        shown = np.round(image * 255).astype(np.uint8)
        height, width = shown.shape
        yield ImagePacket(
            ImageHeader(
                t_begin=start, t_end=start, reset=True, height=height, width=width, channels=1,
                **common,
            ),
            shown,
        )  # fmt: skip
        steps = s.packet_us // self._step_us
        begin = start
        for at in range(0, len(self._gaze), steps):
            gaze = self._gaze[at : at + steps]
            events = simulator.advance(gaze)
            events["t"] += start
            end = begin + s.packet_us
            samples = np.zeros(len(gaze), GAZE)
            # The last sample is where the packet ends, so that two packets have none in common.
            samples["t"] = begin + (np.arange(len(gaze)) + 1) * self._step_us
            samples["x"], samples["y"] = gaze.T
            yield GazePacket(
                GazeHeader(t_begin=begin, t_end=end, reset=at == 0, n=len(samples), **common),
                samples,
            )
            header = EventHeader(
                t_begin=begin, t_end=end, reset=at == 0, width=retina.width,
                height=retina.height, n=0, **common,
            )  # fmt: skip
            yield EventPacket.of(events, header)
            begin = end
        for _ in range(0, s.gap_ms * 1000, s.packet_us):
            end = begin + s.packet_us
            header = EventHeader(
                t_begin=begin, t_end=end, width=retina.width, height=retina.height, n=0, **common
            )
            yield EventPacket.of(empty_events(0), header)
            begin = end
