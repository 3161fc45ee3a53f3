"""The packets that travel between nodes: seven kinds, a typed header each and one raw payload.

Payloads are raw little-endian buffers that are read in place (how they travel: ``pipeline.wire``)::

    kind        payload
    E events    n × WIRE_EVENT (8 bytes each)
    S spikes    offsets u4 [n_bins + 1], index u4 [n], count u1 [n]: sparse counts, bin by bin
    P prediction  counts i8 [n_classes], score f4 [n_classes]
    I image     u1 [height, width, channels]
    R reconstruction  f4 [height, width] in [0, 1]
    G gaze      n × GAZE (t, x, y)
    A activity  offsets u4 [n_bins · n_layers + 1], index u4 [n]: who spiked, bin by bin

Every packet states the interval ``[t_begin, t_end)`` of event time that it covers, so that
silence is information, and the monotonic time at which it was born at its source.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PacketError
from pipeline.events import MAX_PACKET_US, MAX_SIDE, WIRE_EVENT, Events, pack, unpack
from pipeline.network_packets import (
    MAX_LAYERS,
    ActivityHeader,
    ActivityPacket,
    PredictionHeader,
    PredictionPacket,
    ReconstructionHeader,
    ReconstructionPacket,
    SpikeHeader,
    SpikePacket,
)
from pipeline.packet import ERA, Buffer, Header, Packet, check_side

__all__ = [
    "GAZE", "KINDS", "MAX_LAYERS", "ActivityHeader", "ActivityPacket", "Buffer", "EventHeader",
    "EventPacket", "GazeHeader", "GazePacket", "Header", "ImageHeader", "ImagePacket", "Packet",
    "PredictionHeader", "PredictionPacket", "ReconstructionHeader", "ReconstructionPacket",
    "SpikeHeader", "SpikePacket",
]  # fmt: skip

GAZE = np.dtype([("t", "<i8"), ("x", "<f4"), ("y", "<f4")])
"""Where the retina points: time in µs, displacement right and down in pixels of the sensor."""


class EventHeader(Header, array_like=True, kw_only=True, gc=False):
    """Header of events: the sensor's size in pixels and the number of events."""

    width: int
    height: int
    n: int


class EventPacket(Packet):
    """Events of one sensor over an interval."""

    __slots__ = ()
    kind = "events"
    code = ord("E")
    header_type = EventHeader
    header: EventHeader

    @classmethod
    def of(cls, events: Events, header: EventHeader) -> Self:
        """Build a packet from events ``[n] EVENT`` within the header's interval."""
        header.n = len(events)
        return cls(header, pack(events, header.t_begin))

    @property
    def wire(self) -> Events:
        """The events as they travel, ``[n] WIRE_EVENT``, without a copy."""
        wire = np.frombuffer(self.payload, WIRE_EVENT)
        # A packet is never changed; and kernels are compiled once, not again for either kind.
        wire.flags.writeable = False
        return wire

    @property
    def events(self) -> Events:
        """The events as ``[n] EVENT`` with absolute times, a new array."""
        return unpack(self.wire, self.header.t_begin)

    @property
    def size(self) -> int:
        """How many events the packet carries."""
        return self.header.n

    def check(self, nbytes: int) -> None:
        """Raise PacketError where the header and a payload of ``nbytes`` cannot be true."""
        head = self.header
        t_begin = head.t_begin
        if (
            head.n * 8 == nbytes
            and -ERA < t_begin <= head.t_end <= t_begin + MAX_PACKET_US < ERA
            and 1 <= head.width <= MAX_SIDE
            and 1 <= head.height <= MAX_SIDE
        ):
            return
        super().check(nbytes)
        if head.n * 8 != nbytes:
            raise PacketError(f"{head.n} events need {head.n * 8} bytes, the payload has {nbytes}")
        if head.t_end - t_begin > MAX_PACKET_US:
            raise PacketError(f"interval of {head.t_end - t_begin} µs is over 2**32 µs")
        check_side(head.width, head.height)


class ImageHeader(Header, array_like=True, kw_only=True, gc=False):
    """Header of an image of ``channels`` 1 (grey) or 3 (RGB)."""

    height: int
    width: int
    channels: int


class ImagePacket(Packet):
    """A still image."""

    __slots__ = ()
    kind = "image"
    code = ord("I")
    header_type = ImageHeader
    header: ImageHeader

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The image, ``[height, width, channels] u1``."""
        head = self.header
        shape = (head.height, head.width, head.channels)
        return np.frombuffer(self.payload, np.uint8).reshape(shape)

    def check(self, nbytes: int) -> None:
        """Raise PacketError where the header and a payload of ``nbytes`` cannot be true."""
        super().check(nbytes)
        head = self.header
        check_side(head.width, head.height)
        if head.channels not in (1, 3) or head.width * head.height * head.channels != nbytes:
            raise PacketError(
                f"{head.width}×{head.height}×{head.channels} pixels do not make {nbytes} bytes"
            )


class GazeHeader(Header, array_like=True, kw_only=True, gc=False):
    """Header of gaze samples."""

    n: int


class GazePacket(Packet):
    """Where the retina was pointed over an interval."""

    __slots__ = ()
    kind = "gaze"
    code = ord("G")
    header_type = GazeHeader
    header: GazeHeader

    @property
    def gaze(self) -> NDArray[np.void]:
        """The gaze samples, ``[n] GAZE``."""
        return np.frombuffer(self.payload, GAZE)

    def check(self, nbytes: int) -> None:
        """Raise PacketError where the header and a payload of ``nbytes`` cannot be true."""
        super().check(nbytes)
        if self.header.n < 0 or self.header.n * GAZE.itemsize != nbytes:
            raise PacketError(f"{self.header.n} gaze samples do not make {nbytes} bytes")


KINDS: tuple[type[Packet], ...] = (
    EventPacket,
    SpikePacket,
    PredictionPacket,
    ImagePacket,
    ReconstructionPacket,
    GazePacket,
    ActivityPacket,
)
"""Every kind of packet."""
