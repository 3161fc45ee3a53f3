"""One consumer as its producer sees it: the account of what was sent, taken and dropped."""

from __future__ import annotations

from collections import deque
from typing import Any, TypeAlias

import zmq

from pipeline.board import Board, EdgeBoard, EdgeSlot, private_edge
from pipeline.channel.protocol import Grant, Hello, Policy

# Plain numbers: looking up an enumeration's member costs more than the counting.
_SENT_PACKETS = int(EdgeSlot.SENT_PACKETS)
_SENT_EVENTS = int(EdgeSlot.SENT_EVENTS)
_SENT_T = int(EdgeSlot.SENT_T)
_DROPPED_PACKETS = int(EdgeSlot.DROPPED_PACKETS)
_DROPPED_EVENTS = int(EdgeSlot.DROPPED_EVENTS)

_BATCH = 1 << 16
"""Small packets go together in messages of about this size in bytes, where they come fast."""

_HELD = 1 << 20
"""So many bytes of large packets wait at most for others to go with."""

_IN_PLACE = 1 << 18
_LAG_NS = 20_000_000
"""What a ``latest`` consumer has had for so long and not taken: nothing more is sent after it."""

_BYTES_UNDER_WAY = 1 << 23
"""So much may be under way to a consumer, whatever its window: more would only leave the cache."""

Frames: TypeAlias = tuple[tuple[Any, ...], int, int]
"""The frames of a packet, its number of events and the event time at which it begins, in µs."""


