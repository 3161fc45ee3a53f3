"""The mode ``stabilise``: events are shifted back by the gaze, so that the object stands still."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.paths import named
from models.trajectory import Path, reach
from nodes.saccade.settings import Mode
from pipeline import EventPacket, GazePacket, Packet, header_of
from pipeline.errors import RetinaError
from pipeline.events import WIRE_EVENT

GAZE = "gaze"
"""The trajectory that comes as a stream of its own."""

_PATIENCE_US = 2_000_000


class Stabilise(Mode):
    """EventPackets in, EventPackets out, each event moved by the gaze at its time.

    The gaze is a known path, counted from each sample's reset, and the object then stands where
    it was seen from the middle of the path; or it comes as GazePackets (``trajectory = "gaze"``),
    and the object stands where it was seen at gaze zero. Events that leave the sensor by the
    shift are left out and counted (``outside``).
    """

    accepts = (EventPacket, GazePacket)
    emits = (EventPacket,)

    def open(self) -> None:
        """Find the path; raises SettingError where there is none of that name."""
        s = self.settings
        self._path: Path | None = None
        self._middle = np.zeros(2)
        if s.trajectory != GAZE:
            self._path = named(
                s.trajectory,
                seed=s.seed,
                duration_us=(s.duration_ms or 1000) * 1000,
                pixels_per_degree=s.pixels_per_degree,
                where=f"{self.name}: trajectory",
            )
            self._middle = reach(self._path).mean(0)
        self.outside = 0
        """How many events were moved off the sensor."""
        self.reset()

    def reset(self) -> None:
        """Forget where the gaze was and when the sample began."""
        self._begin: int | None = None
        self._waiting: deque[EventPacket] = deque()
        self._t = np.empty(0, np.int64)
        self._gaze = np.empty((0, 2))
        self._known_until = -(2**62)

    def feed(self, packet: Packet) -> Iterator[Packet]:
        """Process one packet; the reset of a gaze stream resets nothing."""
        if isinstance(packet, GazePacket):
            for out in self.process(packet):
                yield self.stamp(out)
        else:
            if packet.header.reset:
                # What waits for its gaze belongs to the sample before.
                for out in self.finish():
                    yield self.stamp(out)
                self.announce_reset()
                self._begin = None
            for out in self.process(packet):
                yield self.stamp(out)

    def process(self, packet: Packet) -> Iterator[Packet]:
        """Yield the events whose gaze is known by now."""
        if isinstance(packet, GazePacket):
            if self._path is None:
                self._learn(packet)
                yield from self._let_go()
            return
        assert isinstance(packet, EventPacket)
        head = packet.header
        if self._begin is None:
            self._begin = head.t_begin
        if self._path is not None:
            times = packet.wire["dt"].astype(np.int64) + (head.t_begin - self._begin)
            yield self._moved(packet, self._path.at(times))
            return
        self._waiting.append(packet)
        waits_us = head.t_end - self._waiting[0].header.t_begin
        if waits_us > _PATIENCE_US:
            raise RetinaError(
                f"{self.name}: no gaze for {waits_us / 1e6:.1f} s of events: add an edge from the "
                "node that gives gaze, or set trajectory to a known path"
            )
        yield from self._let_go()

    def finish(self) -> Iterator[Packet]:
        """Yield what still waits, by the last gaze that is known."""
        while self._waiting:
            packet = self._waiting.popleft()
            yield self._moved(packet, self._at(packet))

    def _learn(self, packet: GazePacket) -> None:
        """Take in where the gaze was; a step back in time is a new stream."""
        samples = packet.gaze
        if packet.header.t_end < self._known_until:
            self._t, self._gaze = self._t[:0], self._gaze[:0]
        self._known_until = packet.header.t_end
        points = np.stack([samples["x"], samples["y"]], 1).astype(np.float64)
        # What lies before the oldest event that waits is of no use any more.
        keep = max(0, int(np.searchsorted(self._t, packet.header.t_begin - _PATIENCE_US)) - 1)
        self._t = np.concatenate([self._t[keep:], samples["t"]])
        self._gaze = np.concatenate([self._gaze[keep:], points])

    def _let_go(self) -> Iterator[Packet]:
        while self._waiting and self._waiting[0].header.t_end <= self._known_until:
            packet = self._waiting.popleft()
            yield self._moved(packet, self._at(packet))

    def _at(self, packet: EventPacket) -> NDArray[np.float64]:
        times = packet.wire["dt"].astype(np.int64) + packet.header.t_begin
        if not len(self._t):
            return np.zeros((len(times), 2))
        axes = [np.interp(times, self._t, self._gaze[:, axis]) for axis in (0, 1)]
        return np.stack(axes, 1)

    def _moved(self, packet: EventPacket, gaze: NDArray[np.float64]) -> EventPacket:
        head = packet.header
        wire = packet.wire
        shift = np.floor(gaze - self._middle + 0.5).astype(np.int64)
        x = wire["x"] + shift[:, 0]
        y = (wire["yp"] >> 1) + shift[:, 1]
        inside = (x >= 0) & (x < head.width) & (y >= 0) & (y < head.height)
        self.outside += len(wire) - int(inside.sum())
        out = np.empty(int(inside.sum()), WIRE_EVENT)
        out["dt"] = wire["dt"][inside]
        out["x"] = x[inside]
        out["yp"] = y[inside] << 1 | (wire["yp"][inside] & 1)
        header = header_of(packet, EventPacket, width=head.width, height=head.height, n=len(out))
        return EventPacket(header, out)
