"""aer-udp: receives address events over UDP, from aestream, eventcv, faery or aer-udp-out."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from nodes.aer.address import Address, guard, opened, parse
from nodes.aer.forms import Decoder, encode
from nodes.query import settings_at
from nodes.windows import Windows
from pipeline import EventPacket, Meta, Packet, Settings, SourceNode
from pipeline.errors import ChannelError
from pipeline.events import empty_events, pack

_DATAGRAM = 1 << 16
_ROOM = 1 << 20
_MOST = 512
_LULL_US = 50_000
_SLICE_MS = 20


class AerSettings(Settings):
    """Settings of ``aer-udp``."""

    address: Annotated[str, Meta(description="where to listen: aer-udp://HOST:PORT")] = (
        "aer-udp://127.0.0.1:3333"
    )
    form: Annotated[
        Literal["spif", "t64_x16_y16_on8", "t32_x16_y15_on1"],
        Meta(description="'spif' (aestream, eventcv; with times or without), or one of faery's"),
    ] = "spif"
    width: Annotated[int, Meta(ge=1, le=2**15, description="the sensor's pixels in a row")] = 640
    height: Annotated[int, Meta(ge=1, le=2**15, description="the sensor's rows")] = 480
    packet_us: Annotated[
        int, Meta(ge=10, le=1_000_000, description="event time in one packet, in µs")
    ] = 1000
    zero: Annotated[
        bool, Meta(description="event time begins at zero; else it is the sender's own")
    ] = True
    buffer_kb: Annotated[
        int, Meta(ge=4, le=1 << 20, description="datagrams that may wait in the kernel, in KiB")
    ] = 8192
    insecure: Annotated[
        bool, Meta(description="allow an address beyond this host: anybody can then send events")
    ] = False


class AerReceiver(SourceNode):
    """Yields EventPackets of ``packet_us``.

    Events without a time have that of their datagram's arrival, and time goes on with the clock;
    else it goes on as events tell. UDP does not say what it has lost, but the kernel counts the
    datagrams that it had no room for (``kernel_drops``).
    """

    settings_type = AerSettings
    blas = False
    emits = (EventPacket,)
    settings: AerSettings

    @classmethod
    def settings_at(cls, source: str, packet_us: int) -> AerSettings:
        """Return the settings that listen at ``source``."""
        return settings_at(AerSettings, source, packet_us=packet_us)

    def __init__(self, settings: AerSettings | None = None, **values: Any) -> None:
        super().__init__(settings, **values)
        s = self.settings
        self._windows = Windows(s.packet_us, self.announce_reset, zero=s.zero)
        self._decoder = Decoder(s.form)
        self._datagrams = self._bytes = 0
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Listen; raises SettingError, DeviceError, ChannelError."""
        s = self.settings
        self._address = parse(s.address, f"{self.name}: address", any_port=True)
        guard(self._address, s.insecure, self.name)
        link, target = opened(self._address, self.name)
        try:
            link.setblocking(False)
            _widen(link, s.buffer_kb << 10)
            link.bind(target)
        except OSError as error:
            link.close()
            why = (error.strerror or str(error)).lower()
            raise ChannelError(f"{self.name}: cannot listen at {self._address}: {why}") from None
        self._socket = link
        self._address = Address(self._address.host, int(link.getsockname()[1]))
        self._inode = os.fstat(link.fileno()).st_ino
        # The first calls compile: that belongs to the start, not to the first datagram.
        raw = encode(empty_events(1), s.form)
        events = Decoder(s.form).decode(raw, np.array([len(raw)]), np.zeros(1, np.int64))
        list(Windows(s.packet_us, lambda: None).take(events[:0]))
        pack(events, 0)

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @property
    def address(self) -> str:
        """Where it listens, with the port that it got."""
        return str(self._address)

    def produce(self) -> Iterator[Packet]:
        """Yield packets until the run ends."""
        link = self._socket
        assert link is not None
        windows, decoder = self._windows, self._decoder
        windows.join(self.settings.width, self.settings.height)
        poller = select.poll()
        poller.register(link, select.POLLIN)
        start_ns = time.monotonic_ns()
        buffer = np.empty(_ROOM, np.uint8)
        by_clock = False
        heard_us = 0
        while not self.stopping():
            ends, arrived = self._receive(link, buffer, start_ns)
            now_us = (time.monotonic_ns() - start_ns) // 1000
            if len(arrived):
                heard_us = now_us
                untimed = decoder.untimed
                events = decoder.decode(buffer, ends, arrived)
                by_clock = decoder.untimed > untimed or (by_clock and not len(events))
                yield from windows.take(events)
            if by_clock:
                # Nothing earlier can come any more: what arrives now has a later time.
                yield from windows.advance(now_us)
            elif windows.holds and now_us - heard_us > _LULL_US:
                yield from windows.rest()
            if len(arrived) < _MOST and not poller.poll(1 if by_clock else _SLICE_MS):
                self.wait(0 if by_clock else 1)
        yield from windows.rest()

    def _receive(
        self, link: socket.socket, buffer: NDArray[np.uint8], start_ns: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Read what has come into ``buffer``; return where each datagram ends, and when it came."""
        ends: list[int] = []
        arrived: list[int] = []
        at = 0
        view = buffer.data
        with contextlib.suppress(BlockingIOError):
            while len(ends) < _MOST and at + _DATAGRAM <= _ROOM:
                at += link.recv_into(view[at:])
                ends.append(at)
                arrived.append((time.monotonic_ns() - start_ns) // 1000)
        self._datagrams += len(ends)
        self._bytes += at
        return np.array(ends, np.int64), np.array(arrived, np.int64)

    def actual(self) -> dict[str, object]:
        """Return the room in the kernel where the system gives less than was asked for."""
        if self._socket is None:
            return {}
        return {"buffer_kb": self._room() >> 10}

    def facts(self) -> dict[str, str | int | float]:
        """Return what has come, and what the kernel has dropped."""
        if self._socket is None:
            return {}
        counts, decoder = self._windows.counts, self._decoder
        return {
            "address": self.address,
            "form": self.settings.form,
            "received_datagrams": self._datagrams,
            "received_bytes": self._bytes,
            "received_events": counts.events,
            "untimed_events": decoder.untimed,
            "skipped_bytes": decoder.bad_bytes,
            "kernel_drops": kernel_drops(self._inode),
            "late_events": counts.late,
            "outside_events": counts.outside,
            "clock_jumps": counts.jumps,
            "clock_wraps": decoder.wraps,
            "clock_offset_us": self._windows.shift,
        }

    def words(self) -> list[str]:
        """Return what is wrong: datagrams that were dropped, bytes and pixels that are none."""
        if self._socket is None:
            return []
        said = []
        drops, counts = kernel_drops(self._inode), self._windows.counts
        if drops:
            said.append(
                f"{self.address}: the kernel dropped {drops} datagrams for want of room"
                f" ({self._room() >> 10} KiB; sysctl net.core.rmem_max allows more)"
            )
        if self._decoder.bad_bytes:
            said.append(
                f"{self.address}: {self._decoder.bad_bytes} bytes were no events of form"
                f" {self.settings.form} and were skipped"
            )
        if counts.outside:
            s = self.settings
            said.append(
                f"{self.address}: {counts.outside} events outside {s.width}×{s.height} pixels were"
                " dropped: set width and height"
            )
        return said

    def _room(self) -> int:
        assert self._socket is not None
        # Linux gives, and tells, twice what was asked for, half of it for its own use.
        return self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2


def kernel_drops(inode: int) -> int:
    """Return how many datagrams the kernel dropped at the socket of that inode (Linux)."""
    wanted = str(inode)
    for table in ("/proc/net/udp", "/proc/net/udp6"):
        with contextlib.suppress(OSError, ValueError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if len(fields) >= 13 and fields[9] == wanted:
                    return int(fields[12])
    return 0


def _widen(link: socket.socket, room: int) -> None:
    """Ask for room for datagrams; beyond the system's limit where we may."""
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    if link.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) < 2 * room:
        force = getattr(socket, "SO_RCVBUFFORCE", 33)
        with contextlib.suppress(OSError):
            link.setsockopt(socket.SOL_SOCKET, force, room)
