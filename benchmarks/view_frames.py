"""What the viewer paints: frames, its share of a core, and how old is what it shows."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness import Row, row
from benchmarks.view_nodes import Frames, frames_of
from benchmarks.view_watch import cpu_s, pause, pid_of, run, running, screen, screens
from pipeline.launcher import Launcher

SIZES = ((346, 260, 1_000_000), (1280, 720, 10_000_000))
"""Sensors and their events a second."""

_SETTLE_S = 2.0
_ENDLESS = 10**9


def feed(width: int, height: int, events_s: int, pace: float | None = 1.0) -> dict[str, Any]:
    """Return a source of random events in packets of 1 ms."""
    return {
        "kind": "benchmarks.nodes:Feed", "packets": _ENDLESS, "events": events_s // 1000,
        "width": width, "height": height, "span_us": 1000,
        **({} if pace is None else {"pace": pace}),
    }  # fmt: skip


def witness(path: Path) -> dict[str, Any]:
    """Return a viewer that notes its frames in ``path``."""
    return {"kind": "benchmarks.view_nodes:Witness", "frames": str(path), "remember": False}


# Frames and processor time.


class Share(NamedTuple):
    """Frames a second, of a core, and of a frame's time."""

    frames_s: float
    cores: float
    age_ms: float


def painted(frames: Frames, begin_ns: int, end_ns: int, cpu: float) -> Share:
    """Sum up the frames from ``begin_ns`` to ``end_ns``, which took ``cpu`` s of the processor."""
    seen, seconds = frames.between(begin_ns, end_ns), (end_ns - begin_ns) / 1e9
    age_ms = float(np.median(seen.age_ms)) if len(seen.at_ns) else 0.0
    return Share(len(seen.at_ns) / seconds, cpu / seconds, age_ms)


def frame_rows(*, quick: bool) -> list[Row]:
    """Measure frames and processor time while source, bins and a sink run as well."""
    runs, seconds = (1, 3.0) if quick else (3, 20.0)
    found = []
    for kind in screens():
        with screen(kind):
            for width, height, events_s in SIZES:
                name = f"{kind}, {width}×{height}, {events_s / 1e6:g} Mev/s"
                shares = [_share(width, height, events_s, seconds) for _ in range(runs)]
                found += [
                    row(f"{name}: shown", "frames/s", [each.frames_s for each in shares]),
                    row(f"{name}: the viewer", "cores", [each.cores for each in shares]),
                    row(
                        f"{name}: the viewer, a frame", "ms of a core",
                        [1000 * each.cores / max(each.frames_s, 1e-9) for each in shares],
                    ),
                    row(f"{name}: age of what is shown", "ms", [each.age_ms for each in shares]),
                ]  # fmt: skip
    return found


def _share(width: int, height: int, events_s: int, seconds: float) -> Share:
    spans: list[tuple[int, float]] = []

    def script(launcher: Launcher) -> Iterator[None]:
        yield from running(launcher, "view")
        yield from pause(_SETTLE_S)
        pid = pid_of(launcher, "view")
        spans.append((time.monotonic_ns(), cpu_s(pid)))
        yield from pause(seconds)
        spans.append((time.monotonic_ns(), cpu_s(pid)))

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames"
        run(
            {
                "nodes": {
                    "source": feed(width, height, events_s),
                    "bins": {"bin_us": 1000},
                    "sink": {"kind": "benchmarks.view_nodes:Tally"},
                    "view": witness(path),
                },
                "edges": [
                    {"from": "source", "to": "bins"},
                    {"from": "bins", "to": "sink"},
                    {"from": "source", "to": "view", "policy": "latest", "capacity": 64},
                ],
            },
            script,
        )
        frames = frames_of(path)
    (begin_ns, before), (end_ns, after) = spans
    return painted(frames, begin_ns, end_ns, after - before)


# Age.


class Overload(NamedTuple):
    """How old frames were, in ms; ``back_s`` is how long it took until they were as before.

    ``backwards`` counts frames that show an earlier time than the one before.
    """

    usual_p99: float
    p50: float
    p99: float
    oldest: float
    back_s: float
    later_oldest: float
    backwards: int
    frames: int


def overload(frames: Frames, begin_us: int, end_us: int, settle_us: int) -> Overload:
    """Tell how old the frames were while there was too much to do, from ``begin_us`` of event time
    to ``end_us``; the frames from ``settle_us`` to ``begin_us`` are the usual ones.
    """
    at, age = frames.at_ns, frames.age_ms
    moments = [_when(frames, t_us) for t_us in (settle_us, begin_us, end_us)]
    usual, during, after = (
        np.flatnonzero((at >= low) & (at < high))
        for low, high in zip(moments, [*moments[1:], 2**62], strict=True)
    )
    p99 = float(np.quantile(age[usual], 0.99))
    fresh = after[age[after] <= p99]
    back_s = (at[fresh[0]] - moments[2]) / 1e9 if len(fresh) else float("inf")
    later = after[at[after] >= moments[2] + 1_000_000_000]
    return Overload(
        p99,
        float(np.quantile(age[during], 0.5)),
        float(np.quantile(age[during], 0.99)),
        float(age[during].max()),
        max(0.0, float(back_s)),
        float(age[later].max()),
        int((np.diff(frames.t_us) < 0).sum()),
        len(at),
    )


def _when(frames: Frames, t_us: int) -> int:
    """Return when ``t_us`` of event time was, in ns of the monotonic clock."""
    k = min(int(np.searchsorted(frames.t_us, t_us)), len(frames.t_us) - 1)
    return int(frames.born_ns[k] - (frames.t_us[k] - t_us) * 1000)


def age_rows(*, quick: bool) -> list[Row]:
    """Measure the age of frames before, during and after an overload."""
    seconds = 10 if quick else 60
    name = f"346×260, 1 Mev/s, overloaded twofold for {seconds} s"
    with screen("offscreen"):
        found = _overloaded(seconds)
    return [
        row("346×260, 1 Mev/s: age of what is shown, p99", "ms", [found.usual_p99]),
        row(f"{name}: age, p50", "ms", [found.p50]),
        row(f"{name}: age, p99", "ms", [found.p99]),
        row(f"{name}: age, oldest", "ms", [found.oldest]),
        row(f"{name}: back to usual", "s", [found.back_s]),
        row(f"{name}: oldest from 1 s after it on", "ms", [found.later_oldest]),
        row(f"{name}: frames that go backwards", f"of {found.frames}", [found.backwards]),
    ]


def _overloaded(seconds: int) -> Overload:
    settle, begin = 2, 6
    stop = begin + seconds

    def script(launcher: Launcher) -> Iterator[None]:
        yield from running(launcher, "view")
        yield from pause(stop + 5)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames"
        # The labour has 1 ms for a packet of 1 ms, and needs two.
        run(
            {
                "nodes": {
                    "source": feed(*SIZES[0]),
                    "labour": {
                        "kind": "benchmarks.view_nodes:Labour", "us": 200, "heavy_us": 2000,
                        "begin_s": begin, "end_s": stop,
                    },
                    "view": witness(path),
                },
                "edges": [
                    {"from": "source", "to": "labour", "policy": "latest"},
                    {"from": "labour", "to": "view", "policy": "latest", "capacity": 64},
                ],
            },
            script,
        )  # fmt: skip
        frames = frames_of(path)
    return overload(frames, begin * 1_000_000, stop * 1_000_000, settle * 1_000_000)
