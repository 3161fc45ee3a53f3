"""Every kind of file, made and real: what is read is what was written, from any moment on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.events import EVENT
from recordings.opening import open_recording
from tests.recordings.assets import DATA, MADE, REAL, Made, Real, made, real, sample

KINDS = pytest.mark.parametrize("asset", MADE, ids=[asset.name for asset in MADE])
FILES = pytest.mark.parametrize("file", REAL, ids=[file.name for file in REAL])


@KINDS
def test_what_was_written_is_read(asset: Made, tmp_path: Path) -> None:
    events = sample()
    with open_recording(made(asset, tmp_path, events)) as recording:
        back = recording.read()
        assert recording.counts.events == len(events)
        assert recording.counts.skipped_bytes == recording.counts.cuts == 0
        assert recording.counts.late == recording.counts.jumps == recording.counts.outside == 0
    assert back.dtype == EVENT
    np.testing.assert_array_equal(back, events)


@KINDS
def test_any_window_is_read_alike_in_any_order(asset: Made, tmp_path: Path) -> None:
    events = sample(5000)
    path = made(asset, tmp_path, events)
    rng = np.random.default_rng(1)
    with open_recording(path) as recording:
        for _ in range(6):
            begin, end = np.sort(rng.integers(-5000, 205_000, 2)).tolist()
            inside = (events["t"] >= begin) & (events["t"] < end)
            np.testing.assert_array_equal(recording.read(begin, end), events[inside])
        np.testing.assert_array_equal(recording.read(), events)


@KINDS
def test_a_recording_without_events(asset: Made, tmp_path: Path) -> None:
    if asset.name == "nmnist":
        pytest.skip("an empty file is no N-MNIST recording: see test_nmnist.py")
    with open_recording(made(asset, tmp_path, sample(0))) as recording:
        assert len(recording.read()) == 0
        assert list(recording.chunks()) == []


@FILES
def test_real_recordings_hold_what_their_readme_says(file: Real) -> None:
    with open_recording(real(file.name)) as recording:
        events = recording.read()
        assert recording.format == file.format
        assert (recording.width, recording.height) == file.size
        assert (
            recording.counts.skipped_bytes == recording.counts.late == recording.counts.jumps == 0
        )
    assert len(events) == file.events
    assert (events["t"][-1] - events["t"][0]) / 1e6 == pytest.approx(file.seconds, abs=2e-3)
    assert (np.diff(events["t"]) >= 0).all()
    assert events["x"].max() < file.size[0]
    assert events["y"].max() < file.size[1]


@FILES
def test_real_recordings_event_by_event_as_faery_has_them(file: Real) -> None:
    faery = pytest.importorskip("faery", reason="faery is not installed")
    path = real(file.name)
    theirs = np.concatenate(list(faery.events_stream_from_file(path)))
    with open_recording(path) as recording:
        ours = recording.read()
    for name, other in (("t", "t"), ("x", "x"), ("y", "y"), ("p", "on")):
        np.testing.assert_array_equal(ours[name], theirs[other])


@FILES
def test_real_recordings_from_any_moment_on(file: Real) -> None:
    path = real(file.name)
    with open_recording(path) as recording:
        events = recording.read()
    first, last = int(events["t"][0]), int(events["t"][-1])
    with open_recording(path) as recording:
        for begin in np.linspace(first, last, 5).astype(int).tolist()[::-1]:
            inside = (events["t"] >= begin) & (events["t"] < begin + 20_000)
            np.testing.assert_array_equal(recording.read(begin, begin + 20_000), events[inside])


def test_the_same_scene_as_evt3_and_as_dat() -> None:
    with open_recording(real("gen4_evt3_first1MB.raw")) as recording:
        evt3 = recording.read()
    with open_recording(real("gen4_dat_first1MB.dat")) as recording:
        dat = recording.read()
    evt3 = evt3[: len(dat)]
    for name in ("x", "y", "p"):
        np.testing.assert_array_equal(evt3[name], dat[name])
    assert np.unique(evt3["t"] - dat["t"]).tolist() == [11_194_368]


def test_the_table_names_every_real_recording_but_the_bag() -> None:
    if not DATA.is_dir():
        pytest.skip("the real recordings are not at hand")
    there = {path.name for path in (DATA / "recordings").iterdir() if path.suffix != ".bag"}
    assert there == {file.name for file in REAL}
