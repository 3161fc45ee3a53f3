"""Writers and our own readers: what is written is what is read; what does not fit is refused."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import RecordingError, RetinaError, UsageError
from pipeline.events import Events, pack
from recordings.opening import open_recording
from recordings.write_npz import combined
from recordings.writing import PACKET_EVENTS, WRITABLE, create_recording, format_of
from tests.recordings.known import known_stream
from tests.recordings.written import IDS, VARIANTS, name_of, sizes, streams
from tests.strategies import events_of, random_events

SIZELESS = ("nmnist", "npy")
"""Formats that do not hold the sensor's size."""


def parts(draw: st.DrawFn, n: int) -> Iterator[tuple[int, int]]:
    cuts = sorted(draw(st.sets(st.integers(0, n), max_size=5)))
    return zip([0, *cuts], [*cuts, n], strict=True)  # type: ignore[return-value]


@pytest.mark.parametrize(("format_", "options"), VARIANTS, ids=IDS)
@given(data=st.data())
@settings(max_examples=25)
def test_what_is_written_is_read(format_: str, options: dict[str, str], data: Any) -> None:
    width, height = data.draw(sizes(format_))
    events = data.draw(streams(format_, width, height))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name_of(format_)
        with create_recording(path, width, height, **options) as writer:
            for begin, end in parts(data.draw, len(events)):
                writer.write(events[begin:end])
                if data.draw(st.booleans()):
                    writer.flush()
        assert writer.written == len(events)
        assert writer.bytes == path.stat().st_size
        with open_recording(path) as recording:
            found = recording.read()
            size = recording.width, recording.height
            counts = recording.counts
    np.testing.assert_array_equal(found, events)
    assert size == ((None, None) if format_ in SIZELESS else (width, height))
    assert (counts.late, counts.jumps, counts.outside, counts.skipped_bytes, counts.cuts) == (
        0,
    ) * 5


@pytest.mark.parametrize(("format_", "options"), VARIANTS, ids=IDS)
def test_more_than_a_packet(format_: str, options: dict[str, str], tmp_path: Path) -> None:
    events = known_stream(2 * PACKET_EVENTS + 12_345)
    path = tmp_path / name_of(format_)
    with create_recording(path, 200, 180, **options) as writer:
        writer.write(events[:5])
        writer.write(events[5:])
    with open_recording(path) as recording:
        np.testing.assert_array_equal(recording.read(), events)
        begin, end = 100_000, 110_000
        inside = (events["t"] >= begin) & (events["t"] < end)
        np.testing.assert_array_equal(recording.read(begin, end), events[inside])


@pytest.mark.parametrize("format_", [name for name in WRITABLE if name != "nmnist"])
def test_a_recording_without_events(format_: str, tmp_path: Path) -> None:
    path = tmp_path / name_of(format_)
    with create_recording(path, 34, 20) as writer:
        writer.flush()
    with open_recording(path) as recording:
        assert len(recording.read()) == 0
        if format_ not in SIZELESS:
            assert (recording.width, recording.height) == (34, 20)


@pytest.mark.parametrize("format_", WRITABLE)
def test_what_stands_in_the_padding_of_an_event_is_not_written(
    format_: str, tmp_path: Path
) -> None:
    events = random_events(1000, 34, 34, 100_000)
    dirty = events.copy()
    dirty.view(np.uint8).reshape(-1, 16)[:, 13:] = 0xAB
    data = []
    for i, each in enumerate((events, dirty)):
        path = tmp_path / name_of(format_, str(i))
        with create_recording(path, 34, 34) as writer:
            writer.write(each)
        data.append(path.read_bytes())
    assert data[0] == data[1]


def wrong(**changes: Any) -> Events:
    fields: dict[str, Any] = {"t": [10, 20, 30], "x": [1, 2, 3], "y": [1, 2, 3], "p": [0, 1, 0]}
    return events_of(**{**fields, **changes})


REFUSED = [
    (wrong(t=[10, 20, 19]), "event 5: time steps back from 20 to 19 µs"),
    (wrong(t=[1, 20, 30]), "event 3: time steps back from 5 to 1 µs"),
    (wrong(x=[1, 34, 3]), "event 4: pixel (34, 2) is outside the sensor of 34×20"),
    (wrong(y=[1, 2, 20]), "event 5: pixel (3, 20) is outside the sensor of 34×20"),
    (wrong(x=[1, 65535, 3]), "event 4: pixel (65535, 2) is outside"),
    (wrong(p=[0, 2, 0]), "event 4: polarity 2 is not 0 or 1"),
]


