"""ROS bags (needs rosbags): ROS 1's ``.bag``, ROS 2's folders, ``.mcap`` and ``.db3`` files.

rosbags reads the container, and of it no more than the index and one chunk at a time; the messages
are ours (``rosbag_messages.py``). Of several topics with events the first by name is read. Times
are the sensor's own, in the order in which the messages were recorded.
"""

from __future__ import annotations

import importlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.events import Events
from recordings.counts import Counts
from recordings.decoder import BLOCK_EVENTS, OWN, Decoder, Mark, as_events
from recordings.prophesee import swapped
from recordings.rosbag_messages import (
    ARRAYS,
    ENCODINGS,
    PACKETS,
    Message,
    MessageError,
    parse,
)
from recordings.table import foreign

_STORAGES = {
    "bag": ("rosbags.rosbag1", "Reader"),
    "folder": ("rosbags.rosbag2", "Reader"),
    "mcap": ("rosbags.rosbag2.storage_mcap", "McapReader"),
    "sqlite": ("rosbags.rosbag2.storage_sqlite3", "Sqlite3Reader"),
}
_SMALL = 1 << 16
_MOST = 1 << 26
"""The most bytes of one message that are decoded."""


class _Bounded(io.BufferedReader):
    """A file that is never asked for more than it has: lengths in a broken bag may be anything."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _SMALL:
            size = min(size, max(0, os.fstat(self.fileno()).st_size - self.tell()))
        return super().read(size)


class _Careful(type(Path())):  # type: ignore[misc]
    """A path whose files of bytes are ``_Bounded``."""

    def open(self, mode: str = "r", *rest: Any, **more: Any) -> Any:
        return _Bounded(io.FileIO(self)) if mode == "rb" else super().open(mode, *rest, **more)


class _Place(NamedTuple):
    """Where a reading stands: a message's time, how many of that time are done, bytes of it."""

    time: int | None
    done: int
    byte: int
    states: dict[str, NDArray[np.int64]]


class Rosbag(Decoder):
    """Decodes the messages with events of one topic of a bag."""

    format = "rosbag"

    def __init__(self, path: Path, storage: str) -> None:
        super().__init__(path)
        self._storage = storage
        with self._open() as reader, foreign(path):
            self._topic, self._kind = self._chosen(reader)
            for message in self._messages(reader, None):
                self._width_and_height(message[1])
                break

    def blocks(self, counts: Counts, mark: Mark | None = None) -> Iterator[tuple[Events, Mark]]:
        """Yield blocks of raw events, see ``Decoder``; a mark's place counts messages' bytes."""
        place = _Place(None, 0, 0, {}) if mark is None else mark.state
        at = 0 if mark is None else mark.at
        states = {name: state.copy() for name, state in place.states.items()}
        time, done, byte = place.time, 0, place.byte
        out: NDArray[np.int64] = np.empty((BLOCK_EVENTS, 2), np.int64)
        filled = 0
        with self._open() as reader:
            for stamp, message in self._messages(reader, place.time):
                done = done + 1 if stamp == time else 1
                time = stamp
                if stamp == place.time and done <= place.done:
                    continue
                state = self._state(states, message)
                kernel = ENCODINGS[message.encoding].kernel
                data = message.data
                while byte < len(data):
                    n = int(kernel(data[byte:], out[filled:], state))
                    consumed, skipped, wraps = state[:3].tolist()
                    state[:OWN] = 0
                    counts.skipped_bytes += skipped
                    counts.wraps += wraps
                    byte += consumed
                    at += consumed
                    filled += n
                    if filled > BLOCK_EVENTS // 2 or (filled and not consumed):
                        whole = byte >= len(data)
                        now = _Place(
                            time, done if whole else done - 1, 0 if whole else byte, states
                        )
                        yield as_events(out, filled), _mark(at, now)
                        out, filled = np.empty((BLOCK_EVENTS, 2), np.int64), 0
                    elif not consumed:
                        break
                counts.skipped_bytes += len(data) - byte
                byte = 0
            if filled:
                yield as_events(out, filled), _mark(at, _Place(time, done, 0, states))

    @contextmanager
    def _open(self) -> Iterator[Any]:
        try:
            module, name = _STORAGES[self._storage]
            storage = getattr(importlib.import_module(module), name)
        except ImportError:
            raise self.fail(
                "is a ROS bag, which needs rosbags: pip install 'silicon-retina[ros]'"
            ) from None
        with foreign(self.path):
            reader = storage(_Careful(self.path))
            reader.open()
        try:
            yield reader
        finally:
            reader.close()

    def _chosen(self, reader: Any) -> tuple[str, str]:
        """Return the topic that is read, and its messages' type."""
        kinds = PACKETS + ARRAYS
        usable = sorted((c.topic, c.msgtype) for c in reader.connections if c.msgtype in kinds)
        if not usable:
            held = ", ".join(sorted({c.msgtype for c in reader.connections})[:6]) or "nothing"
            raise self.fail(f"holds {held}, expected messages of {' or '.join(kinds)}")
        return usable[0]

    def _messages(self, reader: Any, start: int | None) -> Iterator[tuple[int, Message]]:
        """Yield the topic's messages, with the times at which they were recorded in ns."""
        chosen = [
            c for c in reader.connections if (c.topic, c.msgtype) == (self._topic, self._kind)
        ]
        found = reader.messages(chosen, start=start)
        number = 0
        while True:
            with foreign(self.path, f"message {number}"):
                item = next(found, None)
            if item is None:
                return
            _, stamp, raw = item
            try:
                if len(raw) > _MOST:
                    raise MessageError(f"is of {len(raw)} bytes, expected at most {_MOST}")
                yield stamp, parse(raw, self._kind, self._storage != "bag")
            except MessageError as error:
                raise self.fail(f"message at {stamp} ns on {self._topic} {error}") from None
            number += 1

    def _state(self, states: dict[str, NDArray[np.int64]], message: Message) -> NDArray[np.int64]:
        """Return the state of the kernel that decodes the message."""
        name = message.encoding
        if name not in ENCODINGS:
            told = ", ".join(ENCODINGS)
            raise self.fail(f"{self._topic} has the encoding {name[:40]!r}, expected {told}")
        if name not in states:
            states[name] = np.zeros(OWN + ENCODINGS[name].state_size, np.int64)
            if name == "evt21":
                states[name][-1] = swapped({}, message.data.tobytes())
        if name == "mono":
            states[name][OWN] = message.base_us
        return states[name]

    def _width_and_height(self, message: Message) -> None:
        if 0 < message.width < 2**15 and 0 < message.height < 2**15:
            self.width, self.height = message.width, message.height


def _mark(at: int, place: _Place) -> Mark:
    """Return a mark that later decoding does not change."""
    states = {name: state.copy() for name, state in place.states.items()}
    return Mark(at, place._replace(states=states))
