"""The producing end of a node: one socket, an account for each consumer."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

import zmq

from pipeline.board import OUT, Board, EdgeSlot, NodeSlot
from pipeline.channel.claims import Claims
from pipeline.channel.edge import Edge, Frames
from pipeline.channel.endpoints import Guard, Security, authenticator, check_endpoint, secure
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
    decode,
    encode,
)
from pipeline.clock import Clock, MonotonicClock
from pipeline.errors import ChannelError, PacketError
from pipeline.packets import Packet
from pipeline.status import NodeStatus
from pipeline.wire import encode as encode_packet

_WAIT_MS = 20
_PING_NS = 200_000_000
_REPEAT_NS = 1_000_000_000
_SERVICE_EVERY = 16
_GLANCE_NS = 1_000_000
_MOST_WORDS = 512
"""So many words are heard at once: whoever floods the socket holds up nobody else's stream."""
_SILENT_NS = 2_000_000_000
"""Who has said nothing for so long may be stopped: nothing more is put into its queue."""


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
        self.edges: list[Edge] = []
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
        self._by_identity: dict[bytes, Edge] = {}
        self._since_service = 0
        self._ended = False
        self._claims = Claims(self._held, self._clock)
        self._last_ping_ns = self._glance_due_ns = self._flush_due_ns = 0
        self._last_move_ns: dict[str, int] = {}
        self._ipc_paths: list[Path] = []
        board = self.board
        if not board[NodeSlot.LEDGER]:
            board[NodeSlot.LEDGER] = secrets.randbits(62) | 1
        board[NodeSlot.INCARNATION] += 1
        self.incarnation = secrets.randbits(62)
        socket: zmq.Socket[bytes] = self._context.socket(zmq.ROUTER)
        # With 0 libzmq would throw away a consumer's last words when it disconnects before they
        # are read.
        socket.linger = 1000
        socket.sndhwm = 0
        socket.rcvhwm = 0
        socket.router_mandatory = True
        self.socket = socket

    def bind(self, endpoint: str) -> str:
        """Open an endpoint (``ipc://``, ``tcp://`` or ``inproc://``); return it resolved."""
        check_endpoint(endpoint, self._security)
        secure(self.socket, endpoint, self._security, server=True)
        if endpoint.startswith("tcp://"):
            self.socket.heartbeat_ivl = 1000
            self.socket.heartbeat_timeout = 3000
            if self._guard is None:
                self._guard = authenticator(self._context, self._security)
        try:
            if endpoint.startswith("ipc://"):
                path = Path(endpoint[6:])
                if path.exists():
                    # A socket file whose owner was killed; libzmq would bind over a live one too.
                    self._refuse_live(endpoint)
                    path.unlink()
            self.socket.bind(endpoint)
        except zmq.ZMQError as error:
            why = "in use" if error.errno == zmq.EADDRINUSE else (error.strerror or "").lower()
            raise ChannelError(f"{self.name}: cannot open {endpoint}: {why}") from None
        except OSError as error:
            raise ChannelError(f"{self.name}: cannot open {endpoint}: {error.strerror}") from None
        if endpoint.startswith("ipc://"):
            self._ipc_paths.append(Path(endpoint[6:]))
        resolved = self.socket.getsockopt(zmq.LAST_ENDPOINT)
        return resolved.rstrip(b"\0").decode() if isinstance(resolved, bytes) else endpoint

    def _refuse_live(self, endpoint: str) -> None:
        import socket as plain

        path = endpoint[6:]
        if not Path(path).is_socket():
            raise ChannelError(f"{self.name}: cannot open {endpoint}: a file is in the way")
        with plain.socket(plain.AF_UNIX) as probe:
            try:
                probe.connect(path)
            except OSError:
                return
        raise ChannelError(f"{self.name}: cannot open {endpoint}: in use")

    def expect(self, name: str, policy: Policy, capacity: int, kinds: Sequence[int]) -> None:
        """Announce a consumer of the graph: it is waited for (lossless) or held for (latest)."""
        edge = self.board.edge(name, OUT)
        self.edges.append(
            Edge(name, policy, max(1, capacity), frozenset(kinds), edge, expected=True)
        )

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
        for edge in self.edges:
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
            if self._claims:
                self._settle_claims()
            self._look_after()
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
        if self._claims:
            self._settle_claims()
        if timeout_ms:
            self._look_after()
            self.waiting()

    def tell_aside(self, edge: Edge, frame: bytes) -> None:
        """Say something beside the packets, unless the consumer is away or may be stopped."""
        if edge.identity is None or self._clock.now_ns() - edge.heard_ns > _SILENT_NS:
            return
        if not self._send(edge.identity, frame):
            edge.lost_contact()

    def _hear(self, identity: bytes, message: Message, frame: bytes) -> None:
        edge = self._by_identity.get(identity)
        if edge is not None and edge.identity == identity:
            edge.heard_ns = self._clock.now_ns()
        if self._claims and edge is not None and edge.identity == identity:
            why = f"it serves a consumer named '{edge.name}' already, expected another name"
            for claimant in self._claims.refused(edge.name):
                self._tell(claimant, Refused(why))
        if isinstance(message, Grant):
            if identity in self._claims:
                return
            if edge is None or edge.identity != identity:
                self._tell(identity, Who())
                return
            if edge.take(message):
                self._last_move_ns[edge.name] = self._clock.now_ns()
            if message.idle and edge.under_way:
                self._maybe_repeat(edge)
            if edge.waiting:
                self._forward(edge, self._clock.now_ns())
                edge.flush(self.socket)
        elif isinstance(message, Hello):
            if not self._held(identity, message):
                self._admit(identity, message)
            else:
                self._claims.add(identity, message)
        elif isinstance(message, (Ask, NodeStatus)):
            if edge is None or edge.identity != identity:
                self.rejected += 1
            else:
                self.aside(message, frame, edge)
        elif isinstance(message, Bye):
            self._claims.withdraw(identity)
            if edge is not None and edge.identity == identity:
                edge.leave()

    def _maybe_repeat(self, edge: Edge) -> None:
        """Repeat what got lost with a broken connection that healed behind our back."""
        now = self._clock.now_ns()
        if now - self._last_move_ns.setdefault(edge.name, now) > _REPEAT_NS:
            self._last_move_ns[edge.name] = now
            edge.repeat(self.socket)

    def _edge(self, name: str) -> Edge | None:
        """Return the edge to the consumer of that name, where there is one."""
        return next((edge for edge in self.edges if edge.name == name and not edge.left), None)

    def _held(self, identity: bytes, hello: Hello) -> bool:
        """Whether a consumer's name is that of another whose connection stands."""
        edge = self._edge(hello.name)
        if edge is None or edge.identity in (None, identity) or edge.consumer == hello.incarnation:
            return False
        if self._tell(edge.identity, self._welcome()):
            return True
        edge.lost_contact()
        return False

    def _settle_claims(self) -> None:
        """Admit those whose name has become free."""
        for identity, hello in self._claims.granted():
            self._admit(identity, hello)

    def _admit(self, identity: bytes, hello: Hello) -> None:
        edge = self._edge(hello.name)
        if edge is None:
            edge = Edge.from_hello(hello, self.board, OUT)
            # Of who only watched nothing is left to tell.
            self.edges = [e for e in self.edges if e.kinds or not e.left]
            self.edges.append(edge)
        # Every connection has an identity of its own: what was sent to a broken one is not taken
        # for delivered to the next.
        self._by_identity = {i: e for i, e in self._by_identity.items() if e is not edge}
        self._by_identity[identity] = edge
        ledger = self.board[NodeSlot.LEDGER]
        if not self._tell(identity, self._welcome()):
            return
        edge.admit(identity, hello, ledger, self.socket)
        edge.heard_ns = self._clock.now_ns()
        self._last_move_ns[edge.name] = self._clock.now_ns()
        self._forward(edge, edge.heard_ns)
        edge.flush(self.socket)
        if self._ended and not edge.waiting:
            self._tell(identity, End())

    def _welcome(self) -> Welcome:
        return Welcome(self.name, self.incarnation, self.board[NodeSlot.LEDGER], host_id())

    def _tell(self, identity: bytes, message: Message) -> bool:
        return self._send(identity, encode(message))

    def _send(self, identity: bytes, frame: bytes) -> bool:
        try:
            self.socket.send_multipart([identity, frame])
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            return False
        return True

    def _look_after(self) -> None:
        """Notice consumers that are gone: an address that nobody answers refuses the message."""
        now = self._clock.now_ns()
        if now - self._last_ping_ns < _PING_NS:
            return
        self._last_ping_ns = now
        welcome = self._welcome()
        for edge in self.edges:
            if edge.identity is not None and not self._tell(edge.identity, welcome):
                edge.lost_contact()
            if edge.identity is None and not edge.expected and not edge.left:
                edge.leave()

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
                    self._tell(edge.identity, End())
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
        self.socket.close(linger=0)
        if self._guard is not None:
            self._guard.stop()
            self._guard = None
        for path in self._ipc_paths:
            path.unlink(missing_ok=True)
