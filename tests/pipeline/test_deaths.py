"""Channels in bad times: ends that die and come back, connections that break, foreign peers."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq

from pipeline.board import Board, EdgeSlot
from pipeline.channel import Outlet, protocol
from pipeline.channel.protocol import Grant, Hello, Welcome
from pipeline.packets import KINDS, Packet
from pipeline.wire import INLINE, PROTOCOL_VERSION, encode
from tests.pipeline.ends import (
    BOUND_S,
    Producer,
    Taker,
    Wire,
    counts,
    exact,
    kill,
    numbered,
    until,
)

ALL = [kind.code for kind in KINDS]


def packets_between(first: int, last: int) -> Any:
    return (numbered(i) for i in range(first, last))


def events_in(seqs: Any) -> int:
    return sum(numbered(i).size for i in seqs)


def admitted(outlet: Outlet, n: int = 1) -> None:
    """Wait until so many consumers are there."""
    until(
        lambda: sum(edge.identity is not None for edge in outlet.edges) == n,
        lambda: outlet.service(5),
    )


# A consumer dies.


@pytest.mark.parametrize("memory", ["same board", "fresh board"])
@pytest.mark.parametrize("n", [1, INLINE // 8 + 1], ids=["small", "large"])
def test_a_consumer_that_came_back_gets_everything_once(
    wire: Wire, tmp_path: Path, memory: str, n: int
) -> None:
    outlet, at = wire.outlet(f"ipc://{tmp_path}/p.ipc")
    outlet.expect("c", "lossless", 8, ALL)
    first = wire.taker(at, board=Board(tmp_path / "c"), window=16)
    producer = Producer(outlet, (numbered(i, n) for i in range(200)))
    # Some it has dealt with and not yet told of, some it has in hand.
    until(lambda: len(first.seqs) == 37, lambda: first.take(1))
    in_hand: list[Packet | None] = [None]
    until(lambda: in_hand[-1] is not None, lambda: in_hand.append(first.inlet.take()))
    kill(first)
    after = Board(tmp_path / "c") if memory == "same board" else None
    second = wire.taker(at, board=after, window=16)
    second.take_all(producer)
    producer.over()
    edge = outlet.edges[0].board
    exact(edge)
    assert counts(edge) == (200, 200, 0)
    assert second.resets == [second.seqs[0]]
    if memory == "same board":
        assert first.seqs + second.seqs == list(range(200))
        account = second.inlet.account
        assert account[EdgeSlot.DELIVERED_PACKETS] == 200
        assert account[EdgeSlot.DELIVERED_EVENTS] == edge[EdgeSlot.DELIVERED_EVENTS] == 200 * n
    else:
        # What the first had not told is told again, and only that.
        assert second.seqs == list(range(second.seqs[0], 200))
        assert 37 - 16 <= second.seqs[0] <= 37
    assert edge[EdgeSlot.DELIVERED_EVENTS] == edge[EdgeSlot.SENT_EVENTS] == 200 * n


def test_a_consumer_may_die_again_and_again(wire: Wire, endpoint: str, tmp_path: Path) -> None:
    outlet, at = wire.outlet(endpoint)
    outlet.expect("c", "lossless", 8, ALL)
    producer = Producer(outlet, packets_between(0, 500))
    seqs: list[int] = []
    for life in range(8):
        taker = wire.taker(at, board=Board(tmp_path / "c"), window=8)
        until(
            lambda taker=taker, life=life: len(taker.seqs) >= 20 + life, lambda t=taker: t.take(3)
        )
        seqs += taker.seqs
        kill(taker)
    last = wire.taker(at, board=Board(tmp_path / "c"), window=8)
    last.take_all(producer)
    producer.over()
    assert seqs + last.seqs == list(range(500))
    assert counts(outlet.edges[0].board) == (500, 500, 0)
    exact(outlet.edges[0].board)


def test_a_latest_consumer_that_died_is_held_for(wire: Wire, tmp_path: Path) -> None:
    outlet, at = wire.outlet(f"ipc://{tmp_path}/p.ipc")
    outlet.expect("c", "latest", 4, ALL)
    first = wire.taker(at, board=Board(tmp_path / "c"), window=4, policy="latest")
    admitted(outlet)
    for i in range(3):
        outlet.send(numbered(i))
    outlet.flush()
    until(lambda: len(first.seqs) == 2, lambda: first.take(1))
    kill(first)
    until(lambda: outlet.edges[0].identity is None, lambda: outlet.service(20))
    for i in range(3, 20):
        outlet.send(numbered(i))
    second = wire.taker(at, board=Board(tmp_path / "c"), window=4, policy="latest")
    producer = Producer(outlet, [])
    second.take_all(producer)
    producer.over()
    assert first.seqs == [0, 1]
    assert second.seqs == [16, 17, 18, 19]
    assert second.resets == [16]
    assert counts(outlet.edges[0].board) == (20, 6, 14)
    exact(outlet.edges[0].board)


def test_a_dead_consumer_is_no_hindrance_to_others(wire: Wire, tmp_path: Path) -> None:
    outlet, at = wire.outlet(f"ipc://{tmp_path}/p.ipc")
    outlet.expect("a", "latest", 4, ALL)
    outlet.expect("b", "lossless", 4, ALL)
    a, b = wire.taker(at, "a", policy="latest"), wire.taker(at, "b")
    admitted(outlet, 2)
    kill(a)
    producer = Producer(outlet, packets_between(0, 300), end=False)
    until(lambda: len(b.seqs) == 300, b.take)
    producer.over()
    assert b.seqs == list(range(300))


# A producer dies.


def die(outlet: Outlet) -> None:
    """Let a producer's process die: its socket goes, without a word."""
    context = outlet.socket.context
    outlet.socket.close(linger=0)
    # Returns when the address is free again.
    context.term()


