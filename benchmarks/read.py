"""Recordings from file to NumPy's arrays: ours beside every peer that reads the format.

Every contestant is a process of its own, held to one core; the files lie in the page cache. Counted
is a process's own time on the processor, which other load disturbs least. A peer that finds another
number of events than were written has it in its row's name. Then: N-MNIST's
bytes decoded from memory, and a process's peak memory while it replays 2 GB.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np

from benchmarks.harness import Row, in_turn, row
from benchmarks.read_files import FILES, dat_header, dat_words, repeated, scene, write_nmnist
from benchmarks.read_peers import OURS, PEERS
from pipeline.packets import EventPacket

MEMORY_BYTES = 2 << 30
"""How large the recording is that is replayed for its memory."""

_T = TypeVar("_T")


def rows(*, quick: bool = False) -> list[Row]:
    """Measure; ``quick`` reads smaller files, and fewer times."""
    runs, times, size = (3, 3, MEMORY_BYTES >> 4) if quick else (7, 20, MEMORY_BYTES)
    found: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        events = repeated(scene(), times)
        for name, (file, write) in FILES.items():
            path = Path(folder) / file
            write(path, events)
            found += _read(name, path, runs)
        found += _decoded(Path(folder) / "memory", runs)
        large = Path(folder) / "large.dat"
        for part in (8, 1):
            write_large(large, size // part)
            found.append(
                row(
                    f"memory while {large.stat().st_size / 2**30:.2g} GiB are replayed",
                    "MiB",
                    [apart(peak_while_replaying, large) for _ in range(1 if quick else 3)],
                )
            )
    return found


def apart(measure: Callable[[Path], _T], path: Path) -> _T:
    """Return what a process of its own measures, held to one core."""
    with _process() as pool:
        return pool.submit(measure, path).result()


def _process() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, get_context("spawn"), _hold)


def _hold() -> None:
    """Hold this process to one core, before any library counts them."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])


def _read(name: str, path: Path, runs: int) -> list[Row]:
    found: list[Row] = []
    readers = [*OURS, *PEERS[name]]
    with ExitStack() as stack:
        pools = {who: stack.enter_context(_process()) for who in readers}

        def once(who: str) -> tuple[float, int]:
            return pools[who].submit(timed, name, who, path).result()

        counts: dict[str, int] = {}
        for who in readers:
            # The first call imports and compiles.
            try:
                counts[who] = once(who)[1]
            except Exception as error:
                if who in OURS:
                    raise
                said = "not installed" if isinstance(error, ImportError) else _said(error)
                found.append(Row(f"{name}, {who}: {said}", "Mev/s", 0, 0, 0, 0, peer=True))
        n = counts["silicon-retina"]
        values = in_turn({who: partial(_rate, once, who) for who in counts}, runs)
    measured = [
        row(
            f"{name}, {who}" + ("" if counts[who] == n else f": {counts[who]} events of {n}"),
            "Mev/s",
            each,
            peer=who not in OURS,
        )
        for who, each in values.items()
    ]
    return measured + found


def _rate(once: Callable[[str], tuple[float, int]], who: str) -> float:
    seconds, n = once(who)
    return n / seconds / 1e6


def _said(error: Exception) -> str:
    return " ".join(f"{type(error).__name__} {error}".split())[:60]


def timed(name: str, who: str, path: Path) -> tuple[float, int]:
    """Read a file once; return the time on the processor in s and how many events it gave."""
    read = {**OURS, **PEERS[name]}[who]
    begun = time.process_time()
    n = read(path)
    return time.process_time() - begun, n


def _decoded(folder: Path, runs: int) -> list[Row]:
    write_nmnist(folder, scene()[:0])
    with _process() as pool:
        found = []
        for name, joined in (("one by one", False), ("joined, 65,536 events at once", True)):
            decode = partial(_decode, folder, joined)
            pool.submit(decode).result()
            rates = [pool.submit(decode).result() for _ in range(runs)]
            found.append(row(f"N-MNIST, 1,000 recordings from memory, {name}", "Mev/s", rates))
    return found


def _decode(folder: Path, joined: bool) -> float:
    from recordings.nmnist import EVENT_BYTES, decode

    parts = [file.read_bytes() for file in sorted(folder.iterdir())]
    if joined:
        data, step = b"".join(parts), EVENT_BYTES << 16
        parts = [data[i : i + step] for i in range(0, len(data), step)]
    begun = time.process_time()
    n = sum(len(decode(part, "memory")) for part in parts)
    return n / (time.process_time() - begun) / 1e6


def write_large(path: Path, size: int) -> None:
    """Write a DAT file of about so many bytes, 12 million events a second."""
    n = 1 << 20
    rng = np.random.default_rng(0)
    events = scene()
    events = repeated(events, -(-n // len(events)))[:n]
    with path.open("wb") as file:
        file.write(dat_header())
        for i in range(max(1, size // (8 * n))):
            events["t"] = np.sort(rng.integers(0, n // 12, n)) + i * (n // 12)
            dat_words(events).tofile(file)


def peak_while_replaying(path: Path) -> float:
    """Return this process's peak of memory in MiB after all of a recording went through source."""
    from nodes.source import Source

    n = 0
    for packet in Source(path=str(path), pace="fast"):
        assert isinstance(packet, EventPacket)
        n += packet.header.n
    assert n * 8 + len(dat_header()) == path.stat().st_size, n
    # Not getrusage's, which begins with that of the process that started this one.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
