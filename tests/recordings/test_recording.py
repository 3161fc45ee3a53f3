"""A recording as a stream: chunks, windows of time, its index, several readings, its end."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import RecordingError
from pipeline.events import EVENT, Events
from recordings.counts import Counts
from recordings.decoder import BLOCK_EVENTS, Decoder, Mark
from recordings.opening import open_recording
from recordings.recording import Recording, window
from tests.recordings import words
from tests.recordings.assets import MADE, Made, made
from tests.strategies import events_of, random_events

LONG = 700_000
MANY = [a for a in MADE if a.name in ("evt2", "evt21", "dat", "es", "aedat31", "aedat4-lz4", "npy")]


def long_one() -> Events:
    return random_events(LONG, 34, 30, 60_000_000, 3)


class Watched(Decoder):
    """Gives events in blocks and notes from where it was asked to."""

    format = "watched"

    def __init__(
        self, events: Events, block: int = 1000, own: dict[int, int] | None = None
    ) -> None:
        super().__init__(Path("watched"))
        self.events, self.block, self.own = events, block, own or {}
        self.asked: list[int] = []

    def blocks(self, counts: Counts, mark: Mark | None = None) -> Iterator[tuple[Events, Mark]]:
        at = mark.at if mark else 0
        self.asked.append(at)
        for k in range(at, len(self.events), self.block):
            part = self.events[k : k + self.block].copy()
            yield part, Mark(k + len(part))

    def near(self, begin_us: int) -> Mark | None:
        before = [at for t, at in self.own.items() if t <= begin_us]
        return Mark(before[-1]) if before else None


@pytest.mark.parametrize("asset", MANY, ids=[asset.name for asset in MANY])
def test_chunks_are_bounded_and_a_long_recording_is_read_alike_from_anywhere(
    asset: Made, tmp_path: Path
) -> None:
    events = long_one()
    with open_recording(made(asset, tmp_path, events)) as recording:
        chunks = list(recording.chunks())
        assert max(len(chunk) for chunk in chunks) <= BLOCK_EVENTS
        assert min(len(chunk) for chunk in chunks) > 0
        assert all(chunk.dtype == EVENT for chunk in chunks)
        np.testing.assert_array_equal(np.concatenate([c["t"] for c in chunks]), events["t"])
        # From the second reading on the index is used; what is read must not tell.
        for begin in (0, 1, 25_000_000, 59_999_999, 26_000_000, 60_000_001):
            inside = (events["t"] >= begin) & (events["t"] < begin + 300_000)
            np.testing.assert_array_equal(recording.read(begin, begin + 300_000), events[inside])
            assert recording.counts.events < LONG / 2 or begin < 20_000_000


def test_a_later_reading_begins_near_its_time() -> None:
    decoder = Watched(long_one())
    recording = Recording(decoder)
    recording.read()
    events = recording.read(50_000_000, 50_100_000)
    assert len(events)
    begun = decoder.asked[-1]
    assert begun >= 500_000
    assert decoder.events["t"][begun] < 50_000_000


def test_late_events_are_lifted_alike_with_and_without_the_index() -> None:
    events = long_one()
    rng = np.random.default_rng(0)
    some = rng.integers(1, LONG, 5000)
    events["t"][some] -= rng.integers(0, 9000, 5000)
    whole = Recording(Watched(events)).read()
    assert (np.diff(whole["t"]) >= 0).all()
    recording = Recording(Watched(events))
    recording.read()
    for begin in rng.integers(0, 60_000_000, 20).tolist():
        inside = (whole["t"] >= begin) & (whole["t"] < begin + 50_000)
        np.testing.assert_array_equal(recording.read(begin, begin + 50_000), whole[inside])


def test_a_files_own_marks_are_taken_while_they_are_the_better_ones() -> None:
    events = long_one()
    at = int(np.searchsorted(events["t"], 30_000_000))
    decoder = Watched(events, own={30_000_000: at})
    recording = Recording(decoder)
    part = recording.read(30_000_000, 30_050_000)
    assert decoder.asked == [at]
    inside = (events["t"] >= 30_000_000) & (events["t"] < 30_050_000)
    np.testing.assert_array_equal(part, events[inside])
    assert recording.counts.events < 100_000
    recording.read()
    recording.read(59_000_000, 59_010_000)
    assert decoder.asked[-1] > at


def test_a_files_own_marks_are_not_believed_after_a_clock_was_set_anew() -> None:
    events = long_one()
    events["t"][LONG // 2 :] -= 20_000_000
    decoder = Watched(events, own={10_000_000: 5})
    recording = Recording(decoder)
    whole = recording.read()
    assert recording.counts.jumps == 1
    part = recording.read(40_000_000, 40_100_000)
    inside = (whole["t"] >= 40_000_000) & (whole["t"] < 40_100_000)
    np.testing.assert_array_equal(part, whole[inside])
    assert decoder.asked[-1] != 5


def test_several_readings_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    events = random_events(200_000, 34, 30, 10**7)
    path = tmp_path / "a.raw"
    path.write_bytes(words.header("evt 2.0", "geometry 34x30") + words.evt2(events))
    with open_recording(path) as recording:
        one, other = recording.chunks(), recording.chunks(5_000_000)
        first = next(one)
        second = next(other)
        assert first["t"][0] == events["t"][0]
        assert second["t"][0] >= 5_000_000
        rest = len(first) + sum(map(len, one))
        assert rest == len(events)


def test_what_is_held_does_not_grow_with_the_file() -> None:
    class Endless(Watched):
        def blocks(self, counts: Counts, mark: Mark | None = None) -> Iterator[tuple[Events, Mark]]:
            for k in range(700):
                part = self.events[:BLOCK_EVENTS].copy()
                part["t"] += k * 10_000_000
                yield part, Mark((k + 1) * BLOCK_EVENTS)

    recording = Recording(Endless(random_events(BLOCK_EVENTS, 34, 30, 9_000_000)))
    chunks = recording.chunks()
    for _ in range(50):
        next(chunks)
    tracemalloc.start()
    try:
        begin = tracemalloc.get_traced_memory()[0]
        n = sum(len(chunk) for chunk in chunks)
        assert n > 40_000_000
        assert tracemalloc.get_traced_memory()[1] - begin < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_closed_recording_is_read_no_more(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(words.header("evt 2.0"))
    recording = open_recording(path)
    recording.close()
    recording.close()
    for read in (recording.read, recording.frames, lambda: recording.side):
        with pytest.raises(RecordingError, match="is closed"):
            read()


def test_side_data_are_none_where_a_format_has_none(tmp_path: Path) -> None:
    path = tmp_path / "a.es"
    path.write_bytes(words.event_stream(random_events(5, 34, 30, 100), 34, 30))
    with open_recording(path) as recording:
        assert recording.side == frozenset()
        assert list(recording.frames()) == list(recording.imu()) == list(recording.triggers()) == []


def test_window() -> None:
    events = events_of([1, 2, 2, 5], 0, 0, 0)
    assert window(events, None, None) is events
    assert window(events, 2, 5)["t"].tolist() == [2, 2]
    assert window(events, 6, None)["t"].tolist() == []
    assert window(events[:0], 1, 2)["t"].tolist() == []
    assert window(events, None, 1)["t"].tolist() == []