@pytest.mark.parametrize("told", [0, 1, 4], ids=["tells nothing", "tells at once", "tells late"])
def test_a_producers_successor_goes_on_counting(wire: Wire, tmp_path: Path, told: int) -> None:
    """What the dead one had sent and nobody took is counted as lost; nothing is counted twice."""
    at = f"ipc://{tmp_path}/p.ipc"
    first, _ = wire.outlet(at, board=Board(tmp_path / "p"))
    first.expect("c", "lossless", 8, ALL)
    taker = wire.taker(at, board=Board(tmp_path / "c"), window=4 * told or 1000)
    admitted(first)
    sent = 0
    while sent < 30 and first.edges[0].credit > 0:
        first.send(numbered(sent))
        sent += 1
    first.flush()
    until(lambda: len(taker.seqs) == min(sent, 3), lambda: taker.take(1))
    die(first)

    second, _ = wire.outlet(at, board=Board(tmp_path / "p"))
    second.expect("c", "lossless", 8, ALL)
    producer = Producer(second, packets_between(0, 50))
    taker.take_all(producer)
    producer.over()
    edge = second.edges[0].board
    exact(edge)
    account = taker.inlet.account
    assert edge[EdgeSlot.SENT_PACKETS] == sent + 50
    assert edge[EdgeSlot.DELIVERED_PACKETS] == len(taker.seqs)
    assert account[EdgeSlot.DELIVERED_PACKETS] == len(taker.seqs)
    assert account[EdgeSlot.DELIVERED_EVENTS] == taker.events == edge[EdgeSlot.DELIVERED_EVENTS]
    assert edge[EdgeSlot.DROPPED_PACKETS] == edge[EdgeSlot.LOST_PACKETS]
    assert taker.seqs[-50:] == list(range(50))
    assert taker.resets == [0, 0], "one at the beginning, one from the successor"


def test_a_producers_successor_with_a_fresh_account(wire: Wire, tmp_path: Path) -> None:
    at = f"ipc://{tmp_path}/p.ipc"
    first, _ = wire.outlet(at)
    first.expect("c", "lossless", 8, ALL)
    taker = wire.taker(at)
    admitted(first)
    for i in range(10):
        first.send(numbered(i))
    first.flush()
    until(lambda: len(taker.seqs) == 10, taker.take)
    die(first)
    second, _ = wire.outlet(at)
    second.expect("c", "lossless", 8, ALL)
    producer = Producer(second, packets_between(0, 30))
    taker.take_all(producer)
    producer.over()
    assert taker.seqs == [*range(10), *range(30)]
    assert taker.resets == [0, 0]
    assert counts(second.edges[0].board) == (30, 30, 0)
    assert taker.inlet.account[EdgeSlot.DELIVERED_PACKETS] == 40


