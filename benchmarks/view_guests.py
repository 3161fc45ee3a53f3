"""What a viewer costs the pipeline that it watches: without one, with one, with a stopped one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from benchmarks.harness import Row, row
from benchmarks.view_frames import SIZES, feed
from benchmarks.view_watch import Reading, end, pause, pid_of, read, run, running, screen, until
from pipeline.board import EdgeSlot
from pipeline.errors import RetinaError
from pipeline.latency import quantile_ms
from pipeline.launcher import Launcher

GUESTS = ("no viewer", "a viewer", "a stopped viewer")

_SETTLE_S = 1.5


class Spell(NamedTuple):
    """How the pipeline did for a while."""

    mev_s: float
    p99_ms: float
    source_us: float
    """Processor time of the source for a packet."""


def spell(before: Reading, after: Reading) -> Spell:
    """Return what became of an edge, and of a source, between two readings."""
    counts = [b - a for a, b in zip(before.histogram, after.histogram, strict=True)]
    rate = (after.events - before.events) / max(after.ns - before.ns, 1) * 1e3
    us = (after.cpu_s - before.cpu_s) / max(after.packets - before.packets, 1) * 1e6
    return Spell(rate, quantile_ms(counts, 0.99) or 0.0, us)


def guest_rows(*, quick: bool) -> list[Row]:
    """Measure in turn: at 1 million events/s in real time, and as fast as can be."""
    rounds, seconds = (1, 2.0) if quick else (5, 10.0)
    found = []
    width, height, events_s = SIZES[0]
    for name, pace in ((f"{events_s / 1e6:g} Mev/s", 1.0), ("at full speed", None)):
        with screen("offscreen"):
            spells = _spells(width, height, events_s, pace, rounds, seconds)
        found += rows_of(f"watched, {name}", spells)
    return found


def rows_of(name: str, spells: dict[str, list[Spell]]) -> list[Row]:
    """Return the rows of a pipeline that was watched by each of ``GUESTS`` in turn."""
    found = []
    alone = spells[GUESTS[0]]
    for guest in GUESTS:
        own = spells[guest]
        found.append(row(f"{name}: {guest}, throughput", "Mev/s", [s.mev_s for s in own]))
        found.append(row(f"{name}: {guest}, p99", "ms", [s.p99_ms for s in own]))
        cost = [s.source_us for s in own]
        found.append(row(f"{name}: {guest}, the source for a packet", "µs of a core", cost))
        if guest != GUESTS[0]:
            for k, what in enumerate(("throughput", "p99")):
                beside = _ratios(own, alone, k)
                found.append(row(f"{name}: {guest}, {what} beside no viewer", "%", beside))
    return found


def _ratios(own: Sequence[Spell], alone: Sequence[Spell], k: int) -> list[float]:
    """Return a figure with a guest as a part of the one without, in %, round by round."""
    return [100 * a[k] / b[k] if b[k] else 0.0 for a, b in zip(own, alone, strict=True)]


def _spells(
    width: int, height: int, events_s: int, pace: float | None, rounds: int, seconds: float
) -> dict[str, list[Spell]]:
    found: dict[str, list[Spell]] = {guest: [] for guest in GUESTS}

    def measure(launcher: Launcher, guest: str) -> Iterator[None]:
        edge, source = end(launcher, "sink", "bins"), pid_of(launcher, "source")
        yield from pause(_SETTLE_S)
        before = read(edge, source)
        yield from pause(seconds)
        found[guest].append(spell(before, read(edge, source)))

    def script(launcher: Launcher) -> Iterator[None]:
        yield from running(launcher, "sink")
        for _ in range(rounds):
            yield from measure(launcher, GUESTS[0])
            viewer = _viewer(launcher, "source")
            try:
                yield from until(partial(_taking, launcher, "source", viewer), "no viewer comes")
                yield from measure(launcher, GUESTS[1])
                viewer.send_signal(signal.SIGSTOP)
                yield from measure(launcher, GUESTS[2])
            finally:
                _send_away(viewer)

    run(
        {
            "nodes": {
                "source": feed(width, height, events_s, pace),
                "bins": {"bin_us": 1000},
                "sink": {"kind": "benchmarks.view_nodes:Tally"},
            },
            "edges": [{"from": "source", "to": "bins"}, {"from": "bins", "to": "sink"}],
        },
        script,
    )
    return found


def _viewer(launcher: Launcher, node: str) -> subprocess.Popen[bytes]:
    """Begin ``retina view ADDRESS``."""
    address = f"ipc://{launcher.directory}/{node}"
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", "view", address], stderr=subprocess.DEVNULL
    )


def _taking(launcher: Launcher, node: str, viewer: subprocess.Popen[bytes]) -> bool:
    """Whether a viewer takes packets of ``node``."""
    if viewer.poll() is not None:
        raise RetinaError(f"retina view: ended with status {viewer.returncode}")
    mine = f"view-{viewer.pid}-"
    edges = [edge for edge in launcher.boards[node].edges() if edge.peer.startswith(mine)]
    return any(edge[EdgeSlot.DELIVERED_PACKETS] for edge in edges)


def _send_away(viewer: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGCONT, signal.SIGTERM):
        with suppress(ProcessLookupError):
            os.kill(viewer.pid, number)
    try:
        viewer.wait(10)
    except subprocess.TimeoutExpired:
        viewer.kill()
        viewer.wait()
