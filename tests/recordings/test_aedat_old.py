"""AEDAT 2 and 3.1: addresses of both cameras by hand, packets, frames, IMU, triggers, clocks."""

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
from recordings.side import TriggerKind
from tests.recordings import words
from tests.recordings.assets import sample
from tests.strategies import events_of

DAVIS = "eu.seebetter.ini.chips.davis.DAVIS240C"


def opened(path: Path, data: bytes) -> Recording:
    path.write_bytes(data)
    return open_recording(path)


def rows(events: Events) -> list[tuple[int, ...]]:
    return [tuple(event) for event in events.tolist()]


def pairs(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}I", *numbers)


HEADER_2 = b"#!AER-DAT2.0\r\n# This is a raw AE data file - do not edit\r\n"


def test_dvs128_pair_by_pair(tmp_path: Path) -> None:
    data = HEADER_2 + b"# AEChip: ch.unizh.ini.jaer.chip.retina.DVS128\r\n"
    data += pairs(
        0b0_0000011_0000101_0, 10,  # y 3 from below, x 5 from the right, ON
        0b0_1111111_1111111_1, 20,  # the upper left corner, OFF
        1 << 15 | 5, 30,  # an external event
    )  # fmt: skip
    with opened(tmp_path / "a.aedat", data) as recording:
        assert (recording.width, recording.height) == (128, 128)
        assert rows(recording.read()) == [(10, 122, 124, 1), (20, 0, 0, 0)]
        assert recording.counts.skipped_bytes == 0


def test_davis_pair_by_pair(tmp_path: Path) -> None:
    data = HEADER_2 + f"# AEChip: {DAVIS}\r\n".encode()
    data += pairs(
        2 << 22 | 7 << 12 | 1 << 11, 10,
        1 << 31 | 5 << 22 | 7 << 12 | 300, 11,  # APS
        1 << 31 | 3 << 10 | 1 << 28, 12,  # IMU
        1 << 10, 13,  # external
        179 << 22 | 239 << 12, 14,
        511 << 22 | 1 << 12, 15,  # no such row
    )  # fmt: skip
    with opened(tmp_path / "a.aedat", data) as recording:
        assert (recording.width, recording.height) == (240, 180)
        assert rows(recording.read()) == [(10, 232, 177, 1), (14, 0, 0, 0)]
        assert recording.counts.outside == 1


@pytest.mark.parametrize(
    ("chip", "size"),
    [
        ("eu.seebetter.ini.chips.davis.Davis640", (640, 480)),
        ("eu.seebetter.ini.chips.davis.DAVIS346BSI", (346, 260)),
        ("eu.seebetter.ini.chips.davis.DAVIS240C", (240, 180)),
        ("ch.unizh.ini.jaer.chip.retina.DVS128", (128, 128)),
    ],
)
def test_the_chip_tells_the_size(tmp_path: Path, chip: str, size: tuple[int, int]) -> None:
    davis = "davis" in chip.lower()
    events = sample(50)
    with opened(tmp_path / "a.aedat", words.aedat2(events, *size, davis, chip)) as recording:
        assert (recording.width, recording.height) == size
        np.testing.assert_array_equal(recording.read(), events)


@pytest.mark.parametrize(
    ("davis", "written", "told"),
    [
        (False, (128, 128), (128, 128)),
        (True, (240, 180), (240, 180)),
        (True, (346, 260), (346, 260)),
        (True, (640, 480), (640, 480)),
    ],
)
def test_without_a_chip_the_addresses_tell(
    tmp_path: Path, davis: bool, written: tuple[int, int], told: tuple[int, int]
) -> None:
    n = 200
    rng = np.random.default_rng(0)
    events = events_of(
        np.arange(n), rng.integers(0, written[0], n), rng.integers(0, written[1], n), 1
    )
    events["x"][0] = events["y"][0] = 0
    with opened(tmp_path / "a.aedat", words.aedat2(events, *written, davis)) as recording:
        assert (recording.width, recording.height) == told
        np.testing.assert_array_equal(recording.read(), events)


def test_another_chip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.aedat").write_bytes(HEADER_2 + b"# AEChip: net.CochleaAMS1b\r\n" + bytes(80))
    with pytest.raises(RecordingError, match=r"addresses of 'net\.cochleaams1b'"):
        open_recording(tmp_path / "a.aedat")


