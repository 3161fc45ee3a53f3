"""The mode ``drive``: a trajectory as timed commands to a pan-tilt head, told as a gaze stream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np

from models.paths import named
from models.trajectory import Gaze, Loop, Path, Times
from nodes.head.drive import Driver
from nodes.head.dynamixel import Dynamixel, DynamixelSettings
from nodes.head.head import Head, Limits
from nodes.head.hobby import Hobby, HobbySettings
from nodes.saccade.settings import Mode
from pipeline import GazePacket, Packet, SourceNode
from pipeline.packets import GAZE, GazeHeader

_FOR_EVER = 2**20


class Drive(Mode, SourceNode):
    """Moves the head along the path; a GazePacket a command, in pixels as the sensor sees it.

    The head homes first. It comes to rest at the path's end, when the run ends, and on any fault.
    """

    emits = (GazePacket,)
    speed = None

    def open(self) -> None:
        """Build the head and refuse a path outside its limits; raises UsageError, SettingError."""
        s = self.settings
        path: Path = named(
            s.trajectory,
            seed=s.seed,
            duration_us=(s.duration_ms or 1000) * 1000,
            pixels_per_degree=s.pixels_per_degree,
            where=f"{self.name}: trajectory",
        )
        length = path.duration_us if s.duration_ms is None else s.duration_ms * 1000
        if s.loop:
            path, length = Loop(path, _FOR_EVER), path.duration_us * _FOR_EVER
        # The eye rests where a path begins; the head's rest is its middle.
        begin = path.at(np.zeros(1, np.int64))

        def degrees(t_us: Times) -> Gaze:
            found: Gaze = (path.at(t_us) - begin) / s.pixels_per_degree * [1.0, -1.0]
            return found

        limits = Limits(
            pan_min_deg=-s.max_angle_deg,
            pan_max_deg=s.max_angle_deg,
            tilt_min_deg=-s.max_angle_deg,
            tilt_max_deg=s.max_angle_deg,
            speed_deg_s=s.max_speed,
            acceleration_deg_s2=s.max_acceleration,
        )
        self._driver = Driver(self._head(limits), limits, degrees, length, s.tick_us)

    def _head(self, limits: Limits) -> Head:
        s = self.settings
        values: dict[str, Any] = {
            "port": s.port,
            "pan_reversed": s.pan_reversed,
            "tilt_reversed": s.tilt_reversed,
            "on_stop": s.on_stop,
        }
        if s.baud is not None:
            values["baud"] = s.baud
        if s.head == "hobby":
            return Hobby(HobbySettings(**values), limits)
        values |= {"pan_id": s.pan_id, "tilt_id": s.tilt_id}
        values |= {"pan_zero": s.pan_zero, "tilt_zero": s.tilt_zero}
        return Dynamixel(DynamixelSettings(**values), limits)

    def produce(self) -> Iterator[Packet]:
        """Yield where the head was sent, command by command."""
        scale = self.settings.pixels_per_degree
        before, first = 0, True
        with closing(self._driver.run(self.stopping)) as sent:
            for t_us, pan, tilt, sent_ns in sent:
                samples = np.zeros(1, GAZE)
                samples["t"], samples["x"], samples["y"] = t_us, pan * scale, -tilt * scale
                header = GazeHeader(t_begin=before, t_end=t_us, born_ns=sent_ns, reset=first, n=1)
                before, first = t_us, False
                yield GazePacket(header, samples)
        jitter = self._driver.jitter
        self.journal({"jitter_p99_ms": jitter.p99_ms, "commands": jitter.commands})