def test_packets_in_hand_while_the_producer_is_succeeded(wire: Wire, tmp_path: Path) -> None:
    """A turn of several packets is dealt with together: the successor is greeted after it."""
    at = f"ipc://{tmp_path}/p.ipc"
    first, _ = wire.outlet(at, board=Board(tmp_path / "p"))
    first.expect("c", "lossless", 8, ALL)
    taker = wire.taker(at)
    admitted(first)
    for i in range(5):
        first.send(numbered(i))
    first.flush()
    in_hand: list[Packet] = []

    def collect() -> None:
        packet = taker.inlet.take()
        if packet is not None:
            in_hand.append(packet)

    until(lambda: len(in_hand) == 5, collect)
    die(first)
    second, _ = wire.outlet(at, board=Board(tmp_path / "p"))
    second.expect("c", "lossless", 8, ALL)

    def turn() -> None:
        second.service(5)
        taker.inlet.receipts.grant(idle=True)
        assert taker.inlet.take() is None

    def heard() -> bool:
        return second.edges[0].identity is not None or taker.inlet.socket.poll(0) != 0

    until(heard, turn)
    for _ in range(5):
        second.service(1)
        assert taker.inlet.take() is None
    taker.inlet.done_all([(packet, 0) for packet in in_hand])
    taker.events += sum(packet.size for packet in in_hand)
    producer = Producer(second, packets_between(0, 20))
    taker.take_all(producer)
    producer.over()
    edge = second.edges[0].board
    exact(edge)
    assert counts(edge) == (25, 25, 0)
    assert edge[EdgeSlot.DELIVERED_EVENTS] == taker.events


def test_a_guest_outlives_a_producer(wire: Wire, tmp_path: Path) -> None:
    """The account of a consumer that no graph announced goes on too."""
    at = f"ipc://{tmp_path}/p.ipc"
    first, _ = wire.outlet(at, board=Board(tmp_path / "p"))
    guest = wire.taker(at, "guest")
    admitted(first)
    for i in range(5):
        first.send(numbered(i))
    first.flush()
    until(lambda: len(guest.seqs) == 5, lambda: guest.take(1))
    die(first)
    second, _ = wire.outlet(at, board=Board(tmp_path / "p"))
    producer = Producer(second, packets_between(0, 5), wait=True)
    guest.take_all(producer)
    producer.over()
    assert guest.seqs == [*range(5), *range(5)]
    exact(second.edges[0].board)
    assert counts(second.edges[0].board) == (10, 10, 0)


# A connection breaks, and both ends live.