def test_a_pair_that_begins_like_a_line_is_none(tmp_path: Path) -> None:
    # 0x23 is '#': a row of a DAVIS.
    data = HEADER_2 + f"# AEChip: {DAVIS}\r\n".encode() + pairs(0x23000000, 5, 0x23400000, 6)
    with opened(tmp_path / "a.aedat", data) as recording:
        assert recording.read()["t"].tolist() == [5, 6]
    data = HEADER_2 + b"#End Of ASCII Header\r\n" + b"#abcde\r\n"
    with opened(tmp_path / "a.aedat", data) as recording:
        assert recording.read()["t"].tolist() == [int.from_bytes(b"de\r\n")]


def test_the_clock_of_aedat2_wraps_at_32_bits(tmp_path: Path) -> None:
    data = HEADER_2 + pairs(2, 2**32 - 4, 2, 2**32 - 1, 2, 3)
    with opened(tmp_path / "a.aedat", data) as recording:
        assert recording.read()["t"].tolist() == [2**32 - 4, 2**32 - 1, 2**32 + 3]
        assert recording.counts.wraps == 1


@given(st.binary(max_size=200))
def test_any_pairs(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("a") / "a.aedat"
    with opened(path, HEADER_2 + b"#End Of ASCII Header\r\n" + data) as recording:
        events = recording.read()
        assert len(events) + recording.counts.outside <= len(data) // 8
        assert recording.counts.cuts == (len(data) % 8 > 0)


# AEDAT 3.1


def special(*events: tuple[int, int]) -> bytes:
    return b"".join(struct.pack("<Ii", 1 | kind << 1, t) for kind, t in events)


def frame(
    pixels: np.ndarray,
    times: tuple[int, int, int, int],
    valid: int = 1,
    at: tuple[int, int] = (0, 0),
) -> bytes:
    height, width, channels = pixels.shape
    head = struct.pack("<I8i", valid | channels << 1, *times, width, height, *at)
    return head + (pixels.astype("<u2") << 8 | 0x7F).tobytes()


def test_polarity_event_by_event(tmp_path: Path) -> None:
    data = words.aedat31_header() + words.aedat31_packet(
        1,
        8,
        3,
        struct.pack("<Ii", 1 | 1 << 1 | 179 << 2 | 239 << 17, 7)
        + struct.pack("<Ii", 0 | 1 << 1 | 3 << 2 | 4 << 17, 8)  # marked invalid
        + struct.pack("<Ii", 1 | 0 << 1 | 0 << 2 | 1 << 17, 9),
        overflow=2,
    )
    with opened(tmp_path / "a.aedat", data) as recording:
        assert (recording.width, recording.height, recording.format) == (240, 180, "aedat3")
        assert rows(recording.read()) == [(2**32 + 7, 239, 179, 1), (2**32 + 9, 1, 0, 0)]


def test_time_goes_on_where_31_bits_end(tmp_path: Path) -> None:
    n = 400
    t = 2**31 - 200 + np.arange(n) * 5
    events = events_of(t, np.arange(n) % 34, 2, 1)
    with opened(tmp_path / "a.aedat", words.aedat31(events)) as recording:
        np.testing.assert_array_equal(recording.read(), events)


def test_frames_imu_and_triggers(tmp_path: Path) -> None:
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    colour = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    event = frame(grey, (10, 20, 12, 18), at=(4, 5))
    rgb = frame(colour, (30, 40, 0, 0))
    imu6 = struct.pack("<Ii7f", 1, 50, 0.1, 0.2, 0.3, 1, 2, 3, 25)
    imu9 = struct.pack("<Ii10f", 1, 60, 0.1, 0.2, 0.3, 1, 2, 3, 26, 7, 8, 9)
    bad = struct.pack("<Ii7f", 0, 55, *[9] * 7)
    data = (
        words.aedat31_header("DAVIS346")
        + words.aedat31_packet(2, len(event), 2, event + frame(grey, (1, 2, 1, 2), valid=0))
        + words.aedat31_packet(2, len(rgb), 1, rgb, overflow=1)
        + words.aedat31_packet(3, 36, 2, imu6 + bad)
        + words.aedat31_packet(4, 48, 1, imu9)
        + words.aedat31_packet(0, 8, 5, special((2, 70), (0, 71), (7, 72), (5, 73), (1, 74)))
        + words.aedat31(sample(20))[len(words.aedat31_header()) :]
        + words.aedat31_packet(9, 12, 2, bytes(24))  # a type that is nothing to us
    )
    with opened(tmp_path / "a.aedat", data) as recording:
        assert recording.side == {"frames", "imu", "triggers"}
        one, two = recording.frames()
        assert (one.t_begin, one.t_end, one.x, one.y) == (12, 18, 4, 5)
        np.testing.assert_array_equal(one.pixels, grey)
        assert (two.t_begin, two.t_end) == (2**31 + 30, 2**31 + 40)
        np.testing.assert_array_equal(two.pixels, colour[..., ::-1])
        first, second = recording.imu()
        assert first["t"].tolist() == [50]
        assert first["rotation"].tolist() == [[1, 2, 3]]
        assert first["temperature"].tolist() == [25]
        assert second["magnetic"].tolist() == [[7, 8, 9]]
        (triggers,) = recording.triggers()
        assert triggers.tolist() == [
            (70, TriggerKind.RISING, 0), (72, TriggerKind.FALLING, 1), (74, TriggerKind.RESET, 0),
        ]  # fmt: skip
        np.testing.assert_array_equal(recording.read(), sample(20))
        assert recording.counts.skipped_bytes == 0


def test_side_is_what_there_is(tmp_path: Path) -> None:
    data = words.aedat31(sample(20)) + words.aedat31_packet(0, 8, 1, special((0, 1)))
    with opened(tmp_path / "a.aedat", data) as recording:
        assert recording.side == frozenset()
        assert list(recording.triggers()) == []


def test_of_two_sources_the_first_is_read(tmp_path: Path) -> None:
    event = struct.pack("<Ii", 1 | 5 << 2, 7)
    data = words.aedat31_header("DVS128") + words.aedat31_packet(1, 8, 1, event)
    data += words.aedat31_packet(1, 8, 1, event, source=2)
    with opened(tmp_path / "a.aedat", data) as recording:
        assert (recording.width, recording.height) == (128, 128)
        assert len(recording.read()) == 1


def test_a_frame_that_cannot_be_true_is_skipped_and_counted(tmp_path: Path) -> None:
    good = frame(np.zeros((2, 3, 1), np.uint8), (1, 2, 1, 2))
    wide = bytearray(good)
    wide[20:24] = (10**6).to_bytes(4, "little")
    data = words.aedat31_header() + words.aedat31_packet(2, len(good), 1, good)
    data += words.aedat31_packet(2, len(good), 1, bytes(wide))
    data += words.aedat31_packet(2, len(good), 1, good)
    with opened(tmp_path / "a.aedat", data) as recording:
        assert len(list(recording.frames())) == 2
        assert recording.counts.skipped_bytes == 28 + len(good)


def test_what_the_end_cuts_is_counted(tmp_path: Path) -> None:
    events = sample(100)
    whole = words.aedat31(events, packet=30)
    for cut, n in ((1, 90), (8 * 10 + 1, 90), (8 * 10 + 28, 90), (8 * 10 + 28 + 8, 60)):
        with opened(tmp_path / "a.aedat", whole[:-cut]) as recording:
            np.testing.assert_array_equal(recording.read(), events[:n])
            at_an_end = cut == 8 * 10 + 28
            assert recording.counts.cuts == (not at_an_end)
            assert (recording.counts.skipped_bytes > 0) == (not at_an_end)


@pytest.mark.parametrize(
    ("packet", "what"),
    [
        (words.aedat31_packet(1, 0, 1, b""), "a packet whose head cannot be true"),
        (words.aedat31_packet(1, 8, -1, b""), "a packet whose head cannot be true"),
        (words.aedat31_packet(-32767, 8, 1, bytes(8)), "a compressed packet"),
        (words.aedat31_packet(1, 12, 1, bytes(12)), "polarity events that are not 8 bytes"),
    ],
)
def test_heads_that_cannot_be_true(tmp_path: Path, packet: bytes, what: str) -> None:
    events = sample(10)
    whole = words.aedat31(events)
    with opened(tmp_path / "a.aedat", whole + packet + bytes(400)) as recording:
        chunks = recording.chunks()
        np.testing.assert_array_equal(next(chunks), events)
        with pytest.raises(RecordingError, match=f"{what}.* at byte {len(whole)}"):
            next(chunks)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"#!AER-DAT3.1\r\n#Format: RAW\r\n", "has no line '#!END-HEADER'"),
        (words.aedat31_header(form="SerializedTS"), "is of the format 'SerializedTS'"),
        (b"#!AER-DAT3.0\r\n", r"is of AEDAT '3\.0'"),
    ],
)
def test_headers_that_are_not_read(tmp_path: Path, data: bytes, what: str) -> None:
    (tmp_path / "a.aedat").write_bytes(data)
    with pytest.raises(RecordingError, match=what):
        open_recording(tmp_path / "a.aedat")
