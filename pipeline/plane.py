"""The control and status plane around one node: statuses told on, Asks obeyed or passed on.

Every node tells its status four times a second to all that it is connected to, producers and
consumers alike; what it hears of others it tells on, except to where it heard it. Of each node the
newest status counts, by (incarnation, time). An Ask goes towards where its addressee was heard of,
else up to all producers; its number makes it heard once. None of this is counted as packets.
"""

from __future__ import annotations

import queue
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

from pipeline.board import Board, EdgeSlot, NodeSlot, State
from pipeline.channel.edge import Edge
from pipeline.channel.inlet import Inlet
from pipeline.channel.outlet import Outlet
from pipeline.channel.protocol import Ask, encode, fitting
from pipeline.clock import Clock, MonotonicClock
from pipeline.gauges import Gauges
from pipeline.node import Node
from pipeline.reporting import describe_node
from pipeline.status import NodeStatus
from pipeline.tuned import Tuned
from pipeline.wishes import Wishes

TELL_NS = 250_000_000
"""How often a node says how it is."""
_PASS_NS = 40_000_000
"""How soon it passes on what it has heard of others."""
FORGET_NS = 5_000_000_000
"""A node that was not heard of for so long is forgotten."""
MOST_NODES = 128
_BEYOND = "@beyond"
_MOST_NUMBERS = 4096
_ASKS_A_SECOND = 200

Port: TypeAlias = Inlet | Edge
"""Where something is heard: an inlet (from a producer) or an edge (from a consumer)."""


class _Known(NamedTuple):
    status: NodeStatus
    frame: bytes
    port: Port
    heard_ns: int


