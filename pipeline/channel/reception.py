"""Who an outlet's consumers are: they come and are admitted under a name, fall silent, and go."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

import zmq

from pipeline.board import OUT, Board, NodeSlot
from pipeline.channel.claims import Claims
from pipeline.channel.edge import Edge
from pipeline.channel.host import host_id
from pipeline.channel.protocol import Hello, Message, Policy, Refused, Welcome, encode
from pipeline.clock import Clock

_PING_NS = 200_000_000
_SILENT_NS = 2_000_000_000
"""Who has said nothing for so long may be stopped: nothing more is put into its queue."""


class Reception:
    """An account for each consumer, and which connection is whose.

    edges        every consumer's account, those announced first
    admitted     told of each consumer that is there now, or there again
    incarnation  tells this producer from the one before it, of the same name
    """

    def __init__(self, name: str, socket: zmq.Socket[bytes], board: Board, clock: Clock) -> None:
        self.edges: list[Edge] = []
        self.admitted: Callable[[Edge], None] = lambda edge: None
        self._name = name
        self._socket = socket
        self._board = board
        self._clock = clock
        self._by_identity: dict[bytes, Edge] = {}
        self._last_ping_ns = 0
        self.claims = Claims(self._held, clock)
        if not board[NodeSlot.LEDGER]:
            board[NodeSlot.LEDGER] = secrets.randbits(62) | 1
        board[NodeSlot.INCARNATION] += 1
        self.incarnation = secrets.randbits(62)

    def expect(self, name: str, policy: Policy, capacity: int, kinds: Sequence[int]) -> None:
        """Announce a consumer of the graph."""
        account = self._board.edge(name, OUT)
        self.edges.append(
            Edge(name, policy, max(1, capacity), frozenset(kinds), account, expected=True)
        )

    def speaker(self, identity: bytes) -> Edge | None:
        """Return whose connection this is; None where nobody is served over it.

        What it says shows that it is there: those who claim its name are refused.
        """
        edge = self._by_identity.get(identity)
        if edge is None or edge.identity != identity:
            return None
        edge.heard_ns = self._clock.now_ns()
        if self.claims:
            why = f"it serves a consumer named '{edge.name}' already, expected another name"
            for claimant in self.claims.refused(edge.name):
                self.tell(claimant, Refused(why))
        return edge

    def come(self, identity: bytes, hello: Hello) -> None:
        """Admit a consumer, unless another has its name: then its claim waits."""
        if self._held(identity, hello):
            self.claims.add(identity, hello)
        else:
            self._admit(identity, hello)

    def settle(self) -> None:
        """Admit those whose name has become free."""
        if self.claims:
            for identity, hello in self.claims.granted():
                self._admit(identity, hello)

    def _edge(self, name: str) -> Edge | None:
        """Return the edge to the consumer of that name, where there is one."""
        return next((edge for edge in self.edges if edge.name == name and not edge.left), None)

    def _held(self, identity: bytes, hello: Hello) -> bool:
        """Whether a consumer's name is that of another whose connection stands."""
        edge = self._edge(hello.name)
        if edge is None or edge.identity in (None, identity) or edge.consumer == hello.incarnation:
            return False
        if self.tell(edge.identity, self._welcome()):
            return True
        edge.lost_contact()
        return False

    def _admit(self, identity: bytes, hello: Hello) -> None:
        edge = self._edge(hello.name)
        if edge is None:
            edge = Edge.from_hello(hello, self._board, OUT)
            # Of who only watched nothing is left to tell.
            self.edges = [e for e in self.edges if e.kinds or not e.left]
            self.edges.append(edge)
        # Every connection has an identity of its own: what was sent to a broken one is not taken
        # for delivered to the next.
        self._by_identity = {i: e for i, e in self._by_identity.items() if e is not edge}
        self._by_identity[identity] = edge
        if not self.tell(identity, self._welcome()):
            return
        edge.admit(identity, hello, self._board[NodeSlot.LEDGER], self._socket)
        edge.heard_ns = edge.moved_ns = self._clock.now_ns()
        self.admitted(edge)

    def _welcome(self) -> Welcome:
        return Welcome(self._name, self.incarnation, self._board[NodeSlot.LEDGER], host_id())

    def tell(self, identity: bytes, message: Message) -> bool:
        """Say something over a connection; False where nobody is there any more."""
        return self._send(identity, encode(message))

    def tell_aside(self, edge: Edge, frame: bytes) -> None:
        """Say something beside the packets, unless the consumer is away or may be stopped."""
        if edge.identity is None or self._clock.now_ns() - edge.heard_ns > _SILENT_NS:
            return
        if not self._send(edge.identity, frame):
            edge.lost_contact()

    def _send(self, identity: bytes, frame: bytes) -> bool:
        try:
            self._socket.send_multipart([identity, frame])
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            return False
        return True

    def look_after(self) -> None:
        """Notice consumers that are gone: an address that nobody answers refuses the message."""
        now = self._clock.now_ns()
        if now - self._last_ping_ns < _PING_NS:
            return
        self._last_ping_ns = now
        welcome = self._welcome()
        for edge in self.edges:
            if edge.identity is not None and not self.tell(edge.identity, welcome):
                edge.lost_contact()
            if edge.identity is None and not edge.expected and not edge.left:
                edge.leave()
