"""Both ends of a channel for the tests: a producer and consumers with real sockets."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import zmq

from pipeline.board import Board, EdgeBoard, EdgeSlot
from pipeline.channel import Inlet, Outlet
from pipeline.events import WIRE_EVENT
from pipeline.packets import EventHeader, EventPacket, Packet
from tests.waiting import BOUND_S, until


def numbered(seq: int, n: int | None = None, stream: str = "p/events", **head: Any) -> EventPacket:
    """Return a packet of ``n`` events that says its number, as the runtime would stamp it."""
    n = 1 + seq % 7 if n is None else n
    wire = np.zeros(n, WIRE_EVENT)
    wire["dt"] = seq
    header = EventHeader(
        stream=stream,
        seq=seq,
        t_begin=seq * 1000,
        t_end=(seq + 1) * 1000,
        width=34,
        height=34,
        n=n,
        **head,
    )
    return EventPacket(header, wire.tobytes())


def exact(edge: EdgeBoard) -> None:
    """The producer's account is closed and true."""
    for what in ("PACKETS", "EVENTS"):
        sent, delivered, dropped = (
            edge[EdgeSlot[f"{word}_{what}"]] for word in ("SENT", "DELIVERED", "DROPPED")
        )
        assert sent == delivered + dropped, f"{what}: {sent} != {delivered} + {dropped}"


def counts(edge: EdgeBoard) -> tuple[int, int, int]:
    """Return packets (sent, delivered, dropped)."""
    return (
        edge[EdgeSlot.SENT_PACKETS],
        edge[EdgeSlot.DELIVERED_PACKETS],
        edge[EdgeSlot.DROPPED_PACKETS],
    )


@dataclass
class Taker:
    """A consumer that notes what it takes; ``take`` is to be called by one thread at a time."""

    inlet: Inlet
    seqs: list[int] = field(default_factory=list)
    resets: list[int] = field(default_factory=list)
    """Numbers of the packets that came with a reset mark."""
    events: int = 0

    def take(self, most: int = 1 << 30, wait_ms: int = 5) -> int:
        """Deal with up to ``most`` packets that are there; return how many there were."""
        n = 0
        while n < most:
            packet = self.inlet.take()
            if packet is None:
                break
            self.note(packet)
            self.inlet.done(packet)
            n += 1
        if n == 0:
            self.inlet.receipts.grant(idle=True)
            self.inlet.socket.poll(wait_ms)
        return n

    def note(self, packet: Packet) -> None:
        """Note a packet."""
        head = packet.header
        self.seqs.append(head.seq)
        if head.reset:
            self.resets.append(head.seq)
        self.events += packet.size
        assert isinstance(packet, EventPacket)
        assert (packet.wire["dt"] == head.seq).all()

    def take_all(self, producer: Producer | None = None) -> None:
        """Take until the producer says that this was all, then leave."""
        until(lambda: self.inlet.ended or (producer and producer.error), self.take)
        self.inlet.close()


class Producer(threading.Thread):
    """Sends packets in a thread of its own, then ends the stream unless told otherwise."""

    def __init__(
        self, outlet: Outlet, packets: Iterable[Packet], *, end: bool = True, wait: bool = False
    ) -> None:
        super().__init__(daemon=True)
        self.outlet = outlet
        self.packets = packets
        self.ends = end
        self.waits = wait
        self.sent = 0
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            if self.waits:
                until(lambda: self.outlet.has_consumer, lambda: self.outlet.service(5))
            for packet in self.packets:
                self.outlet.send(packet)
                self.sent += 1
            self.outlet.flush()
            if self.ends:
                self.outlet.end()
        except BaseException as error:
            self.error = error

    def over(self) -> None:
        """Wait for its end, and fail where it failed."""
        self.join(BOUND_S)
        assert not self.is_alive(), "the producer hangs"
        if self.error is not None:
            raise self.error


@dataclass
class Wire:
    """Makes the ends of channels, each on a context of its own, and closes them all."""

    contexts: list[zmq.Context[zmq.Socket[bytes]]] = field(default_factory=list)
    shared: zmq.Context[zmq.Socket[bytes]] | None = None
    stopped: threading.Event = field(default_factory=threading.Event)
    ends: list[Outlet | Inlet] = field(default_factory=list)

    def context(self) -> zmq.Context[zmq.Socket[bytes]]:
        """Return a fresh context, or the one that all share."""
        if self.shared is not None:
            return self.shared
        fresh: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.contexts.append(fresh)
        return fresh

    def outlet(self, endpoint: str, name: str = "p", **options: Any) -> tuple[Outlet, str]:
        """Open a producer at an endpoint; return it and where it can be reached."""
        options.setdefault("stop", self.stopped.is_set)
        outlet = Outlet(name, self.context(), **options)
        self.ends.append(outlet)
        return outlet, outlet.bind(endpoint)

    def taker(self, endpoint: str, name: str = "c", producer: str = "p", **options: Any) -> Taker:
        """Connect a consumer."""
        inlet = Inlet(name, producer, endpoint, self.context(), **options)
        self.ends.append(inlet)
        return Taker(inlet)

    def close(self) -> None:
        """Stop every wait and close what is left open."""
        self.stopped.set()
        for end in self.ends:
            end.close()
        for context in [*self.contexts, *([self.shared] if self.shared else [])]:
            context.destroy(linger=0)


def kill(taker: Taker) -> None:
    """Let a consumer's process die: its socket goes, without a word."""
    taker.inlet.socket.linger = 0
    taker.inlet.close(farewell=False)


def board() -> Board:
    """Return a board of this process alone."""
    return Board()
