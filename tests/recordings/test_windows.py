"""A recording cut into windows of equal length, and what its events tell of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.events import EVENT, Events, empty_events
from recordings import nmnist
from recordings.opening import open_recording
from recordings.windows import extent, joined, origin_us, windows
from tests.recordings import words
from tests.strategies import events_of


def at(times: list[int]) -> Events:
    return events_of(times, np.arange(len(times)) % 30, 2, 1)


@given(
    st.lists(st.integers(0, 5000), max_size=50),
    st.lists(st.integers(0, 50), max_size=6),
    st.integers(-(10**9), 10**9),
    st.integers(1, 700),
    st.integers(0, 12),
)
def test_windows_hold_every_event_once_at_its_place(
    steps: list[int], cuts: list[int], begin: int, step: int, least: int
) -> None:
    times = begin + np.cumsum(np.array(steps, np.int64))
    events = at(times.tolist())
    chunks = [part for part in np.split(events, sorted(cuts)) if len(part)]
    found = list(windows(chunks, begin, step, least))
    for k, part in enumerate(found):
        inside = (times >= begin + k * step) & (times < begin + (k + 1) * step)
        np.testing.assert_array_equal(part, events[inside])
        assert part.dtype == EVENT
    last = (int(times[-1]) - begin) // step + 1 if len(times) else 1
    assert len(found) == max(last, least, 1)


def test_a_long_silence_is_many_windows_but_few_at_once() -> None:
    chunks = [at([0]), at([10_000_000])]
    sizes = [len(part) for part in windows(chunks, 0, 1000)]
    assert len(sizes) == 10_001
    assert (sizes[0], sizes[-1], sum(sizes)) == (1, 1, 2)


def test_joined_keeps_the_layout() -> None:
    both = joined([at([1, 2]), at([3])])
    assert both.dtype == EVENT
    assert both["t"].tolist() == [1, 2, 3]
    one = at([1])
    assert joined([one]) is one
    assert len(joined([])) == 0


def test_the_origin_is_the_first_event_but_zero_for_nmnist(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(nmnist.encode(at([500, 900])))
    (tmp_path / "a.raw").write_bytes(
        words.header("evt 2.0", "geometry 640x480") + words.evt2(at([500, 900]))
    )
    with open_recording(tmp_path / "a.bin") as recording:
        assert origin_us(recording) == 0
    with open_recording(tmp_path / "a.raw") as recording:
        assert origin_us(recording) == 500


@pytest.mark.parametrize(
    ("x", "y", "size"),
    [
        (33, 33, (34, 34)),
        (34, 0, (128, 128)),
        (0, 179, (240, 180)),
        (345, 259, (346, 260)),
        (639, 479, (640, 480)),
        (1279, 719, (1280, 720)),
        (2000, 5, (2001, 6)),
    ],
)
def test_the_extent_is_the_smallest_usual_sensor(
    tmp_path: Path, x: int, y: int, size: tuple[int, int]
) -> None:
    # A header that tells no size.
    events = events_of([1, 2], [0, x], [5, y], [0, 1])
    (tmp_path / "a.raw").write_bytes(words.header("evt 2.0") + words.evt2(events))
    with open_recording(tmp_path / "a.raw") as recording:
        assert recording.width is None
        assert extent(recording) == size


def test_an_empty_recording_has_an_origin_and_an_extent(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(words.header("evt 2.0") + words.evt2(empty_events(0)))
    with open_recording(tmp_path / "a.raw") as recording:
        assert origin_us(recording) == 0
        assert extent(recording) == (34, 34)
