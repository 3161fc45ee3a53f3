"""The runtime around one node: sockets, credits, pacing, statistics. The node knows of none."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import zmq

from pipeline.board import Board, NodeSlot, State
from pipeline.channel.inlet import Inlet
from pipeline.channel.outlet import Outlet
from pipeline.clock import Clock, MonotonicClock
from pipeline.memory import resident_bytes, spare_collector
from pipeline.node import Node, SourceNode
from pipeline.pacing import Pacer, wait_until
from pipeline.packets import Packet
from pipeline.plane import Plane
from pipeline.tuned import Tuned

_PACKETS_OUT = int(NodeSlot.PACKETS_OUT)
_EVENTS_OUT = int(NodeSlot.EVENTS_OUT)
_CURSOR = int(NodeSlot.CURSOR)
_POLL_MS = 50
_BREATH_MS = 2
_TURN = 16
_TURN_NS = 2_000_000
_USAGE_NS = 250_000_000
_COMPLAINT_NS = 1_000_000_000
_ATTEND_NS = 20_000_000
_HELD_MS = 10
_AT_ONCE = float("inf")


class Control:
    """What the outside world asks of a node.

    go     sources may begin
    drain  sources end; everyone else goes on until their inputs have ended
    stop   end now, whatever is under way
    alone  every producer has ended: once there is nothing more to read, the inputs have ended
    """

    def __init__(self) -> None:
        self.go = threading.Event()
        self.drain = threading.Event()
        self.stop = threading.Event()
        self.alone = threading.Event()


class Runner:
    """Runs one node on its channels until its inputs have ended or it is told to stop."""

    def __init__(
        self,
        node: Node,
        inlets: Sequence[Inlet],
        outlet: Outlet | None,
        board: Board,
        control: Control,
        *,
        clock: Clock | None = None,
        alone: bool = True,
        say: Callable[[str], None] = print,
        wait_for_consumer: bool = False,
        obeys: bool = True,
        directory: Path | None = None,
        tuned: Tuned | None = None,
        leisure_ms: int = 0,
    ) -> None:
        """Put a runtime around ``node``.

        obeys       it may be asked to change (``control`` of the graph file)
        directory   the run's, where the other nodes' boards lie
        tuned       keeps the settings that are changed, for a successor
        leisure_ms  so long the consumers of the graph let packets wait (``Graph.leisure_ms``)
        """
        self.node = node
        self.inlets = list(inlets)
        self.outlet = outlet
        self.board = board
        self.control = control
        self._clock = clock or MonotonicClock()
        self._cpu_ns = time.process_time_ns if alone else time.thread_time_ns
        self._say = say
        self._wait_for_consumer = wait_for_consumer
        self._leisure_ms = leisure_ms
        self._next_usage_ns = 0
        self._next_complaint_ns = 0
        self._next_attend_ns = 0
        self._speed: float | None = None
        self._pacer = Pacer(_AT_ONCE, self._clock)
        self.plane = Plane(
            node,
            self.inlets,
            outlet,
            board,
            clock=self._clock,
            control=obeys,
            directory=directory,
            tuned=tuned,
        )

    def run(self) -> None:
        """Open the node, run it to its end and close it; the channels take leave properly.

        What the node raises passes through; its channels then break off without a farewell, so
        that the other ends wait for a successor.
        """
        board, node, control = self.board, self.node, self.control
        board[NodeSlot.CPU_BEFORE_NS] = board[NodeSlot.CPU_NS]
        board[NodeSlot.STATE] = State.STARTING
        node.cursor = board[NodeSlot.CURSOR]
        if self.outlet is not None:
            node.taken = self.outlet.takes
        farewell = False
        try:
            node.start()
            # A sink too may have begun something that its successor must know of.
            board[NodeSlot.CURSOR] = node.cursor
            spare_collector()
            board[NodeSlot.STATE] = State.RUNNING
            if isinstance(node, SourceNode):
                self._run_source(node)
            else:
                self._run_transformer()
            board[NodeSlot.STATE] = State.DRAINING
            if self.outlet is not None:
                self.outlet.end()
            farewell = not control.stop.is_set()
        finally:
            node.stop()
            for inlet in self.inlets:
                inlet.close(farewell=farewell)
            if self.outlet is not None:
                self.outlet.close()
            self._usage(force=True)
            self.plane.close()
            board[NodeSlot.STATE] = State.ENDED

    def _run_source(self, node: SourceNode) -> None:
        control, outlet, plane = self.control, self.outlet, self.plane

        def over() -> bool:
            return control.drain.is_set() or control.stop.is_set()

        def serve(ms: int) -> None:
            if outlet is not None:
                outlet.service(ms)
            else:
                time.sleep(ms / 1000)
                plane.gossip()
            plane.obey()
            self._usage()

        while not control.go.wait(0) and not over():
            serve(10)
        while self._wait_for_consumer and outlet is not None and not outlet.has_consumer:
            if over():
                return
            serve(_POLL_MS)
        cells = self.board.cells
        node.stopping = over
        node.wait = serve
        packets = node.stream()
        self._hold(self._speed)
        while True:
            # Held before it is made, a packet has what is changed meanwhile.
            while node.held() and not over():
                serve(_HELD_MS)
            packet = None if over() else next(packets, None)
            if packet is None:
                break
            due = self._due_ns(node, packet, serve, over)
            if due is None:
                continue
            if node.steps:
                node.steps -= 1
            if not packet.header.born_ns:
                packet.header.born_ns = due
            self._send(node.stamp(packet))
            if outlet is not None and node.speed != _AT_ONCE:
                outlet.flush_due()
            cells[_CURSOR] = node.cursor
            self._attend()

    def _due_ns(
        self,
        node: SourceNode,
        packet: Packet,
        serve: Callable[[int], None],
        over: Callable[[], bool],
    ) -> int | None:
        """Wait until a packet may leave; return when it was due, None where it is not to leave."""
        clock = self._clock

        def changed() -> bool:
            return over() or node.jumped or node.paused or node.speed != self._speed

        while True:
            while node.held() and not over():
                serve(_HELD_MS)
            if node.jumped or over():
                return None
            if node.speed != self._speed:
                self._speed = node.speed
                self._hold(self._speed)
                self._pacer = Pacer(_AT_ONCE if self._speed is None else self._speed, clock)
            if node.paused or self._speed is None or self._speed == _AT_ONCE:
                return clock.now_ns()
            due = self._pacer.due_ns(packet.header)
            if wait_until(due, clock, serve, changed):
                return due

    def _hold(self, speed: float | None) -> None:
        """Let packets wait for others for half of the time that their consumers would let them."""
        if self.outlet is not None:
            self.outlet.hold_ms = 0 if speed == _AT_ONCE else self._leisure_ms // 2

    def _attend(self) -> None:
        """Hear and say what goes beside the packets, now and then; obey between two packets."""
        now = self._clock.now_ns()
        if now < self._next_attend_ns:
            return
        self._next_attend_ns = now + _ATTEND_NS
        if self.outlet is not None:
            self.outlet.service(0)
        self.plane.gossip()
        self.plane.obey()
        self._usage()

    def _run_transformer(self) -> None:
        control, node = self.control, self.node
        poller = zmq.Poller()
        for inlet in self.inlets:
            poller.register(inlet.socket, zmq.POLLIN)
        if self.outlet is not None:
            poller.register(self.outlet.socket, zmq.POLLIN)
            # They wait no longer than for the end of a turn.
            self.outlet.hold_ms = self._leisure_ms
        open_inlets = list(self.inlets)
        while open_inlets and not control.stop.is_set():
            self._attend()
            if not self._turn(open_inlets):
                self._rest(poller, open_inlets)
        if not control.stop.is_set():
            for packet in node.finish():
                self._send(node.stamp(packet))

    def _turn(self, inlets: Sequence[Inlet]) -> bool:
        """Deal with up to ``_TURN`` packets of each input; False where all that came is dealt with.

        Where a packet takes long it is fewer: what has come of them is not kept from the others.
        """
        node, clock, stop = self.node, self._clock, self.control.stop
        more = False
        for inlet in inlets:
            begun = clock.now_ns()
            taken: list[tuple[Packet, int]] = []
            while not stop.is_set():
                packet = inlet.take()
                if packet is None:
                    break
                arrived = clock.now_ns()
                for out in node.feed(packet):
                    self._send(out)
                if not stop.is_set():
                    taken.append((packet, arrived))
                if len(taken) >= _TURN or arrived - begun > _TURN_NS:
                    more = True
                    break
            if not taken:
                inlet.receipts.grant_overdue()
                continue
            # Delivered is what has also left again: a process that dies takes nothing with it.
            if self.outlet is not None:
                self.outlet.flush()
            inlet.done_all(taken)
            self.board.cells[_CURSOR] = node.cursor
        return more or any(inlet.at_hand for inlet in inlets)

    def _rest(self, poller: zmq.Poller, open_inlets: list[Inlet]) -> None:
        """Nothing to read: wait for whatever comes, drop inputs that have ended."""
        for inlet in list(open_inlets):
            self._complain(inlet)
            if inlet.ended:
                open_inlets.remove(inlet)
                poller.unregister(inlet.socket)
                inlet.close()
        if open_inlets:
            # Where much comes at a time a rest would hold up the producer.
            hurried = sum(not inlet.receipts.unhurried() for inlet in open_inlets)
            leisure_ms = 0 if hurried else self._leisure()
            if leisure_ms:
                self.control.stop.wait(leisure_ms / 1000)
            # A busy stream goes on at once: it is not worth a word to the producer.
            ready = poller.poll(_BREATH_MS)
            if not ready:
                for inlet in open_inlets:
                    inlet.receipts.grant(idle=True)
                ready = poller.poll(_POLL_MS)
                if not ready and self.control.alone.is_set():
                    for inlet in open_inlets:
                        inlet.ended = True
            if self.outlet is not None and self.outlet.socket in dict(ready):
                self.outlet.service(0)

    def _leisure(self) -> int:
        """Return for how many ms what comes may wait for more."""
        outlet = self.outlet
        if outlet is not None and self._leisure_ms and not outlet.has_guest:
            return max(self._leisure_ms, self.node.leisure_ms)
        return self.node.leisure_ms

    def _complain(self, inlet: Inlet) -> None:
        """Pass on what was amiss with an input, once a second at most, or when it has ended."""
        now = self._clock.now_ns()
        if inlet.complaint and (inlet.ended or now >= self._next_complaint_ns):
            self._next_complaint_ns = now + _COMPLAINT_NS
            self._say(inlet.complaint)
            inlet.complaint = None

    def _send(self, packet: Packet) -> None:
        cells = self.board.cells
        cells[_PACKETS_OUT] += 1
        cells[_EVENTS_OUT] += packet.size
        if self.outlet is not None:
            self.outlet.send(packet)

    def _usage(self, *, force: bool = False) -> None:
        now = self._clock.now_ns()
        if now < self._next_usage_ns and not force:
            return
        self._next_usage_ns = now + _USAGE_NS
        board = self.board
        board[NodeSlot.CPU_NS] = board[NodeSlot.CPU_BEFORE_NS] + self._cpu_ns()
        board[NodeSlot.RSS_BYTES] = resident_bytes()
        board[NodeSlot.WANTS_STOP] |= int(self.node.wants_stop)
