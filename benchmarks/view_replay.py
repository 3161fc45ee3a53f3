"""The viewer on a recording: how soon there is a picture, and its memory over an hour of replay."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.harness import Row, row
from benchmarks.view_watch import PATIENCE_S, run, running, screen
from nodes.view_cli import graph_of
from pipeline.board import NodeSlot
from pipeline.errors import RetinaError
from pipeline.events import EVENT
from pipeline.launcher import Launcher
from recordings.writing import create_recording

WIDTH, HEIGHT = 346, 260

_PACKET_US = 10_000
_POLL_S = 0.002


def record(path: Path, seconds: int, events_s: int) -> None:
    """Write a recording of random events of a DAVIS346's sensor."""
    rng = np.random.default_rng(0)
    with create_recording(path, WIDTH, HEIGHT) as writer:
        for second in range(seconds):
            events = np.zeros(events_s, EVENT)
            events["t"] = second * 1_000_000 + np.sort(rng.integers(0, 1_000_000, events_s))
            events["x"] = rng.integers(0, WIDTH, events_s)
            events["y"] = rng.integers(0, HEIGHT, events_s)
            events["p"] = rng.integers(0, 2, events_s)
            writer.write(events)


# The first picture.


class First(NamedTuple):
    """How long it took until there was a picture, and the processor time of all processes."""

    seconds: float
    cpu_s: float


def first_rows(*, quick: bool) -> list[Row]:
    """Measure ``retina view FILE``; the first run, which may compile, does not count."""
    runs = 2 if quick else 10
    with tempfile.TemporaryDirectory() as folder, screen("offscreen"):
        path = Path(folder) / "davis346.aedat4"
        record(path, 10, 300_000)
        found = [_first(path, Path(folder) / f"{k}.png") for k in range(runs + 1)][1:]
    return [
        row("retina view FILE to the first picture", "s", [each.seconds for each in found]),
        row("retina view FILE, to its end: processor", "s", [each.cpu_s for each in found]),
    ]


def _first(path: Path, picture: Path) -> First:
    """Let the viewer save its first picture, and wait for that to appear."""
    before = _children_s()
    began = time.monotonic()
    viewer = subprocess.Popen(
        [
            sys.executable, "-m", "pipeline", "view", str(path),
            "--set", f"view.screenshot={picture}", "--set", "view.screenshot_after_s=0",
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while not picture.exists():
            if viewer.poll() is not None or time.monotonic() > began + PATIENCE_S:
                raise RetinaError(f"retina view {path}: no picture in {PATIENCE_S:g} s")
            time.sleep(_POLL_S)
        seconds = time.monotonic() - began
    finally:
        with suppress(ProcessLookupError):
            os.kill(viewer.pid, signal.SIGINT)
        viewer.wait()
    return First(seconds, _children_s() - before)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# Memory.


class Sample(NamedTuple):
    """Resident memory in MB when so many s of event time had been replayed, in so many s."""

    event_s: float
    wall_s: float
    rss_mb: float


def growth_mb(samples: Sequence[Sample]) -> float:
    """Return by how much memory varies once it has settled: after an eighth of the wall time."""
    settle_s = samples[-1].wall_s / 8
    settled = [each.rss_mb for each in samples if each.wall_s >= settle_s]
    return max(settled) - min(settled)


def memory_rows(*, quick: bool) -> list[Row]:
    """Replay at full speed until an hour has passed (quick: three minutes), or a limit."""
    event_s, limit_s = (180.0, 20.0) if quick else (3600.0, 600.0)
    with tempfile.TemporaryDirectory() as folder, screen("offscreen"):
        path = Path(folder) / "davis346.aedat4"
        record(path, 10, 200_000)
        samples = _replay(path, event_s, limit_s)
    found = [
        row("replay at full speed: event time", "s", [samples["view"][-1].event_s]),
        row("replay at full speed: wall time", "s", [samples["view"][-1].wall_s]),
    ]
    for node, own in samples.items():
        found.append(row(f"replay at full speed: {node}, resident", "MB", [s.rss_mb for s in own]))
        found.append(row(f"replay at full speed: {node}, growth", "MB", [growth_mb(own)]))
    return found


def _replay(path: Path, event_s: float, limit_s: float) -> dict[str, list[Sample]]:
    samples: dict[str, list[Sample]] = {"view": [], "source": []}

    def script(launcher: Launcher) -> Iterator[None]:
        yield from running(launcher, "view")
        began = time.monotonic()
        passed = 0.0
        while passed < event_s and time.monotonic() < began + limit_s:
            passed = launcher.boards["source"][NodeSlot.PACKETS_OUT] * _PACKET_US / 1e6
            for node, own in samples.items():
                rss = launcher.boards[node][NodeSlot.RSS_BYTES]
                if rss:
                    own.append(Sample(passed, time.monotonic() - began, rss / 2**20))
            yield

    graph = graph_of(str(path), [], None, None)
    graph["nodes"]["source"].update(pace="fast", loop=True, packet_us=_PACKET_US)
    run(graph, script)
    return samples
