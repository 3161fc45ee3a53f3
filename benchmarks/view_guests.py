"""What a viewer costs the pipeline that it watches: without one, with one, with a stopped one.

One pipeline runs on while viewers come, are stopped and go, in short spells; each is compared with
one without a viewer near it in time. What two spells without a viewer differ by is told as well,
and for how much of the time a virtual machine's host took its processors away: spells in which
that was hardly any are told apart as undisturbed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
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

_SETTLE_S = 1.0
_QUIET_PERCENT = 1.0


class Spell(NamedTuple):
    """How the pipeline did for a while."""

    mev_s: float
    p99_ms: float
    source_us: float
    """Processor time of the source for a packet."""
    p50_ms: float = 0.0
    p90_ms: float = 0.0
    stolen_percent: float = 0.0
    """For how much of the time the host took the processors away."""


def spell(before: Reading, after: Reading) -> Spell:
    """Return what became of an edge, and of a source, between two readings."""
    counts = [b - a for a, b in zip(before.histogram, after.histogram, strict=True)]
    seconds = max(after.ns - before.ns, 1) / 1e9
    rate = (after.events - before.events) / seconds / 1e6
    us = (after.cpu_s - before.cpu_s) / max(after.packets - before.packets, 1) * 1e6
    p50, p90, p99 = (quantile_ms(counts, q) or 0.0 for q in (0.5, 0.9, 0.99))
    stolen = 100 * (after.stolen_s - before.stolen_s) / (os.cpu_count() or 1) / seconds
    return Spell(rate, p99, us, p50, p90, stolen)


def guest_rows(*, quick: bool) -> list[Row]:
    """Measure in turn: at 1 million events/s in real time, and as fast as can be."""
    rounds, seconds = (1, 2.0) if quick else (10, 4.0)
    found = []
    width, height, events_s = SIZES[0]
    for name, pace in ((f"{events_s / 1e6:g} Mev/s", 1.0), ("at full speed", None)):
        with screen("offscreen"):
            spells = _spells(width, height, events_s, pace, rounds, seconds)
        found += rows_of(f"watched, {name}", spells)
    return found


def rows_of(name: str, spells: Mapping[str, Sequence[Spell]]) -> list[Row]:
    """Return the rows of a pipeline that was watched by each of ``GUESTS`` in turn."""
    found = []
    alone = spells[GUESTS[0]]
    for guest in GUESTS:
        own = spells[guest]
        found.append(row(f"{name}: {guest}, throughput", "Mev/s", [s.mev_s for s in own]))
        found += _latencies(f"{name}: {guest}", own)
        cost = [s.source_us for s in own]
        found.append(row(f"{name}: {guest}, the source for a packet", "µs of a core", cost))
        if guest != GUESTS[0]:
            for k, what in enumerate(("throughput", "p99")):
                beside = _ratios(own, alone, k)
                found.append(row(f"{name}: {guest}, {what} beside no viewer", "%", beside))
    if len(alone) > 1:
        itself = _ratios(alone[1::2], alone[: len(alone) // 2 * 2 : 2], 1)
        found.append(row(f"{name}: {GUESTS[0]}, p99 beside itself", "%", itself))
    stolen = [s.stolen_percent for own in spells.values() for s in own]
    found.append(row(f"{name}: the processors taken away by the host", "%", stolen))
    quiet = {
        guest: [s for s in own if s.stolen_percent <= _QUIET_PERCENT]
        for guest, own in spells.items()
    }
    if all(quiet.values()):
        for guest, own in quiet.items():
            found += _latencies(f"{name}, undisturbed: {guest}", own)
    return found


def _latencies(name: str, spells: Sequence[Spell]) -> list[Row]:
    return [
        row(f"{name}, p50", "ms", [s.p50_ms for s in spells]),
        row(f"{name}, p90", "ms", [s.p90_ms for s in spells]),
        row(f"{name}, p99", "ms", [s.p99_ms for s in spells]),
    ]


def _ratios(own: Sequence[Spell], alone: Sequence[Spell], k: int) -> list[float]:
    """Return a figure with a guest as a part of the one without, in %, pair by pair."""
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
            # There and back again: what drifts falls on all alike.
            yield from measure(launcher, GUESTS[0])
            viewer = _viewer(launcher, "source")
            try:
                yield from until(partial(_taking, launcher, "source", viewer), "no viewer comes")
                # Its plots are loaded a second later, once.
                yield from pause(_SETTLE_S)
                yield from measure(launcher, GUESTS[1])
                viewer.send_signal(signal.SIGSTOP)
                yield from measure(launcher, GUESTS[2])
                yield from measure(launcher, GUESTS[2])
                viewer.send_signal(signal.SIGCONT)
                yield from measure(launcher, GUESTS[1])
            finally:
                _send_away(viewer)
            yield from measure(launcher, GUESTS[0])

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
