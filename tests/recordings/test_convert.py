"""Conversions: whole, and every way to take a part; what is beside the events goes along."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import RecordingError, UsageError
from pipeline.events import Events
from recordings.convert import Cut, convert
from recordings.folder import open_samples
from recordings.opening import open_recording
from recordings.writing import WRITABLE, create_recording
from tests.command import ROOT, Retina, retina
from tests.recordings.known import known_stream
from tests.recordings.written import name_of
from tests.strategies import random_events

DATA = ROOT.parent / "shared" / "data" / "recordings"
SAMPLE = ROOT / "recordings" / "samples" / "Test" / "5" / "00009.bin"


def read(path: Path) -> Events:
    with open_recording(path) as recording:
        return recording.read()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A recording of two seconds, 200 × 180 pixels, from 10**15 µs on."""
    events = random_events(150_000, 200, 180, 2_000_000)
    events["t"] += 10**15 - events["t"][0]
    path = tmp_path / "source.aedat4"
    with create_recording(path, 200, 180) as writer:
        writer.write(events)
    return path


@pytest.mark.parametrize("format_", WRITABLE)
def test_whole(format_: str, source: Path, tmp_path: Path) -> None:
    path = tmp_path / name_of(format_)
    done = convert(source, path)
    events = read(source)
    if format_ in ("es", "nmnist"):
        assert done.origin_us == 10**15
        events["t"] -= 10**15
    else:
        assert done.origin_us == 0
    np.testing.assert_array_equal(read(path), events)
    assert (done.events, done.bytes) == (len(events), path.stat().st_size)


def test_there_and_back_is_byte_for_byte(tmp_path: Path) -> None:
    for format_ in WRITABLE:
        there = tmp_path / name_of(format_)
        convert(SAMPLE, there)
        back = tmp_path / f"{format_}-back.bin"
        convert(there, back)
        assert back.read_bytes() == SAMPLE.read_bytes(), format_


def test_a_stretch_of_time(source: Path, tmp_path: Path) -> None:
    events = read(source)
    convert(source, tmp_path / "x.npz", Cut(begin_s=0.5, end_s=1.25))
    since = events["t"] - events["t"][0]
    inside = events[(since >= 500_000) & (since < 1_250_000)]
    np.testing.assert_array_equal(read(tmp_path / "x.npz"), inside)
    # What begins near zero begins at the stretch's beginning.
    convert(source, tmp_path / "x.es", Cut(begin_s=0.5, end_s=1.25))
    np.testing.assert_array_equal(
        read(tmp_path / "x.es")["t"], inside["t"] - events["t"][0] - 500_000
    )


def test_a_part_of_the_sensor(source: Path, tmp_path: Path) -> None:
    events = read(source)
    convert(source, tmp_path / "x.aedat4", Cut(crop=(10, 20, 100, 50)))
    inside = (events["x"] >= 10) & (events["x"] < 110) & (events["y"] >= 20) & (events["y"] < 70)
    with open_recording(tmp_path / "x.aedat4") as recording:
        found = recording.read()
        assert (recording.width, recording.height) == (100, 50)
    assert len(found) == np.count_nonzero(inside)
    for name, by in (("t", 0), ("x", 10), ("y", 20), ("p", 0)):
        np.testing.assert_array_equal(found[name].astype(int) + by, events[name][inside])


@pytest.mark.parametrize("polarity", [0, 1])
def test_one_polarity(polarity: int, source: Path, tmp_path: Path) -> None:
    events = read(source)
    convert(source, tmp_path / "x.h5", Cut(polarity=polarity))
    np.testing.assert_array_equal(read(tmp_path / "x.h5"), events[events["p"] == polarity])


def test_nothing_is_left(source: Path, tmp_path: Path) -> None:
    done = convert(source, tmp_path / "x.aedat4", Cut(begin_s=100))
    assert done.events == 0
    assert len(read(tmp_path / "x.aedat4")) == 0


def davis() -> Path:
    path = DATA / "davis346.aedat4"
    if not path.is_file():
        pytest.skip("the recording is not at hand (../shared/data/recordings)")
    return path


def beside(path: Path) -> dict[str, Any]:
    with open_recording(path) as recording:
        return {
            "frames": [
                (f.t_begin, f.t_end, f.x, f.y, f.pixels.tobytes()) for f in recording.frames()
            ],
            "imu": np.concatenate([*recording.imu()]).tobytes(),
            "triggers": np.concatenate([*recording.triggers()]).tobytes(),
        }


def test_frames_imu_and_triggers_go_along(tmp_path: Path) -> None:
    path = tmp_path / "x.aedat4"
    done = convert(davis(), path, compression="zstd")
    assert done.kept == ("frames", "imu", "triggers")
    assert beside(path) == beside(davis())
    np.testing.assert_array_equal(read(path), read(davis()))


def test_frames_imu_and_triggers_stand_in_order_of_time(tmp_path: Path) -> None:
    path = tmp_path / "x.aedat4"
    convert(davis(), path)
    aedat = pytest.importorskip("aedat")
    latest = 0
    for packet in aedat.Decoder(path):
        for name, field in (("events", "t"), ("imus", "t"), ("triggers", "t")):
            if name in packet:
                first = int(packet[name][field][0])
                assert first >= latest
                latest = max(latest, first)
    assert latest > 0


