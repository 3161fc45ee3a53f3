"""To patient consumers packets go in groups: late by a few milliseconds, never out of order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import ClassVar

import pytest

from pipeline import EventPacket, Packet, SourceNode
from pipeline.board import Board
from pipeline.clock import DrivenClock
from pipeline.packets import KINDS
from pipeline.runtime import Control, Runner
from pipeline.wire import INLINE
from tests.pipeline.ends import Taker, Wire, exact, numbered
from tests.waiting import until

MS = 1_000_000
ALL = [kind.code for kind in KINDS]
LARGE = INLINE // 8
"""So many events make a packet of two frames."""


class Patience:
    """An outlet that holds for 5 ms, on a driven clock, and one who takes of it."""

    def __init__(self, wire: Wire, at: str, window: int = 64) -> None:
        self.wire = wire
        self.clock = DrivenClock()
        self.outlet, self.at = wire.outlet(at, clock=self.clock)
        self.outlet.expect("c", "lossless", 8, ALL)
        self.taker = wire.taker(self.at, window=window)
        until(lambda: self.outlet.has_consumer, lambda: self.outlet.service(5))
        self.outlet.hold_ms = 5
        self.outlet.flush()
        self.emitted: list[int] = []

    def send(self, *sizes: int) -> None:
        for n in sizes:
            self.outlet.send(numbered(len(self.emitted), n))
            self.emitted.append(n)

    def had(self, n: int) -> None:
        until(lambda: len(self.taker.seqs) == n, self.taker.take)

    def nothing_more(self) -> None:
        # Whatever had been sent before the word would be there before it.
        edge = self.outlet.edges[0]
        held = len(edge._held) + len(edge._batch)
        assert len(self.taker.seqs) + held == len(self.emitted)


@pytest.fixture
def patience(wire: Wire, ipc: str) -> Patience:
    return Patience(wire, ipc)


def test_large_packets_wait_for_others_and_go_together(patience: Patience) -> None:
    outlet = patience.outlet
    for k in range(4):
        patience.send(LARGE)
        assert outlet.flush_due() == 5 - k
        patience.clock.advance(MS)
    assert len(outlet.edges[0]._held) == 4
    patience.nothing_more()
    patience.send(LARGE)
    patience.clock.advance(MS)
    assert outlet.flush_due() == 0
    patience.had(5)
    assert patience.taker.seqs == [0, 1, 2, 3, 4]


def test_small_and_large_keep_their_order(patience: Patience) -> None:
    patience.send(1, LARGE, LARGE, 2, 3, LARGE, 1)
    patience.outlet.flush()
    patience.had(7)
    assert patience.taker.seqs == list(range(7))
    until(lambda: not patience.outlet.edges[0].undelivered, lambda: both(patience))
    exact(patience.outlet.edges[0].board)


def to_the_end(taker: Taker) -> None:
    """Take what there is, and take leave when that was all."""
    if not taker.inlet.socket.closed:
        taker.take()
        taker.inlet.receipts.grant()
        if taker.inlet.ended:
            taker.inlet.close()


def both(patience: Patience) -> None:
    patience.taker.take()
    patience.taker.inlet.receipts.grant()
    patience.outlet.service(1)


def test_no_more_waits_than_a_mebibyte(patience: Patience) -> None:
    patience.send(*[1 << 16] * 3)
    # Two make it: what goes is in the consumer's hands, however long nobody flushes.
    patience.had(2)
    assert len(patience.outlet.edges[0]._held) == 1


def test_a_guest_has_every_packet_at_once(patience: Patience) -> None:
    outlet = patience.outlet
    patience.send(LARGE)
    guest = patience.wire.taker(patience.at, name="guest")
    until(lambda: outlet.has_guest, lambda: outlet.service(5))
    patience.send(LARGE)
    assert outlet.flush_due() == 0
    until(lambda: guest.seqs == [1], guest.take)
    patience.had(2)


def test_who_waits_for_credit_holds_nothing_back(wire: Wire, ipc: str) -> None:
    patience = Patience(wire, ipc, window=3)
    taker: Taker = patience.taker
    outlet = patience.outlet
    waits: list[int] = []

    def waiting() -> None:
        waits.append(len(outlet.edges[0]._held))
        taker.take()
        taker.inlet.receipts.grant()

    outlet.waiting = waiting
    patience.send(*[LARGE] * 10)
    assert waits
    assert not any(waits)
    outlet.flush()
    patience.had(10)


def test_what_is_held_when_all_is_over_is_sent(patience: Patience) -> None:
    patience.send(LARGE, LARGE)
    outlet = patience.outlet
    outlet.waiting = lambda: to_the_end(patience.taker)
    outlet.end()
    assert patience.taker.seqs == [0, 1]
    exact(outlet.edges[0].board)


def test_while_it_waits_an_outlet_sends_what_is_due(patience: Patience) -> None:
    outlet = patience.outlet
    patience.send(LARGE)
    outlet.service(1)
    patience.nothing_more()
    patience.clock.advance(5 * MS)
    outlet.service(1)
    patience.had(1)


class Steady(SourceNode):
    """Three large packets, 1 ms each, on a driven clock."""

    emits: ClassVar[tuple[type[Packet], ...]] = (EventPacket,)

    def produce(self) -> Iterator[Packet]:
        for k in range(3):
            yield numbered(k, LARGE)


@pytest.mark.parametrize(("speed", "hold_ms"), [(None, 5), (1.0, 5), (float("inf"), 0)])
def test_a_source_holds_half_of_what_they_would_wait(
    wire: Wire, ipc: str, speed: float | None, hold_ms: int
) -> None:
    outlet, at = wire.outlet(ipc)
    outlet.expect("c", "lossless", 8, ALL)
    taker = wire.taker(at)
    node, control = Steady(), Control()
    node.speed = speed
    control.go.set()
    until(lambda: outlet.has_consumer, lambda: outlet.service(5))
    runner = Runner(node, [], outlet, Board(), control, leisure_ms=10)
    thread = threading.Thread(target=runner.run)
    thread.start()
    taker.take_all()
    thread.join()
    assert taker.seqs == [0, 1, 2]
    assert outlet.hold_ms == hold_ms
