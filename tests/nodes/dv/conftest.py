"""What the tests of DV's streams share: dv-processing in a child process."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.nodes.streams import until


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