def test_a_stretch_and_a_part_of_what_is_beside(tmp_path: Path) -> None:
    path = tmp_path / "x.aedat4"
    convert(davis(), path, Cut(begin_s=0.5, end_s=1.0, crop=(100, 50, 64, 32)))
    base = int(read(davis())["t"][0])
    begin, end = base + 500_000, base + 1_000_000
    with open_recording(davis()) as recording:
        frames = [f for f in recording.frames() if begin <= f.t_begin < end]
        imu = np.concatenate([*recording.imu()])
    with open_recording(path) as recording:
        found = list(recording.frames())
        assert [f.t_begin for f in found] == [f.t_begin for f in frames]
        for before, after in zip(frames, found, strict=True):
            np.testing.assert_array_equal(after.pixels, before.pixels[50:82, 100:164])
            assert (after.x, after.y) == (0, 0)
        inside = imu[(imu["t"] >= begin) & (imu["t"] < end)]
        np.testing.assert_array_equal(np.concatenate([*recording.imu()]), inside)


def test_what_a_format_does_not_hold_is_said(tmp_path: Path) -> None:
    done = convert(davis(), tmp_path / "x.csv")
    assert done.kept == ()
    assert done.lost == ("frames", "imu", "triggers")


def test_a_broken_source_leaves_what_could_be_read(tmp_path: Path) -> None:
    source, target = tmp_path / "x.csv", tmp_path / "y.aedat4"
    events = known_stream(100_000)
    with create_recording(source, 200, 180) as writer:
        writer.write(events)
    lines = source.read_bytes().splitlines(keepends=True)
    lines[90_000] = b"1,2,nonsense,1\n"
    source.write_bytes(b"".join(lines))
    with pytest.raises(RecordingError, match=r"y\.aedat4 holds the [\d,]+ events before that"):
        convert(source, target)
    found = read(target)
    assert len(found) > 0
    np.testing.assert_array_equal(found, events[: len(found)])


def test_what_cannot_be_is_refused(source: Path, tmp_path: Path) -> None:
    for cut, why in (
        (Cut(crop=(150, 0, 100, 10)), "does not lie in the sensor of 200×180"),
        (Cut(crop=(0, 0, 0, 10)), "does not lie in the sensor"),
    ):
        with pytest.raises(UsageError, match=why):
            convert(source, tmp_path / "x.es", cut)
    with pytest.raises(UsageError, match="is what is read"):
        convert(source, source, overwrite=True)
    with pytest.raises(RecordingError, match="no such file"):
        convert(tmp_path / "none.raw", tmp_path / "x.es")
    assert [path.name for path in tmp_path.iterdir()] == ["source.aedat4"]


# The command itself.


def test_the_command(source: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.es"
    done = retina(
        "convert", str(source), str(path), "--begin", "0.5", "--end", "1", "--crop", "10,20,100,50",
        "--polarity", "on",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    found = read(path)
    assert f"{path}: {len(found):,} events, " in done.stderr
    assert "times are counted from 1,000,000,000,500,000 µs" in done.stderr
    assert len(found) == pytest.approx(150_000 / 4 / 7.2 / 2, rel=0.1)


def test_the_command_converts_a_folder(tmp_path: Path) -> None:
    done = retina("convert", "samples", str(tmp_path / "out"), "--format", "aedat4")
    assert done.returncode == 0, done.stderr
    samples = open_samples("samples")
    files = sorted((tmp_path / "out").rglob("*.aedat4"))
    assert len(files) == len(samples)
    assert f"{len(samples)} recordings" in done.stderr
    for sample in samples[::20]:
        path = (tmp_path / "out" / sample.name).with_suffix(".aedat4")
        np.testing.assert_array_equal(read(path), sample.read())
        with open_recording(path) as recording:
            assert (recording.width, recording.height) == (34, 34)


@pytest.mark.parametrize(
    ("words", "status", "why"),
    [
        (["{}/source.aedat4", "{}/x.mp4"], 2, "'.mp4' is no ending that is written"),
        (["{}/source.aedat4", "{}/there.es"], 1, "is there already"),
        (["{}/source.aedat4", "{}/x.es", "--crop", "1,2,3"], 2, "expected X0,Y0,W,H"),
        (["{}/source.aedat4", "{}/x.es", "--polarity", "red"], 2, "expected on or off"),
        (["{}/source.aedat4", "{}/x.es", "--begin", "2", "--end", "1"], 2, "more than --begin"),
        (["{}/source.aedat4", "{}/x", "--format", "raw"], 2, "format 'raw' is not written"),
        (["{}/none.aedat4", "{}/x.es"], 1, "no such file"),
        (["samples", "{}/out"], 2, "is a folder: expected --format"),
        (["samples", "{}/out", "--format", "raw"], 2, "format 'raw' is not written"),
    ],
)
def test_a_mistake_is_one_line(
    source: Path,
    tmp_path: Path,
    retina_here: Retina,
    words: list[str],
    status: int,
    why: str,
) -> None:
    (tmp_path / "there.es").write_bytes(b"precious")
    done = retina_here("convert", *(word.format(tmp_path) for word in words))
    assert done.returncode == status, done.stderr
    assert done.stderr.count("\n") == 1
    assert why in done.stderr
    assert (tmp_path / "there.es").read_bytes() == b"precious"
