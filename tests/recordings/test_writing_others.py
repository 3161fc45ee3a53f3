"""Files that we wrote, in the libraries of others: every event is there and the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.events import Events
from recordings.opening import open_recording
from recordings.write_aedat4 import Aedat4Writer
from recordings.writing import PACKET_EVENTS, create_recording
from tests.recordings.known import known_stream

N = PACKET_EVENTS + 4321
DATA = Path(__file__).parents[3] / "shared" / "data" / "recordings"

Columns = tuple[NDArray[Any], ...]


def dv_read(path: Path) -> Columns:
    dv = pytest.importorskip("dv_processing")
    recording = dv.io.MonoCameraRecording(str(path))
    batches = []
    while recording.isRunning("events"):
        batch = recording.getNextEventBatch()
        if batch is not None:
            batches.append(batch.numpy())
    found = np.concatenate(batches)
    return found["timestamp"], found["x"], found["y"], found["polarity"]


def faery_read(path: Path) -> Columns:
    faery = pytest.importorskip("faery")
    found = np.concatenate(list(faery.events_stream_from_file(path)))
    return found["t"], found["x"], found["y"], found["on"]


def aedat_read(path: Path) -> Columns:
    aedat = pytest.importorskip("aedat")
    found = np.concatenate([p["events"] for p in aedat.Decoder(path) if "events" in p])
    return found["t"], found["x"], found["y"], found["on"]


def event_stream_read(path: Path) -> Columns:
    event_stream = pytest.importorskip("event_stream")
    with event_stream.Decoder(str(path)) as decoder:
        height = decoder.height
        found = np.concatenate(list(decoder))
    return found["t"], found["x"], height - 1 - found["y"], found["on"]


def h5py_read(path: Path) -> Columns:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path) as file:
        return tuple(file["events"][name][:] for name in "txyp")


def numpy_read(path: Path) -> Columns:
    found = np.load(path, allow_pickle=False)
    events = found["events"] if path.suffix == ".npz" else found
    return tuple(events[name] for name in "txyp")


def text_read(path: Path) -> Columns:
    lines = path.read_text().splitlines()
    assert lines[1] == "t,x,y,p"
    table = np.loadtxt(lines[2:], delimiter=",", dtype=np.int64)
    return tuple(table.T)


def tonic_read(path: Path) -> Columns:
    tonic_io = pytest.importorskip("tonic.io", reason="tonic is not installed")
    found = tonic_io.read_mnist_file(str(path), tonic_io.events_struct)
    return found["t"], found["x"], found["y"], found["p"]


def tonic_aedat4(path: Path) -> Columns:
    tonic_io = pytest.importorskip("tonic.io", reason="tonic is not installed")
    pytest.importorskip("aedat")
    found = tonic_io.read_aedat4(str(path))
    return found["t"], found["x"], found["y"], found["p"]


def same(found: Columns, events: Events) -> None:
    for column, name in zip(found, "txyp", strict=True):
        np.testing.assert_array_equal(np.asarray(column, np.int64), events[name])


@pytest.mark.parametrize("compression", ["none", "lz4", "zstd"])
@pytest.mark.parametrize("read", [dv_read, faery_read, aedat_read, tonic_aedat4])
def test_aedat4(read: Callable[[Path], Columns], compression: str, tmp_path: Path) -> None:
    events = known_stream(N)
    path = tmp_path / "x.aedat4"
    with create_recording(path, 200, 180, compression=compression) as writer:
        writer.write(events)
    same(read(path), events)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("x.es", faery_read),
        ("x.es", event_stream_read),
        ("x.h5", h5py_read),
        ("x.npz", numpy_read),
        ("x.npy", numpy_read),
        ("x.csv", text_read),
        ("x.bin", tonic_read),
    ],
)
def test_other_formats(name: str, read: Callable[[Path], Columns], tmp_path: Path) -> None:
    events = known_stream(N)
    # A silence of several of Event Stream's overflows.
    events["t"][N // 2 :] += 1000
    path = tmp_path / name
    with create_recording(path, 200, 180) as writer:
        writer.write(events)
    same(read(path), events)


def test_dv_knows_the_sensor_and_finds_a_time(tmp_path: Path) -> None:
    dv = pytest.importorskip("dv_processing")
    events = known_stream(N)
    events["t"] += 1_589_163_147_368_868
    path = tmp_path / "x.aedat4"
    with create_recording(path, 200, 180, source="DAVIS346_00000002") as writer:
        for begin in range(0, N, 5000):
            writer.write(events[begin : begin + 5000])
            writer.flush()
    recording = dv.io.MonoCameraRecording(str(path))
    assert recording.getEventResolution() == (200, 180)
    assert recording.getCameraName() == "DAVIS346_00000002"
    assert recording.getTimeRange() == (int(events["t"][0]), int(events["t"][-1]))
    begin, end = int(events["t"][20_000]), int(events["t"][30_000])
    found = recording.getEventsTimeRange(begin, end).numpy()
    inside = events[(events["t"] >= begin) & (events["t"] < end)]
    np.testing.assert_array_equal(found["timestamp"], inside["t"])
    np.testing.assert_array_equal(found["x"], inside["x"])


def side_of(path: Path) -> dict[str, list[Any]]:
    """Return what dv reads beside the events."""
    dv = pytest.importorskip("dv_processing")
    recording = dv.io.MonoCameraRecording(str(path))
    frames, imu, triggers = [], [], []
    while recording.isRunning("frames"):
        frame = recording.getNextFrame()
        if frame is not None:
            frames.append((frame.timestamp, frame.exposure, frame.image.tobytes()))
    while recording.isRunning("imu"):
        batch = recording.getNextImuBatch()
        for sample in batch or []:
            imu.append((
                sample.timestamp, sample.temperature, sample.accelerometerX, sample.accelerometerY,
                sample.accelerometerZ, sample.gyroscopeX, sample.gyroscopeY, sample.gyroscopeZ,
                sample.magnetometerX, sample.magnetometerY, sample.magnetometerZ,
            ))  # fmt: skip
    while recording.isRunning("triggers"):
        batch = recording.getNextTriggerBatch()
        triggers += [(trigger.timestamp, trigger.type) for trigger in batch or []]
    return {"frames": frames, "imu": imu, "triggers": triggers}


def davis() -> Path:
    path = DATA / "davis346.aedat4"
    if not path.is_file():
        pytest.skip("the recording is not at hand (../shared/data/recordings)")
    return path


@pytest.mark.parametrize("compression", ["none", "lz4", "zstd"])
def test_frames_imu_and_triggers_are_the_same_to_dv(compression: str, tmp_path: Path) -> None:
    path = tmp_path / "x.aedat4"
    with open_recording(davis()) as recording:
        writer = create_recording(path, 346, 260, side=recording.side, compression=compression)
        assert isinstance(writer, Aedat4Writer)
        with writer:
            for frame in recording.frames():
                writer.write_frame(frame)
            for samples in recording.imu():
                writer.write_imu(samples)
            for triggers in recording.triggers():
                writer.write_triggers(triggers)
            for chunk in recording.chunks():
                writer.write(chunk)
    before, after = side_of(davis()), side_of(path)
    assert len(before["frames"]) == 59
    assert len(before["imu"]) == 2363
    assert before == after
