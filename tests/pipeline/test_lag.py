"""A ``latest`` consumer that lags is given what is new, not what lay in its socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pipeline import EventPacket, Node, Packet
from pipeline.board import Board
from pipeline.channel import Inlet, Outlet
from pipeline.clock import DrivenClock
from pipeline.packets import KINDS
from pipeline.runtime import Control, Runner
from tests.pipeline.ends import Taker, Wire, counts, exact, numbered
from tests.waiting import BOUND_S, until

MS = 1_000_000
ALL = [kind.code for kind in KINDS]


def both(taker: Taker, outlet: Outlet) -> None:
    """Let both ends do what there is to do."""
    taker.take()
    outlet.service(1)


def test_to_who_does_not_take_no_more_is_sent_than_20_ms_bring(wire: Wire, ipc: str) -> None:
    clock = DrivenClock()
    outlet, at = wire.outlet(ipc, clock=clock)
    outlet.expect("c", "latest", 3, ALL)
    taker = wire.taker(at, policy="latest", capacity=3)
    edge = outlet.edges[0]
    until(lambda: edge.identity is not None, lambda: outlet.service(5))
    for k in range(200):
        outlet.send(numbered(k))
        clock.advance(MS)
    assert len(edge.under_way) == 20
    assert len(edge.waiting) == 3
    assert counts(edge.board) == (200, 0, 177)
    # When it takes again, the newest follow at once upon what it had.
    outlet.flush()
    until(lambda: len(taker.seqs) == 23, lambda: both(taker, outlet))
    assert taker.seqs == [*range(20), 197, 198, 199]
    until(lambda: not edge.undelivered, lambda: both(taker, outlet))
    exact(edge.board)


def test_however_long_a_packet_takes_the_next_one_is_there(wire: Wire, ipc: str) -> None:
    clock = DrivenClock()
    outlet, at = wire.outlet(ipc, clock=clock)
    outlet.expect("c", "latest", 1, ALL)
    taker = wire.taker(at, policy="latest", capacity=1)
    edge = outlet.edges[0]
    until(lambda: edge.identity is not None, lambda: outlet.service(5))
    for k in range(5):
        outlet.send(numbered(k))
        clock.advance(300 * MS)
    # One that is worked on and one to go on with, then the newest of all.
    assert len(edge.under_way) == 2
    outlet.flush()
    until(lambda: len(taker.seqs) == 3, lambda: both(taker, outlet))
    assert taker.seqs == [0, 1, 4]


@pytest.mark.parametrize("burst", [1, 3])
def test_who_takes_few_among_many_of_others_does_not_seem_to_lag(
    wire: Wire, ipc: str, burst: int
) -> None:
    """Its producer hears of them though they are few, and though there never is a pause."""
    clock = DrivenClock()
    outlet, at = wire.outlet(ipc, clock=clock)
    outlet.expect("c", "latest", 3, ALL)
    taker = wire.taker(at, policy="latest", window=16, capacity=3, clock=clock)
    edge = outlet.edges[0]
    until(lambda: edge.identity is not None, lambda: outlet.service(5))
    inlet = taker.inlet

    def turn() -> None:
        packet = inlet.take()
        if packet is None:
            inlet.receipts.grant_overdue()
        else:
            taker.note(packet)
            inlet.done(packet)
        outlet.service(1)

    for k in range(20):
        for i in range(burst):
            outlet.send(numbered(k * burst + i))
        until(lambda seen=(k + 1) * burst: len(taker.seqs) == seen, turn)
        clock.advance(3 * MS)
        turn()
        clock.advance(22 * MS)
    assert counts(edge.board)[2] == 0


def test_a_lossless_consumer_has_its_whole_window(wire: Wire, ipc: str) -> None:
    clock = DrivenClock()
    outlet, at = wire.outlet(ipc, clock=clock)
    outlet.expect("c", "lossless", 8, ALL)
    wire.taker(at, window=100)
    edge = outlet.edges[0]
    until(lambda: edge.identity is not None, lambda: outlet.service(5))
    for k in range(100):
        outlet.send(numbered(k))
        clock.advance(MS)
    assert len(edge.under_way) == 100


def test_a_stopped_consumer_is_listened_for_now_and_then(
    wire: Wire, ipc: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = DrivenClock()
    outlet, at = wire.outlet(ipc, clock=clock)
    outlet.expect("c", "latest", 3, ALL)
    wire.taker(at, policy="latest", window=2, capacity=3)
    until(lambda: outlet.edges[0].identity is not None, lambda: outlet.service(5))
    served = []
    monkeypatch.setattr(Outlet, "service", lambda self, ms: served.append(ms))
    for k in range(1000):
        outlet.send(numbered(k))
        clock.advance(MS // 100)
    # Ten ms: as many glances, beside what it hears every 16 packets anyway (never reset here).
    glances = len(served) - (1000 - 15)
    assert 9 <= glances <= 11


class Slow(Node):
    """Takes a while for each packet, and notes how many had been acknowledged before it."""

    accepts = (EventPacket,)

    def __init__(self, clock: DrivenClock, ms: float) -> None:
        super().__init__()
        self.clock, self.ns = clock, round(ms * MS)
        self.inlet: Inlet
        self.before: list[int] = []

    def process(self, packet: Packet) -> Iterator[Packet]:
        """Take a while."""
        del packet
        self.before.append(self.inlet.receipts.counts.packets)
        self.clock.advance(self.ns)
        return iter(())


@pytest.mark.parametrize(("ms", "at_once"), [(0, 16), (1.5, 3), (50, 2)])
def test_what_came_of_slow_packets_is_not_kept_back(
    wire: Wire, ipc: str, ms: float, at_once: int
) -> None:
    outlet, at = wire.outlet(ipc)
    outlet.expect("c", "lossless", 8, ALL)
    board, control, clock = Board(), Control(), DrivenClock()
    node = Slow(clock, ms)
    inlet = node.inlet = Inlet("c", "p", at, wire.context(), board=board, clock=clock)
    wire.ends.append(inlet)
    until(lambda: outlet.has_consumer, lambda: outlet.service(5))
    for k in range(48):
        outlet.send(numbered(k))
    outlet.flush()
    runner = Runner(node, [inlet], None, board, control, clock=clock)
    # All of them lie in one message before the first is taken.
    until(lambda: inlet.socket.poll(5))
    thread = threading.Thread(target=runner.run, daemon=True)
    thread.start()
    outlet.end()
    thread.join(BOUND_S)
    # Acknowledged in so large parts, but for the first ones.
    assert node.before[-1] == 48 - (48 % at_once or at_once)
    assert sorted(set(node.before)) == list(range(0, 48, at_once))


class Spell(threading.Event):
    """What a runner waits on: whenever it has taken everything, five packets come, four times."""

    def __init__(self, node: Slow, outlet: Outlet) -> None:
        super().__init__()
        self.node, self.outlet = node, outlet
        self.waits: set[float | None] = set()
        self.had: list[int] = []

    def wait(self, timeout: float | None = None) -> bool:
        """Let packets come instead of time passing."""
        self.waits.add(timeout)
        if len(self.node.before) == 5 * len(self.had):
            self.had.append(len(self.node.before))
            for k in range(5):
                self.outlet.send(numbered(5 * len(self.had) + k))
            self.outlet.flush()
        if len(self.had) == 5:
            self.set()
        return self.is_set()


def test_who_has_leisure_takes_several_packets_each_time_it_wakes(wire: Wire, ipc: str) -> None:
    outlet, at = wire.outlet(ipc)
    outlet.expect("c", "lossless", 8, ALL)
    board, control, clock = Board(), Control(), DrivenClock()
    node = Slow(clock, 0)
    node.leisure_ms = 4  # type: ignore[misc]
    spell = control.stop = Spell(node, outlet)
    inlet = node.inlet = Inlet("c", "p", at, wire.context(), board=board, clock=clock)
    wire.ends.append(inlet)
    until(lambda: outlet.has_consumer, lambda: outlet.service(5))
    Runner(node, [inlet], None, board, control, clock=clock).run()
    assert spell.waits == {0.004}
    assert spell.had == [0, 5, 10, 15, 20]
    # What came together is acknowledged together.
    assert node.before == [5 * (k // 5) for k in range(20)]


def come(taker: Taker, outlet: Outlet, sizes: list[int]) -> None:
    """Let packets of so many events be sent and taken."""
    first = len(taker.seqs)
    for k, n in enumerate(sizes, first):
        outlet.send(numbered(k, n))
    outlet.flush()
    until(lambda: len(taker.seqs) == first + len(sizes), lambda: both(taker, outlet))


def test_where_much_comes_at_a_time_nobody_rests(wire: Wire, ipc: str) -> None:
    outlet, at = wire.outlet(ipc)
    outlet.expect("c", "lossless", 8, ALL)
    taker = wire.taker(at, window=8)
    until(lambda: outlet.has_consumer, lambda: outlet.service(5))
    assert taker.inlet.receipts.unhurried()
    for sizes, unhurried in (([1] * 3, True), ([1] * 4, False), ([1 << 18], False), ([0], True)):
        come(taker, outlet, sizes)
        assert taker.inlet.receipts.unhurried() is unhurried
        assert taker.inlet.receipts.unhurried()


def test_what_words_have_overtaken_is_at_hand(wire: Wire, ipc: str) -> None:
    outlet, at = wire.outlet(ipc)
    outlet.expect("c", "lossless", 8, ALL)
    taker = wire.taker(at)
    inlet = taker.inlet
    until(lambda: outlet.has_consumer, lambda: outlet.service(5))
    assert not inlet.at_hand
    outlet.send(numbered(0))
    outlet.send(numbered(1))
    outlet.flush()
    until(lambda: inlet.at_hand, inlet.listen)
    # No poll of the socket would tell of these.
    assert inlet.take() is not None
    assert inlet.at_hand
    assert inlet.take() is not None
    assert not inlet.at_hand


def test_for_patient_consumers_packets_wait_unless_there_is_a_guest(wire: Wire, ipc: str) -> None:
    outlet, at = wire.outlet(ipc)
    outlet.expect("c", "lossless", 8, ALL)
    node = Slow(DrivenClock(), 0)
    runner = Runner(node, [], outlet, Board(), Control(), leisure_ms=7)
    wire.taker(at)
    until(lambda: outlet.has_consumer, lambda: outlet.service(5))
    assert runner._leisure() == 7
    wire.taker(at, name="watcher", kinds=())
    until(lambda: len(outlet.edges) == 2, lambda: outlet.service(5))
    assert runner._leisure() == 7
    guest = wire.taker(at, name="guest")
    until(lambda: outlet.has_guest, lambda: outlet.service(5))
    assert runner._leisure() == 0
    guest.inlet.close()
    until(lambda: not outlet.has_guest, lambda: outlet.service(5))
    assert runner._leisure() == 7
