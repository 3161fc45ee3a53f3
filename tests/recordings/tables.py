"""Files of text, NumPy, HDF5 and ROS as other programs write them, for ``assets.py``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.events import Events
from recordings.arrays import to_metavision, to_tonic
from tests.recordings import bags, words

WIDTH, HEIGHT = 34, 30


def rpg(path: Path, events: Events) -> None:
    """Write rpg's text: the size, then t in s, x, y, p."""
    rows = [f"{t / 1e6:.6f} {x} {y} {p}\n" for t, x, y, p in events.tolist()]
    path.write_text(f"{WIDTH} {HEIGHT}\n" + "".join(rows))


def csv_ns(path: Path, events: Events) -> None:
    """Write CSV with names, times in ns and a column more."""
    rows = [f"{x},{y},{1 if p else -1},a word,{t}000\n" for t, x, y, p in events.tolist()]
    path.write_text("x,y,polarity,note,timestamp_ns\n" + "".join(rows))


def npy_tonic(path: Path, events: Events) -> None:
    """Write tonic's array."""
    np.save(path, to_tonic(events))


def npy_rows(path: Path, events: Events) -> None:
    """Write numbers without names, column by column."""
    np.save(path, np.asfortranarray(np.stack([events[name] for name in "txyp"], axis=1)))


def npz_columns(path: Path, events: Events) -> None:
    """Write an array for each column, compressed."""
    columns = {name: events[name] for name in "txyp"}
    np.savez_compressed(path, allow_pickle=False, **columns)


def hdf5_dsec(path: Path, events: Events) -> None:
    """Write DSEC's layout; its offset is 0."""
    import h5py

    with h5py.File(path, "w") as file:
        for name, dtype in (("t", "u4"), ("x", "u2"), ("y", "u2"), ("p", "u1")):
            data = events[name].astype(dtype)
            file.create_dataset(
                f"events/{name}", data=data, maxshape=(None,), chunks=(256,), compression="gzip"
            )
        file["t_offset"] = np.int64(0)


def hdf5_metavision(path: Path, events: Events) -> None:
    """Write Metavision's layout, uncompressed."""
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["geometry"] = f"{WIDTH}x{HEIGHT}"
        file["CD/events"] = to_metavision(events)


def bag(kind: str, storage: str) -> Any:
    """Return what writes a bag of one file, with messages of some events each."""

    def make(path: Path, events: Events) -> None:
        ros1 = storage == "bag"
        types = bags.store(ros1).types
        if kind == "array":
            parts = [events[i : i + 100] for i in range(0, len(events), 100)]
            messages = [bags.array(types, ros1, part) for part in parts]
        else:
            data = words.evt3(events)
            parts = [data[i : i + 400] for i in range(0, len(data), 400)]
            messages = [bags.packet(types, ros1, part, "evt3") for part in parts]
        if ros1:
            bags.write(path, storage, kind, messages)
            return
        folder = bags.write(path.with_suffix(".bagged"), storage, kind, messages)
        (file,) = folder.glob(f"*{path.suffix}")
        file.rename(path)
        shutil.rmtree(folder)

    return make
