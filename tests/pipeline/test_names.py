"""Two consumers of one output under one name: who is there keeps it, a successor gets it."""

from __future__ import annotations

import pytest
import zmq

from pipeline.board import EdgeSlot
from pipeline.channel import Outlet, protocol
from pipeline.clock import DrivenClock
from pipeline.errors import ChannelError
from pipeline.packets import KINDS
from tests.pipeline.ends import Producer, Taker, Wire, counts, exact, kill, numbered, until

ALL = [kind.code for kind in KINDS]
WHY = "c: refused by p: it serves a consumer named 'c' already, expected another name"


def settle(outlet: Outlet, clock: DrivenClock, *takers: Taker) -> None:
    """Let everyone speak for a second of the channel's time."""
    for _ in range(20):
        clock.advance(50_000_000)
        for taker in takers:
            taker.take(wait_ms=1)
        outlet.service(2)


@pytest.mark.parametrize("expected", [True, False], ids=["of the graph", "guest"])
@pytest.mark.parametrize("policy", ["lossless", "latest"])
def test_a_second_consumer_of_one_name_is_refused(
    wire: Wire, endpoint: str, policy: str, expected: bool
) -> None:
    outlet, at = wire.outlet(endpoint)
    if expected:
        outlet.expect("c", policy, 1000, ALL)
    first = wire.taker(at, policy=policy, window=128, capacity=1000)
    until(lambda: outlet.has_consumer, lambda: outlet.service(5))
    second = wire.taker(at, policy=policy, capacity=1000)
    refused: list[str] = []

    def claim() -> None:
        try:
            second.take(wait_ms=1)
        except ChannelError as error:
            refused.append(str(error))

    producer = Producer(outlet, (numbered(i) for i in range(100)), end=False)
    until(lambda: len(first.seqs) == 100, first.take)
    producer.over()
    until(lambda: refused, lambda: (first.take(wait_ms=1), outlet.service(1), claim()))
    assert refused[0] == WHY
    assert second.seqs == []
    second.inlet.close()
    ending = Producer(outlet, [numbered(100)])
    first.take_all(ending)
    ending.over()
    assert first.seqs == list(range(101))
    assert first.resets == [0], "its stream was never interrupted"
    (edge,) = outlet.edges
    assert counts(edge.board) == (101, 101, 0)


def test_the_successor_of_a_dead_consumer_is_admitted(wire: Wire, endpoint: str) -> None:
    """Whatever the dead one had said and nobody had read does not count for an answer."""
    if endpoint.startswith("inproc"):
        pytest.skip("ends within a process do not vanish alone")
    outlet, at = wire.outlet(endpoint)
    outlet.expect("c", "lossless", 8, ALL)
    taker = wire.taker(at, window=4)
    until(lambda: outlet.has_consumer, lambda: outlet.service(5))
    producer = Producer(outlet, (numbered(i) for i in range(200)))
    seen: list[int] = []
    for _ in range(5):
        until(lambda t=taker: len(t.seqs) >= 10, lambda t=taker: t.take(1))
        seen += taker.seqs
        kill(taker)
        taker = wire.taker(at, window=4, board=None)
    taker.take_all(producer)
    producer.over()
    assert sorted({*seen, *taker.seqs}) == list(range(200))
    exact(outlet.edges[0].board)
    assert outlet.edges[0].board[EdgeSlot.DROPPED_PACKETS] == 0


def test_a_name_is_free_again_when_its_holder_has_left(wire: Wire, ipc: str) -> None:
    clock = DrivenClock()
    outlet, at = wire.outlet(ipc, clock=clock)
    first = wire.taker(at, clock=clock)
    until(lambda: outlet.has_consumer, lambda: outlet.service(5))
    second = wire.taker(at, clock=clock)
    until(lambda: outlet._reception.claims, lambda: outlet.service(5))
    first.inlet.close()
    until(lambda: second.inlet.greeted, lambda: settle(outlet, clock, second))
    producer = Producer(outlet, [numbered(0)])
    second.take_all(producer)
    producer.over()
    assert second.seqs == [0]


def test_a_holder_that_says_nothing_loses_its_name(wire: Wire, ipc: str) -> None:
    clock = DrivenClock()
    outlet, at = wire.outlet(ipc, clock=clock)
    wire.taker(at, clock=clock)
    until(lambda: outlet.has_consumer, lambda: outlet.service(5))
    second = wire.taker(at, clock=clock)
    until(lambda: outlet._reception.claims, lambda: outlet.service(5))
    for _ in range(9):
        settle(outlet, clock, second)
    assert not second.inlet.greeted, "it may only be busy"
    until(lambda: second.inlet.greeted, lambda: settle(outlet, clock, second))
    assert not outlet._reception.claims


def test_a_claimant_that_leaves_is_forgotten(wire: Wire, ipc: str) -> None:
    clock = DrivenClock()
    outlet, at = wire.outlet(ipc, clock=clock)
    first = wire.taker(at, clock=clock)
    until(lambda: outlet.has_consumer, lambda: outlet.service(5))
    second = wire.taker(at, clock=clock)
    until(lambda: outlet._reception.claims, lambda: outlet.service(5))
    second.inlet.close()
    until(lambda: not outlet._reception.claims, lambda: outlet.service(5))
    settle(outlet, clock, first)
    assert len(outlet.edges) == 1
    assert outlet.has_consumer


def test_a_connection_made_anew_is_no_claim(wire: Wire, ipc: str) -> None:
    """The same process under a new identity is admitted at once, as before."""
    outlet, at = wire.outlet(ipc)
    hello = protocol.Hello("c", 5, 0, 0, 0, 0, bytes(ALL), "lossless", 8, 8)
    sockets = [wire.context().socket(zmq.DEALER) for _ in range(2)]
    for socket in sockets:
        socket.linger = 0
        socket.connect(at)
        socket.send(protocol.encode(hello))
        until(lambda socket=socket: socket.poll(0), lambda: outlet.service(5))
        assert isinstance(protocol.decode(socket.recv()), protocol.Welcome)
        socket.send(protocol.encode(protocol.Grant(0, 0)))
    assert not outlet._reception.claims
    assert len(outlet.edges) == 1
    for socket in sockets:
        socket.close()


def test_words_of_refusal_do_not_drive_the_terminal(wire: Wire, ipc: str) -> None:
    taker = wire.taker(ipc)
    with pytest.raises(ChannelError, match=r"^c: refused by p: 'a\\x1b\[2J\\nb'$"):
        taker.inlet._hear(protocol.encode(protocol.Refused("a\x1b[2J\nb")))
