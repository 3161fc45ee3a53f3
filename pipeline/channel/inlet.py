"""The consuming end: one socket to one producer, credits back, packets out."""

from __future__ import annotations

import contextlib
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Sequence

import zmq

from pipeline.board import IN, Board, EdgeBoard, EdgeSlot
from pipeline.channel.endpoints import Security, check_endpoint, secure
from pipeline.channel.host import host_id
from pipeline.channel.protocol import (
    Ask,
    Bye,
    End,
    Grant,
    Hello,
    Message,
    Policy,
    Refused,
    Welcome,
    Who,
    encode,
    is_aside,
)
from pipeline.channel.protocol import decode as decode_message
from pipeline.channel.receipts import Receipts
from pipeline.clock import Clock, MonotonicClock
from pipeline.errors import ChannelError, PacketError
from pipeline.packets import KINDS, Packet
from pipeline.status import NodeStatus
from pipeline.wire import decode_at, extent

_FRUITLESS = 256
"""After so many messages that gave no packet ``take`` returns: whoever waits for it is asked."""

_SILENT_NS = 2_000_000_000
"""A producer that has said nothing for so long may be stopped: its queue is not filled further."""

WINDOW: dict[Policy, int] = {"lossless": 128, "latest": 32}
"""How many packets are under way to a consumer unless it asks for another number."""


