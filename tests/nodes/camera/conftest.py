"""Cameras that are not there, on a clock that a test drives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nodes.camera.inivation import Inivation
from nodes.camera.node import Camera
from nodes.camera.prophesee import Prophesee
from nodes.camera.standin.inivation import Port
from nodes.camera.standin.prophesee import Evk4Port
from pipeline.clock import DrivenClock

EPOCH_US = 1_700_000_000_000_000


class Desk:
    """A camera node, the port that its camera is plugged into, and the clock of both."""

    def __init__(self, kind: str, **settings: Any) -> None:
        self.clock = DrivenClock(5_000_000_000)
        if kind == "evk4":
            self.port: Any = Evk4Port(serial=kind, now_us=self.now_us)
            self.driver: Any = Prophesee(self.port)
        else:
            self.port = Port(kind, serial=kind, now_us=lambda: EPOCH_US + self.now_us())
            self.driver = Inivation(settings.get("packet_us", 1000), self.port)
        self.node = Camera(**settings)
        self.node.clock = self.clock
        self.node.drivers = lambda serial: [self.driver]
        # Waiting lets the time pass that was waited.
        self.node.wait = lambda ms: self.clock.advance(ms * 1_000_000)

    def now_us(self) -> int:
        return self.clock.now_ns() // 1000


@pytest.fixture(params=["dvxplorer", "davis", "dvs128", "evk4"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def desk(kind: str) -> Iterator[Callable[..., Desk]]:
    """Make a desk with a camera of each kind."""
    made: list[Desk] = []

    def make(**settings: Any) -> Desk:
        made.append(Desk(kind, **settings))
        return made[-1]

    yield make
    for one in made:
        one.node.stop()
