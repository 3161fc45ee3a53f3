"""What the tests of streams share: a source run in a thread, free ports, waiting with a bound."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline import EventPacket, SourceNode
from pipeline.events import Events
from recordings.windows import joined
from tests.waiting import BOUND_S

SENSOR = (346, 260)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition holds; fail where it does not within the tests' patience."""
    end = time.monotonic() + BOUND_S
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end, f"still not: {what}"
        pause.wait(0.002)


class Running:
    """Runs a source in a thread; ``with`` ends it and shows what it raised."""

    def __init__(self, node: SourceNode) -> None:
        self.node = node
        self.packets: list[EventPacket] = []
        self.error: BaseException | None = None
        self._stop = threading.Event()
        node.stopping = self._stop.is_set
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            for packet in self.node:
                assert isinstance(packet, EventPacket)
                self.packets.append(packet)
        except BaseException as error:
            self.error = error

    def __enter__(self) -> Running:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self.ended()
        if self.error is not None:
            raise self.error

    def ended(self) -> None:
        self._thread.join(10)
        assert not self._thread.is_alive(), "the source does not stop"

    @property
    def n(self) -> int:
        return sum(p.header.n for p in list(self.packets))

    @property
    def events(self) -> Events:
        return joined([p.events for p in self.packets])

    def resets(self) -> list[int]:
        return [k for k, p in enumerate(self.packets) if p.header.reset]


def save(path: Path, events: Events) -> str:
    """Save events as rows of (t, x, y, p), which any numpy reads."""
    np.save(path, np.stack([events[name].astype(np.int64) for name in "txyp"], axis=1))
    return str(path)
