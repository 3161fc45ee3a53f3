"""aer-udp-out: sends address events over UDP, to aestream, SpiNNaker, eventcv, faery or aer-udp."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from nodes.aer.address import guard, opened, parse
from nodes.aer.forms import EVENT_BYTES, encode
from pipeline import EventPacket, Meta, Node, Packet, Settings
from pipeline.errors import ChannelError
from pipeline.events import empty_events

_PATIENCE_S = 0.1
_BUFFER = 4 << 20


class AerOutSettings(Settings):
    """Settings of ``aer-udp-out``."""

    address: Annotated[str, Meta(description="where to send: aer-udp://HOST:PORT")] = (
        "aer-udp://127.0.0.1:3333"
    )
    form: Annotated[
        Literal["spif", "spif-untimed", "t64_x16_y16_on8", "t32_x16_y15_on1"],
        Meta(description="'spif' or 'spif-untimed' (aestream, SpiNNaker), or one of faery's"),
    ] = "spif"
    datagram_bytes: Annotated[
        int,
        Meta(ge=16, le=65_507, description="the longest datagram; 1472 goes whole over Ethernet"),
    ] = 1472
    insecure: Annotated[
        bool, Meta(description="allow an address beyond this host: anybody on the way can read it")
    ] = False


class AerSender(Node):
    """Sends the events of each packet in datagrams, filled as far as they go; never waits long.

    Nothing tells of silence, resets or the sensor. What the system does not take within 0.1 s is
    dropped and counted, and what nobody listens to is counted as refused.
    """

    settings_type = AerOutSettings
    blas = False
    accepts = (EventPacket,)
    settings: AerOutSettings

    def __init__(self, settings: AerOutSettings | None = None, **values: Any) -> None:
        super().__init__(settings, **values)
        self._datagrams = self._events = self._dropped = self._refused = 0

    def open(self) -> None:
        """Open the socket; raises SettingError, DeviceError, ChannelError."""
        s = self.settings
        address = parse(s.address, f"{self.name}: address")
        guard(address, s.insecure, self.name)
        self._socket, target = opened(address, self.name)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
            self._socket.settimeout(_PATIENCE_S)
            self._socket.connect(target)
        except OSError as error:
            self._socket.close()
            why = (error.strerror or str(error)).lower()
            raise ChannelError(f"{self.name}: cannot send to {address}: {why}") from None
        size = EVENT_BYTES[s.form]
        self._step = s.datagram_bytes // size * size
        # The first call compiles: that belongs to the start, not to the first packet.
        encode(empty_events(1), s.form)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def process(self, packet: Packet) -> Iterator[Packet]:
        """Send the packet's events; yields nothing."""
        assert isinstance(packet, EventPacket)
        if packet.header.n:
            form = self.settings.form
            data = encode(packet.events, form).data
            size = EVENT_BYTES[form]
            for at in range(0, len(data), self._step):
                part = data[at : at + self._step]
                self._send(part, len(part) // size)
        yield from ()

    def facts(self) -> dict[str, str | int | float]:
        """Return what was sent, and what was not."""
        return {
            "address": self.settings.address,
            "form": self.settings.form,
            "sent_datagrams": self._datagrams,
            "sent_events": self._events,
            "dropped_events": self._dropped,
            "refused": self._refused,
        }

    def words(self) -> list[str]:
        """Return what is wrong: nobody listens, or the system takes no more."""
        said = []
        if self._refused:
            said.append(
                f"{self.settings.address}: nobody listens there: {self._refused} datagrams refused"
            )
        if self._dropped:
            said.append(
                f"{self.settings.address}: {self._dropped} events could not be sent in time and"
                " were dropped"
            )
        return said

    def _send(self, datagram: memoryview, events: int) -> None:
        # The kernel tells of one that was refused at the next one, which then was not sent yet.
        for _ in range(2):
            try:
                self._socket.send(datagram)
            except ConnectionRefusedError:
                self._refused += 1
                continue
            except OSError:
                break
            self._datagrams += 1
            self._events += events
            return
        self._dropped += events
