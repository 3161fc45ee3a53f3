"""The node contract: a plain transformer of packets.

A node can be called in a test, composed offline (``for p in Infer()(Bins()(Source(path=...)))``)
or run as a process of its own: the same code. Sockets, clocks, threads and statistics belong to
the runtime around it (``pipeline.runtime``).
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pipeline.errors import RetinaError, SettingError
from pipeline.packets import Packet
from pipeline.settings import Settings, settings_from
from pipeline.status import NodeStatus
from pipeline.tuning import tune

if TYPE_CHECKING:
    from pipeline.channel.inlet import Inlet

__all__ = ["Node", "Settings", "SourceNode"]


class Surroundings(Protocol):
    """The nodes around a node; both may be called from any thread."""

    def ask(self, node: str, key: str, value: str) -> int:
        """Ask a node for a setting or an action; return the number by which it is answered."""
        ...

    def statuses(self) -> dict[str, NodeStatus]:
        """Return the latest status of every node that has been heard of in the last 5 s."""
        ...

    def adopt(self, inlet: Inlet) -> None:
        """Hear, and be heard, through a link that the node has made itself (in its own thread)."""
        ...


class Node:
    """Takes packets, gives packets.

    A kind of node states its ``settings_type``, which packets it ``accepts`` and ``emits``, and
    overrides ``process``. Everything else has a sensible default.
    """

    settings_type: ClassVar[type[Settings]] = Settings
    accepts: ClassVar[tuple[type[Packet], ...]] = ()
    emits: ClassVar[tuple[type[Packet], ...]] = ()
    needs_display: ClassVar[bool] = False
    main_thread: ClassVar[Callable[[Any, threading.Event], None] | None] = None
    """A kind that owns the main thread (a window) defines ``main_thread(self, stop)``."""
    leisure_ms: int = 0
    """So long what has come may wait for more, to be taken at once: each waking costs."""
    patient: ClassVar[bool] = False
    """Nothing hangs on how soon packets come: who sends to this kind alone may have its leisure."""
    blas: ClassVar[bool] = True
    """Code that this kind compiles with numba may multiply matrices (``pipeline.lean``)."""
    live: ClassVar[frozenset[str]] = frozenset()
    """The settings that may be changed while the node runs."""
    actions: ClassVar[dict[str, str]] = {}
    """What the node can be asked to do once: name -> one line of help."""

    def __init__(self, settings: Settings | None = None, **values: Any) -> None:
        self.settings: Any = settings or settings_from(
            self.settings_type, values, type(self).__name__
        )
        self.name = type(self).__name__.lower()
        self.journal: Callable[[dict[str, Any]], None] = lambda entry: None
        """Writes a line that outlives the process into the run's report."""
        self.cursor = 0
        """How far the node has come; handed to its successor where the process dies."""
        self.stopping: Callable[[], bool] = lambda: False
        """Says whether the run is to end; for a source that waits between two packets."""
        self.wait: Callable[[int], None] = lambda ms: time.sleep(ms / 1000)
        """Waits up to so many ms while the runtime serves consumers; for a source without data."""
        self.taken: Callable[[type[Packet]], bool] = lambda kind: False
        """Says whether anyone takes packets of a kind, for a kind that is dear to make; where
        there is no runtime nobody is known to."""
        self.wants_stop = False
        """Set by a node to end the whole run (a window that was closed)."""
        self.condition = ""
        """What the node is at where that is not simply running: 'paused', 'reconnecting'."""
        self.surroundings: Surroundings | None = None
        """The nodes around this one; None where there is no runtime."""
        self._asked: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self._refusals: list[str] = []
        self._open = False
        self._stamps: dict[str, int] = {}
        self._reset_pending: set[str] = set()

    # What a kind of node overrides.

    @classmethod
    def variant(cls, settings: Settings) -> type[Node]:  # noqa: ARG003
        """Return the class that runs with these settings: a kind may have several."""
        return cls

    @classmethod
    def prepare(cls) -> None:
        """Import and compile what ``open`` and ``main_thread`` will need, before there is a node.

        Called in the main thread of a process that nobody waits for yet; may raise RetinaError.
        """

    def open(self) -> None:
        """Acquire what the node needs (a model, a file, a window); raise RetinaError if amiss."""

    def process(self, packet: Packet) -> Iterator[Packet]:
        """Yield what follows from one packet."""
        raise NotImplementedError(f"{type(self).__name__} takes no packets")

    def reset(self) -> None:
        """Forget everything that was learnt from earlier packets of the stream."""

    def finish(self) -> Iterator[Packet]:
        """Yield what is left when the stream has ended."""
        yield from ()

    def close(self) -> None:
        """Release what ``open`` acquired."""

    # What a kind of node overrides so that it can be watched and changed while it runs.

    def retuned(self, names: set[str]) -> None:
        """Put changed settings into force; called in the node's own thread between two packets.

        ``self.settings`` has been replaced by one that is checked. Raises RetinaError where a
        value cannot be had: the settings are then as before, and this is called once more.
        """

    def act(self, name: str, value: str) -> None:
        """Do one of ``actions`` once; called like ``retuned``. Raises RetinaError to refuse."""
        raise SettingError(f"{self.name}: '{name}' is nothing that it does")

    def actual(self) -> dict[str, object]:
        """Return the settings whose value in force is not what was asked for.

        A device may have rounded, or not have taken it; also keys that the settings do not have.
        """
        return {}

    def facts(self) -> dict[str, str | int | float]:
        """Return what the node knows: ``position_s``, a serial number, a device's drop counters."""
        return {}

    def words(self) -> list[str]:
        """Return what is wrong, a line each; empty where all is well."""
        return []

    def timeline(self) -> list[int]:
        """Return the events in equal parts of a recording, from its facts' begin_s to end_s."""
        return []

    # What a node may use to watch and change the others, from any thread.

    def ask(self, node: str, key: str, value: str) -> int:
        """Ask a node, however far up the stream, to change a live setting or to act.

        Returns the number by which the answer is known in that node's status (``answers``). Where
        there is no runtime a node can only ask itself; it obeys before its next packet.
        """
        if self.surroundings is not None:
            return self.surroundings.ask(node, key, value)
        if node == self.name:
            self._asked.put((key, value))
        else:
            self._refusals.append(f"{self.name}: '{node}' cannot be asked: there is no runtime")
        return 0

    def statuses(self) -> dict[str, NodeStatus]:
        """Return the latest status of every node that is known of, by name, its own among them."""
        if self.surroundings is not None:
            return self.surroundings.statuses()
        from pipeline.reporting import describe_node

        status = describe_node(self)
        status.words = [*status.words, *self._refusals[-8:]]
        return {self.name: status}

    def obey(self) -> None:
        """Do what the node has asked of itself where there is no runtime."""
        while not self._asked.empty():
            try:
                tune(self, *self._asked.get())
            except RetinaError as error:
                self._refusals.append(str(error))

    # What the runtime and offline composition use.

    def start(self) -> None:
        """Open the node once."""
        if not self._open:
            self.open()
            self._open = True

    def stop(self) -> None:
        """Close the node once."""
        if self._open:
            self._open = False
            self.close()

    def feed(self, packet: Packet) -> Iterator[Packet]:
        """Process one packet: obey its reset mark, number what comes out and pass the mark on."""
        if packet.header.reset:
            self.announce_reset()
            self.reset()
        for out in self.process(packet):
            yield self.stamp(out)

    def announce_reset(self) -> None:
        """Mark the next packet of every stream of this node with ``reset``."""
        self._reset_pending = {kind.kind for kind in self.emits}

    def stamp(self, packet: Packet) -> Packet:
        """Give an outgoing packet its stream, its number and a pending reset mark."""
        kind = packet.kind
        head = packet.header
        head.stream = f"{self.name}/{kind}"
        head.seq = seq = self._stamps.get(kind, 0)
        self._stamps[kind] = seq + 1
        if kind in self._reset_pending:
            head.reset = True
            self._reset_pending.discard(kind)
        return packet

    def __call__(self, packets: Iterable[Packet]) -> Iterator[Packet]:
        """Run the node over a stream of packets, offline."""
        self.start()
        try:
            for packet in packets:
                self.obey()
                if isinstance(packet, self.accepts):
                    yield from self.feed(packet)
            for out in self.finish():
                yield self.stamp(out)
        finally:
            self.stop()


