"""dv: reads the events of a DV server (a camera in DV, any dv-processing NetworkWriter)."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from typing import Annotated, Any

from nodes.dv.address import parse
from nodes.dv.link import SLICE_MS, BackOff, connect, ready, resolved
from nodes.dv.packets import Incoming
from nodes.query import settings_at
from nodes.windows import Windows
from pipeline import EventPacket, Meta, Packet, Settings, SourceNode
from pipeline.errors import DeviceError, PacketError
from pipeline.events import empty_events, pack
from recordings.evts import (
    COMPRESSIONS,
    PREFIX,
    IOHeader,
    Stream,
    decode_events,
    decompress,
    encode_events,
)

_LULL_S = 0.05


class DvSettings(Settings):
    """Settings of ``dv``."""

    address: Annotated[
        str, Meta(description="the server: dv://HOST:PORT, or dv:///PATH of a Unix socket")
    ] = "dv://127.0.0.1:7777"
    packet_us: Annotated[
        int, Meta(ge=10, le=1_000_000, description="event time in one packet, in µs")
    ] = 1000
    stream: Annotated[
        str | None, Meta(description="name of the stream of events (none: the server's first)")
    ] = None
    zero: Annotated[
        bool, Meta(description="event time begins at zero; else it is the server's own")
    ] = True
    patience_s: Annotated[
        Annotated[float, Meta(ge=0, le=1e6)] | None,
        Meta(description="end when there is no server for so long, in s (none: look for ever)"),
    ] = None
    width: Annotated[
        Annotated[int, Meta(ge=1, le=2**15)] | None,
        Meta(description="the sensor's pixels in a row, where the server does not tell"),
    ] = None
    height: Annotated[
        Annotated[int, Meta(ge=1, le=2**15)] | None,
        Meta(description="the sensor's rows, where the server does not tell"),
    ] = None


class DvReader(SourceNode):
    """Yields EventPackets of ``packet_us``; a reset marks the first after each connection.

    Event time goes on as the server's packets tell; what comes within the last one's end waits for
    the next, or for 50 ms without any. A server that is gone is looked for, ever more slowly up
    to once a second. What is no packet is skipped and counted; where bytes can no longer be
    told apart, the connection is made anew.
    """

    settings_type = DvSettings
    blas = False
    emits = (EventPacket,)
    settings: DvSettings

    @classmethod
    def settings_at(cls, source: str, packet_us: int) -> DvSettings:
        """Return the settings that read ``source``."""
        return settings_at(DvSettings, source, packet_us=packet_us)

    def __init__(self, settings: DvSettings | None = None, **values: Any) -> None:
        super().__init__(settings, **values)
        s = self.settings
        self._windows = Windows(s.packet_us, self.announce_reset, zero=s.zero)
        self._header: IOHeader | None = None
        self._stream: Stream | None = None
        self._since = 0.0
        self._trouble = ""
        self._connections = 0
        self._bytes = self._other_packets = self._skipped_packets = self._skipped_bytes = 0

    def open(self) -> None:
        """Read the address; raises SettingError, DeviceError where its host is unknown."""
        s = self.settings
        self._address = resolved(parse(s.address, f"{self.name}: address"), self.name)
        self._since = time.monotonic()
        self.condition = "connecting"
        # The first calls compile: that belongs to the start, not to the first packet.
        events = decode_events(b"".join(encode_events(empty_events(1)))[PREFIX.size :])
        list(Windows(s.packet_us, lambda: None).take(events[:0]))
        pack(events, 0)

    def produce(self) -> Iterator[Packet]:
        """Yield packets until the run ends, or patience with a server that is away."""
        back_off = BackOff()
        while not self.stopping():
            try:
                link = connect(self._address, self.wait, self.stopping)
                if link is None:
                    break
                with link:
                    yield from self._read(link, back_off)
            except OSError as error:
                why = (error.strerror or type(error).__name__).lower()
                self._trouble = f"{self._address}: no DV server answers: {why}"
            except PacketError as error:
                self._trouble = f"{self._address}: {error}; connecting anew"
            yield from self._windows.rest()
            self.condition = "reconnecting"
            back_off.pause(self.wait, self._over)
            if self._over():
                break
        if not self._connections and not self.stopping():
            raise DeviceError(f"{self.name}: {self._trouble}")

    def facts(self) -> dict[str, str | int | float]:
        """Return what the server says of itself, and what has come from it."""
        counts = self._windows.counts
        stream, header = self._stream, self._header
        found: dict[str, str | int | float] = {
            "address": self.settings.address,
            "connections": self._connections,
            "received_bytes": self._bytes,
            "received_events": counts.events,
            "skipped_packets": self._skipped_packets,
            "skipped_bytes": self._skipped_bytes,
            "other_packets": self._other_packets,
            "late_events": counts.late,
            "outside_events": counts.outside,
            "clock_jumps": counts.jumps,
        }
        if stream is not None and header is not None:
            found |= {
                "camera": stream.source,
                "stream": stream.name,
                "compression": COMPRESSIONS[header.compression].lower(),
                "width": self._windows.width,
                "height": self._windows.height,
                "clock_offset_us": self._windows.shift,
            }
        return found

    def words(self) -> list[str]:
        """Return what is wrong with the server."""
        said = [self._trouble] if self._trouble else []
        if self._skipped_packets or self._skipped_bytes:
            said.append(
                f"{self._address}: {self._skipped_packets} packets, {self._skipped_bytes} bytes,"
                " made no sense and were skipped"
            )
        return said

    def _over(self) -> bool:
        """Whether there is no use in waiting for the server any longer."""
        patience = self.settings.patience_s
        if patience is not None and time.monotonic() - self._since >= patience:
            return True
        return self.stopping()

    def _read(self, link: socket.socket, back_off: BackOff) -> Iterator[Packet]:
        """Yield what one connection gives; returns when the server ends it or the run ends."""
        incoming = Incoming()
        lull = time.monotonic()
        self._trouble = f"{self._address}: the server has said nothing yet"
        try:
            while not self.stopping():
                header = incoming.read_header()
                if header is not None and header is not self._header:
                    self._meet(header)
                    back_off.reset()
                while header is not None and (found := incoming.next()) is not None:
                    yield from self._take(*found)
                try:
                    n = incoming.receive(link)
                except BlockingIOError:
                    if self._windows.holds and time.monotonic() - lull > _LULL_S:
                        yield from self._windows.rest()
                    if not ready(link, select.POLLIN, SLICE_MS):
                        self.wait(1)
                    continue
                lull = time.monotonic()
                self._bytes += n
                if not n:
                    self._trouble = f"{self._address}: the server has ended"
                    return
        finally:
            self._skipped_bytes += incoming.waiting
            self._since = time.monotonic()

    def _meet(self, header: IOHeader) -> None:
        """Begin with a server that has told its streams."""
        s = self.settings
        streams = [each for each in header.streams if each.type == "EVTS"]
        if s.stream is not None:
            streams = [each for each in streams if each.name == s.stream]
        if not streams:
            names = ", ".join(f"{each.name} ({each.type})" for each in header.streams) or "nothing"
            wanted = "events" if s.stream is None else f"events called '{s.stream}'"
            raise self._unfit(f"the server gives no {wanted}, but {names}")
        stream = streams[0]
        width, height = stream.width or s.width, stream.height or s.height
        if width is None or height is None:
            raise self._unfit("the server does not tell the sensor's size: set width and height")
        self._header, self._stream = header, stream
        self._windows.join(width, height)
        self._connections += 1
        self._trouble = self.condition = ""

    def _unfit(self, why: str) -> Exception:
        """Return the error for a server that is none for us: at the start nobody can want that."""
        if self._connections:
            return PacketError(why)
        return DeviceError(f"{self.name}: {self._address}: {why}")

    def _take(self, number: int, data: memoryview) -> Iterator[Packet]:
        assert self._header is not None
        assert self._stream is not None
        if number != self._stream.id:
            self._other_packets += 1
            return
        try:
            packet = decompress(data, self._header.compression)
            events = decode_events(packet)
        except PacketError:
            self._skipped_packets += 1
            self._skipped_bytes += len(data)
            return
        yield from self._windows.take(events)
