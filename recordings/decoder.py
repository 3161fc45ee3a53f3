"""What a format's decoder is: raw events in blocks, and marks from which to go on.

A decoder gives the events as the file tells them, wraps of the clock undone; what is late,
outside or doubled is the policy's matter. It never allocates by a number that a file claims.
"""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import RecordingError
from pipeline.events import EVENT, Events
from recordings.counts import Counts
from recordings.follow import Follow
from recordings.side import Frame, Samples

BLOCK_EVENTS = 1 << 16
"""The most events in a block (1 MiB)."""

BLOCK_BYTES = 1 << 18
"""The most bytes that are read from a file at once."""

HEADER_BYTES = 1 << 20
"""The longest header of a file that is looked at."""

CONSUMED, SKIPPED, WRAPS, FAULT, OWN = range(5)
"""Where a kernel's state holds bytes consumed, skipped, wraps and a fault; its own follow."""

Kernel = Callable[[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]], int]
"""Fills events ``[m, 2]`` from bytes, keeping its state; returns how many it filled.

It may read, but not use, 8 bytes past the end of the bytes.
"""


class Mark(NamedTuple):
    """A place in a recording from which decoding can go on, and the decoder's state there."""

    at: int
    state: Any = None


class Decoder(ABC):
    """Decodes one file; ``width`` and ``height`` are the sensor's where the file tells them."""

    format: ClassVar[str]
    follows: ClassVar[bool] = False
    """Whether a file that grows can be followed; then ``follow`` says how, None for not at all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.width: int | None = None
        self.height: int | None = None
        self.follow: Follow | None = None

    @abstractmethod
    def blocks(self, counts: Counts, mark: Mark | None = None) -> Iterator[tuple[Events, Mark]]:
        """Yield blocks of raw events and the mark behind each, from ``mark`` on or from the first.

        Counts wraps and skipped bytes. The caller may write to the events. Several readings may
        be under way at once. Raises RecordingError where the file is broken beyond skipping.
        """

    def near(self, begin_us: int) -> Mark | None:
        """Return a mark behind which all events from ``begin_us`` on lie, where the file tells one.

        A file that tells none, or one that cannot be true, gives None: it is read from its first
        event. Times are the file's own. Raises RecordingError.
        """
        return None

    @property
    def side(self) -> frozenset[str]:
        """What the file holds beside its events: names of ``side.py``."""
        return frozenset()

    def frames(self, counts: Counts) -> Iterator[Frame]:
        """Yield the file's frames, in its order."""
        return iter(())

    def imu(self, counts: Counts) -> Iterator[Samples]:
        """Yield the file's IMU samples, in its order: arrays ``[n] IMU``, none empty."""
        return iter(())

    def triggers(self, counts: Counts) -> Iterator[Samples]:
        """Yield the file's triggers, in its order: arrays ``[n] TRIGGER``, none empty."""
        return iter(())

    @property
    def extent(self) -> int:
        """Where a mark at the file's end would be, near enough to tell how far one has come."""
        if self.path.is_dir():
            return sum(file.stat().st_size for file in self.path.iterdir())
        return size_of(self.path)

    def open(self) -> ByteFile:
        """Open the file for reading, followed where it is to be followed."""
        return ByteFile(self.path, self.follow)

    def close(self) -> None:  # noqa: B027
        """Let go of the file."""

    def fail(self, what: str, at: int | None = None) -> RecordingError:
        """Return the error that says what is wrong, and at which byte."""
        where = "" if at is None else f" at byte {at}"
        return RecordingError(f"{self.path}: {what}{where}")


