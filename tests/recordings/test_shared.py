"""The real recordings at hand, against what their README says of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recordings.folder import open_samples, samples
from recordings.opening import open_recording

DATA = Path(__file__).parents[3] / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the shared real recordings are not here")


def test_the_bag_event_by_event_as_faery_decodes_its_words(tmp_path: Path) -> None:
    pytest.importorskip("rosbags", reason="rosbags is not installed (the extra ros)")
    path = DATA / "recordings" / "event_camera_py_test_events_1.bag"
    with open_recording(path) as recording:
        events = recording.read()
        assert (recording.width, recording.height) == (640, 480)
        assert recording.counts.skipped_bytes == recording.counts.late == 0
    assert len(events) == 343_474
    assert round((events["t"][-1] - events["t"][0]) / 1e6, 2) == 2.08
    faery = pytest.importorskip("faery", reason="faery is not installed")
    from rosbags.rosbag1 import Reader

    from recordings.rosbag_messages import parse

    with Reader(path) as reader:
        messages = [bytes(raw) for _, _, raw in reader.messages()]
    assert len(messages) == 517
    kind = "event_camera_msgs/msg/EventPacket"
    words = b"".join(parse(raw, kind, False).data.tobytes() for raw in messages)
    raw = tmp_path / "a.raw"
    raw.write_bytes(b"% evt 3.0\n% geometry 640x480\n% end\n" + words)
    other = np.concatenate(list(faery.events_stream_from_file(str(raw))))
    assert len(other) == len(events)
    for ours, theirs in zip("txyp", ("t", "x", "y", "on"), strict=True):
        assert (events[ours] == other[theirs]).all()


def test_the_bag_from_any_moment_on() -> None:
    pytest.importorskip("rosbags", reason="rosbags is not installed (the extra ros)")
    with open_recording(DATA / "recordings" / "event_camera_py_test_events_1.bag") as recording:
        events = recording.read()
        for begin in np.linspace(events["t"][0], events["t"][-1], 7).astype(int).tolist():
            part = recording.read(begin, begin + 100_000)
            inside = (events["t"] >= begin) & (events["t"] < begin + 100_000)
            assert (part == events[inside]).all()


def test_n_caltech101() -> None:
    (sample,) = open_samples(DATA / "ncaltech101")
    with open_recording(sample.path) as recording:
        events = recording.read()
    assert len(events) == len(sample.read()) == 67_445
    assert (events["x"].min(), events["x"].max()) == (0, 150)
    assert (events["y"].min(), events["y"].max()) == (0, 172)


def test_n_mnist() -> None:
    found = samples(DATA / "nmnist")
    assert len(samples(DATA / "nmnist", "Train")) == 800
    assert len(samples(DATA / "nmnist", "Test")) == 50
    assert {sample.label for sample in found} == set(range(10))
    counts = []
    for sample in found:
        with open_recording(sample.path) as recording:
            events = recording.read()
        counts.append(len(events))
        assert len(events) == sample.path.stat().st_size // 5
        assert max(events["x"].max(), events["y"].max()) <= 33
        assert 291 <= round((events["t"][-1] - events["t"][0]) / 1000) <= 314
    assert (min(counts), max(counts)) == (1_069, 7_152)