class Relay(threading.Thread):
    """Carries TCP connections to a port, and can cut them."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.ends: list[socket.socket] = []
        self.lock = threading.Lock()
        self.paused = threading.Event()
        self.carried = 0
        self.start()

    def run(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            with self.lock:
                self.ends += [near, far]
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self.carry, args=pair, daemon=True).start()

    def carry(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(1 << 16):
                sink.sendall(data)
                self.carried += len(data)
        except OSError:
            pass
        for end in (source, sink):
            end.close()

    def cut(self) -> None:
        """Break every connection; what was on its way is lost."""
        with self.lock:
            for end in self.ends:
                # A reset, not a farewell: unread bytes are thrown away.
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    end.shutdown(socket.SHUT_RDWR)
            self.ends.clear()

    def close(self) -> None:
        # A closed listener alone would leave the thread waiting, at a number that is used anew.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.join()
        self.listener.close()
        self.cut()


@pytest.fixture
def relayed(wire: Wire):
    outlet, at = wire.outlet("tcp://127.0.0.1:*")
    relay = Relay(int(at.rpartition(":")[2]))
    yield outlet, relay, f"tcp://127.0.0.1:{relay.port}"
    relay.close()


@pytest.mark.parametrize("n", [2, INLINE // 8 + 1], ids=["small", "large"])
def test_a_lossless_edge_survives_broken_connections(
    wire: Wire, relayed: tuple[Outlet, Relay, str], n: int
) -> None:
    outlet, relay, at = relayed
    outlet.expect("c", "lossless", 8, ALL)
    taker = wire.taker(at, window=32)
    total = 2000
    producer = Producer(outlet, (numbered(i, n) for i in range(total)))
    for cut in range(1, 6):
        until(lambda cut=cut: len(taker.seqs) >= cut * 300, lambda: taker.take(1))
        relay.cut()
    taker.take_all(producer)
    producer.over()
    exact(outlet.edges[0].board)
    assert taker.seqs == list(range(total))
    assert counts(outlet.edges[0].board) == (total, total, 0)


def test_a_latest_edge_survives_broken_connections(
    wire: Wire, relayed: tuple[Outlet, Relay, str]
) -> None:
    outlet, relay, at = relayed
    outlet.expect("c", "latest", 4, ALL)
    taker = wire.taker(at, window=8, capacity=4, policy="latest")
    admitted(outlet)
    go_on = threading.Event()

    def endless() -> Any:
        i = 0
        while not go_on.is_set():
            yield numbered(i)
            outlet.service(1)
            i += 1

    producer = Producer(outlet, endless())
    for _ in range(4):
        seen = len(taker.seqs)
        until(lambda seen=seen: len(taker.seqs) >= seen + 40, lambda: taker.take(1))
        relay.cut()
    go_on.set()
    taker.take_all(producer)
    producer.over()
    edge = outlet.edges[0].board
    exact(edge)
    assert edge[EdgeSlot.DELIVERED_PACKETS] == len(taker.seqs)
    assert edge[EdgeSlot.DELIVERED_EVENTS] == taker.events


# Bytes from strangers.


def stranger(wire: Wire, kind: int, at: str) -> zmq.Socket[bytes]:
    made = wire.context().socket(kind)
    made.linger = 0
    made.connect(at)
    return made


@pytest.mark.parametrize("kind", [zmq.DEALER, zmq.REQ, zmq.REP])
def test_a_producer_shrugs_off_foreign_peers(wire: Wire, ipc: str, kind: int) -> None:
    outlet, at = wire.outlet(ipc)
    outlet.expect("c", "lossless", 8, ALL)
    foreign = stranger(wire, kind, at)
    if kind == zmq.DEALER:
        for frames in (
            [b"GET / HTTP/1.1"],
            [b""],
            [b"a", b"b", b"c"],
            [bytes(70_000)],
            [encode(numbered(0))[0]],
            [b"SC" + bytes([PROTOCOL_VERSION + 1, 1])],
            [b"SC" + bytes([PROTOCOL_VERSION, 1]) + b"\xc1"],
        ):
            foreign.send_multipart(frames)
        until(lambda: outlet.rejected == 7, lambda: outlet.service(5))
    elif kind == zmq.REQ:
        foreign.send(b"hello")
        until(lambda: outlet.rejected == 1, lambda: outlet.service(5))
    taker = wire.taker(at)
    producer = Producer(outlet, packets_between(0, 100))
    taker.take_all(producer)
    producer.over()
    assert taker.seqs == list(range(100))
    exact(outlet.edges[0].board)
    foreign.close()


HUGE = [2**63, 2**64 - 1, -1, -(2**63)]


@pytest.mark.parametrize("number", HUGE)
@pytest.mark.parametrize("field", ["packets", "events", "rejected"])
def test_a_consumers_lies_do_not_bring_its_producer_down(
    wire: Wire, ipc: str, field: str, number: int
) -> None:
    outlet, at = wire.outlet(ipc)
    liar = stranger(wire, zmq.DEALER, at)
    truth = {"packets": 0, "events": 0, "rejected": 0}

    def say(kind: int, *fields: Any) -> None:
        body = msgspec.msgpack.encode(fields)
        liar.send(b"SC" + bytes([PROTOCOL_VERSION, kind]) + body)

    def hello(ledger: int, **lies: int) -> None:
        counted = {**truth, **lies}
        say(1, "liar", 1, ledger, *counted.values(), bytes(ALL), "lossless", 8, 8)

    hello(0)
    admitted(outlet)
    for i in range(4):
        outlet.send(numbered(i))
    outlet.flush()
    for i, lie in enumerate([{field: number}, {"packets": 2, field: number}]):
        say(2, *{**truth, **lie}.values(), False)
        hello(outlet.board[1], **lie)
        say(2, 1 + i, 1, 0, False)
        before = outlet.rejected
        liar.send(b"mark")
        until(lambda before=before: outlet.rejected > before and not outlet.socket.poll(0),
              lambda: outlet.service(5))  # fmt: skip
    honest = wire.taker(at, "honest")
    admitted(outlet, 2)
    liar.close()
    producer = Producer(outlet, packets_between(4, 50))
    honest.take_all(producer)
    producer.over()
    assert honest.seqs == list(range(4, 50))
    told, true = (edge.board for edge in outlet.edges)
    exact(true)
    assert counts(true) == (46, 46, 0)
    assert 0 <= told[EdgeSlot.DELIVERED_EVENTS] <= told[EdgeSlot.SENT_EVENTS]
    assert 0 <= told[EdgeSlot.DELIVERED_PACKETS] <= told[EdgeSlot.SENT_PACKETS]


class Impostor:
    """A ROUTER that is no Outlet: it says whatever the test wants."""

    def __init__(self, wire: Wire, at: str) -> None:
        self.socket = wire.context().socket(zmq.ROUTER)
        self.socket.linger = 0
        self.socket.bind(at)
        self.peer = b""

    def welcome(self, taker: Taker) -> None:
        until(lambda: taker.inlet.greeted, lambda: (self.greet(), taker.take()))

    def greet(self) -> None:
        if self.socket.poll(5):
            self.peer, frame = self.socket.recv_multipart()
            if isinstance(protocol.decode(frame), Hello):
                self.say(Welcome("p", 5, 7, "elsewhere"))

    def say(self, message: protocol.Message) -> None:
        self.send(protocol.encode(message))

    def send(self, *frames: bytes) -> None:
        self.socket.send_multipart([self.peer, *frames])


@pytest.fixture
def impostor(wire: Wire, ipc: str):
    made = Impostor(wire, ipc)
    yield made
    made.socket.close()


def test_bad_packets_are_counted_and_skipped(wire: Wire, ipc: str, impostor: Impostor) -> None:
    taker = wire.taker(ipc)
    impostor.welcome(taker)
    good = encode(numbered(0))[0]
    lying = bytearray(encode(numbered(1, 3))[0])
    lying[8] += 8
    torn = b"".join([encode(numbered(1))[0], bytes(lying)])
    unknown = bytearray(good)
    unknown[3] = ord("Z")
    for frames in (
        [b"GET / HTTP/1.1\r\n"],
        [b""],
        [good[:-1]],
        [b"SR" + bytes([PROTOCOL_VERSION + 1]) + good[3:]],
        [good, b"payload", b"more"],
        [b"", b"", b"", b""],
        [bytes(100_000), bytes(100_000)],
    ):
        impostor.send(*frames)
    until(lambda: taker.inlet.rejected == 7, taker.take)
    assert taker.seqs == []
    impostor.send(torn)
    impostor.send(bytes(unknown) + encode(numbered(2))[0])
    until(lambda: taker.inlet.rejected == 9, taker.take)
    until(lambda: len(taker.seqs) == 2, taker.take)
    assert taker.seqs == [1, 2], "what can be stepped over costs nothing but itself"
    assert taker.inlet.complaint is not None
    assert "p → c: skipped a bad packet: " in taker.inlet.complaint
    assert "\n" not in taker.inlet.complaint
    assert taker.inlet.account[EdgeSlot.REJECTED_PACKETS] == 9


def test_the_version_that_a_foreign_producer_speaks_is_named(
    wire: Wire, ipc: str, impostor: Impostor
) -> None:
    taker = wire.taker(ipc)
    impostor.welcome(taker)
    impostor.send(b"SR" + bytes([9]) + encode(numbered(0))[0][3:])
    until(lambda: taker.inlet.rejected == 1, taker.take)
    assert str(taker.inlet.complaint).endswith("protocol version 9, this program speaks 1")
    impostor.send(b"SC" + bytes([9, 4]))
    until(lambda: taker.inlet.rejected == 2, taker.take)
    assert "bad message: protocol version 9" in str(taker.inlet.complaint)


@pytest.mark.parametrize("number", HUGE)
def test_a_producers_lies_do_not_bring_its_consumer_down(
    wire: Wire, ipc: str, impostor: Impostor, number: int
) -> None:
    taker = wire.taker(ipc)
    impostor.welcome(taker)
    for fields in ((number, number, 7), (number, 5, number), (number, 9, number)):
        body = msgspec.msgpack.encode(["p", fields[1], fields[2], "h"])
        impostor.send(b"SC" + bytes([PROTOCOL_VERSION, 4]) + body)
    for i, head in enumerate(
        [{"born_ns": number}, {"label": number}, {"born_ns": number, "label": number}]
    ):
        impostor.send(encode(numbered(i, 2, **head))[0])
    until(lambda: len(taker.seqs) == 3, taker.take)
    impostor.say(protocol.End())
    until(lambda: taker.inlet.ended, taker.take)


def test_the_clock_of_another_host_is_not_trusted(wire: Wire, ipc: str, impostor: Impostor) -> None:
    taker = wire.taker(ipc)
    impostor.welcome(taker)
    impostor.send(encode(numbered(0, 2, born_ns=1))[0])
    until(lambda: len(taker.seqs) == 1, taker.take)
    assert taker.inlet.account[EdgeSlot.LATENCY_MAX_US] < BOUND_S * 1e6


def test_packets_that_a_consumer_refuses_count_as_dropped(wire: Wire, ipc: str) -> None:
    """A node that gives nonsense: its packets are refused at the other end, and the sums hold."""
    outlet, at = wire.outlet(ipc)
    outlet.expect("c", "lossless", 8, ALL)
    taker = wire.taker(at, window=8)

    def some_bad() -> Any:
        for i in range(100):
            packet = numbered(i, 3)
            if i % 10 == 4:
                packet.header.width = 0
            yield packet

    producer = Producer(outlet, some_bad())
    taker.take_all(producer)
    producer.over()
    edge = outlet.edges[0].board
    exact(edge)
    assert counts(edge) == (100, 90, 10)
    assert edge[EdgeSlot.REJECTED_PACKETS] == 10
    assert edge[EdgeSlot.DROPPED_EVENTS] == 30
    assert taker.resets == [0, *range(5, 100, 10)]


def test_repeated_and_late_words_change_nothing(wire: Wire, ipc: str) -> None:
    outlet, at = wire.outlet(ipc)
    taker = wire.taker(at)
    admitted(outlet)
    for i in range(10):
        outlet.send(numbered(i))
    outlet.flush()
    until(lambda: len(taker.seqs) == 10, taker.take)
    account = taker.inlet.account
    for packets, events in ((10, account[EdgeSlot.DELIVERED_EVENTS]), (4, 9), (10, taker.events)):
        for _ in range(3):
            taker.inlet.socket.send(protocol.encode(Grant(packets, events)))
    until(lambda: outlet.backlog() == 0, lambda: outlet.service(5))
    # The producer repeats everything that it holds: nothing.
    outlet.edges[0].repeat(outlet.socket)
    producer = Producer(outlet, packets_between(10, 12))
    taker.take_all(producer)
    producer.over()
    assert taker.seqs == list(range(12))
    assert taker.events == events_in(range(12))
    assert counts(outlet.edges[0].board) == (12, 12, 0)
    exact(outlet.edges[0].board)


def test_a_repeated_packet_is_not_taken_twice(wire: Wire, ipc: str) -> None:
    outlet, at = wire.outlet(ipc)
    taker = wire.taker(at)
    admitted(outlet)
    for i in range(5):
        outlet.send(numbered(i))
    outlet.flush()
    for _ in range(3):
        outlet.edges[0].repeat(outlet.socket)
    producer = Producer(outlet, packets_between(5, 8))
    taker.take_all(producer)
    producer.over()
    assert taker.seqs == list(range(8))
    assert counts(outlet.edges[0].board) == (8, 8, 0)
    exact(outlet.edges[0].board)