class Plane:
    """One node's place among the others; it is the node's ``Surroundings``.

    ``control`` false: every Ask that comes in is refused, for this node and for those behind it.
    ``tuned`` keeps what is changed for a successor. ``tells`` false: it only watches.
    """

    def __init__(
        self,
        node: Node,
        inlets: Sequence[Inlet],
        outlet: Outlet | None,
        board: Board,
        *,
        clock: Clock | None = None,
        control: bool = True,
        directory: Path | None = None,
        tuned: Tuned | None = None,
        tells: bool = True,
    ) -> None:
        self.node = node
        self.control = control
        self._tells = tells
        self.wishes = Wishes(node, tuned)
        self._inlets = list(inlets)
        self._beyond: list[Inlet] = []
        self._outlet = outlet
        self._board = board
        self._clock = clock or MonotonicClock()
        self._gauges = Gauges(node.name, directory)
        self._note = [tuned.note] if tuned is not None and tuned.note else []
        self._incarnation = time.time_ns()
        self._own: NodeStatus | None = None
        self._known: dict[str, _Known] = {}
        self._fresh: dict[str, bytes] = {}
        self._outbox: queue.SimpleQueue[Ask] = queue.SimpleQueue()
        self._numbers: set[int] = set()
        self._in_order: deque[int] = deque()
        self._allowances: WeakKeyDictionary[Port, tuple[int, float]] = WeakKeyDictionary()
        """When a neighbour's was last filled up, and how many Asks it then had left."""
        self._next_pass_ns = self._next_own_ns = 0
        node.surroundings = self
        for inlet in inlets:
            inlet.aside = self._ear(inlet)
        if outlet is not None:
            outlet.aside = self._hear
            outlet.waiting = self.gossip

    # For the node, from any thread.

    def ask(self, node: str, key: str, value: str) -> int:
        """Ask a node for a setting or an action; return the number by which it is answered."""
        ask = Ask(secrets.randbits(61) + 1, node[:128], key[:200], value[:600])
        self._outbox.put(ask)
        return ask.number

    def statuses(self) -> dict[str, NodeStatus]:
        """Return the latest status of every node that has been heard of in the last 5 s."""
        now = self._clock.now_ns()
        known = [k.status for k in list(self._known.values()) if now - k.heard_ns < FORGET_NS]
        own = self._own
        return {status.name: status for status in ([] if own is None else [own]) + known}

    def heard_ns(self) -> dict[str, int]:
        """Return when each node was last heard of, on this host's monotonic clock, in ns."""
        return {name: known.heard_ns for name, known in list(self._known.items())}

    # In the node's thread.

    def adopt(self, inlet: Inlet) -> None:
        """Hear, and be heard, through a link that the node has made itself.

        Beyond it there are other runs, whose names may be those of this one. A node there that has
        this node's name is called ``NAME@beyond`` here.
        """
        self._inlets.append(inlet)
        self._beyond.append(inlet)
        inlet.aside = self._ear(inlet)

    def obey(self) -> None:
        """Do what this node was asked for; between two packets."""
        self._post()
        if self.wishes.grant(self._clock.now_ns()):
            self._next_own_ns = self._next_pass_ns = 0
            self.gossip()

    def gossip(self) -> None:
        """Hear what others say, and tell on what is due; cheap where nothing is."""
        now = self._clock.now_ns()
        if now < self._next_pass_ns:
            return
        self._next_pass_ns = now + _PASS_NS
        self._post()
        for inlet in self._inlets:
            if not inlet.socket.closed:
                inlet.listen()
        if self._tells and now >= self._next_own_ns:
            self._next_own_ns = now + TELL_NS
            self._own = self._describe()
            frame = fitting(self._own)
            self._tell_all(frame, None)
        fresh, self._fresh = self._fresh, {}
        for name, frame in fresh.items():
            known = self._known.get(name)
            self._tell_all(frame, None if known is None else known.port)

    def close(self) -> None:
        """Let go of what was opened; the statuses known stay readable for a while."""
        self._gauges.close()

    def _describe(self) -> NodeStatus:
        node, board = self.node, self._board
        now = self._clock.now_ns()
        status = describe_node(node, self.wishes.refused)
        state = State(board[NodeSlot.STATE])
        if state is not State.RUNNING:
            status.state = state.name.lower()
        elif not node.condition and self._inlets and not any(map(_has_taken, self._inlets)):
            status.state = "waiting"
        status.incarnation = self._incarnation
        status.control = self.control
        status.cpu_ns = max(0, board[NodeSlot.CPU_NS])
        status.rss_bytes = max(0, board[NodeSlot.RSS_BYTES])
        status.packets_out = board[NodeSlot.PACKETS_OUT]
        status.events_out = board[NodeSlot.EVENTS_OUT]
        edges = [] if self._outlet is None else self._outlet.edges
        status.edges = self._gauges.read([i for i in self._inlets if not i.socket.closed], edges)
        status.words = [*status.words, *self._note, *self.wishes.words(now)][:50]
        status.answers = self.wishes.latest(now)
        return status

    # What is heard.

    def _ear(self, inlet: Inlet) -> Callable[[Ask | NodeStatus, bytes], None]:
        return lambda word, frame: self._hear(word, frame, inlet)

    def _hear(self, word: Ask | NodeStatus, frame: bytes, port: Port) -> None:
        if isinstance(word, NodeStatus):
            self._hear_status(word, frame, port)
        elif self._is_new(word) and self._may_come(word, port):
            self._deliver(word, port)

    def _hear_status(self, status: NodeStatus, frame: bytes, port: Port) -> None:
        now = self._clock.now_ns()
        if status.name == self.node.name and port in self._beyond:
            status.name += _BEYOND
            frame = encode(status)
        name = status.name
        if name == self.node.name:
            return
        known = self._known.get(name)
        if known is not None:
            if now - known.heard_ns < FORGET_NS and status.mark <= known.status.mark:
                return
        elif len(self._known) >= MOST_NODES:
            self._forget(now)
            if len(self._known) >= MOST_NODES:
                return
        self._known[name] = _Known(status, frame, port, now)
        self._fresh[name] = frame

    def _forget(self, now: int) -> None:
        self._known = {n: k for n, k in self._known.items() if now - k.heard_ns < FORGET_NS}
        self._fresh = {n: f for n, f in self._fresh.items() if n in self._known}

    def _is_new(self, ask: Ask) -> bool:
        """Whether an Ask has not come another way before."""
        if ask.number in self._numbers:
            return False
        self._numbers.add(ask.number)
        self._in_order.append(ask.number)
        if len(self._in_order) > _MOST_NUMBERS:
            self._numbers.discard(self._in_order.popleft())
        return True

    def _may_come(self, ask: Ask, port: Port) -> bool:
        """Whether an Ask from outside is heard: control is on, and they do not come too fast.

        Each neighbour has an allowance of its own: one that floods takes nothing from others.
        """
        now = self._clock.now_ns()
        filled_ns, left = self._allowances.get(port, (now, float(_ASKS_A_SECOND)))
        more = (now - filled_ns) / 1e9 * _ASKS_A_SECOND
        left = min(float(_ASKS_A_SECOND), left + more)
        self._allowances[port] = now, left - 1 if left >= 1 else left
        if left < 1:
            self.wishes.flooded(now)
            return False
        if not self.control:
            self.wishes.refuse(ask, f"{self.node.name}: control = false: nothing is granted", now)
            return False
        return True

    # What is said.

    def _post(self) -> None:
        """Send off what the node itself asks for."""
        while not self._outbox.empty():
            ask = self._outbox.get()
            self._is_new(ask)
            self._deliver(ask, None)

    def _deliver(self, ask: Ask, port: Port | None) -> None:
        """Take an Ask to heart, or pass it on to where its addressee is."""
        now = self._clock.now_ns()
        if ask.node == self.node.name:
            self.wishes.add(ask, now)
            return
        known = self._known.get(ask.node)
        if known is not None and now - known.heard_ns < FORGET_NS and known.port is not port:
            if known.port in self._beyond and ask.node == self.node.name + _BEYOND:
                ask = Ask(ask.number, self.node.name, ask.key, ask.value)
            self._tell(known.port, encode(ask))
            return
        up = [inlet for inlet in self._inlets if inlet is not port and not inlet.socket.closed]
        if isinstance(port, Inlet) or not up:
            why = f"{self.node.name}: knows no node '{ask.node}'"
            self.wishes.refuse(ask, why, now)
            return
        for inlet in up:
            self._tell(inlet, encode(ask))

    def _tell_all(self, frame: bytes, but: Port | None) -> None:
        for inlet in self._inlets:
            if inlet is not but:
                inlet.tell_aside(frame)
        if self._outlet is not None:
            for edge in self._outlet.edges:
                if edge is not but:
                    self._outlet.tell_aside(edge, frame)

    def _tell(self, port: Port, frame: bytes) -> None:
        if isinstance(port, Inlet):
            port.tell_aside(frame)
        elif self._outlet is not None:
            self._outlet.tell_aside(port, frame)


def _has_taken(inlet: Inlet) -> bool:
    return inlet.account[EdgeSlot.DELIVERED_PACKETS] > 0
