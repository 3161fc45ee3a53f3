"""Channels with real sockets, over every transport."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from tests.pipeline.ends import Wire


@pytest.fixture
def wire() -> Iterator[Wire]:
    """Ends of channels, each on a context of its own."""
    made = Wire()
    yield made
    made.close()


@pytest.fixture(params=["ipc", "tcp", "inproc"])
def endpoint(request: pytest.FixtureRequest, wire: Wire, tmp_path: Path) -> str:
    """An endpoint of every transport; ends of an inproc channel share one context."""
    if request.param == "inproc":
        wire.shared = zmq.Context()
    return {
        "ipc": f"ipc://{tmp_path}/p",
        "tcp": "tcp://127.0.0.1:*",
        "inproc": "inproc://p",
    }[request.param]


@pytest.fixture
def ipc(tmp_path: Path) -> str:
    """An endpoint for tests that need no other transport."""
    return f"ipc://{tmp_path}/p"
