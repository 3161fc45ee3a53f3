"""bins: the time-binning buffer; events become sparse counts in bins of equal length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np

from pipeline import EventPacket, Meta, Node, Packet, Settings, SpikePacket, header_of
from pipeline.binning import Binner, Field, wire_of
from pipeline.errors import SettingError
from pipeline.events import MAX_PACKET_US, MAX_SIDE, WIRE_EVENT

_MAX_BINS = 1 << 16
_COMPILE = 1000


class BinsSettings(Settings):
    """Settings of ``bins``."""

    bin_us: Annotated[int, Meta(ge=1, le=10_000_000, description="length of a bin in µs")] = 1000
    window_us: Annotated[
        Annotated[int, Meta(ge=1, le=3_600_000_000)] | None,
        Meta(description="bins are sent together in packets of this length (none: one by one)"),
    ] = None
    mode: Annotated[
        Literal["count", "binary"], Meta(description="events in a bin: their number, or just 1")
    ] = "count"
    pool: Annotated[int, Meta(ge=1, le=64, description="sum over squares of so many pixels")] = 1
    width: Annotated[
        Annotated[int, Meta(ge=1, le=1 << 15)] | None,
        Meta(description="columns after pooling (none: the whole sensor)"),
    ] = None
    height: Annotated[
        Annotated[int, Meta(ge=1, le=1 << 15)] | None,
        Meta(description="rows after pooling (none: the whole sensor)"),
    ] = None
    x0: Annotated[
        Annotated[int, Meta(ge=-MAX_SIDE, le=MAX_SIDE)] | None,
        Meta(description="first column of the sensor that is seen (none: centred)"),
    ] = None
    y0: Annotated[
        Annotated[int, Meta(ge=-MAX_SIDE, le=MAX_SIDE)] | None,
        Meta(description="first row of the sensor that is seen (none: centred)"),
    ] = None


class Bins(Node):
    """EventPackets in, SpikePackets out; bins are counted from the last reset on.

    A packet leaves as soon as event time has passed the end of its bins, whether or not a pixel
    has fired. Events outside the field of view are left out and counted (``outside``).
    """

    settings_type = BinsSettings
    blas = False
    accepts = (EventPacket,)
    emits = (SpikePacket,)
    settings: BinsSettings

    def open(self) -> None:
        """Check how the settings fit each other."""
        s = self.settings
        self._window = s.window_us or s.bin_us
        if self._window % s.bin_us:
            raise SettingError(
                f"{self.name}: window_us = {s.window_us} is no multiple of bin_us = {s.bin_us}"
            )
        self._binner: Binner | None = None
        self._sensor = (0, 0)
        self._outside = 0
        self.reset()
        # The first call compiles: that belongs to the start, not to the first event's latency.
        # What comes over a socket cannot be written to, which is a type of its own.
        for n in (0, _COMPILE):
            wire = np.zeros(n, WIRE_EVENT)
            for writeable in (True, False):
                wire.flags.writeable = writeable
                Binner(Field(0, 0, 1, 1, 1)).bin(wire, 0, 1, 1)

    def reset(self) -> None:
        """Forget the bin that is open and its events."""
        self._begin: int | None = None
        self._pending = np.empty(0, WIRE_EVENT)

    def process(self, packet: Packet) -> Iterator[Packet]:
        """Yield the bins that this packet completes."""
        assert isinstance(packet, EventPacket)
        head = packet.header
        same_sensor = (head.width, head.height) == self._sensor
        if not same_sensor:
            self._look_at(head.width, head.height)
        if self._begin is not None and not (
            same_sensor and self._begin <= head.t_begin <= head.t_end <= self._begin + MAX_PACKET_US
        ):
            # Time stepped back, or leapt, or the sensor is another: what is open stays unfinished.
            self.announce_reset()
            self.reset()
        if self._begin is None:
            self._begin = head.t_begin
        wire = wire_of(packet.wire)
        t_zero = head.t_begin
        if len(self._pending):
            wire, t_zero = self._joined(wire, t_zero - self._begin), self._begin
        done = (head.t_end - self._begin) // self._window * self._window
        t_done = self._begin + done
        if t_done < head.t_end:
            since = wire["dt"].astype(np.int64) + (t_zero - t_done)
            later = since >= 0
            self._pending = wire[later]
            # Counted from the next bin's beginning; nothing is later than its packet's end.
            self._pending["dt"] = np.minimum(since[later], head.t_end - 1 - t_done)
            wire = wire[~later]
        else:
            self._pending = self._pending[:0]
        while done:
            n_bins = min(done // self.settings.bin_us, _MAX_BINS)
            part = n_bins * self.settings.bin_us
            if part < done:
                inside = wire["dt"].astype(np.int64) + t_zero < self._begin + part
                yield self._emit(packet, wire[inside], t_zero, n_bins)
                wire = wire[~inside]
            else:
                yield self._emit(packet, wire, t_zero, n_bins)
            done -= part

    def _joined(self, wire: np.ndarray, start: int) -> np.ndarray:
        """Return the pending events and ``wire``, ``start`` µs later, counted alike."""
        later = wire.copy()
        later["dt"] += np.uint32(start)
        return np.concatenate([self._pending, later])

    def _emit(self, packet: Packet, wire: np.ndarray, t_zero: int, n_bins: int) -> SpikePacket:
        assert self._begin is not None
        assert self._binner is not None
        s = self.settings
        bins = self._binner.bin(wire, t_zero - self._begin, s.bin_us, n_bins)
        field = self._binner.field
        t_begin, self._begin = self._begin, self._begin + n_bins * s.bin_us
        header = header_of(
            packet,
            SpikePacket,
            t_begin=t_begin,
            t_end=self._begin,
            channels=2,
            height=field.height,
            width=field.width,
            bin_us=s.bin_us,
            n_bins=n_bins,
            n=0,
        )
        return SpikePacket.of(*bins, header)

    def _look_at(self, width: int, height: int) -> None:
        """Lay the field of view on a sensor of ``width`` × ``height`` pixels."""
        s = self.settings
        self._outside = self.outside
        self._sensor = (width, height)
        columns = s.width or max(1, width // s.pool)
        rows = s.height or max(1, height // s.pool)
        x0 = (width - columns * s.pool) // 2 if s.x0 is None else s.x0
        y0 = (height - rows * s.pool) // 2 if s.y0 is None else s.y0
        self._binner = Binner(Field(x0, y0, columns, rows, s.pool), binary=s.mode == "binary")

    @property
    def outside(self) -> int:
        """How many events lay outside the field of view."""
        return self._outside + (self._binner.outside if self._binner else 0)
