"""The producing end of a node: one socket, an account for each consumer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import zmq

from pipeline.board import Board, EdgeSlot
from pipeline.channel.edge import Edge, Frames
from pipeline.channel.endpoints import (
    Guard,
    Security,
    authenticator,
    check_endpoint,
    open_endpoint,
    secure,
)
from pipeline.channel.protocol import (
    Ask,
    Bye,
    End,
    Grant,
    Hello,
    Message,
    Policy,
    Who,
    decode,
)
from pipeline.channel.reception import Reception
from pipeline.clock import Clock, MonotonicClock
from pipeline.errors import PacketError
from pipeline.packets import Packet
from pipeline.status import NodeStatus
from pipeline.wire import encode as encode_packet

_WAIT_MS = 20
_REPEAT_NS = 1_000_000_000
_SERVICE_EVERY = 16
_GLANCE_NS = 1_000_000
_MOST_WORDS = 512
"""So many words are heard at once: whoever floods the socket holds up nobody else's stream."""


class Outlet:
    """Sends packets to any number of consumers, each served by its own policy.

    ``stop()`` is asked while the outlet waits; when it turns true, waiting ends at once.
    """

    def __init__(
        self,
        name: str,
        context: zmq.Context[zmq.Socket[bytes]] | None = None,
        *,
        board: Board | None = None,
        clock: Clock | None = None,
        stop: Callable[[], bool] = lambda: False,
        security: Security | None = None,
    ) -> None:
        self.name = name
        self.board = board or Board()
        self.rejected = 0
        self.aside: Callable[[Ask | NodeStatus, bytes, Edge], None] = lambda word, frame, edge: None
        """Gets what consumers say beside the packets, with its frame."""
        self.waiting: Callable[[], None] = lambda: None
        """Called now and then while the outlet waits."""
        self.hold_ms = 0
        """So long packets wait for others to go with, where all consumers are the graph's."""
        self._clock = clock or MonotonicClock()
        self._stop = stop
        self._security = security or Security()
        self._context = context or zmq.Context.instance()
        self._guard: Guard | None = None
        self._since_service = 0
        self._ended = False
        self._glance_due_ns = self._flush_due_ns = 0
        self._ipc_paths: list[Path] = []
        socket: zmq.Socket[bytes] = self._context.socket(zmq.ROUTER)
        # With 0 libzmq would throw away a consumer's last words when it disconnects before they
        # are read.
        socket.linger = 1000
        socket.sndhwm = 0
        socket.rcvhwm = 0
        socket.router_mandatory = True
        self.socket = socket
        self._reception = Reception(name, socket, self.board, self._clock)
        self._reception.admitted = self._serve

    def bind(self, endpoint: str) -> str:
        """Open an endpoint (``ipc://``, ``tcp://`` or ``inproc://``); return it resolved."""
        check_endpoint(endpoint, self._security)
        secure(self.socket, endpoint, self._security, server=True)
        if endpoint.startswith("tcp://") and self._guard is None:
            self._guard = authenticator(self._context, self._security)
        resolved = open_endpoint(self.socket, self.name, endpoint)
        if endpoint.startswith("ipc://"):
            self._ipc_paths.append(Path(endpoint[6:]))
        return resolved

    @property
    def edges(self) -> list[Edge]:
        """The account of every consumer."""
        return self._reception.edges

    def expect(self, name: str, policy: Policy, capacity: int, kinds: Sequence[int]) -> None:
        """Announce a consumer of the graph: it is waited for (lossless) or held for (latest)."""
        self._reception.expect(name, policy, capacity, kinds)

    @property
    def has_consumer(self) -> bool:
        """Whether anyone is there who takes packets."""
        return any(edge.identity is not None and edge.kinds for edge in self.edges)

    @property
    def has_guest(self) -> bool:
        """Whether anyone takes packets whom nobody announced."""
        return any(edge.kinds and not edge.expected and not edge.left for edge in self.edges)

    def takes(self, kind: type[Packet]) -> bool:
        """Whether a packet of that kind, sent now, would be kept for anyone.

        Anyone who is there, or who is to have everything once he comes.
        """
        return any(
            kind.code in edge.kinds
            and not edge.left
            and (edge.identity is not None or edge.policy == "lossless")
            for edge in self.edges
        )

    def wait_for_consumer(self) -> bool:
        """Wait until any consumer is there; False where stopped before."""
        while not self.has_consumer:
            if self._stop():
                return False
            self.service(_WAIT_MS)
        return True

    def send(self, packet: Packet) -> bool:
        """Send a packet to every consumer of its kind; False where stopped while waiting.

        Small packets may wait for ``flush``, which waiting for anything does of itself; so may
        large ones where there is ``hold_ms``.
        A packet that was cut short by a stop counts as sent, and as dropped, on the edges that
        it did not reach.
        """
        events = packet.size
        frames: Frames | None = None
        code = packet.code
        t_end = packet.header.t_end
        self._since_service += 1
        if self._since_service >= _SERVICE_EVERY:
            self.service(0)
        done = True
        hold = bool(self.hold_ms) and not self.has_guest
        for edge in self._reception.edges:
            if code not in edge.kinds or edge.left:
                continue
            if frames is None:
                frames = (encode_packet(packet), events, packet.header.t_begin)
            if edge.policy == "lossless":
                done = self._wait_for_credit(edge) and done
            else:
                now = self._clock.now_ns()
                if now >= self._glance_due_ns and not edge.ready(now):
                    # It may be stopped: it is listened for now and then.
                    self._glance_due_ns = now + _GLANCE_NS
                    self.service(0)
            # Counted only now: whatever counts as sent is held by the edge or on its way.
            edge.count_sent(events, t_end)
            if edge.policy == "latest" and not edge.left:
                self._send_latest(edge, frames, now)
            elif edge.credit > 0:
                edge.push(self.socket, frames, hold=hold)
            else:
                edge.drop(events)
        return done

    def _wait_for_credit(self, edge: Edge) -> bool:
        """Wait until a lossless consumer can take more; False where stopped before."""
        while edge.credit <= 0 and not edge.left:
            if self._stop():
                return False
            self.flush()
            self.service(_WAIT_MS)
        return True

    def _send_latest(self, edge: Edge, frames: Frames, now_ns: int) -> None:
        waiting = edge.waiting
        waiting.append(frames)
        self._forward(edge, now_ns)
        while len(waiting) > edge.capacity:
            edge.drop(waiting.popleft()[1])

    def _forward(self, edge: Edge, now_ns: int) -> None:
        """Send a ``latest`` consumer what waits, as far as it does not lag."""
        while edge.waiting and edge.ready(now_ns):
            edge.push_latest(self.socket, edge.waiting.popleft(), now_ns)

    def flush(self) -> None:
        """Send every packet that waits to go together with others."""
        for edge in self.edges:
            edge.flush(self.socket)
        if self.hold_ms:
            self._flush_due_ns = self._clock.now_ns() + self.hold_ms * 1_000_000

    def flush_due(self) -> int:
        """Flush, unless packets are held that may wait still; return the ms until they may not."""
        if self.hold_ms:
            left = self._flush_due_ns - self._clock.now_ns()
            if left > 0 and not self.has_guest:
                return -(-left // 1_000_000)
        self.flush()
        return 0

    def service(self, timeout_ms: int) -> None:
        """Read what consumers say, waiting at most ``timeout_ms`` for the first word."""
        self._since_service = 0
        socket = self.socket
        if timeout_ms:
            timeout_ms = min(timeout_ms, self.flush_due() or timeout_ms)
        if timeout_ms and not socket.poll(timeout_ms):
            self._reception.settle()
            self._reception.look_after()
            self.waiting()
            return
        for _ in range(_MOST_WORDS):
            try:
                identity, *frames = socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            try:
                message = decode(frames[0] if len(frames) == 1 else b"")
            except PacketError:
                self.rejected += 1
                continue
            self._hear(identity, message, frames[0])
        self._reception.settle()
        if timeout_ms:
            self._reception.look_after()
            self.waiting()

    def tell_aside(self, edge: Edge, frame: bytes) -> None:
        """Say something beside the packets, unless the consumer is away or may be stopped."""
        self._reception.tell_aside(edge, frame)

    def _hear(self, identity: bytes, message: Message, frame: bytes) -> None:
        reception = self._reception
        edge = reception.speaker(identity)
        if isinstance(message, Grant):
            if edge is not None:
                self._hear_grant(edge, message)
            elif identity not in reception.claims:
                reception.tell(identity, Who())
        elif isinstance(message, Hello):
            reception.come(identity, message)
        elif isinstance(message, (Ask, NodeStatus)):
            if edge is None:
                self.rejected += 1
            else:
                self.aside(message, frame, edge)
        elif isinstance(message, Bye):
            reception.claims.withdraw(identity)
            if edge is not None:
                edge.leave()

    def _hear_grant(self, edge: Edge, grant: Grant) -> None:
        now = self._clock.now_ns()
        if edge.take(grant):
            edge.moved_ns = now
        if grant.idle and edge.under_way and now - edge.moved_ns > _REPEAT_NS:
            # It got lost with a broken connection that healed behind our back.
            edge.moved_ns = now
            edge.repeat(self.socket)
        if edge.waiting:
            self._forward(edge, now)
            edge.flush(self.socket)

    def _serve(self, edge: Edge) -> None:
        """Send a consumer that has come what waits for it."""
        self._forward(edge, edge.heard_ns)
        edge.flush(self.socket)
        if self._ended and not edge.waiting and edge.identity is not None:
            self._reception.tell(edge.identity, End())

    def end(self, patience_s: float = 10.0) -> None:
        """Tell every consumer that this was all, and wait until each has taken everything.

        Waiting ends when nothing was taken for ``patience_s`` seconds or ``stop()`` turns true;
        what is then still open is counted as dropped.
        """
        self._ended = True
        told: set[tuple[str, int]] = set()
        last_open, since = -1, self._clock.now_ns()
        while not all(edge.left for edge in self.edges) and not self._stop():
            for edge in self.edges:
                mark = (edge.name, edge.consumer)
                if edge.identity is not None and not edge.waiting and mark not in told:
                    told.add(mark)
                    edge.flush(self.socket)
                    self._reception.tell(edge.identity, End())
            for edge in self.edges:
                if not edge.kinds:
                    # Who only watches has nothing to take.
                    edge.leave()
                # Its farewell may have been lost with its connection; it has had everything.
                heard = (edge.name, edge.consumer) in told
                if heard and edge.identity is None and not edge.left and not edge.undelivered:
                    edge.leave()
            still = sum(edge.undelivered for edge in self.edges if not edge.left)
            now = self._clock.now_ns()
            if still != last_open:
                last_open, since = still, now
            if now - since > patience_s * 1e9:
                break
            self.service(_WAIT_MS)
        for edge in self.edges:
            if not edge.left:
                edge.leave()

    def backlog(self) -> int:
        """Return the largest number of packets that any consumer has yet to take."""
        return max((edge.undelivered for edge in self.edges), default=0)

    def sent(self) -> int:
        """Return the largest number of packets sent on any edge."""
        return max((edge.board[EdgeSlot.SENT_PACKETS] for edge in self.edges), default=0)

    def close(self) -> None:
        """Close the socket and remove its files; never waits."""
        self._reception.admitted = lambda edge: None
        self.socket.close(linger=0)
        if self._guard is not None:
            self._guard.stop()
            self._guard = None
        for path in self._ipc_paths:
            path.unlink(missing_ok=True)