class ByteDecoder(Decoder):
    """Decodes a file that is a row of words behind a header, by a kernel."""

    follows = True
    kernel: ClassVar[Kernel]
    state_size: ClassVar[int] = 0
    faults: ClassVar[tuple[str, ...]] = ()
    """What a kernel's fault 1, 2, ... means."""

    def __init__(self, path: Path, begin: int = 0) -> None:
        super().__init__(path)
        self.begin = begin

    def initial(self) -> NDArray[np.int64]:
        """Return the kernel's state at the first byte."""
        return np.zeros(OWN + self.state_size, np.int64)

    def check(self, state: NDArray[np.int64], ended: bool) -> None:
        """Look at the kernel's state after a block, and once more at the end of the file."""

    def unfinished(self, state: NDArray[np.int64]) -> bool:
        """Tell by the kernel's state at the end of the file whether that is in mid-packet."""
        return False

    def blocks(self, counts: Counts, mark: Mark | None = None) -> Iterator[tuple[Events, Mark]]:
        """Yield blocks of raw events, see ``Decoder``."""
        kernel = type(self).kernel
        state = self.initial() if mark is None else np.array(mark.state, np.int64)
        at = self.begin if mark is None else mark.at
        with self.open() as file:
            file.seek(at)
            # The last bytes are there for kernels that load eight at once.
            buffer = np.zeros(BLOCK_BYTES + 8, np.uint8)
            view = buffer.data
            begin = end = 0
            while True:
                out = np.empty((BLOCK_EVENTS, 2), np.int64)
                n = int(kernel(buffer[begin:end], out, state))
                consumed, skipped, wraps, fault = state[:OWN].tolist()
                state[:OWN] = 0
                begin += consumed
                at += consumed
                counts.skipped_bytes += skipped
                counts.wraps += wraps
                self.check(state, ended=False)
                if n:
                    yield as_events(out, n), Mark(at, state.copy())
                if fault:
                    raise self.fail(self.faults[fault - 1], at)
                if consumed and begin < end:
                    continue
                view[: end - begin] = view[begin:end]
                begin, end = 0, end - begin
                got = file.fill(view[end:BLOCK_BYTES])
                if not got and not (end < BLOCK_BYTES and file.more()):
                    break
                end += got
        counts.skipped_bytes += end - begin
        counts.cuts += end > begin or self.unfinished(state)
        self.check(state, ended=True)


class ByteFile:
    """A file that is read from front to back, or from where ``seek`` goes; see ``Follow``."""

    def __init__(self, path: Path, follow: Follow | None = None) -> None:
        self.path = path
        self._follow = follow
        self._file = open_bytes(path)
        self._at = 0

    def fill(self, view: memoryview) -> int:
        """Fill ``view`` as far as the file reaches; return how many bytes."""
        got = read_into(self._file, view, self.path)
        self._at += got
        return got

    def seek(self, at: int) -> None:
        """Go on from the byte ``at``."""
        self._file.seek(at)
        self._at = at

    def size(self) -> int:
        """Return the size of the file in bytes, as it is now."""
        return os.fstat(self._file.fileno()).st_size

    def more(self, at: int | None = None) -> bool:
        """Where the file is followed, wait until it has more than ``at`` bytes (None: were read).

        False: this was its end.
        """
        at = self._at if at is None else at
        return self._follow is not None and self._follow.more(self.size, at)

    def __enter__(self) -> ByteFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def as_events(words: NDArray[np.int64], n: int) -> Events:
    """Return the first ``n`` rows of ``words`` as events, not keeping much more alive."""
    kept = words[:n]
    if 2 * n < len(words):
        kept = kept.copy()
    return kept.reshape(-1).view(EVENT)


def open_bytes(path: Path) -> Any:
    """Open a regular file for reading, unbuffered; raises RecordingError, one line."""
    try:
        # A pipe would wait for its writer, a device never end.
        if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
            raise RecordingError(f"{path}: is no regular file, expected a recording")
        file = path.open("rb", buffering=0)
    except FileNotFoundError:
        raise RecordingError(f"{path}: no such file, expected a recording") from None
    except IsADirectoryError:
        raise RecordingError(f"{path}: is a folder, expected a recording") from None
    except (OSError, ValueError) as error:
        raise RecordingError(f"{path}: cannot be read: {said(error)}") from None
    return file


def read_into(file: Any, view: memoryview, path: Path) -> int:
    """Fill ``view`` from the file as far as it reaches; return how many bytes."""
    got = 0
    try:
        while got < len(view):
            n = file.readinto(view[got:])
            if not n:
                break
            got += n
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {said(error)}") from None
    return got


def head_of(path: Path, n: int = HEADER_BYTES) -> bytes:
    """Return the first ``n`` bytes of a file, or fewer where it is shorter."""
    with open_bytes(path) as file:
        buffer = bytearray(min(n, max(0, os.fstat(file.fileno()).st_size)))
        return bytes(buffer[: read_into(file, memoryview(buffer), path)])


def size_of(path: Path) -> int:
    """Return the size of a file in bytes; raises RecordingError."""
    with open_bytes(path) as file:
        return os.fstat(file.fileno()).st_size


def said(error: Exception) -> str:
    """Return an error's text on one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())[:200] or type(error).__name__
