"""A file that grows by whole pieces: what does not fit on the disk is cut off again."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from pipeline.errors import RecordingError
from pipeline.packets import Buffer
from recordings.decoder import said
from recordings.write_behind import Behind

_MOST_PARTS = 64


class OutFile:
    """A new file at ``path``; ``size`` is where its next piece goes.

    An existing file is never written to: it is refused, or with ``overwrite`` taken away first, so
    that whoever reads it goes on reading what it was. Raises RecordingError, one line.
    """

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        self.path = path
        self.size = 0
        make_way(path, overwrite)
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise cannot_write(path, error) from None
        self._behind = Behind(self._fd)

    def append(self, *parts: Buffer) -> None:
        """Write ``parts`` behind one another at the end: all of them, or nothing stays.

        Raises RecordingError where the disk is full or the file may not grow.
        """
        before = self.size
        # Ahead of the piece, for a format may have more to write in one go with it.
        self._behind.reached(before)
        try:
            self.size = self._put(before, parts)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, before)
            raise cannot_write(self.path, error) from None

    def put(self, at: int, *parts: Buffer) -> int:
        """Write ``parts`` from byte ``at`` on, whatever is there; return where they end."""
        try:
            return self._put(at, parts)
        except OSError as error:
            raise cannot_write(self.path, error) from None

    def get(self, at: int, n: int) -> bytes:
        """Return ``n`` bytes from byte ``at`` on, or fewer where the file ends."""
        try:
            return os.pread(self._fd, n, at)
        except OSError as error:
            raise cannot_write(self.path, error) from None

    def cut(self, at: int) -> None:
        """End the file at byte ``at``."""
        try:
            os.ftruncate(self._fd, at)
        except OSError as error:
            raise cannot_write(self.path, error) from None
        self.size = min(self.size, at)

    def _put(self, at: int, parts: tuple[Buffer, ...]) -> int:
        left = [memoryview(part).cast("B") for part in parts if len(part)]
        while left:
            n = os.pwritev(self._fd, left[:_MOST_PARTS], at)
            at += n
            while left and n >= len(left[0]):
                n -= len(left.pop(0))
            if n:
                left[0] = left[0][n:]
        return at

    def close(self) -> None:
        """Let go of the file; once is enough."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            try:
                os.close(fd)
            except OSError as error:
                raise cannot_write(self.path, error) from None


def check_way(path: Path, overwrite: bool) -> bool:
    """Tell whether there is a file at ``path`` that a new one would replace.

    Raises RecordingError where there can be no new one: its folder is missing or may not be written
    to, a file is there and ``overwrite`` is not set, or what is there is no file.
    """
    folder = path.parent
    if not folder.is_dir():
        raise RecordingError(f"{path}: {folder} is no folder that there is")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise RecordingError(f"{path}: cannot be written: {folder} is a folder to read only")
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise cannot_write(path, error) from None
    if stat.S_ISDIR(found.st_mode):
        raise RecordingError(f"{path}: is a folder, expected a new file's name")
    if not overwrite:
        raise RecordingError(f"{path}: is there already; overwrite it or take another name")
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)):
        raise RecordingError(f"{path}: is no regular file, expected a new file's name")
    return True


def make_way(path: Path, overwrite: bool) -> None:
    """Take away the file at ``path``, where there is one; raises RecordingError as above."""
    if check_way(path, overwrite):
        try:
            path.unlink()
        except OSError as error:
            raise cannot_write(path, error) from None


def cannot_write(path: Path, error: Exception) -> RecordingError:
    """Return the error that says why a file cannot be written."""
    return RecordingError(f"{path}: cannot be written: {said(error)}")
