"""Events to files in every format, from packets of 1 ms, beside the libraries that write it too.

The scene is ``benchmarks.filter``'s moving bar in noise before 346 × 260 pixels, 12,000 events a
packet. Ours takes packets as they come, checks every event and cuts the file's own packets; the
peers take what they are fastest at: dv-processing EventStores that were made beforehand, the others
whole arrays. Time runs until the file is closed (in the page cache). One core.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.filter import scene
from benchmarks.harness import Row, in_turn, row
from pipeline.events import Events
from pipeline.memory import keep_freed_memory
from recordings.arrays import to_packed
from recordings.recording import joined
from recordings.writing import WRITABLE, create_recording

_WIDTH, _HEIGHT, _PER_PACKET = 346, 260, 12_000
_OURS: tuple[tuple[str, dict[str, str]], ...] = (
    ("aedat4", {"compression": "none"}),
    ("aedat4", {"compression": "lz4"}),
    ("aedat4", {"compression": "zstd"}),
    ("es", {}),
    ("nmnist", {}),
    ("csv", {}),
    ("npy", {}),
    ("npz", {"compression": "none"}),
    ("npz", {"compression": "deflate"}),
    ("hdf5", {"compression": "none"}),
    ("hdf5", {"compression": "gzip"}),
)


def rows(*, quick: bool = False) -> list[Row]:
    """Measure; ``quick`` writes a fifth of the 2.4 million events, three times instead of seven."""
    keep_freed_memory()
    packets, runs = (40, 3) if quick else (200, 7)
    parts = scene(_WIDTH, _HEIGHT, _PER_PACKET, packets)
    whole = joined(parts)
    found: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        ours = {
            _name(format_, options): _timer(partial(_write, format_, options, parts), place)
            for format_, options in _OURS
        }
        theirs = {name: _timer(write, place) for name, write in _peers(parts, whole).items()}
        for name, values in in_turn({**ours, **theirs}, runs).items():
            rates = [len(whole) / seconds / 1e6 for seconds in values]
            found.append(row(name, "Mev/s", rates, peer=name in theirs))
    return found


def _name(format_: str, options: dict[str, str]) -> str:
    return " ".join([format_, *options.values()]) + ", silicon-retina"


def _write(format_: str, options: dict[str, str], parts: list[Events], path: Path) -> None:
    path = path.with_suffix(WRITABLE[format_].endings[0])
    small = format_ == "nmnist"
    size = (256, 256) if small else (_WIDTH, _HEIGHT)
    given: dict[str, Any] = dict(options)
    with create_recording(path, *size, **given) as writer:
        for events in _small(parts) if small else parts:
            writer.write(events)


_cache: dict[int, list[Events]] = {}


def _small(parts: list[Events]) -> list[Events]:
    """Return the scene on 256 columns and rows, made once."""
    key = id(parts)
    if key not in _cache:
        _cache[key] = [part.copy() for part in parts]
        begin = int(parts[0]["t"][0])
        for part in _cache[key]:
            part["x"] %= 256
            part["y"] %= 256
            part["t"] -= begin
    return _cache[key]


def _timer(write: Callable[[Path], None], place: Path) -> Callable[[], float]:
    numbers = itertools.count()

    def once() -> float:
        path = place / f"f{next(numbers)}"
        began = time.perf_counter()
        write(path)
        spent = time.perf_counter() - began
        for file in place.iterdir():
            file.unlink()
        return spent

    # The first one compiles.
    once()
    return once


def _peers(parts: list[Events], whole: Events) -> dict[str, Callable[[Path], None]]:
    """Return what of other libraries is installed, by name."""
    found: dict[str, Callable[[Path], None]] = {
        "npy, numpy": lambda path: np.save(path.with_suffix(".npy"), whole),
        "npz none, numpy": lambda path: np.savez(path.with_suffix(".npz"), events=whole),
    }
    for make in (_dv, _event_stream, _h5py):
        try:
            found |= make(parts, whole)
        except ImportError:
            continue
    return found


def _dv(parts: list[Events], whole: Events) -> dict[str, Callable[[Path], None]]:
    import dv_processing as dv

    stores = []
    for part in parts:
        store = dv.EventStore()
        for t, x, y, p in part.tolist():
            store.push_back(t, x, y, bool(p))
        stores.append(store)

    def write(kind: Any, path: Path) -> None:
        config = dv.io.MonoCameraWriter.EventOnlyConfig("bench", (_WIDTH, _HEIGHT), kind)
        writer = dv.io.MonoCameraWriter(str(path.with_suffix(".aedat4")), config)
        for store in stores:
            writer.writeEvents(store)
        del writer

    kinds = dv.CompressionType
    return {
        "aedat4 none, dv-processing": partial(write, kinds.NONE),
        "aedat4 lz4, dv-processing": partial(write, kinds.LZ4),
        "aedat4 zstd, dv-processing": partial(write, kinds.ZSTD),
    }


def _event_stream(parts: list[Events], whole: Events) -> dict[str, Callable[[Path], None]]:
    import event_stream

    begin = int(whole["t"][0])
    packed = to_packed(whole)
    packed["t"] -= begin

    def write(path: Path) -> None:
        name = str(path.with_suffix(".es"))
        with event_stream.Encoder(name, "dvs", _WIDTH, _HEIGHT) as encoder:
            encoder.write(packed)

    return {"es, event_stream": write}


def _h5py(parts: list[Events], whole: Events) -> dict[str, Callable[[Path], None]]:
    import h5py

    def write(path: Path) -> None:
        with h5py.File(path.with_suffix(".h5"), "w") as file:
            for name in "txyp":
                file.create_dataset(
                    f"events/{name}", data=np.ascontiguousarray(whole[name]), chunks=(1 << 14,),
                    compression="gzip", compression_opts=1, shuffle=True,
                )  # fmt: skip

    return {"hdf5 gzip, h5py": write}
