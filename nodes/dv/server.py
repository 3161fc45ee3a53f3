"""dv-server: serves the stream to DV's own viewer and to any dv-processing NetworkReader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np

from nodes.dv.address import parse
from nodes.dv.clients import Clients
from pipeline import EventPacket, Meta, Node, Packet, Settings
from pipeline.errors import SettingError
from pipeline.events import EVENT, Events
from recordings.evts import (
    COMPRESSIONS,
    PACKET_BYTES,
    IOHeader,
    Stream,
    encode_events,
    encode_header,
)
from recordings.windows import joined

_MOST_EVENTS = PACKET_BYTES // 16 // 4


class DvServerSettings(Settings):
    """Settings of ``dv-server``."""

    address: Annotated[
        str,
        Meta(description="where to serve: dv://HOST:PORT (port 0: any free), or dv:///PATH"),
    ] = "dv://127.0.0.1:7777"
    insecure: Annotated[
        bool, Meta(description="allow an address that others can reach; nothing is encrypted")
    ] = False
    compression: Annotated[
        Literal["none", "lz4", "lz4_high", "zstd", "zstd_high"],
        Meta(description="of the packets; fast links want none"),
    ] = "none"
    packet_us: Annotated[
        int,
        Meta(ge=0, le=1_000_000, description="event time in one packet, in µs (0: as they come)"),
    ] = 10_000
    camera: Annotated[str, Meta(description="what the stream says it comes from")] = (
        "silicon-retina"
    )
    max_clients: Annotated[int, Meta(ge=1, le=1000, description="more are turned away")] = 10
    queue_mb: Annotated[
        int,
        Meta(
            ge=1, le=4096, description="what may wait for a slow client before packets are dropped"
        ),
    ] = 32
    width: Annotated[
        Annotated[int, Meta(ge=1, le=2**15)] | None,
        Meta(description="pixels in a row to announce before the first packet (none: wait for it)"),
    ] = None
    height: Annotated[
        Annotated[int, Meta(ge=1, le=2**15)] | None,
        Meta(description="rows to announce before the first packet (none: wait for it)"),
    ] = None


class DvServer(Node):
    """Takes EventPackets and sends their events to every client.

    A client that is too slow loses whole packets, the oldest first, which are counted; the
    pipeline never waits for one. DV knows no silence: packets without events are not sent.
    Its readers want time to run forward: a stream that steps back goes on where it was.
    """

    settings_type = DvServerSettings
    blas = False
    accepts = (EventPacket,)
    settings: DvServerSettings

    def open(self) -> None:
        """Open the server's socket; raises SettingError, ChannelError."""
        s = self.settings
        address = parse(s.address, f"{self.name}: address", any_port=True)
        if not address.local and not s.insecure:
            raise SettingError(
                f'{self.name}: address = "{s.address}" can be reached by others, and the stream is'
                " not encrypted: serve at 127.0.0.1, or set insecure = true"
            )
        self._clients = Clients(address, self.name, s.max_clients, s.queue_mb << 20)
        self._compression = COMPRESSIONS.index(s.compression.upper())
        self._size = (0, 0)
        self._held: list[Events] = []
        self._held_events = 0
        self._shift = 0
        self._last = -(2**62)
        self._end: int | None = None
        self._sent_packets = self._sent_events = self._set_back = 0
        if s.width is not None and s.height is not None:
            self._announce(s.width, s.height)

    @property
    def address(self) -> str:
        """Where clients find the server, with the port that it got."""
        return str(self._clients.address)

    def process(self, packet: Packet) -> Iterator[Packet]:
        """Send what is due; yields nothing."""
        assert isinstance(packet, EventPacket)
        head = packet.header
        if head.width > self._size[0] or head.height > self._size[1]:
            self._send()
            self._announce(max(head.width, self._size[0]), max(head.height, self._size[1]))
        step = self.settings.packet_us
        if self._end is None or head.t_begin >= self._end or head.t_begin < self._end - step:
            self._send()
            self._end = head.t_begin + step if not step else (head.t_begin // step + 1) * step
        if not self._clients.names():
            self._held, self._held_events = [], 0
        elif head.n:
            self._hold(packet.events)
        if head.t_end >= self._end:
            self._send()
        yield from ()

    def finish(self) -> Iterator[Packet]:
        """Send what is left, and give the clients two seconds to take it."""
        self._send()
        self._clients.drain(2.0)
        yield from ()

    def close(self) -> None:
        """Close every connection and the socket."""
        self._clients.close()

    def facts(self) -> dict[str, str | int | float]:
        """Return where the server is, who reads it, and what was dropped for whom."""
        if not self._open:
            return {}
        found: dict[str, str | int | float] = {
            "address": self.address,
            "clients": len(self._clients.names()),
            "sent_packets": self._sent_packets,
            "sent_events": self._sent_events,
            "dropped_packets": self._clients.dropped_packets,
            "dropped_events": self._clients.dropped_events,
            "turned_away": self._clients.turned_away,
        }
        if self._set_back:
            found["set_back"] = self._set_back
        return found

    def words(self) -> list[str]:
        """Return which clients are too slow."""
        if not self._open:
            return []
        return [
            f"{self.address}: {name} reads too slowly: {packets} packets with {events} events"
            " were dropped for it"
            for name, packets, events in self._clients.slow()
        ]

    def _announce(self, width: int, height: int) -> None:
        """Tell clients the sensor's size; those that were told a smaller one must come again."""
        self._size = (width, height)
        stream = Stream(width=width, height=height, source=self.settings.camera)
        self._clients.greet(encode_header(IOHeader(self._compression, (stream,))))

    def _hold(self, events: Events) -> None:
        times = events["t"]
        if (times[1:] < times[:-1]).any():
            words = events.view(np.int64).reshape(-1, 2)
            events = words[np.argsort(words[:, 0], kind="stable")].reshape(-1).view(EVENT)
            times = events["t"]
        first, last = int(times[0]), int(times[-1])
        if first + self._shift < self._last:
            self._send()
            self._shift = self._last - first
            self._set_back += 1
        if self._shift:
            times += self._shift
        self._last = last + self._shift
        self._held.append(events)
        self._held_events += len(events)
        if self._held_events >= _MOST_EVENTS:
            self._send()

    def _send(self) -> None:
        if not self._held:
            return
        events = joined(self._held)
        self._held, self._held_events = [], 0
        for at in range(0, len(events), _MOST_EVENTS):
            part = events[at : at + _MOST_EVENTS]
            self._sent_packets += 1
            self._sent_events += len(part)
            self._clients.send(encode_events(part, 0, self._compression), len(part))
