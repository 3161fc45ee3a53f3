"""Nodes for timing: one that gives prepared packets, one that counts what arrives."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, ClassVar

import numpy as np
import zmq

from pipeline import EVENT, EventPacket, Meta, Node, Packet, Settings, SourceNode
from pipeline.board import Board, EdgeBoard, EdgeSlot
from pipeline.channel import Inlet, Outlet
from pipeline.clock import MonotonicClock
from pipeline.events import Events
from pipeline.latency import BUCKETS
from pipeline.memory import keep_freed_memory
from pipeline.packets import EventHeader
from pipeline.report import end_of
from pipeline.runtime import Control, Runner

_DISTINCT = 16


class FeedSettings(Settings):
    """Settings of ``Feed``."""

    packets: Annotated[int, Meta(ge=1, description="how many packets")] = 1000
    events: Annotated[int, Meta(ge=0, description="events in a packet")] = 16384
    width: int = 640
    height: int = 480
    span_us: Annotated[int, Meta(ge=1, description="event time of a packet in µs")] = 1000
    pace: Annotated[float | None, Meta(description="event time over wall time (none: fast)")] = None
    pack: Annotated[bool, Meta(description="pack every packet anew from 16-byte events")] = False


class Feed(SourceNode):
    """Gives random events, the same every time."""

    settings_type = FeedSettings
    emits = (EventPacket,)
    settings: FeedSettings

    def open(self) -> None:
        """Prepare a few distinct packets' worth of events."""
        s = self.settings
        self.speed = math.inf if s.pace is None else s.pace
        rng = np.random.default_rng(0)
        self._events: list[Events] = []
        for _ in range(_DISTINCT):
            events = np.zeros(s.events, EVENT)
            events["t"] = np.sort(rng.integers(0, s.span_us, s.events))
            events["x"] = rng.integers(0, s.width, s.events)
            events["y"] = rng.integers(0, s.height, s.events)
            events["p"] = rng.integers(0, 2, s.events)
            self._events.append(events)
        self._wire = [EventPacket.of(e, self._header(0)).payload for e in self._events]

    def _header(self, k: int) -> EventHeader:
        s = self.settings
        return EventHeader(
            t_begin=k * s.span_us,
            t_end=(k + 1) * s.span_us,
            width=s.width,
            height=s.height,
            n=s.events,
        )

    def produce(self) -> Iterator[Packet]:
        """Yield the packets."""
        for k in range(self.settings.packets):
            header = self._header(k)
            if self.settings.pack:
                events = self._events[k % _DISTINCT]
                packet = EventPacket.of(events, self._header(0))
                yield EventPacket(header, packet.payload)
            else:
                yield EventPacket(header, self._wire[k % _DISTINCT])


class Count(Node):
    """Notes when the first and the last packet came."""

    accepts: ClassVar[tuple[type[Packet], ...]] = (EventPacket,)

    def open(self) -> None:
        """Begin with nothing."""
        self._clock = MonotonicClock()
        self.first_ns = self.last_ns = 0
        self.packets = self.events = 0

    def process(self, packet: Packet) -> Iterator[Packet]:
        """Count."""
        now = self._clock.now_ns()
        if not self.packets:
            self.first_ns = now
        self.last_ns = now
        self.packets += 1
        self.events += packet.size
        yield from ()


def give(endpoint: str, settings: FeedSettings) -> tuple[int, int, int, int]:
    """Run a Feed to its end; return packets and events sent and dropped."""
    keep_freed_memory()
    board = Board()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    control = Control()
    control.go.set()
    outlet = Outlet("feed", context, board=board)
    outlet.expect("sink", "lossless", 8, [EventPacket.code])
    outlet.bind(endpoint)
    Runner(Feed(settings), [], outlet, board, control, wait_for_consumer=True).run()
    context.term()
    account = outlet.edges[0].board
    return (
        account[EdgeSlot.SENT_PACKETS],
        account[EdgeSlot.SENT_EVENTS],
        account[EdgeSlot.DROPPED_PACKETS],
        account[EdgeSlot.DROPPED_EVENTS],
    )


def take(endpoint: str, node: Node) -> tuple[int, int, list[int]]:
    """Run a sink to its end; return packets and events delivered and the latency histogram."""
    keep_freed_memory()
    board = Board()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    inlet = Inlet("sink", "feed", endpoint, context, board=board, kinds=node.accepts)
    Runner(node, [inlet], None, board, Control()).run()
    context.term()
    account: EdgeBoard | None = end_of(board, "feed", inlet.account.direction)
    assert account is not None
    histogram = account.latency()
    assert len(histogram) == BUCKETS
    return (
        account[EdgeSlot.DELIVERED_PACKETS],
        account[EdgeSlot.DELIVERED_EVENTS],
        histogram,
    )


def check_sums(given: tuple[int, int, int, int], taken: tuple[int, int, list[int]]) -> None:
    """Raise AssertionError where anything was lost or dropped on a lossless edge."""
    assert given[:2] == taken[:2], (given, taken[:2])
    assert given[2:] == (0, 0), given