class Edge:
    """The producer's side of one edge.

    ``lossless``: packets sent but not yet taken are kept, and sent again to a consumer that
    came back. ``latest``: at most ``capacity`` packets wait; older ones are dropped and counted.
    """

    def __init__(
        self,
        name: str,
        policy: Policy,
        capacity: int,
        kinds: frozenset[int],
        board: EdgeBoard,
        *,
        expected: bool,
    ) -> None:
        self.name = name
        self.policy = policy
        self.capacity = capacity
        self.kinds = kinds
        self.board = board
        self.expected = expected
        self.identity: bytes | None = None
        self.consumer = 0
        self.window = 1
        self._batch: list[bytes] = []
        self._batch_bytes = 0
        self._held: list[tuple[Any, ...]] = []
        self._held_bytes = 0
        self.under_way: deque[Frames] = deque()
        self._pushed_ns: deque[int] = deque()
        """When each packet was put under way; of a ``latest`` consumer alone."""
        self.waiting: deque[Frames] = deque()
        self.left = False
        self.heard_ns = 0
        """When the consumer last said anything."""
        self.moved_ns = 0
        """When it last took anything, came, or had everything repeated."""

    @classmethod
    def from_hello(cls, hello: Hello, board: Board, direction: int) -> Edge:
        """Open an edge to a consumer that no graph announced.

        Who takes no packets only watches: nothing of it needs to outlive this process.
        """
        name = hello.name
        edge = board.edge(name, direction) if hello.kinds else private_edge(name, direction)
        return cls(
            hello.name,
            hello.policy,
            max(1, hello.capacity),
            frozenset(hello.kinds),
            edge,
            expected=False,
        )

    @property
    def credit(self) -> int:
        """How many more packets the consumer can take now."""
        if self.identity is None:
            return 0
        under_way = self.under_way
        window = self.window
        if under_way and len(under_way[0][0]) == 2:
            window = min(window, max(2, _BYTES_UNDER_WAY // under_way[0][0][1].nbytes))
        return window - len(under_way)

    @property
    def undelivered(self) -> int:
        """Packets that were sent and are neither delivered nor dropped."""
        board = self.board
        return (
            board[EdgeSlot.SENT_PACKETS]
            - board[EdgeSlot.DELIVERED_PACKETS]
            - board[EdgeSlot.DROPPED_PACKETS]
        )

    @property
    def backlog_us(self) -> int:
        """Event time that was sent and is, as far as it is known here, not taken."""
        oldest = next(iter(self.under_way or self.waiting), None)
        return 0 if oldest is None else max(0, self.board[EdgeSlot.SENT_T] - oldest[2])

    def count_sent(self, events: int, t_end: int) -> None:
        """Count a packet as sent on this edge."""
        cells, base = self.board.cells, self.board.base
        cells[base + _SENT_EVENTS] += events
        cells[base + _SENT_T] = t_end
        cells[base + _SENT_PACKETS] += 1

    def drop(self, events: int) -> None:
        """Count a packet as dropped on this edge."""
        cells, base = self.board.cells, self.board.base
        cells[base + _DROPPED_EVENTS] += events
        cells[base + _DROPPED_PACKETS] += 1

    def ready(self, now_ns: int) -> bool:
        """Whether a ``latest`` consumer is to have another packet at ``now_ns``.

        What is under way cannot be dropped any more: to one that lags no more of that is sent
        than keeps it busy, so that what it gets next is new.
        """
        pushed = self._pushed_ns
        return (len(pushed) < 2 or now_ns - pushed[0] < _LAG_NS) and self.credit > 0

    def push_latest(self, socket: zmq.Socket[bytes], frames: Frames, now_ns: int) -> None:
        """Put a packet under way to a ``latest`` consumer."""
        self._pushed_ns.append(now_ns)
        self.push(socket, frames)

    def push(self, socket: zmq.Socket[bytes], frames: Frames, *, hold: bool = False) -> None:
        """Put a packet under way; small ones, or all (``hold``), wait for ``flush``."""
        self.under_way.append(frames)
        self._transmit(socket, frames[0], hold)

    def _transmit(
        self, socket: zmq.Socket[bytes], frames: tuple[Any, ...], hold: bool = False
    ) -> None:
        if len(frames) == 1:
            self._batch.append(frames[0])
            self._batch_bytes += len(frames[0])
            if self._batch_bytes >= _BATCH:
                self.flush(socket)
            return
        if self._batch or not hold:
            self.flush(socket)
        if not hold:
            self._emit(socket, *frames)
            return
        self._held.append(frames)
        self._held_bytes += frames[1].nbytes
        if self._held_bytes >= _HELD:
            self.flush(socket)

    def flush(self, socket: zmq.Socket[bytes]) -> None:
        """Send the packets that wait: large ones one after the other, then small ones together."""
        if self._held:
            held, self._held, self._held_bytes = self._held, [], 0
            for frames in held:
                self._emit(socket, *frames)
        batch = self._batch
        if batch:
            frame = batch[0] if len(batch) == 1 else b"".join(batch)
            batch.clear()
            self._batch_bytes = 0
            self._emit(socket, frame)

    def _emit(self, socket: zmq.Socket[bytes], frame: bytes, payload: Any = None) -> None:
        identity = self.identity
        if identity is None:
            return
        try:
            socket.send(identity, zmq.SNDMORE)
            if payload is None:
                socket.send(frame)
            else:
                socket.send(frame, zmq.SNDMORE)
                # Sending in place costs a hand-over between threads: worth it for much memory only.
                socket.send(payload, copy=payload.nbytes < _IN_PLACE)
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            self.lost_contact()

    def lost_contact(self) -> None:
        """The consumer cannot be reached; what it had is known when it is back, or never."""
        self.identity = None
        self._unbatch()

    def _unbatch(self) -> None:
        """Forget what waits to be sent; what is under way is repeated when it is asked for."""
        self._batch.clear()
        self._held.clear()
        self._batch_bytes = self._held_bytes = 0

    def leave(self) -> None:
        """The consumer will not come back: whatever it did not take is dropped and counted."""
        self.identity = None
        self.left = True
        self._pushed_ns.clear()
        for queue in (self.under_way, self.waiting):
            while queue:
                self.drop(queue.popleft()[1])
        self.settle()

    def settle(self) -> None:
        """Count as dropped what neither the consumer has nor this process still holds.

        Where it has more than that it had taken what was counted as dropped when it was lost from
        sight: that is set right.
        """
        missing = self.undelivered - len(self.under_way) - len(self.waiting)
        board = self.board
        held = sum(frames[1] for queue in (self.under_way, self.waiting) for frames in queue)
        events = (
            board[EdgeSlot.SENT_EVENTS]
            - board[EdgeSlot.DELIVERED_EVENTS]
            - board[EdgeSlot.DROPPED_EVENTS]
            - held
        )
        board.add(EdgeSlot.DROPPED_EVENTS, events)
        board.add(EdgeSlot.DROPPED_PACKETS, missing)
        board[EdgeSlot.LOST_PACKETS] = max(0, board[EdgeSlot.LOST_PACKETS] + missing)

    def admit(self, identity: bytes, hello: Hello, ledger: int, socket: zmq.Socket[bytes]) -> None:
        """Take up (again) with a consumer, from what it says it has had."""
        again = self.identity == identity and self.consumer == hello.incarnation
        self.identity = identity
        self.consumer = hello.incarnation
        self.window = max(1, hello.window)
        board = self.board
        if hello.ledger == ledger:
            self.take(Grant(hello.packets, hello.events, hello.rejected))
        else:
            # It has no memory of this account: count on from what is known to be delivered.
            rejected = board[EdgeSlot.REJECTED_PACKETS]
            board[EdgeSlot.OFFSET_PACKETS] = board[EdgeSlot.DELIVERED_PACKETS] + rejected
            board[EdgeSlot.OFFSET_EVENTS] = board[EdgeSlot.DELIVERED_EVENTS]
            board[EdgeSlot.OFFSET_REJECTED] = rejected
        if again:
            return
        self.settle()
        if self.policy == "latest":
            self._pushed_ns.clear()
            while self.under_way:
                self.drop(self.under_way.popleft()[1])
        self.repeat(socket)

    def repeat(self, socket: zmq.Socket[bytes]) -> None:
        """Send again whatever is under way; a consumer ignores what it has already had."""
        self._unbatch()
        for frames, *_ in list(self.under_way):
            self._transmit(socket, frames)
        self.flush(socket)

    def take(self, grant: Grant) -> bool:
        """Book what the consumer says it has taken; False where that is no news, or cannot be.

        Counts are cumulative, so a message that is late or repeated changes nothing.
        """
        board = self.board
        delivered = board[EdgeSlot.DELIVERED_PACKETS]
        rejected = board[EdgeSlot.REJECTED_PACKETS]
        taken = board[EdgeSlot.OFFSET_PACKETS] + grant.packets
        packets = taken - delivered - rejected
        if packets <= 0 or taken > board[EdgeSlot.SENT_PACKETS]:
            return False
        had = board[EdgeSlot.OFFSET_EVENTS] + grant.events
        events = had - board[EdgeSlot.DELIVERED_EVENTS]
        refused = board[EdgeSlot.OFFSET_REJECTED] + grant.rejected - rejected
        if events < 0 or had > board[EdgeSlot.SENT_EVENTS] or not 0 <= refused <= packets:
            return False
        under_way, pushed = self.under_way, self._pushed_ns
        popped = 0
        for _ in range(min(packets, len(under_way))):
            popped += under_way.popleft()[1]
        for _ in range(min(packets, len(pushed))):
            pushed.popleft()
        board.add(EdgeSlot.DELIVERED_EVENTS, events)
        if refused:
            board[EdgeSlot.REJECTED_PACKETS] = rejected + refused
            board.add(EdgeSlot.DROPPED_EVENTS, max(0, popped - events))
            board.add(EdgeSlot.DROPPED_PACKETS, refused)
            packets -= refused
        board.add(EdgeSlot.DELIVERED_PACKETS, packets)
        return True