@pytest.mark.parametrize("format_", WRITABLE)
@pytest.mark.parametrize(("events", "why"), REFUSED)
def test_what_no_recording_holds_is_refused_whole(
    format_: str, events: Events, why: str, tmp_path: Path
) -> None:
    path = tmp_path / name_of(format_)
    good = events_of([3, 4, 5], [0, 1, 33], [0, 1, 19], [1, 0, 1])
    with create_recording(path, 34, 20) as writer:
        writer.write(good)
        with pytest.raises(RecordingError) as raised:
            writer.write(events)
        assert str(raised.value).startswith(f"{path}: {why}")
        assert "\n" not in str(raised.value)
        assert writer.written == 3
        # It is as if nothing had been asked.
        writer.write(good[2:])
    with open_recording(path) as recording:
        np.testing.assert_array_equal(recording.read(), good[[0, 1, 2, 2]])


@given(data=st.data())
def test_events_as_they_travel_are_written_alike(data: Any) -> None:
    events = data.draw(streams("aedat4", 34, 20))
    events["t"] -= events["t"].min(initial=0)
    begin = data.draw(st.integers(-(2**50), 2**50))
    # A packet covers less than 2**32 µs.
    events["t"] = np.minimum(events["t"], 2**32 - 1) + begin
    origin = data.draw(st.sampled_from([0, begin, 12345]))
    n = data.draw(st.integers(0, len(events)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.npy"
        with create_recording(path, 34, 20, origin_us=origin) as writer:
            assert writer.write_wire(pack(events[:n], begin), begin)
            assert writer.written == n
            first = int(events["t"][n]) if n < len(events) else begin
            assert writer.write_wire(pack(events[n:], first), first)
            assert writer.latest_us == events["t"][-1] if len(events) else True
        found = np.load(path)
    found["t"] += origin
    np.testing.assert_array_equal(found, events)


@pytest.mark.parametrize(("events", "why"), [r for r in REFUSED if "polarity" not in r[1]])
def test_events_as_they_travel_are_all_taken_or_none(
    events: Events, why: str, tmp_path: Path
) -> None:
    if int(events["y"].max()) >= 2**15:
        pytest.skip("rows do not travel so far")
    good = events_of([3, 4, 5], [0, 1, 33], [0, 1, 19], [1, 0, 1])
    path = tmp_path / "x.npy"
    with create_recording(path, 34, 20) as writer:
        assert writer.write_wire(pack(good, 0), 0)
        assert not writer.write_wire(pack(events, 0), 0)
        assert writer.written == 3
        assert writer.latest_us == 5
    np.testing.assert_array_equal(np.load(path), good)


def test_formats_with_rules_of_their_own_take_the_longer_way(tmp_path: Path) -> None:
    for name in ("x.es", "x.bin"):
        with create_recording(tmp_path / name, 34, 20) as writer:
            assert not writer.write_wire(pack(events_of([3], [0], [0], [1]), 0), 0)
            assert writer.written == 0


def test_a_sensor_that_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    with pytest.raises(RecordingError, match=r"x\.bin: a sensor of 346×260 pixels does not fit"):
        create_recording(path, 346, 260)
    for size in ((0, 1), (1, 2**15)):
        with pytest.raises(RecordingError, match="does not fit aedat4"):
            create_recording(tmp_path / "x.aedat4", *size)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("times", "why"),
    [
        ([2**23], "first event at 8388608 µs does not fit"),
        ([-1], "time -1 µs does not fit nmnist"),
        ([2**22, 2**23 + 2**21], "silence of 6.3 s before event 1"),
        ([5, 2**23 + 5], "silence of 8.4 s before event 1"),
    ],
)
def test_times_that_nmnists_clock_does_not_hold(times: list[int], why: str, tmp_path: Path) -> None:
    n = len(times)
    with (
        create_recording(tmp_path / "x.bin", 34, 34) as writer,
        pytest.raises(RecordingError, match=why),
    ):
        writer.write(events_of(times, [1] * n, [1] * n, [1] * n))
    assert (tmp_path / "x.bin").stat().st_size == 0


def test_a_first_event_that_spells_another_format_is_refused(tmp_path: Path) -> None:
    events = events_of([3 << 16 | 4 << 8], [ord("P")], [ord("K")], [0])
    with (
        create_recording(tmp_path / "x.bin", 256, 256) as writer,
        pytest.raises(RecordingError, match="taken for ZIP"),
    ):
        writer.write(events)


def test_a_silence_that_event_stream_would_fill_the_disk_with(tmp_path: Path) -> None:
    with (
        create_recording(tmp_path / "x.es", 34, 34) as writer,
        pytest.raises(RecordingError, match="would take 31,496,062 bytes of es"),
    ):
        writer.write(events_of([0, 4_000_000_000], [1, 1], [1, 1], [1, 1]))


def test_long_silences_in_event_stream_are_written_by_parts(tmp_path: Path) -> None:
    n = 40
    events = events_of(np.arange(n) * 300_000_000, np.arange(n) % 34, np.arange(n) % 34, [1] * n)
    path = tmp_path / "x.es"
    with create_recording(path, 34, 34) as writer:
        writer.write(events)
    with open_recording(path) as recording:
        np.testing.assert_array_equal(recording.read(), events)


@pytest.mark.parametrize("format_", WRITABLE)
def test_an_origin_is_taken_from_every_time(format_: str, tmp_path: Path) -> None:
    events = known_stream(1000)
    late = events.copy()
    late["t"] += 1_589_163_147_368_868
    path = tmp_path / name_of(format_)
    with create_recording(path, 200, 180, origin_us=1_589_163_147_368_868) as writer:
        writer.write(late[:400])
        writer.write(late[400:])
    with open_recording(path) as recording:
        np.testing.assert_array_equal(recording.read(), events)


@pytest.mark.parametrize("format_", WRITABLE)
def test_a_file_that_is_there_stays_as_it_is(format_: str, tmp_path: Path) -> None:
    path = tmp_path / name_of(format_)
    path.write_bytes(b"precious")
    with pytest.raises(RecordingError, match="is there already; overwrite it"):
        create_recording(path, 34, 34)
    assert path.read_bytes() == b"precious"
    with path.open("rb") as reader:
        with create_recording(path, 34, 34, overwrite=True) as writer:
            writer.write(known_stream(10, 34, 34))
        # Whoever was reading it reads on.
        assert reader.read() == b"precious"
    with open_recording(path) as recording:
        assert len(recording.read()) == 10


@pytest.mark.parametrize("format_", WRITABLE)
def test_places_where_no_file_can_be(format_: str, tmp_path: Path) -> None:
    (tmp_path / name_of(format_)).mkdir()
    with pytest.raises(RecordingError, match="is a folder"):
        create_recording(tmp_path / name_of(format_), 34, 34, overwrite=True)
    with pytest.raises(RecordingError, match=r"none.* is no folder that there is"):
        create_recording(tmp_path / "none" / name_of(format_), 34, 34)


def test_formats_and_options_that_there_are_not(tmp_path: Path) -> None:
    for path, words, options in (
        ("x.raw", "'.raw' is no ending that is written, expected one of .aedat4", {}),
        ("x.bin", "format 'dat' is not written, expected one of aedat4", {"format": "dat"}),
        ("x.csv", "csv has no option 'compression'", {"compression": "lz4"}),
        ("x.aedat4", "compression 'gzip' is none of none, lz4, zstd", {"compression": "gzip"}),
        ("x.npz", "compression 'lz4' is none of none, deflate", {"compression": "lz4"}),
        ("x.h5", "compression 'lz4' is none of none, gzip", {"compression": "lz4"}),
    ):
        with pytest.raises(UsageError, match=words) as raised:
            create_recording(tmp_path / path, 34, 34, **options)
        assert str(raised.value).startswith(str(tmp_path / path))
    assert not list(tmp_path.iterdir())
    assert format_of(Path("A.AEDAT4")) == "aedat4"


@pytest.mark.parametrize("format_", WRITABLE)
def test_after_the_close_nothing_more_is_taken(format_: str, tmp_path: Path) -> None:
    path = tmp_path / name_of(format_)
    writer = create_recording(path, 34, 34)
    writer.write(known_stream(10, 34, 34))
    writer.close()
    data = path.read_bytes()
    writer.close()
    writer.flush()
    with pytest.raises(RetinaError, match="is closed"):
        writer.write(known_stream(10, 34, 34))
    assert path.read_bytes() == data


@given(st.binary(max_size=300), st.binary(max_size=300), st.integers(0, 2**20))
def test_checksums_of_two_stretches_combine(first: bytes, second: bytes, zeros: int) -> None:
    import zlib

    second += bytes(zeros)
    whole = zlib.crc32(first + second)
    assert combined(zlib.crc32(first), zlib.crc32(second), len(second)) == whole
