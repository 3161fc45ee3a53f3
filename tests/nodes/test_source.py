"""The source: recordings become a stream without holes."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.source import Source
from pipeline import EventPacket
from pipeline.errors import RecordingError, SettingError
from pipeline.events import Events
from recordings import nmnist
from tests.strategies import events_of, random_events, recordings


def save(path: Path, recording: Events) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(nmnist.encode(recording))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for label in range(3):
        for i in range(2):
            recording = random_events(50, 34, 34, 5000, seed=10 * label + i)
            save(tmp_path / "Test" / str(label) / f"{i:05}.bin", recording)
    save(tmp_path / "Train" / "7" / "00000.bin", random_events(50, 34, 34, 5000))
    return tmp_path


def stream(path: Path | str, **settings: object) -> list[EventPacket]:
    given = {"pace": "fast", "sample_ms": 5, "gap_ms": 1, **settings}
    return list(Source(path=str(path), **given))


def names(packets: list[EventPacket]) -> list[str | None]:
    return [p.header.sample for p in packets if p.header.reset]


def joined(packets: list[EventPacket]) -> Iterator[tuple[int, int]]:
    return ((a.header.t_end, b.header.t_begin) for a, b in pairwise(packets))


def test_the_stream_has_no_holes_and_every_recording_begins_with_a_reset(folder: Path) -> None:
    packets = stream(folder, split="Test")
    assert packets[0].header.t_begin == 0
    assert all(end == begin for end, begin in joined(packets))
    assert all(p.header.t_end - p.header.t_begin == 1000 for p in packets)
    assert [p.header.seq for p in packets] == list(range(len(packets)))
    assert {p.header.stream for p in packets} == {"source/events"}
    starts = [i for i, p in enumerate(packets) if p.header.reset]
    assert starts == list(range(0, 36, 6))
    for packet in packets:
        assert packet.header.sample is not None
        assert packet.header.label == int(packet.header.sample.split("/")[1])
        assert (packet.header.width, packet.header.height) == (34, 34)


def test_every_event_is_there_at_its_time(folder: Path) -> None:
    packets = stream(folder, split="Test")
    for k, name in enumerate(names(packets)):
        start = packets[6 * k].header.t_begin
        assert name is not None
        expected = nmnist.read(folder / name)
        expected["t"] += start
        found = np.concatenate([p.events for p in packets[6 * k : 6 * k + 6]])
        np.testing.assert_array_equal(found, expected)


@given(
    recordings(width=34, height=34, length_us=20_000).filter(len),
    st.sampled_from([10, 333, 1000, 50_000]),
    st.integers(0, 30),
    st.integers(0, 10),
)
def test_silence_is_covered_too(
    tmp_path_factory: pytest.TempPathFactory,
    recording: Events,
    packet_us: int,
    sample_ms: int,
    gap_ms: int,
) -> None:
    # The same pixel in the same µs over and over is what the reader takes for another format.
    recording["x"], recording["y"] = np.arange(len(recording)) % 34, np.arange(len(recording)) // 34
    path = save(tmp_path_factory.mktemp("one") / "a.bin", recording)
    packets = stream(path, packet_us=packet_us, sample_ms=sample_ms, gap_ms=gap_ms)
    assert all(end == begin for end, begin in joined(packets))
    least = max(int(recording["t"].max()) + 1, sample_ms * 1000) + gap_ms * 1000
    assert least <= packets[-1].header.t_end < least + packet_us
    assert sum(p.header.n for p in packets) == len(recording)
    for packet in packets:
        t = packet.events["t"]
        assert ((t >= packet.header.t_begin) & (t < packet.header.t_end)).all()
    np.testing.assert_array_equal(np.concatenate([p.events for p in packets]), recording)


def test_events_that_come_late_are_lifted_and_keep_their_order(tmp_path: Path) -> None:
    recording = events_of([5, 3, 2500, 2400], range(4), range(4), [1, 0, 1, 0])
    found = np.concatenate([p.events for p in stream(save(tmp_path / "a.bin", recording))])
    recording["t"] = [5, 5, 2500, 2500]
    np.testing.assert_array_equal(found, recording)


def test_the_order_is_shuffled_by_a_seed(folder: Path) -> None:
    plain = names(stream(folder))
    orders = [names(stream(folder, shuffle=True, seed=seed)) for seed in range(6)]
    assert plain == sorted(plain)
    assert all(sorted(order) == plain for order in orders)
    assert len({tuple(order) for order in orders}) > 3
    assert names(stream(folder, shuffle=True, seed=3)) == orders[3]


def test_a_limit_and_a_split(folder: Path) -> None:
    assert len(names(stream(folder, limit=3))) == 3
    assert len(names(stream(folder, limit=100))) == 7
    assert names(stream(folder, split="Train")) == ["Train/7/00000.bin"]
    order = names(stream(folder, shuffle=True, seed=1))
    assert names(stream(folder, shuffle=True, seed=1, limit=2)) == order[:2]


def test_a_loop_goes_on_in_time_and_order(folder: Path) -> None:
    source = Source(
        path=str(folder), pace="fast", sample_ms=5, gap_ms=1, limit=2, loop=True, split="Test"
    )
    packets = list(islice(source, 30))
    once = ["Test/0/00000.bin", "Test/0/00001.bin"]
    assert names(packets) == [*once, *once, once[0]]
    assert all(end == begin for end, begin in joined(packets))
    assert [p.header.seq for p in packets] == list(range(30))


def test_a_successor_goes_on_with_the_recording_that_was_shown(folder: Path) -> None:
    source = Source(path=str(folder), pace="fast", sample_ms=5, gap_ms=1)
    shown = list(islice(source, 15))
    successor = Source(path=str(folder), pace="fast", sample_ms=5, gap_ms=1)
    successor.cursor = source.cursor
    rest = list(successor)
    assert names(rest) == names(stream(folder))[2:]
    assert rest[0].header.sample == shown[-1].header.sample
    assert rest[0].header.t_begin == 0


@pytest.mark.parametrize(
    ("pace", "speed"), [("real", 1.0), ("fast", math.inf), (2.5, 2.5), (1, 1.0)]
)
def test_the_pace(folder: Path, pace: str | float, speed: float) -> None:
    source = Source(path=str(folder), pace=pace)
    source.start()
    assert source.speed == speed


@pytest.mark.parametrize("pace", ["slow", 0, -1.0, math.nan, math.inf, 1e-300])
def test_a_pace_that_is_none(folder: Path, pace: object) -> None:
    with pytest.raises(SettingError, match=r"pace = .* is not one of"):
        Source(path=str(folder), pace=pace)


def test_a_camera_of_another_size(tmp_path: Path) -> None:
    packets = stream(save(tmp_path / "a.bin", events_of([1], [200], [100], [1])))
    assert (packets[0].header.width, packets[0].header.height) == nmnist.CALTECH_SENSOR


def test_the_shipped_samples() -> None:
    packets = stream("samples", limit=2, sample_ms=300)
    assert len(names(packets)) == 2
    assert sum(p.header.n for p in packets) > 1000


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such"), (b"", "holds no events"), (b"123456", "truncated at byte 5")],
)
def test_what_is_no_recording_is_one_line(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "a.bin"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RecordingError, match=f"^{path}: .*{message}") as caught:
        stream(path)
    assert "\n" not in str(caught.value)


def test_an_empty_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=f"^{tmp_path}: holds no recording"):
        stream(tmp_path)


def test_everything_is_compiled_before_the_first_packet() -> None:
    code = """
from nodes.source import Source
from pipeline import event_kernels
from recordings import nmnist, policy
source = Source(pace="fast", limit=1)
source.start()
kernels = event_kernels.pack, nmnist._decode, policy._apply
counts = [len(k.signatures) for k in kernels]
next(source.produce())
assert counts == [len(k.signatures) for k in kernels], counts
print(min(counts))
"""
    # Only a fresh process has compiled nothing yet.
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert int(done.stdout) >= 1
