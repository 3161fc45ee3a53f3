"""The node contract: a plain transformer of packets.

A node can be called in a test, composed offline (``for p in Infer()(Bins()(Source(path=...)))``)
or run as a process of its own: the same code. Sockets, clocks, threads and statistics belong to
the runtime around it (``pipeline.runtime``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

from pipeline.packets import Packet
from pipeline.settings import Settings, settings_from

__all__ = ["Node", "Settings", "SourceNode"]


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
        self.wants_stop = False
        """Set by a node to end the whole run (a window that was closed)."""
        self._open = False
        self._stamps: dict[str, int] = {}
        self._reset_pending: set[str] = set()

    # What a kind of node overrides.

    @classmethod
    def variant(cls, settings: Settings) -> type[Node]:  # noqa: ARG003
        """Return the class that runs with these settings: a kind may have several."""
        return cls

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
    the runtime releases packets; infinite: as fast as consumers take them."""

    def produce(self) -> Iterator[Packet]:
        """Yield packets until there are no more; begin at ``self.cursor``."""
        raise NotImplementedError(f"{type(self).__name__} produces no packets")

    def __iter__(self) -> Iterator[Packet]:
        """Run the source offline."""
        self.start()
        try:
            for packet in self.produce():
                yield self.stamp(packet)
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
