"""A run that is watched from outside: what its nodes count, and their processor time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.board import IN, Board, EdgeBoard, EdgeSlot, NodeSlot, State
from pipeline.errors import RetinaError
from pipeline.graph import build
from pipeline.launcher import Child, Launcher
from pipeline.report import Report, end_of

PATIENCE_S = 120.0
"""Whatever is waited for takes no longer, else the benchmark fails."""

Script = Callable[[Launcher], Iterator[None]]
"""Is gone on with ten times a second while a run goes on; the run ends when it does."""


def run(graph: Mapping[str, Any], script: Script) -> Report:
    """Run a graph, and ``script`` beside it."""

    def tick(boards: dict[str, Board], children: list[Child]) -> None:
        if next(steps, launcher) is launcher:
            launcher.drain()

    said: list[str] = []
    launcher = Launcher(
        build(graph, "view"), tick=tick, say=lambda node, line: said.append(f"{node}: {line}")
    )
    steps = script(launcher)
    try:
        return launcher.run()
    except RetinaError:
        print(*said, sep="\n", file=sys.stderr)
        raise


def until(what: Callable[[], bool], words: str) -> Iterator[None]:
    """Wait for ``what``; raises RetinaError where that takes too long."""
    end = time.monotonic() + PATIENCE_S
    while not what():
        if time.monotonic() > end:
            raise RetinaError(f"waited {PATIENCE_S:g} s in vain: {words}")
        yield


def pause(seconds: float) -> Iterator[None]:
    """Wait for ``seconds``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield


def running(launcher: Launcher, node: str) -> Iterator[None]:
    """Wait until ``node`` has taken something up."""
    board = launcher.boards[node]

    def taken() -> bool:
        ends = [edge for edge in board.edges() if edge.direction == IN]
        return any(edge[EdgeSlot.DELIVERED_PACKETS] for edge in ends)

    yield from until(
        lambda: board[NodeSlot.STATE] == State.RUNNING and taken(), f"{node} takes nothing"
    )


class Reading(NamedTuple):
    """What an edge's end has counted by a moment, a process's time, and what the host took."""

    ns: int
    cpu_s: float
    packets: int
    events: int
    histogram: list[int]
    stolen_s: float = 0.0


def read(edge: EdgeBoard, pid: int) -> Reading:
    """Read an edge's receiving end, and the time of a process."""
    packets, events = edge[EdgeSlot.DELIVERED_PACKETS], edge[EdgeSlot.DELIVERED_EVENTS]
    return Reading(time.monotonic_ns(), cpu_s(pid), packets, events, edge.latency(), stolen_s())


def end(launcher: Launcher, node: str, producer: str) -> EdgeBoard:
    """Return the receiving end of an edge."""
    found = end_of(launcher.boards[node], producer, IN)
    assert found is not None
    return found


def pid_of(launcher: Launcher, node: str) -> int:
    """Return the process that runs a node."""
    child = next(child for child in launcher.children if child.name == node)
    assert child.process is not None
    return child.process.pid


def cpu_s(pid: int) -> float:
    """Return the processor time of a process so far, all its threads, to 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def stolen_s() -> float:
    """Return for how long the host of a virtual machine gave its processors to others, in all."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return int(fields[8]) / os.sysconf("SC_CLK_TCK")


@contextmanager
def screen(kind: str) -> Iterator[None]:
    """Let windows be shown ``offscreen``, or on a virtual X server of 1920 × 1080 (``Xvfb``).

    Both are painted by the processor alone.
    """
    before = {name: os.environ.get(name) for name in ("QT_QPA_PLATFORM", "DISPLAY")}
    server: subprocess.Popen[bytes] | None = None
    try:
        if kind == "Xvfb":
            server, display = _virtual_display()
            os.environ.update(QT_QPA_PLATFORM="xcb", DISPLAY=display)
        else:
            os.environ["QT_QPA_PLATFORM"] = kind
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if server is not None:
            server.terminate()
            server.wait(10)


def screens() -> list[str]:
    """Return the screens that there are here."""
    return ["offscreen", *(["Xvfb"] if shutil.which("Xvfb") else [])]


def _virtual_display() -> tuple[subprocess.Popen[bytes], str]:
    inner, outer = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(outer), "-screen", "0", "1920x1080x24", "-nolisten", "tcp"],  # noqa: S607
        pass_fds=(outer,), stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(outer)
    with os.fdopen(inner, "rb") as words:
        number = words.readline().decode().strip()
    if not number:
        raise RetinaError("Xvfb: does not start")
    return server, f":{number}"
