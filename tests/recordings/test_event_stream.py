"""Event Stream: bytes by hand, both kinds of events, long silences, what is refused."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RecordingError
from pipeline.events import Events
from recordings.opening import open_recording
from recordings.recording import Recording
from tests.recordings import words
from tests.recordings.assets import real
from tests.strategies import events_of


def opened(path: Path, data: bytes) -> Recording:
    path.write_bytes(data)
    return open_recording(path)


def file(kind: int, body: bytes, version: bytes = b"\2\0\0") -> bytes:
    return b"Event Stream" + version + bytes([kind]) + struct.pack("<HH", 320, 240) + body


def rows(events: Events) -> list[tuple[int, ...]]:
    return [tuple(event) for event in events.tolist()]


def test_dvs_byte_by_byte(tmp_path: Path) -> None:
    body = bytes([5 << 1 | 1, 63, 1, 239, 0])  # the top row
    body += bytes([0xFE, 0xFF, 0xFF, 126 << 1, 1, 0, 0, 0])
    with opened(tmp_path / "a.es", file(1, body)) as recording:
        assert (recording.width, recording.height, recording.format) == (320, 240, "es")
        assert rows(recording.read()) == [(5, 319, 0, 1), (5 + 2 * 127 + 126, 1, 239, 0)]
        assert recording.counts.skipped_bytes == 0


def test_atis_byte_by_byte(tmp_path: Path) -> None:
    body = bytes([5 << 2 | 2, 1, 0, 239, 0])
    body += bytes([1 << 2 | 1, 2, 0, 239, 0])  # an exposure begins
    body += bytes([1 << 2 | 3, 2, 0, 239, 0])  # and ends
    body += bytes([0xFF, 0xFC, 0xFD, 62 << 2, 4, 0, 239, 0])
    with opened(tmp_path / "a.es", file(2, body)) as recording:
        assert rows(recording.read()) == [(5, 1, 0, 1), (7 + 189 + 63 + 62, 4, 0, 0)]


@given(st.integers(0, 2**32), st.booleans(), st.sampled_from([1, 300, 100_000]))
def test_what_was_encoded_is_read(
    tmp_path_factory: pytest.TempPathFactory, seed: int, atis: bool, longest: int
) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 100))
    events = events_of(
        np.cumsum(rng.integers(0, longest, n)), rng.integers(0, 320, n), rng.integers(0, 240, n),
        rng.integers(0, 2, n),
    )  # fmt: skip
    path = tmp_path_factory.mktemp("a") / "a.es"
    with opened(path, words.event_stream(events, 320, 240, atis)) as recording:
        np.testing.assert_array_equal(recording.read(), events)


def test_a_silence_over_many_blocks(tmp_path: Path) -> None:
    n = 1_000_000
    body = b"\xff" * n + bytes([1, 0, 0, 0, 0])
    with opened(tmp_path / "a.es", file(1, body)) as recording:
        assert recording.read()["t"].tolist() == [127 * n]


def test_a_pixel_outside_is_dropped(tmp_path: Path) -> None:
    body = bytes([1, 64, 1, 0, 0]) + bytes([1, 0, 0, 240, 0]) + bytes([1, 0, 0, 0, 0])
    with opened(tmp_path / "a.es", file(1, body)) as recording:
        assert rows(recording.read()) == [(0, 0, 239, 1)]
        assert recording.counts.outside == 2


def test_an_event_that_the_end_cuts_is_counted(tmp_path: Path) -> None:
    body = bytes([1, 0, 0, 0, 0]) * 3
    for cut in range(1, 5):
        with opened(tmp_path / "a.es", file(1, body[:-cut])) as recording:
            assert len(recording.read()) == 2
            assert (recording.counts.skipped_bytes, recording.counts.cuts) == (5 - cut, 1)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"Event Stream", "ends within its header at byte 12"),
        (b"Event Stream\2\0\0\1\1", "ends within its header at byte 17"),
        (file(1, b"", b"\1\0\0"), r"is of version 1\.0\.0, expected 2 at byte 12"),
        (file(0, b""), r"its type is 0 \(generic\), expected 1 or 2"),
        (file(4, b""), r"its type is 4 \(color\)"),
        (file(9, b""), "its type is 9, expected"),
        (b"Event Stream\2\0\0\1" + bytes(4), "a sensor of 0×0 pixels"),
    ],
)
def test_what_is_refused(tmp_path: Path, data: bytes, what: str) -> None:
    (tmp_path / "a.es").write_bytes(data)
    with pytest.raises(RecordingError, match=what):
        open_recording(tmp_path / "a.es")


def test_the_real_recording_as_event_stream_has_it() -> None:
    event_stream = pytest.importorskip("event_stream", reason="event_stream is not installed")
    path = real("atis_dvs.es")
    decoder = event_stream.Decoder(str(path))
    theirs = np.concatenate(list(decoder))
    with open_recording(path) as recording:
        ours = recording.read()
    np.testing.assert_array_equal(ours["t"], theirs["t"])
    np.testing.assert_array_equal(ours["x"], theirs["x"])
    np.testing.assert_array_equal(ours["p"], theirs["on"])
    # It counts rows from the bottom, as the file does.
    np.testing.assert_array_equal(ours["y"], 239 - theirs["y"])
