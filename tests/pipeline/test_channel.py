"""Channels in good times: order, policies, credits, joining and leaving."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from pipeline.board import OUT, EdgeSlot
from pipeline.clock import DrivenClock
from pipeline.packets import KINDS, EventPacket, PredictionPacket
from pipeline.wire import INLINE
from tests.pipeline.ends import BOUND_S, Producer, Wire, counts, exact, numbered, until

ALL = [kind.code for kind in KINDS]
BIG = INLINE // 8 + 1
"""So many events need a payload frame of their own."""


@pytest.mark.parametrize("n", [3, BIG, 1 << 16], ids=["small", "large", "in-place"])
def test_lossless_delivers_everything_in_order(wire: Wire, endpoint: str, n: int) -> None:
    total = 300
    outlet, at = wire.outlet(endpoint)
    outlet.expect("c", "lossless", 8, ALL)
    taker = wire.taker(at, window=16)
    producer = Producer(outlet, (numbered(i, n) for i in range(total)))
    taker.take_all(producer)
    producer.over()
    assert taker.seqs == list(range(total))
    assert taker.resets == [0]
    assert taker.events == n * total
    edge = outlet.edges[0].board
    assert counts(edge) == (total, total, 0)
    exact(edge)
    assert edge[EdgeSlot.SENT_EVENTS] == taker.inlet.account[EdgeSlot.DELIVERED_EVENTS]
    assert taker.inlet.account[EdgeSlot.DELIVERED_T] == edge[EdgeSlot.SENT_T] == total * 1000
    assert taker.inlet.rejected == 0


def test_a_mixture_of_sizes_stays_in_order(wire: Wire, ipc: str) -> None:
    sizes = [0, 1, BIG, 5, 5, 1 << 16, 0, 700] * 30
    outlet, at = wire.outlet(ipc)
    taker = wire.taker(at, window=5)
    producer = Producer(outlet, (numbered(i, n) for i, n in enumerate(sizes)), wait=True)
    taker.take_all(producer)
    producer.over()
    assert taker.seqs == list(range(len(sizes)))
    assert taker.events == sum(sizes)
    exact(outlet.edges[0].board)


def test_a_lossless_producer_waits_for_credit(wire: Wire, endpoint: str) -> None:
    """However slow the consumer, no more than its window is ever under way."""
    outlet, at = wire.outlet(endpoint)
    outlet.expect("c", "lossless", 8, ALL)
    taker = wire.taker(at, window=4)
    producer = Producer(outlet, (numbered(i) for i in range(200)))
    edge = outlet.edges[0].board
    fullest = 0

    def one() -> None:
        nonlocal fullest
        fullest = max(fullest, producer.sent - len(taker.seqs))
        taker.take(1)

    until(lambda: taker.inlet.ended, one)
    taker.inlet.close()
    producer.over()
    assert taker.seqs == list(range(200))
    assert 4 <= fullest <= 4 + 1
    assert counts(edge) == (200, 200, 0)


def test_latest_drops_the_oldest_and_counts_them(wire: Wire, endpoint: str) -> None:
    total = 1000
    outlet, at = wire.outlet(endpoint)
    outlet.expect("c", "latest", 3, ALL)
    taker = wire.taker(at, policy="latest", window=2, capacity=3)
    until(lambda: outlet.edges[0].identity is not None, lambda: outlet.service(5))
    producer = Producer(outlet, (numbered(i) for i in range(total)))
    # It sleeps over everything and then finds the first two, and the newest three.
    until(lambda: producer.sent == total)
    taker.take_all(producer)
    producer.over()
    assert taker.seqs == sorted(set(taker.seqs))
    assert taker.seqs[:2] == [0, 1]
    assert taker.seqs[-3:] == [total - 3, total - 2, total - 1]
    edge = outlet.edges[0].board
    exact(edge)
    assert counts(edge) == (total, len(taker.seqs), total - len(taker.seqs))
    assert edge[EdgeSlot.DELIVERED_EVENTS] == taker.events
    assert edge[EdgeSlot.LOST_PACKETS] == 0


def test_every_gap_is_announced_with_a_reset(wire: Wire, ipc: str) -> None:
    outlet, at = wire.outlet(ipc)
    outlet.expect("c", "latest", 1, ALL)
    taker = wire.taker(at, policy="latest", window=1, capacity=1)
    producer = Producer(outlet, (numbered(i) for i in range(3000)))
    taker.take_all(producer)
    producer.over()
    after_gaps = [b for a, b in zip([-2, *taker.seqs], taker.seqs, strict=False) if b != a + 1]
    assert taker.resets == after_gaps
    exact(outlet.edges[0].board)


def test_consumers_are_served_each_on_its_own(wire: Wire, endpoint: str) -> None:
    """A viewer that has stalled costs the recorder nothing."""
    total = 500
    outlet, at = wire.outlet(endpoint)
    outlet.expect("recorder", "lossless", 8, ALL)
    outlet.expect("viewer", "latest", 4, ALL)
    recorder = wire.taker(at, "recorder", window=8)
    viewer = wire.taker(at, "viewer", policy="latest", window=2, capacity=4)
    until(lambda: all(e.identity for e in outlet.edges), lambda: outlet.service(5))
    producer = Producer(outlet, (numbered(i) for i in range(total)))
    until(lambda: len(recorder.seqs) == total, recorder.take)
    assert viewer.seqs == []
    finishing = threading.Thread(target=recorder.take_all, args=[producer])
    finishing.start()
    viewer.take_all(producer)
    finishing.join(BOUND_S)
    producer.over()
    assert recorder.seqs == list(range(total))
    assert counts(outlet.edges[0].board) == (total, total, 0)
    assert counts(outlet.edges[1].board) == (total, 6, total - 6)
    for edge in outlet.edges:
        exact(edge.board)


def test_a_consumer_may_start_before_its_producer(wire: Wire, endpoint: str) -> None:
    if endpoint.startswith("tcp"):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            endpoint = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    taker = wire.taker(endpoint)
    assert taker.inlet.take() is None
    assert not taker.inlet.greeted
    outlet, _ = wire.outlet(endpoint)
    producer = Producer(outlet, (numbered(i) for i in range(50)), wait=True)
    taker.take_all(producer)
    producer.over()
    assert taker.inlet.greeted
    assert taker.seqs == list(range(50))
    exact(outlet.edges[0].board)


def test_a_late_joiner_gets_what_comes_from_then_on(wire: Wire, endpoint: str) -> None:
    outlet, at = wire.outlet(endpoint)
    outlet.expect("first", "lossless", 8, ALL)
    first = wire.taker(at, "first")
    gate = threading.Event()

    def packets():
        for i in range(100):
            if i == 60:
                outlet.flush()
                gate.wait(BOUND_S)
                until(lambda: len(outlet.edges) == 2, lambda: outlet.service(5))
            yield numbered(i)

    producer = Producer(outlet, packets())
    until(lambda: len(first.seqs) == 60, first.take)
    late = wire.taker(at, "late")
    gate.set()
    finishing = threading.Thread(target=first.take_all, args=[producer])
    finishing.start()
    late.take_all(producer)
    finishing.join(BOUND_S)
    producer.over()
    assert first.seqs == list(range(100))
    assert late.seqs == list(range(60, 100))
    assert late.resets == [60]
    for edge in outlet.edges:
        exact(edge.board)
        assert edge.board[EdgeSlot.DROPPED_PACKETS] == 0


def test_a_consumer_gets_only_the_kinds_that_it_takes(wire: Wire, ipc: str) -> None:
    outlet, at = wire.outlet(ipc)
    events = wire.taker(at, "events", kinds=[EventPacket])
    answers = wire.taker(at, "answers", kinds=[PredictionPacket])
    until(lambda: len(outlet.edges) == 2, lambda: outlet.service(5))
    producer = Producer(outlet, [numbered(i) for i in range(5)])
    events.take_all(producer)
    answers.take_all(producer)
    producer.over()
    assert len(events.seqs) == 5
    assert answers.seqs == []
    assert {e.name: e.board[EdgeSlot.SENT_PACKETS] for e in outlet.edges} == {
        "events": 5,
        "answers": 0,
    }


def test_what_anyone_takes_is_known_before_it_is_made(wire: Wire, ipc: str) -> None:
    outlet, at = wire.outlet(ipc)
    assert not outlet.takes(EventPacket)
    outlet.expect("recorder", "lossless", 8, [EventPacket.code])
    outlet.expect("view", "latest", 8, [PredictionPacket.code])
    # Who is to have everything has it even where he comes late.
    assert outlet.takes(EventPacket)
    assert not outlet.takes(PredictionPacket)
    view = wire.taker(at, "view", policy="latest", kinds=[PredictionPacket])
    until(lambda: outlet.takes(PredictionPacket), lambda: outlet.service(5))
    view.inlet.close(farewell=True)
    until(lambda: not outlet.takes(PredictionPacket), lambda: outlet.service(5))
    assert outlet.takes(EventPacket)


def test_the_backlog_is_known_in_packets_events_and_event_time(wire: Wire, ipc: str) -> None:
    outlet, at = wire.outlet(ipc)
    outlet.expect("c", "lossless", 8, ALL)
    taker = wire.taker(at, window=8)
    until(lambda: outlet.edges[0].identity is not None, lambda: outlet.service(5))
    for i in range(8):
        outlet.send(numbered(i, 10))
    outlet.flush()
    assert outlet.backlog() == 8
    assert outlet.sent() == 8
    until(lambda: len(taker.seqs) == 3, lambda: taker.take(1))
    until(lambda: outlet.backlog() == 5, lambda: (taker.inlet.receipts.grant(), outlet.service(5)))
    edge, into = outlet.edges[0].board, taker.inlet.account
    assert edge[EdgeSlot.SENT_EVENTS] - edge[EdgeSlot.DELIVERED_EVENTS] == 50
    assert edge[EdgeSlot.SENT_T] - into[EdgeSlot.DELIVERED_T] == 5000


def test_latency_is_counted_from_birth_to_arrival(wire: Wire, ipc: str) -> None:
    clock = DrivenClock(7_000_000)
    outlet, at = wire.outlet(ipc)
    taker = wire.taker(at, clock=clock)
    packets = [numbered(i, 0, born_ns=5_000_000) for i in range(3)] + [numbered(3, 0)]
    producer = Producer(outlet, packets, wait=True, end=False)
    until(lambda: len(taker.seqs) == 4, taker.take)
    producer.over()
    assert sum(taker.inlet.account.latency()) == 3, "a packet without a birth has no age"
    assert taker.inlet.account[EdgeSlot.LATENCY_MAX_US] == 2000


# Ends.


def test_stop_while_waiting_for_credit_returns_promptly(wire: Wire, ipc: str) -> None:
    stop = threading.Event()
    outlet, at = wire.outlet(ipc, stop=stop.is_set)
    outlet.expect("c", "lossless", 8, ALL)
    taker = wire.taker(at, window=2)
    producer = Producer(outlet, (numbered(i) for i in range(10)), end=True)
    until(lambda: producer.sent == 2)
    begun = time.monotonic()
    stop.set()
    producer.over()
    assert time.monotonic() - begun < 5
    edge = outlet.edges[0].board
    exact(edge)
    assert edge[EdgeSlot.SENT_PACKETS] == 10
    assert taker.seqs == []


def test_stop_before_any_consumer_came(wire: Wire, ipc: str) -> None:
    stop = threading.Event()
    outlet, _ = wire.outlet(ipc, stop=stop.is_set)
    outlet.expect("c", "lossless", 8, ALL)
    producer = Producer(outlet, [numbered(0)], end=False)
    stop.set()
    producer.over()
    assert not outlet.send(numbered(1))
    outlet.end()
    exact(outlet.edges[0].board)
    assert counts(outlet.edges[0].board) == (2, 0, 2)


class Hasty(DrivenClock):
    """A clock on which a second passes at every look."""

    def now_ns(self) -> int:
        self.advance(1_000_000_000)
        return super().now_ns()


def test_the_end_with_nobody_there_is_bounded(wire: Wire, ipc: str) -> None:
    outlet, _ = wire.outlet(ipc, clock=Hasty())
    outlet.end()
    outlet.expect("c", "latest", 2, ALL)
    for i in range(5):
        outlet.send(numbered(i))
    outlet.end(patience_s=10)
    edge = outlet.edges[0].board
    exact(edge)
    assert counts(edge) == (5, 0, 5)
    assert outlet.backlog() == 0


def test_the_end_waits_for_a_consumer_that_is_slow_but_moves(wire: Wire, ipc: str) -> None:
    outlet, at = wire.outlet(ipc)
    outlet.expect("c", "lossless", 8, ALL)
    taker = wire.taker(at, window=64)
    producer = Producer(outlet, (numbered(i) for i in range(64)))
    until(lambda: producer.sent == 64)
    assert producer.is_alive()
    until(lambda: taker.inlet.ended, lambda: taker.take(1))
    assert producer.is_alive(), "the end is said before everything is taken, and waits"
    taker.inlet.close()
    producer.over()
    assert counts(outlet.edges[0].board) == (64, 64, 0)


def test_a_joiner_after_the_end_is_told_so(wire: Wire, ipc: str) -> None:
    outlet, at = wire.outlet(ipc)
    outlet.expect("slow", "lossless", 8, ALL)
    slow = wire.taker(at, "slow")
    producer = Producer(outlet, [numbered(0)])
    until(lambda: slow.inlet.ended, slow.take)
    late = wire.taker(at, "late")
    late.take_all(producer)
    slow.inlet.close()
    producer.over()
    assert late.seqs == []


def test_a_guest_that_vanishes_frees_a_lossless_producer(wire: Wire, endpoint: str) -> None:
    if endpoint.startswith("inproc"):
        pytest.skip("ends within a process do not vanish alone")
    outlet, at = wire.outlet(endpoint)
    guest = wire.taker(at, "guest", window=4)
    producer = Producer(outlet, (numbered(i) for i in range(5000)), wait=True)
    until(lambda: len(guest.seqs) >= 20, lambda: guest.take(1))
    guest.inlet.socket.linger = 0
    guest.inlet.close(farewell=False)
    producer.over()
    edge = outlet.edges[0].board
    exact(edge)
    assert edge[EdgeSlot.DELIVERED_PACKETS] + 4 >= 20
    assert edge[EdgeSlot.DROPPED_PACKETS] >= 1
    assert outlet.board.edge("guest", OUT)[EdgeSlot.SENT_PACKETS] == edge[EdgeSlot.SENT_PACKETS]


def test_a_guest_that_leaves_is_not_waited_for(wire: Wire, ipc: str) -> None:
    outlet, at = wire.outlet(ipc)
    guest = wire.taker(at, "guest", window=4)
    producer = Producer(outlet, (numbered(i) for i in range(2000)), wait=True)
    until(lambda: len(guest.seqs) >= 20, lambda: guest.take(1))
    guest.inlet.close()
    producer.over()
    edge = outlet.edges[0].board
    exact(edge)
    assert edge[EdgeSlot.DELIVERED_PACKETS] == len(guest.seqs)
