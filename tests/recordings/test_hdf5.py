"""HDF5: the layouts in use, what the file may not do, and files whose writer was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import RecordingError
from pipeline.events import Events
from recordings.arrays import to_metavision
from recordings.opening import open_recording
from tests.strategies import random_events

h5py = pytest.importorskip("h5py", reason="h5py is not installed (the extra hdf5)")

EVENTS = random_events(150_000, 34, 30, 1_000_000)


def seconds(events: Events) -> Any:
    return events["t"] * 1e-6


def dsec(file: Any) -> None:
    for name, dtype in (("t", "u4"), ("x", "u2"), ("y", "u2"), ("p", "u1")):
        data = EVENTS[name].astype(dtype)
        file.create_dataset(f"events/{name}", data=data, chunks=(10_000,), compression="gzip")
    file["t_offset"] = np.int64(49_599_300_523)
    file["ms_to_idx"] = np.searchsorted(EVENTS["t"], np.arange(0, 1_000_000, 1000))


def e2vid(file: Any) -> None:
    file.attrs["sensor_resolution"] = (30, 34)
    file["events/ts"] = seconds(EVENTS)
    file["events/xs"], file["events/ys"] = EVENTS["x"].astype("i2"), EVENTS["y"].astype("i2")
    file["events/ps"] = EVENTS["p"].astype(bool)
    file["images/image000000000"] = np.zeros((30, 34), "u1")


def metavision(file: Any) -> None:
    file.attrs["geometry"] = "34x30"
    file["CD/events"] = to_metavision(EVENTS)
    file["CD/indexes"] = np.zeros(10, [("id", "u8"), ("ts", "i8")])
    file["EXT_TRIGGER/events"] = np.zeros(3, [("p", "i2"), ("t", "i8"), ("id", "i2")])


def compound(file: Any) -> None:
    file.create_dataset("events", data=EVENTS, chunks=(4096,), compression="lzf")
    file["events"].attrs["width"], file["events"].attrs["height"] = 34, 30


def mvsec(file: Any) -> None:
    for eye, events in (("left", EVENTS), ("right", EVENTS[:5])):
        rows = np.stack([events["x"], events["y"], seconds(events), events["p"] * 2.0 - 1], 1)
        file[f"davis/{eye}/events"] = rows
        file[f"davis/{eye}/imu"] = np.zeros((8, 6))


def m3ed(file: Any) -> None:
    for name in "txyp":
        file[f"prophesee/left/{name}"] = EVENTS[name]


def in_root_ns(file: Any) -> None:
    file["t"] = EVENTS["t"] * 1000
    file["x"], file["y"], file["p"] = (EVENTS[name] for name in "xyp")
    file["t"].attrs["unit"] = "ns"


Layout = Callable[[Any], None]


@pytest.mark.parametrize("layout", [dsec, e2vid, metavision, compound, mvsec, m3ed, in_root_ns])
def test_layouts(tmp_path: Path, layout: Layout) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        layout(file)
    expected = EVENTS.copy()
    if layout is dsec:
        expected["t"] += 49_599_300_523
    with open_recording(path) as recording:
        assert recording.format == "hdf5"
        sized = layout in (e2vid, metavision, compound)
        assert (recording.width, recording.height) == ((34, 30) if sized else (None, None))
        assert (recording.read() == expected).all()
        begin = int(expected["t"][0]) + 500_000
        assert (recording.read(begin) == expected[expected["t"] >= begin]).all()


def test_a_file_that_is_read_by_time_is_not_read_whole(tmp_path: Path) -> None:
    events = random_events(400_000, 34, 34, 4_000_000)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("events", data=events, chunks=(16_384,), compression="gzip")
    with open_recording(tmp_path / "a.h5") as recording:
        assert (recording.read(3_000_000) == events[events["t"] >= 3_000_000]).all()
        assert recording.counts.events < 130_000


def test_two_readings_at_once(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        compound(file)
    with open_recording(tmp_path / "a.h5") as recording:
        pairs = list(zip(recording.raw(), recording.raw(), strict=True))
        assert len(pairs) == 3
        assert all((a == b).all() for a, b in pairs)


def test_without_events(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["events"] = EVENTS[:0]
        file["other/t"] = np.arange(3)
    with open_recording(tmp_path / "a.h5") as recording:
        assert len(recording.read()) == 0


def test_nothing_of_events(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = np.zeros((5, 5))
        file["few/t"] = np.zeros(5)
    with pytest.raises(RecordingError, match="holds no events, expected datasets t, x, y and p"):
        open_recording(tmp_path / "a.h5")


def test_a_codec_that_is_not_there(tmp_path: Path) -> None:
    def compressed(number: int) -> Path:
        path = tmp_path / f"{number}.hdf5"
        with h5py.File(path, "w") as file:
            plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plist.set_chunk((1000,))
            # An optional filter may be missing while the dataset is made.
            plist.set_filter(number, h5py.h5z.FLAG_OPTIONAL)
            dtype = h5py.h5t.py_create(to_metavision(EVENTS).dtype)
            group = h5py.h5g.create(file.id, b"CD")
            space = h5py.h5s.create_simple((10_000,))
            h5py.h5d.create(group, b"events", dtype, space, plist)
        return path

    with pytest.raises(RecordingError, match="compressed by Metavision's codec") as error:
        open_recording(compressed(36559))
    assert "\n" not in str(error.value)
    with pytest.raises(RecordingError, match="compressed by HDF5's filter 32100, which h5py lacks"):
        open_recording(compressed(32100))


def test_a_file_leads_nowhere_but_into_itself(tmp_path: Path) -> None:
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        compound(file)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["events"] = h5py.ExternalLink("secret.h5", "events")
    with pytest.raises(RecordingError, match="holds no events"):
        open_recording(tmp_path / "a.h5")
    raw = tmp_path / "raw"
    raw.write_bytes(EVENTS.tobytes())
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset("events", (9,), EVENTS.dtype, external=[(str(raw), 0, 144)])
    with pytest.raises(RecordingError, match="lies in another file"):
        open_recording(tmp_path / "b.h5")
    with h5py.File(tmp_path / "c.h5", "w") as file:
        layout = h5py.VirtualLayout((9,), EVENTS.dtype)
        layout[:] = h5py.VirtualSource(secret, "events", (len(EVENTS),))[:9]
        file.create_virtual_dataset("events", layout)
    with pytest.raises(RecordingError, match="lies in another file"):
        open_recording(tmp_path / "c.h5")


def test_rows_that_are_only_claimed_are_not_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("events", (2**60,), EVENTS.dtype, chunks=(2**24,))
    with pytest.raises(RecordingError, match="in chunks of 268435456 bytes"):
        open_recording(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset("events", (2**60,), EVENTS.dtype, chunks=(2**10,))
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file.create_dataset("events", (2**60,), EVENTS.dtype, chunks=(2**10,))[:1024] = EVENTS[
            :1024
        ]
    for name, n in (("b.h5", 0), ("c.h5", 1024)):
        with open_recording(tmp_path / name) as recording:
            assert (recording.read() == EVENTS[:n]).all()
            assert recording.counts.cuts == 1


def test_a_broken_file(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        compound(file)
    data = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "a.h5").write_bytes(data[: len(data) // 2])
    with pytest.raises(RecordingError, match=r"a.h5: cannot be read: .*truncated"):
        open_recording(tmp_path / "a.h5")


def test_without_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        compound(file)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(RecordingError, match=r"needs h5py: pip install 'silicon-retina\[hdf5\]'"):
        open_recording(tmp_path / "a.h5")


WRITER = """
import sys
from recordings.writing import create_recording
from tests.strategies import random_events
writer = create_recording(sys.argv[1], 34, 30)
writer.write(random_events(150_000, 34, 30, 1_000_000))
writer.flush()
print("written", flush=True)
sys.stdin.read()
"""


def test_a_file_whose_writer_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        process.send_signal(signal.SIGKILL)
    with open_recording(path) as recording:
        assert (recording.read() == EVENTS).all()
        assert (recording.width, recording.height) == (34, 30)
