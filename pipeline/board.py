"""The board: a node's counters, in memory that outlives the node.

Each node process writes its counters into a small mapped file of its own; the launcher reads
them whenever it likes, without a message. A process that is killed leaves its counters behind
exact to the packet, and its successor goes on counting where it stopped: this is how
``sent = delivered + dropped`` stays true through a crash.

The file is a table of 8-byte integers: a block for the node, then one block an edge. Every block
of an edge carries its name, so a reader needs nothing but the file.
"""

from __future__ import annotations

import mmap
from enum import IntEnum
from pathlib import Path

from pipeline.latency import BUCKETS

_NAME_SLOTS = 16
_HEAD = 32
_EDGE = _NAME_SLOTS + 16 + BUCKETS
MAX_EDGES = 32
_SLOTS = _HEAD + MAX_EDGES * _EDGE


class NodeSlot(IntEnum):
    """What a node says of itself."""

    EDGES = 0
    LEDGER = 1
    INCARNATION = 2
    STATE = 3
    CURSOR = 4
    CPU_NS = 6
    RSS_BYTES = 7
    CPU_BEFORE_NS = 8
    PACKETS_OUT = 9
    EVENTS_OUT = 10
    WANTS_STOP = 11


class EdgeSlot(IntEnum):
    """What one end of an edge counts."""

    DIRECTION = _NAME_SLOTS
    SENT_PACKETS = _NAME_SLOTS + 1
    SENT_EVENTS = _NAME_SLOTS + 2
    SENT_T = _NAME_SLOTS + 3
    DELIVERED_PACKETS = _NAME_SLOTS + 4
    DELIVERED_EVENTS = _NAME_SLOTS + 5
    DELIVERED_T = _NAME_SLOTS + 6
    DROPPED_PACKETS = _NAME_SLOTS + 7
    DROPPED_EVENTS = _NAME_SLOTS + 8
    LOST_PACKETS = _NAME_SLOTS + 9
    REJECTED_PACKETS = _NAME_SLOTS + 10
    OFFSET_PACKETS = _NAME_SLOTS + 11
    OFFSET_EVENTS = _NAME_SLOTS + 12
    LEDGER = _NAME_SLOTS + 13
    LATENCY_MAX_US = _NAME_SLOTS + 14
    OFFSET_REJECTED = _NAME_SLOTS + 15
    LATENCY = _NAME_SLOTS + 16


class State(IntEnum):
    """Where a node is in its life."""

    STARTING = 0
    RUNNING = 1
    DRAINING = 2
    ENDED = 3


OUT, IN = 1, 2


class EdgeBoard:
    """One end of one edge: ``direction`` OUT (to ``peer``) or IN (from ``peer``)."""

    __slots__ = ("base", "cells", "direction", "peer")

    def __init__(self, cells: memoryview, base: int, peer: str, direction: int) -> None:
        self.cells = cells
        self.base = base
        self.peer = peer
        self.direction = direction

    def __getitem__(self, slot: int) -> int:
        value: int = self.cells[self.base + slot]
        return value

    def __setitem__(self, slot: int, value: int) -> None:
        self.cells[self.base + slot] = value

    def add(self, slot: int, value: int) -> None:
        """Add ``value`` to a counter."""
        self.cells[self.base + slot] += value

    def latency(self) -> list[int]:
        """Return the counts of the latency histogram."""
        start = self.base + EdgeSlot.LATENCY
        return self.cells[start : start + BUCKETS].tolist()


def private_edge(peer: str, direction: int) -> EdgeBoard:
    """Return an end of an edge that is counted in this process alone."""
    return EdgeBoard(memoryview(bytearray(_EDGE * 8)).cast("q"), 0, peer, direction)


class Board:
    """A node's counters; in a mapped file where ``path`` is given, else in this process alone."""

    def __init__(self, path: Path | None = None, *, create: bool = True) -> None:
        size = _SLOTS * 8
        if path is None:
            self._map = mmap.mmap(-1, size)
        else:
            with path.open("a+b" if create else "r+b") as file:
                if create:
                    file.truncate(size)
                self._map = mmap.mmap(file.fileno(), size)
        self.cells = memoryview(self._map).cast("q")
        self._bytes = memoryview(self._map)

    def __getitem__(self, slot: int) -> int:
        value: int = self.cells[slot]
        return value

    def __setitem__(self, slot: int, value: int) -> None:
        self.cells[slot] = value

    def edges(self) -> list[EdgeBoard]:
        """Return every edge that the node has written so far."""
        return [self._edge(i) for i in range(min(self.cells[NodeSlot.EDGES], MAX_EDGES))]

    def edge(self, peer: str, direction: int) -> EdgeBoard:
        """Return the edge to or from ``peer``, adding it where it is new.

        Where the table is full the edge is counted in this process alone.
        """
        name = peer.encode()[: _NAME_SLOTS * 8]
        peer = name.rstrip(b"\0").decode(errors="replace")
        for edge in self.edges():
            if edge.peer == peer and edge.direction == direction:
                return edge
        n = self.cells[NodeSlot.EDGES]
        if n >= MAX_EDGES:
            return private_edge(peer, direction)
        base = _HEAD + n * _EDGE
        self._bytes[base * 8 : base * 8 + len(name)] = name
        self.cells[base + EdgeSlot.DIRECTION] = direction
        self.cells[NodeSlot.EDGES] = n + 1
        return self._edge(n)

    def _edge(self, i: int) -> EdgeBoard:
        base = _HEAD + i * _EDGE
        raw = bytes(self._bytes[base * 8 : (base + _NAME_SLOTS) * 8]).rstrip(b"\0")
        return EdgeBoard(
            self.cells, base, raw.decode(errors="replace"), self.cells[base + EdgeSlot.DIRECTION]
        )

    def close(self) -> None:
        """Let go of the memory; the file stays."""
        self.cells.release()
        self._bytes.release()
        self._map.close()
