"""A long file's pages are let go of behind it, and nothing waits for that."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from recordings import write_behind
from recordings.write_file import OutFile
from tests.waiting import BOUND_S, until

STEP = 100


class Disk:
    """Stands in for the system's advice: notes it, and may hold it up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ranges: list[tuple[int, int]] = []
        self.fds: set[int] = set()
        self.free = threading.Event()
        self.free.set()
        monkeypatch.setattr(write_behind, "_STEP", STEP)
        monkeypatch.setattr(write_behind, "_available", True)
        monkeypatch.setattr(os, "posix_fadvise", self.advise, raising=False)
        monkeypatch.setattr(os, "POSIX_FADV_DONTNEED", 4, raising=False)

    def advise(self, fd: int, begin: int, n: int, advice: int) -> None:
        """Note a range."""
        assert advice == 4
        assert self.free.wait(BOUND_S)
        self.fds.add(fd)
        self.ranges.append((begin, begin + n))

    def at_rest(self) -> bool:
        """Whether no thread is at work."""
        return all(thread.name != "write-behind" for thread in threading.enumerate())


def descriptors() -> int:
    """Return how many descriptors this process has open, where that can be known."""
    folder = Path("/proc/self/fd")
    return sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_pages_are_sent_on_their_way_then_let_go_of(tmp_path: Path, disk: Disk) -> None:
    file = OutFile(tmp_path / "x")
    for _ in range(9):
        file.append(bytes(STEP // 2))
        until(disk.at_rest)
    file.close()
    assert disk.ranges == [(0, 100), (100, 200), (200, 300), (0, 100), (300, 400), (0, 200)]
    assert (tmp_path / "x").read_bytes() == bytes(9 * STEP // 2)


def test_a_slow_disk_keeps_nobody_waiting(tmp_path: Path, disk: Disk) -> None:
    disk.free.clear()
    file = OutFile(tmp_path / "x")
    for _ in range(10):
        file.append(bytes(STEP))
    file.close()
    disk.free.set()
    until(disk.at_rest)
    # One was at work all the time; its descriptor is its own, and closed.
    assert disk.ranges == [(0, STEP)]
    for fd in disk.fds:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


@pytest.mark.parametrize("missing", ["descriptor", "thread", "advice"])
def test_what_cannot_be_had_is_done_without(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    def fail(*_: object) -> int:
        raise RuntimeError if missing == "thread" else OSError

    before = descriptors()
    with monkeypatch.context() as patch:
        if missing == "descriptor":
            patch.setattr(os, "dup", fail)
        elif missing == "thread":
            patch.setattr(threading.Thread, "start", fail)
        else:
            patch.setattr(os, "posix_fadvise", fail)
        file = OutFile(tmp_path / "x")
        file.append(bytes(STEP))
        file.append(bytes(STEP))
        until(disk.at_rest)
    file.append(bytes(STEP))
    until(disk.at_rest)
    file.close()
    # What was not sent goes the next time.
    assert disk.ranges == ([(STEP, 2 * STEP)] if missing == "advice" else [(0, 2 * STEP)])
    assert descriptors() == before
