"""What the tests of DV's streams share: dv-processing in a child process, free ports, waiting."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PATIENCE_S = 20.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition holds; fail where it does not within the tests' patience."""
    end = time.monotonic() + PATIENCE_S
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end, f"still not: {what}"
        pause.wait(0.002)


class Peer:
    """A child process with dv-processing (``peer.py``)."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("peer.py")), *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.lines: list[str] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.strip())

    def heard(self, word: str) -> str:
        """Wait for a line that begins with ``word``; return it."""
        until(
            lambda: self.process.poll() is not None or any(x.startswith(word) for x in self.lines),
            f"{word} from dv-processing",
        )
        return next(line for line in self.lines if line.startswith(word))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._thread.join()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    """Start dv-processing in child processes that end with the test."""
    peers: list[Peer] = []

    def start(*arguments: str) -> Peer:
        peers.append(Peer(*arguments))
        return peers[-1]

    yield start
    for each in peers:
        each.kill()