class Inlet:
    """Receives the packets of one producer.

    ``take()`` gives the next packet if there is one; ``done()`` says that it is dealt with, which
    is what the producer counts as delivered and answers with more. A packet that is no valid
    packet is counted (``rejected``), remembered (``complaint``) and skipped.
    """

    def __init__(
        self,
        name: str,
        producer: str,
        endpoint: str,
        context: zmq.Context[zmq.Socket[bytes]] | None = None,
        *,
        board: Board | None = None,
        clock: Clock | None = None,
        kinds: Iterable[type[Packet]] = KINDS,
        policy: Policy = "lossless",
        window: int | None = None,
        capacity: int = 8,
        security: Security | None = None,
    ) -> None:
        security = security or Security()
        check_endpoint(endpoint, security)
        self.name = name
        self.producer = producer
        self.rejected = 0
        self.complaint: str | None = None
        self.ended = False
        self.greeted = False
        self._clock = clock or MonotonicClock()
        self._incarnation = secrets.randbits(62)
        self._codes = bytes(kind.code for kind in kinds)
        self._policy = policy
        self._window = window = window or WINDOW[policy]
        self._capacity = capacity
        self.receipts = Receipts(
            (board or Board()).edge(producer, IN), policy, window, self._clock, self._say
        )
        """What was taken, and how it is told."""
        self._producer_incarnation = 0
        self._same_clock = True
        self._must_reset = True
        self._last_seq: dict[str, int] = {}
        self._view: memoryview | None = None
        self._payload: memoryview | None = None
        self._at = 0
        self._in_hand = 0
        self._postponed: bytes | None = None
        self.aside: Callable[[Ask | NodeStatus, bytes], None] = lambda word, frame: None
        """Gets what the producer says beside the packets, with its frame."""
        self._overtaken: deque[tuple[zmq.Frame, zmq.Frame | None]] = deque()
        """Frames that words beside the packets have overtaken."""
        self._heard_ns = 0
        self._news = False
        socket: zmq.Socket[bytes] = (context or zmq.Context.instance()).socket(zmq.DEALER)
        socket.linger = 500
        socket.rcvhwm = 0
        socket.sndhwm = 0
        socket.reconnect_ivl = 10
        socket.reconnect_ivl_max = 200
        try:
            if endpoint.startswith("tcp://"):
                socket.heartbeat_ivl = 1000
                socket.heartbeat_timeout = 3000
                secure(socket, endpoint, security, server=False)
            socket.connect(endpoint)
        except ChannelError:
            socket.close()
            raise
        except zmq.ZMQError as error:
            socket.close()
            raise ChannelError(
                f"{name}: cannot connect to {endpoint}: {(error.strerror or '').lower()}"
            ) from None
        self.socket = socket
        self._hello()

    @property
    def account(self) -> EdgeBoard:
        """The cells of the board in which the edge is counted."""
        return self.receipts.account

    def take(self) -> Packet | None:
        """Return the next packet, or None where there is none just now.

        Among very many messages that are no valid packets None says nothing of what follows:
        the socket then has more to read. Raises ChannelError where the producer does not serve
        this consumer, since another one has its name.
        """
        for _ in range(_FRUITLESS):
            if self._view is None and not self._receive():
                return None
            packet = self._next()
            if packet is not None and self._accept(packet):
                self._in_hand += 1
                return packet
        return None

    @property
    def at_hand(self) -> bool:
        """Whether there is something to take that no poll of the socket would tell of."""
        return bool(self._overtaken) or self._view is not None or self._postponed is not None

    def _receive(self) -> bool:
        """Get the next frame of packets; hear what the producer says in between."""
        if self._postponed is not None and not self._in_hand:
            word, self._postponed = self._postponed, None
            self._hear(word)
        for _ in range(_FRUITLESS):
            if self._postponed is not None:
                return False
            frames = self._overtaken.popleft() if self._overtaken else self._pull()
            if frames is None:
                return False
            first, second = frames
            if second is not None and second.more:
                self._reject("a packet of more than two frames")
                continue
            payload = None if second is None else second.buffer
            # A header frame is small: copied, what it holds is aligned for numpy.
            head = first.bytes
            if payload is None and head[:2] == b"SC":
                self._hear(head)
                continue
            self._view, self._at, self._payload = memoryview(head), 0, payload
            return True
        return False

    def _pull(self) -> tuple[zmq.Frame, zmq.Frame | None] | None:
        """Get the frames of one message, two at most: a third shows by the second's ``more``."""
        socket = self.socket
        try:
            first = socket.recv(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return None
        self._news = True
        if not first.more:
            return first, None
        second = socket.recv(copy=False)
        if second.more:
            while socket.recv(copy=False).more:
                pass
        return first, second

    def listen(self) -> None:
        """Hear what is said beside the packets, past those that wait to be taken.

        They keep their order; no more of them are set aside than can be under way.
        """
        overtaken = self._overtaken
        while len(overtaken) < 2 * self._window:
            frames = self._pull()
            if frames is None:
                return
            first, second = frames
            if second is None and is_aside(first.buffer[:4]):
                self._hear(first.bytes)
            else:
                overtaken.append(frames)

    def tell_aside(self, frame: bytes) -> None:
        """Say something beside the packets, unless the producer is away or may be stopped."""
        now = self._clock.now_ns()
        if self._news:
            self._heard_ns, self._news = now, False
        if now - self._heard_ns > _SILENT_NS or not self.greeted or self.socket.closed:
            return
        with contextlib.suppress(zmq.Again):
            self.socket.send(frame, zmq.NOBLOCK)

    def _next(self) -> Packet | None:
        """Read the next packet of the frame at hand; None where it is no valid packet."""
        view, start = self._view, self._at
        assert view is not None
        packet = None
        try:
            packet, end = decode_at(view, start, self._payload)
        except PacketError as error:
            self._reject(str(error))
            # A packet that states its length can be stepped over; else the rest is of no use.
            try:
                end = extent(view, start)[2]
            except PacketError:
                end = len(view)
        if end >= len(view):
            self._view = self._payload = None
        else:
            self._at = end
        return packet

    def _accept(self, packet: Packet) -> bool:
        """Mark gaps, skip what was already had; True where the packet is news."""
        head = packet.header
        last = self._last_seq.get(head.stream)
        if last is not None and head.seq <= last:
            return False
        if self._must_reset or (last is not None and head.seq != last + 1):
            head.reset = True
            self._must_reset = False
        self._last_seq[head.stream] = head.seq
        if not self._same_clock:
            # Another host's clock says nothing here: age is counted from the arrival on.
            head.born_ns = self._clock.now_ns()
        return True

    def done(self, packet: Packet, arrived_ns: int = 0) -> None:
        """Count a packet as delivered; ``arrived_ns`` (0: now) is when the node took it up."""
        self.done_all([(packet, arrived_ns or self._clock.now_ns())])

    def done_all(self, taken: Sequence[tuple[Packet, int]]) -> None:
        """Count packets as delivered, each with the time in ns at which the node took it up."""
        self._in_hand -= len(taken)
        self.receipts.book(taken)

    def _reject(self, why: str) -> None:
        self.rejected += 1
        self.complaint = f"{self.producer} → {self.name}: skipped a bad packet: {why}"
        self.receipts.reject()

    def _hear(self, frame: bytes) -> None:
        try:
            message = decode_message(frame)
        except PacketError as error:
            self.rejected += 1
            self.complaint = f"{self.producer} → {self.name}: skipped a bad message: {error}"
            return
        if self._in_hand and self._is_new(message):
            # What is in hand belongs to the account as it stands, so that is settled first.
            self._postponed = frame
        elif isinstance(message, Who):
            self._hello()
        elif isinstance(message, End):
            self.ended = True
            self.receipts.grant()
        elif isinstance(message, Welcome):
            self._welcome(message)
        elif isinstance(message, (Ask, NodeStatus)):
            self.aside(message, frame)
        elif isinstance(message, Refused):
            why = message.why if message.why.isprintable() else ascii(message.why)
            raise ChannelError(f"{self.name}: refused by {self.producer}: {why}")

    def _is_new(self, message: Message) -> bool:
        """Whether the producer is another than before, or does not know this consumer."""
        if isinstance(message, Welcome):
            return message.incarnation != self._producer_incarnation
        return isinstance(message, Who)

    def _welcome(self, message: Welcome) -> None:
        self.greeted = True
        if not self._is_new(message):
            return
        self._producer_incarnation = message.incarnation
        self._same_clock = message.host == host_id()
        self._must_reset = True
        self._last_seq.clear()
        self.ended = False
        self.receipts.open(message.ledger)

    def _hello(self) -> None:
        receipts = self.receipts
        receipts.told()
        self._say(
            Hello(
                self.name,
                self._incarnation,
                receipts.account[EdgeSlot.LEDGER],
                *receipts.counts,
                self._codes,
                self._policy,
                self._window,
                self._capacity,
            )
        )

    def _say(self, message: Hello | Grant | Bye) -> None:
        try:
            self.socket.send(encode(message), zmq.NOBLOCK)
        except zmq.Again:
            # Nobody has ever listened at the other end: there is nothing to tell.
            self.receipts.told_ns = 0

    def close(self, *, farewell: bool = True) -> None:
        """Close the socket; with ``farewell`` the producer learns that nobody will come back.

        The words are sent in the background, for at most 0.5 s; ``Context.term`` waits for them.
        """
        if self.socket.closed:
            return
        if farewell:
            self.receipts.grant()
            self._say(Bye())
        self.receipts.close()
        self.socket.close()
