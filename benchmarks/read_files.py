"""Files to read in the benchmarks: the recordings that ship, side by side and one after another.

The 100 recordings of N-MNIST are laid on a sensor of 340×340 pixels, ten by ten, and repeated.
EVT2, EVT3 and DAT are written here, as a camera would without its vectors of events; the other
formats by our writers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.events import Events, empty_events
from recordings.folder import SAMPLES_DIR, samples
from recordings.writing import create_recording

SIDE = 340
_TILE = 34
_REPEAT_US = 1 << 19


def scene() -> Events:
    """Return the events of all recordings that ship, side by side, in order of time."""
    parts = []
    for i, sample in enumerate(samples(SAMPLES_DIR)):
        events = sample.read()
        events["x"] += i % 10 * _TILE
        events["y"] += i // 10 * _TILE
        parts.append(events)
    every = np.concatenate(parts)
    events = empty_events(len(every))
    events[:] = every[np.argsort(every["t"], kind="stable")]
    return events


def repeated(events: Events, times: int) -> Events:
    """Return events so many times one after the other, half a second apart."""
    out = empty_events(len(events) * times)
    for i in range(times):
        part = out[i * len(events) : (i + 1) * len(events)]
        part[:] = events
        part["t"] += i * _REPEAT_US
    return out


def write_evt2(path: Path, events: Events) -> None:
    """Write EVT2: a TIME_HIGH wherever it changes."""
    t, x, y, p = (events[name].astype(np.int64) for name in "txyp")
    high = _changes(t >> 6)
    words = p << 28 | (t & 63) << 22 | x << 11 | y
    out = _interleaved([(high, 8 << 28 | t >> 6 & 0xFFFFFFF), (None, words)]).astype("<u4")
    path.write_bytes(_raw("2.0") + out.tobytes())


def write_evt3(path: Path, events: Events) -> None:
    """Write EVT3: TIME_HIGH, TIME_LOW and row wherever they change."""
    t, x, y, p = (events[name].astype(np.int64) for name in "txyp")
    words = [
        (_changes(t >> 12), 8 << 12 | t >> 12 & 0xFFF),
        (_changes(t), 6 << 12 | t & 0xFFF),
        (_changes(t) | _changes(y), y),
        (None, 2 << 12 | p << 11 | x),
    ]
    path.write_bytes(_raw("3.0") + _interleaved(words).astype("<u2").tobytes())


def write_dat(path: Path, events: Events) -> None:
    """Write DAT, version 2."""
    with path.open("wb") as file:
        file.write(dat_header())
        dat_words(events).tofile(file)


def dat_header() -> bytes:
    """Return the beginning of a DAT file."""
    return f"% Data file\n% Version 2\n% Width {SIDE}\n% Height {SIDE}\n".encode() + b"\x0c\x08"


def dat_words(events: Events) -> NDArray[np.uint64]:
    """Return events as DAT's words; times are modulo 2**32 µs."""
    t, x, y, p = (events[name].astype(np.uint64) for name in "txyp")
    words: NDArray[np.uint64] = t & np.uint64(2**32 - 1) | x << np.uint64(32)
    words |= y << np.uint64(46) | p << np.uint64(60)
    return words


def write_aedat4(path: Path, events: Events, compression: str) -> None:
    """Write AEDAT4 by our writer, in packets of 10 ms as iniVation's cameras send them."""
    bounds = np.searchsorted(events["t"], np.arange(0, int(events["t"][-1]) + 10_000, 10_000))
    with create_recording(path, SIDE, SIDE, compression=compression) as writer:
        for part in np.split(events, bounds[1:]):
            writer.write(part)
            writer.flush()


def write_event_stream(path: Path, events: Events) -> None:
    """Write Event Stream by our writer."""
    with create_recording(path, SIDE, SIDE) as writer:
        writer.write(events)


def write_nmnist(path: Path, _: Events) -> None:
    """Make a folder of the recordings that ship, each ten times."""
    path.mkdir()
    for i, sample in enumerate(samples(SAMPLES_DIR)):
        data = sample.path.read_bytes()
        for k in range(10):
            (path / f"{10 * i + k:05d}.bin").write_bytes(data)


FILES: dict[str, tuple[str, Callable[[Path, Events], None]]] = {
    "N-MNIST, 1,000 files": ("nmnist", write_nmnist),
    "AEDAT4, lz4": ("lz4.aedat4", partial(write_aedat4, compression="lz4")),
    "AEDAT4, uncompressed": ("none.aedat4", partial(write_aedat4, compression="none")),
    "EVT2": ("evt2.raw", write_evt2),
    "EVT3": ("evt3.raw", write_evt3),
    "DAT": ("dat.dat", write_dat),
    "Event Stream": ("es.es", write_event_stream),
}
"""The files that are read: by what they are called, their names and what writes them."""


def _raw(version: str) -> bytes:
    name = "EVT" + version.partition(".")[0]
    return (
        f"% date 2026-01-01 00:00:00\n% evt {version}\n% format {name};height={SIDE};width={SIDE}\n"
        f"% geometry {SIDE}x{SIDE}\n% end\n"
    ).encode()


def _changes(values: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.concatenate([[True], values[1:] != values[:-1]])


def _interleaved(
    words: list[tuple[NDArray[np.bool_] | None, NDArray[np.int64]]],
) -> NDArray[np.int64]:
    """Return for each event its words in turn, those that are wanted."""
    table = np.stack([values for _, values in words], axis=1)
    wanted = [np.ones(len(table), np.bool_) if mask is None else mask for mask, _ in words]
    found: NDArray[np.int64] = table[np.stack(wanted, axis=1)]
    return found