class SourceNode(Node):
    """A node that yields packets from nothing (a recording, a camera)."""

    speed: float | None = None
    """None: live, packets leave as they come. Else a replay: event time over wall time at which
    the runtime releases packets; infinite: as fast as consumers take them. May change."""
    paused = False
    """No packet leaves while this is set, but for ``steps``."""
    steps = 0
    """So many packets leave although the source is paused."""
    jumped = False
    """Set by a source whose next packets are others than those under way (it was sent to another
    place): ``produce`` is then called anew, and a reset announced."""

    def produce(self) -> Iterator[Packet]:
        """Yield packets until there are no more; begin at ``self.cursor``."""
        raise NotImplementedError(f"{type(self).__name__} produces no packets")

    def held(self) -> bool:
        """Whether the next packet must wait."""
        return self.paused and self.steps <= 0 and not self.jumped

    def stream(self) -> Iterator[Packet]:
        """Yield packets, beginning anew wherever the source has jumped."""
        while True:
            self.jumped = False
            packets = self.produce()
            # A source that is left in the middle lets go of what it holds at once.
            with contextlib.ExitStack() as stack:
                if isinstance(packets, Generator):
                    stack.enter_context(contextlib.closing(packets))
                for packet in packets:
                    if not self.jumped:
                        yield packet
                    if self.jumped:
                        break
            if not self.jumped:
                return
            self.announce_reset()

    def __iter__(self) -> Iterator[Packet]:
        """Run the source offline; one that is paused ends."""
        self.start()
        try:
            packets = self.stream()
            self.obey()
            while not self.held():
                packet = next(packets, None)
                if packet is None:
                    return
                self.steps = max(0, self.steps - 1)
                yield self.stamp(packet)
                self.obey()
        finally:
            self.stop()


def header_of(packet: Packet, kind: type[Packet], **fields: Any) -> Any:
    """Return a header of ``kind`` that covers the same interval and sample as ``packet``.

    ``fields`` fill or replace the header's own fields.
    """
    head = packet.header
    common = {
        "t_begin": head.t_begin,
        "t_end": head.t_end,
        "born_ns": head.born_ns,
        "label": head.label,
        "sample": head.sample,
    }
    return kind.header_type(**{**common, **fields})
