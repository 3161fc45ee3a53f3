"""A hundred pulled plugs: as many recoveries, and nothing leaks."""

from __future__ import annotations

import gc
import itertools
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nodes.camera.drivers import discover, drivers_for
from nodes.camera.node import Camera
from nodes.camera.virtual import free_port
from pipeline.errors import DeviceError
from tests.nodes.camera.conftest import Desk


def held() -> tuple[int, int]:
    """Return how many descriptors and threads this process has, what is forgotten left out."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir())), len(list(Path("/proc/self/task").iterdir()))


def test_a_hundred_plugs(desk: Callable[..., Desk]) -> None:
    one = desk()
    stream = iter(one.node)
    end = next(stream).header.t_end
    before = held()
    for n in range(1, 101):
        one.port.unplug()
        one.node.wait = lambda ms: (one.clock.advance(ms * 1_000_000), one.port.plug())[0]
        for packet in stream:
            assert packet.header.t_begin >= end
            end = packet.header.t_end
            if packet.header.reset:
                break
        assert one.node.facts()["replugs"] == n
    assert held() == before


def test_looking_for_cameras_in_earnest_leaks_nothing() -> None:
    """The vendors' libraries themselves, on whatever this machine has."""
    drivers = drivers_for("")
    discover(drivers)
    before = held()
    for _ in range(100):
        discover(drivers)
    assert held() == before


SERVER = """
import os, signal, sys
import dv_processing
from nodes.camera.standin.scene import Scene
from nodes.camera.virtual import serve

Scene("samples").until(1000)
for line in sys.stdin:
    if line.strip() == "plug":
        child = os.fork()
        if not child:
            serve(Scene("samples"), "127.0.0.1", int(sys.argv[1]))
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        print("unplugged", flush=True)
"""
"""Loads everything once: a hundred interpreters would take minutes to start."""


class Server:
    """A virtual camera in a process of its own, which can be killed and started again."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.plugged = False
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def plug(self) -> None:
        assert self._say("plug") == f"dv://127.0.0.1:{self.port}\n"
        self.plugged = True

    def unplug(self) -> None:
        assert self._say("unplug") == "unplugged\n"
        self.plugged = False

    def close(self) -> None:
        if self.plugged:
            self.unplug()
        self._process.communicate(timeout=20)

    def _say(self, word: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server(free_port())
    one.plug()
    yield one
    one.close()


@pytest.mark.parametrize("times", [5, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.timeout(600)
def test_a_virtual_camera_over_the_network_is_unplugged(server: Server, times: int) -> None:
    camera = Camera(source=f"camera:127.0.0.1:{server.port}")
    stream = iter(camera)
    first = next(stream).header
    assert (first.reset, first.width, first.height) == (True, 34, 34)
    waited = camera.wait

    def wait(ms: int) -> None:
        waited(ms)
        if camera.condition == "reconnecting" and not server.plugged:
            server.plug()

    camera.wait = wait
    end, before = first.t_end, held()
    for n in range(1, times + 1):
        # A busy machine's server may be late: at most a minute, in packets of a millisecond.
        assert any(packet.size for packet in itertools.islice(stream, 60_000))
        server.unplug()
        for packet in stream:
            assert packet.header.t_begin >= end
            end = packet.header.t_end
            if packet.header.reset:
                break
        assert camera.facts()["replugs"] == n
    assert held() == before
    camera.stop()


def test_no_server_is_no_camera() -> None:
    with pytest.raises(DeviceError, match=r"no camera '127\.0\.0\.1:\d+' is plugged in"):
        next(iter(Camera(source=f"camera:127.0.0.1:{free_port()}")))


def test_a_server_that_says_nothing_stops_nothing() -> None:
    """dv-processing's reader would freeze the process here: it is never made."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        begin = time.monotonic()
        with pytest.raises(DeviceError, match="is plugged in"):
            next(iter(Camera(source=f"camera:127.0.0.1:{port}")))
        assert time.monotonic() - begin < 10
