"""Running benchmarks: contestants in turn, medians with their spread, the environment saved."""

from __future__ import annotations

import datetime
import importlib
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from pipeline.errors import RetinaError, UsageError

BENCHMARKS = {
    "transport": "one process to another: ours, bare pyzmq, dv-processing",
    "bins": "source to bins in two processes, lossless",
    "binning": "1 ms bins on three sensors: ours, numpy, torch, a plain numba loop",
    "step": "one 1 ms step of a network: ours, torch, snnTorch, norse, spikingjelly, sinabs",
    "recording": "a whole recording of 300 ms through a network: ours and the same simulators",
    "train": "recordings trained on in a second, and what a training step keeps in memory",
    "read": "recordings from file to NumPy, decoding from memory, memory during a long replay",
    "write": "events to files in every format: ours, dv-processing, event_stream, NumPy, h5py",
    "live": "12 million events/s through source, filter and record in three processes, a minute",
    "filter": "the filter node's stages, packet to packet, beside dv-processing's filters",
    "simulate": "still images before a moving retina: ours and eventcv's model",
    "head": "how late commands leave for a pan-tilt head on a pseudo-terminal",
    "neighbours": "DV's stream and events over UDP: ours, dv-processing, faery",
    "view": "the viewer: frames, age, what it costs the watched, memory, the first picture",
    "chain": "events to label through five processes in real time",
}
"""What can be measured, by name; ``benchmarks.<name>`` has ``rows(quick)``."""

_PACKAGES = (
    "silicon-retina", "numpy", "numba", "torch", "pyzmq", "msgspec", "dv-processing",
    "snntorch", "norse", "spikingjelly", "sinabs", "eventcv",
    "PySide6", "pyqtgraph", "aedat", "faery", "expelliarmus", "event_stream", "evutils", "tonic",
)  # fmt: skip


class Row(msgspec.Struct):
    """One figure; ``peer``: measured on somebody else's code, in the same run."""

    name: str
    unit: str
    median: float
    min: float
    max: float
    runs: int
    peer: bool


class Result(msgspec.Struct):
    """What ``retina bench --json`` writes."""

    name: str
    environment: dict[str, Any]
    rows: list[Row]


def row(name: str, unit: str, values: Sequence[float], *, peer: bool = False) -> Row:
    """Sum up the runs of one contestant."""
    return Row(name, unit, statistics.median(values), min(values), max(values), len(values), peer)


def in_turn(contestants: Mapping[str, Callable[[], float]], runs: int) -> dict[str, list[float]]:
    """Run every contestant once, then every one again: what disturbs one disturbs all."""
    values: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(runs):
        for name, measure in contestants.items():
            values[name].append(measure())
    return values


def environment() -> dict[str, Any]:
    """Return what a figure depends on: commit, processor, system and versions."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "commit": _commit(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": [round(value, 2) for value in os.getloadavg()],
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": versions,
    }


def _commit() -> str:
    here = Path(__file__).parent
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607
            cwd=here, capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
        dirty = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],  # noqa: S607
            cwd=here, capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit} with changes" if dirty else commit


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return names[0] if names else platform.machine()


def measure(name: str, *, quick: bool) -> list[Row]:
    """Run one benchmark."""
    module = importlib.import_module(f"benchmarks.{name}")
    found: list[Row] = module.rows(quick=quick)
    return found


def run_benchmarks(name: str | None, json_file: str | None, *, quick: bool) -> None:
    """Run one benchmark, or all; print a table, write JSON where asked for."""
    if name is not None and name not in BENCHMARKS:
        raise UsageError(f"retina bench: unknown benchmark '{name}' ({', '.join(BENCHMARKS)})")
    console = Console(stderr=json_file == "-")
    rows: list[Row] = []
    for each in [name] if name else BENCHMARKS:
        console.print(f"[bold]{each}[/bold]: {BENCHMARKS[each]}")
        found = measure(each, quick=quick)
        console.print(_table(found))
        rows += found
    result = Result(name or "all", environment(), rows)
    if json_file is None:
        return
    text = msgspec.json.format(msgspec.json.encode(result), indent=2).decode()
    if json_file == "-":
        sys.stdout.write(text + "\n")
        return
    try:
        Path(json_file).write_text(text + "\n")
    except OSError as error:
        raise RetinaError(f"{json_file}: cannot write: {error.strerror}") from None


def _table(rows: Sequence[Row]) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1))
    table.add_column("what")
    for title in ("median", "min", "max", "unit", "runs"):
        table.add_column(title, justify="right")
    for each in rows:
        table.add_row(
            each.name,
            *(f"{value:.4g}" for value in (each.median, each.min, each.max)),
            each.unit,
            str(each.runs),
            style="dim" if each.peer else "",
        )
    return table
