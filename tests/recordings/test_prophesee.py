"""RAW (EVT2, EVT2.1, EVT3) and DAT: words written by hand, headers, clocks that begin again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RecordingError
from pipeline.events import Events
from recordings.opening import open_recording
from recordings.prophesee import header, sensor_size
from recordings.recording import Recording
from tests.recordings import words
from tests.strategies import events_of

EVT2 = words.header("evt 2.0", "geometry 640x480")
EVT3 = words.header("evt 3.0", "geometry 1280x720")


def opened(path: Path, data: bytes) -> Recording:
    path.write_bytes(data)
    return open_recording(path)


def rows(events: Events) -> list[tuple[int, ...]]:
    return [tuple(event) for event in events.tolist()]


def u2(*numbers: int) -> bytes:
    return np.array(numbers, "<u2").tobytes()


def u4(*numbers: int) -> bytes:
    return np.array(numbers, "<u4").tobytes()


@st.composite
def streams(draw: st.DrawFn, width: int, height: int, longest_us: int) -> Events:
    """Draw events of which no two are further apart than ``longest_us``."""
    n = draw(st.integers(1, 120))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    scale = draw(st.sampled_from([0, 3, 70, 5000, longest_us]))
    t = draw(st.integers(0, 2**24 - 1)) + np.cumsum(rng.integers(0, scale + 1, n))
    return events_of(
        t, rng.integers(0, width, n), rng.integers(0, height, n), rng.integers(0, 2, n)
    )


@given(events=streams(640, 480, 2**30))
def test_evt2_gives_back_what_was_encoded(
    tmp_path_factory: pytest.TempPathFactory, events: Events
) -> None:
    with opened(tmp_path_factory.mktemp("a") / "a.raw", EVT2 + words.evt2(events)) as recording:
        np.testing.assert_array_equal(recording.read(), events)


@given(events=streams(640, 480, 2**30), legacy=st.booleans())
def test_evt21_gives_back_what_was_encoded(
    tmp_path_factory: pytest.TempPathFactory, events: Events, legacy: bool
) -> None:
    told = "EVT21;height=480;width=640" + (";endianness=legacy" if legacy else ";endianness=little")
    data = words.header(f"format {told}", "end") + words.evt21(events, legacy)
    with opened(tmp_path_factory.mktemp("a") / "a.raw", data) as recording:
        assert (recording.width, recording.height) == (640, 480)
        np.testing.assert_array_equal(recording.read(), events)


@given(events=streams(1280, 720, 2**22))
def test_evt3_gives_back_what_was_encoded(
    tmp_path_factory: pytest.TempPathFactory, events: Events
) -> None:
    # The clock has 24 bits, and its first reading is what it says.
    expected = events.copy()
    expected["t"] -= int(events["t"][0]) >> 24 << 24
    with opened(tmp_path_factory.mktemp("a") / "a.raw", EVT3 + words.evt3(events)) as recording:
        np.testing.assert_array_equal(recording.read(), expected)
        wraps = (int(events["t"][-1]) >> 24) - (int(events["t"][0]) >> 24)
        assert recording.counts.wraps == wraps


@given(events=streams(1280, 720, 2**30))
def test_dat_gives_back_what_was_encoded(
    tmp_path_factory: pytest.TempPathFactory, events: Events
) -> None:
    data = words.header("Version 2", "Width 1280", "Height 720") + words.dat(events)
    with opened(tmp_path_factory.mktemp("a") / "a.dat", data) as recording:
        np.testing.assert_array_equal(recording.read(), events)


def test_evt2_word_by_word(tmp_path: Path) -> None:
    data = EVT2 + u4(
        1 << 28 | 5 << 11 | 6,  # ahead of the first time: skipped
        8 << 28 | 100,
        1 << 28 | 63 << 22 | 639 << 11 | 479,
        0xA << 28 | 1 << 22 | 1,  # a trigger
        0xE << 28,
        0xF << 28 | 7,
        3 << 28,  # reserved
        8 << 28 | 101,
        0 << 28 | 0 << 22 | 1 << 11 | 2,
    )
    with opened(tmp_path / "a.raw", data) as recording:
        assert rows(recording.read()) == [(6463, 639, 479, 1), (6464, 1, 2, 0)]
        assert recording.counts.skipped_bytes == 8


def test_evt2_time_wraps_at_28_bits_of_time_high(tmp_path: Path) -> None:
    last = 2**28 - 1
    data = EVT2 + u4(8 << 28 | last, 1 << 28 | 1 << 22, 8 << 28 | 0, 1 << 28 | 2 << 22)
    with opened(tmp_path / "a.raw", data) as recording:
        assert recording.read()["t"].tolist() == [last * 64 + 1, 2**34 + 2]
        assert recording.counts.wraps == 1


def test_evt21_vectors(tmp_path: Path) -> None:
    valid = 1 << 31 | 1 << 4 | 1
    top = 1 << 28 | 9 << 22 | 64 << 11 | 3
    data = words.header("evt 2.1", "geometry 640x480", "format EVT21;endianness=little", "end")
    data += np.array([(8 << 28 | 2) << 32, top << 32 | valid], "<u8").tobytes()
    with opened(tmp_path / "a.raw", data) as recording:
        assert rows(recording.read()) == [(137, x, 3, 1) for x in (64, 68, 95)]


def test_evt21_tells_the_order_of_halves_by_their_times(tmp_path: Path) -> None:
    n = 300
    events = events_of(np.arange(n) * 100, np.arange(n) % 200, np.arange(n) % 100, np.arange(n) % 2)
    for legacy in (False, True):
        data = words.header("evt 2.1", "geometry 640x480") + words.evt21(events, legacy)
        with opened(tmp_path / "a.raw", data) as recording:
            np.testing.assert_array_equal(recording.read(), events)


def test_evt3_word_by_word(tmp_path: Path) -> None:
    data = EVT3 + u2(
        0 << 12 | 3,  # the row is known ahead of time
        2 << 12 | 9,  # an event is not: skipped
        8 << 12 | 1,
        6 << 12 | 0xFFF,
        2 << 12 | 1 << 11 | 10,
        0 << 12 | 700,
        2 << 12 | 11,
        3 << 12 | 1 << 11 | 100,  # vectors of 12, 8, 12 from column 100 on
        4 << 12 | 0b1000_0000_0001,
        5 << 12 | 0b1000_0001,
        4 << 12 | 0b1,
        0xA << 12 | 1,  # a trigger, and words that go on from others
        0xE << 12,
        0x7 << 12 | 3,
        0xF << 12 | 5,
        8 << 12 | 2,
        2 << 12 | 12,
        1 << 12,  # reserved
    )
    with opened(tmp_path / "a.raw", data) as recording:
        assert rows(recording.read()) == [
            (8191, 10, 3, 1),
            (8191, 11, 700, 0),
            *((8191, x, 700, 1) for x in (100, 111, 112, 119, 120)),
            (12287, 12, 700, 0),
        ]
        assert recording.counts.skipped_bytes == 4


def test_evt3_a_small_step_back_of_time_low_is_late_and_no_wrap(tmp_path: Path) -> None:
    data = EVT3 + u2(8 << 12 | 1, 6 << 12 | 50, 2 << 12 | 1, 6 << 12 | 45, 2 << 12 | 2)
    with opened(tmp_path / "a.raw", data) as recording:
        assert recording.read()["t"].tolist() == [4146, 4146]
        assert (recording.counts.late, recording.counts.wraps) == (1, 0)
        assert [t for chunk in recording.raw() for t in chunk["t"].tolist()] == [4146, 4141]


def test_evt3_time_high_steps_back_a_little_without_a_wrap(tmp_path: Path) -> None:
    data = EVT3 + u2(8 << 12 | 9, 2 << 12 | 1, 8 << 12 | 8, 2 << 12 | 2, 8 << 12 | 9, 2 << 12 | 3)
    with opened(tmp_path / "a.raw", data) as recording:
        assert recording.read()["t"].tolist() == [9 << 12] * 3
        assert (recording.counts.late, recording.counts.wraps) == (1, 0)


def test_evt3_wraps_at_24_bits(tmp_path: Path) -> None:
    data = EVT3 + u2(8 << 12 | 0xFFF, 6 << 12 | 0xFFE, 2 << 12 | 1, 8 << 12 | 0, 6 << 12, 2 << 12)
    with opened(tmp_path / "a.raw", data) as recording:
        assert recording.read()["t"].tolist() == [2**24 - 2, 2**24]
        assert recording.counts.wraps == 1


def test_a_vector_beyond_the_sensor_is_outside(tmp_path: Path) -> None:
    data = EVT3 + u2(8 << 12, 0, 3 << 12 | 1275, 4 << 12 | 0xFFF)
    with opened(tmp_path / "a.raw", data) as recording:
        assert recording.read()["x"].tolist() == [1275, 1276, 1277, 1278, 1279]
        assert recording.counts.outside == 7


def test_dat_wraps_at_32_bits(tmp_path: Path) -> None:
    data = words.header("Version 2", "Width 640", "Height 480") + bytes([12, 8])
    data += u4(2**32 - 5, 1 << 28 | 7 << 14 | 9, 3, 8 << 14 | 10)
    with opened(tmp_path / "a.dat", data) as recording:
        assert rows(recording.read()) == [(2**32 - 5, 9, 7, 1), (2**32 + 3, 10, 8, 0)]
        assert recording.counts.wraps == 1


def test_dat_of_version_1(tmp_path: Path) -> None:
    data = words.header("Version 1", "Width 304", "Height 240") + bytes([0, 8])
    data += u4(5, 1 << 17 | 200 << 9 | 303, 2**32 - 1, 0, 1, 1)
    with opened(tmp_path / "a.dat", data) as recording:
        assert (recording.width, recording.height) == (304, 240)
        assert rows(recording.read())[0] == (5, 303, 200, 1)


def test_a_word_that_the_end_cuts_is_counted(tmp_path: Path) -> None:
    data = EVT2 + u4(8 << 28 | 1, 1 << 28) + b"\1\2\3"
    with opened(tmp_path / "a.raw", data) as recording:
        assert len(recording.read()) == 1
        assert (recording.counts.skipped_bytes, recording.counts.cuts) == (3, 1)


@pytest.mark.parametrize(
    ("lines", "size"),
    [
        (("geometry 640x480",), (640, 480)),
        (("Width 304", "Height 240"), (304, 240)),
        (("format EVT3;height=720;width=1280",), (1280, 720)),
        (("plugin_name hal_plugin_gen31_fx3",), (640, 480)),
        (("plugin_name hal_plugin_imx636_evk4",), (1280, 720)),
        (("plugin_name hal_plugin_genx320",), (320, 320)),
        (("geometry 0x480",), None),
        (("geometry 99999999999999999999x480", "plugin_name x"), None),
        (("Width -3", "Height 240"), None),
        ((), None),
    ],
)
def test_the_sensors_size(lines: tuple[str, ...], size: tuple[int, int] | None) -> None:
    assert sensor_size(header(words.header(*lines))[0]) == size


def test_a_header_ends_where_a_line_is_none() -> None:
    lines, at = header(b"% evt 3.0\n% end\n% evt 2.0\n")
    assert (lines, at) == ({"evt": "3.0"}, 16)
    lines, at = header(b"% evt 3.0\n\x25\x21\x00")
    assert (lines, at) == ({"evt": "3.0"}, 10)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (words.header("evt 4.0"), "holds 'EVT4', expected EVT2"),
        (words.header("format AER"), "holds 'AER', expected EVT2"),
        (words.header("Version 2"), "ends with its header"),
        (words.header("Version 2") + bytes([14, 8]), r"type 14, 8 bytes.* at byte 12"),
        (words.header("Version 2") + bytes([12, 16]), r"type 12, 16 bytes"),
    ],
)
def test_what_is_none_of_these_is_refused(tmp_path: Path, data: bytes, what: str) -> None:
    (tmp_path / "a.raw").write_bytes(data)
    with pytest.raises(RecordingError, match=what):
        open_recording(tmp_path / "a.raw")
