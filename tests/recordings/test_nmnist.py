"""The five-byte format, on arbitrary bytes and on what a camera writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import RecordingError
from pipeline.events import EVENT, Events, empty_events
from recordings import nmnist


def made(times: list[int], x: int = 3, y: int = 4, p: int = 1) -> Events:
    events = empty_events(len(times))
    events["t"] = times
    events["x"], events["y"], events["p"] = x, y, p
    return events


@st.composite
def recordings(draw: st.DrawFn) -> Events:
    n = draw(st.integers(1, 200))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    events = empty_events(n)
    # Gaps up to 4.19 s stay short of half the clock, so that every wrap can be told.
    events["t"] = rng.integers(0, 2**23) + np.cumsum(rng.integers(1, 2**22, n))
    events["t"] -= events["t"][0] - events["t"][0] % nmnist.WRAP_US
    events["x"] = rng.integers(0, 256, n)
    events["y"] = rng.integers(0, 256, n)
    events["p"] = rng.integers(0, 2, n)
    return events


@given(recordings())
@settings(deadline=None)
def test_encode_and_decode_are_inverse_across_wraps(events: Events) -> None:
    # Pixel bytes that spell another format's name are refused as that format.
    events["x"][0] = 7
    back = nmnist.decode(nmnist.encode(events), "made")
    assert back.dtype == EVENT
    np.testing.assert_array_equal(back, events)


@given(st.binary(max_size=600))
@settings(deadline=None)
def test_arbitrary_bytes_decode_or_raise_one_line(data: bytes) -> None:
    try:
        events = nmnist.decode(data, "some.bin")
    except RecordingError as raised:
        message = str(raised)
    else:
        message = "some.bin: fine"
        assert len(events) == len(data) // 5
        assert events["p"].max() <= 1
        assert events["x"].max() <= 255
    assert message.startswith("some.bin: ")
    assert "\n" not in message


def test_fields_by_hand() -> None:
    (event,) = nmnist.decode(bytes([33, 12, 0x80 | 0x12, 0x34, 0x56]), "one")
    assert (event["x"], event["y"], event["p"], event["t"]) == (33, 12, 1, 0x123456)


def test_wrap_is_undone_and_a_small_step_back_kept() -> None:
    times = [nmnist.WRAP_US - 10, nmnist.WRAP_US + 5, nmnist.WRAP_US + 3, 2 * nmnist.WRAP_US - 9]
    # The last gap is over half the clock's range and so cannot be told from a step back.
    times[3] = nmnist.WRAP_US + 4_000_000
    back = nmnist.decode(nmnist.encode(made(times)), "wrap")
    assert back["t"].tolist() == times
    assert nmnist.steps_back(back) == 1


@pytest.mark.parametrize("step", [7, 5_000])
@pytest.mark.parametrize("at", [1, 63, 64, 65, 127, 128, 1_023, 1_024, 1_025, 1_088, 2_999])
def test_a_single_step_back_is_kept_wherever_it_stands(at: int, step: int) -> None:
    # The clock wraps after 500 events: what is in order behind that is moved as a whole.
    for begin in (90_000, nmnist.WRAP_US - 15_000):
        times = begin + 30 * np.arange(3_000)
        times[at] -= step
        back = nmnist.decode(nmnist.encode(made(times.tolist())), "one")
        np.testing.assert_array_equal(back["t"], times)


@pytest.mark.parametrize("first", [1, 64, 100, 1_024, 1_200])
def test_the_first_of_many_steps_back_is_told(first: int) -> None:
    times = np.arange(3_000) * 3 + 60_000
    times[first::2] -= 20_000
    with pytest.raises(RecordingError, match=f"first at byte {5 * first};"):
        nmnist.decode(nmnist.encode(made(times.tolist())), "many")


def test_truncated_names_the_byte() -> None:
    data = nmnist.encode(made([1, 2, 3]))[:-2]
    with pytest.raises(RecordingError, match=r"cut\.bin: truncated at byte 10: 3 bytes"):
        nmnist.decode(data, "cut.bin")


def test_empty_holds_no_events() -> None:
    with pytest.raises(RecordingError, match="holds no events"):
        nmnist.decode(b"", "empty.bin")


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"#!AER-DAT2.0\r\n", "AEDAT"),
        (b"% evt 3.0\n", "Prophesee"),
        (b"Event Stream\x02", "Event Stream"),
        (b"#ROSBAG V2.0\n", "ROS"),
        (b"\x89PNG\r\n", "PNG"),
    ],
)
def test_other_formats_are_named(head: bytes, what: str) -> None:
    with pytest.raises(RecordingError, match=what):
        nmnist.decode(head + bytes(100), "foreign")


def test_noise_text_and_zeros_are_not_recordings() -> None:
    noise = np.random.default_rng(1).integers(0, 256, 5000, np.uint8).tobytes()
    text = (b"The quick brown fox jumps over the lazy dog. " * 100)[:4000]
    for data in (noise, text):
        with pytest.raises(RecordingError, match="time steps back"):
            nmnist.decode(data, "foreign")
    with pytest.raises(RecordingError, match="repeat"):
        nmnist.decode(bytes(500), "zeros")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no such file"):
        nmnist.read(tmp_path / "none.bin")
    with pytest.raises(RecordingError, match="is a folder"):
        nmnist.read(tmp_path)


def test_encode_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="below 256"):
        nmnist.encode(made([1], x=300))
    with pytest.raises(ValueError, match="dtype"):
        nmnist.encode(np.zeros(1, np.dtype([("t", "<i8")])))


def test_sensor_size() -> None:
    assert nmnist.sensor_size(made([1], 33, 33)) == (34, 34)
    assert nmnist.sensor_size(made([1], 34, 0)) == (240, 180)
    assert nmnist.sensor_size(made([1], 0, 200)) == (256, 256)


def test_a_recording_of_ncaltech101() -> None:
    path = Path(__file__).parents[3] / "shared/data/ncaltech101/Faces_easy_image_0001.bin"
    if not path.is_file():
        pytest.skip("the recording is not at hand (../shared/data/ncaltech101)")
    events = nmnist.read(path)
    assert len(events) == 67_445
    assert (events["x"].max(), events["y"].max()) == (150, 172)
    assert nmnist.sensor_size(events) == nmnist.CALTECH_SENSOR
    assert nmnist.steps_back(events) == 0
    assert nmnist.encode(events) == path.read_bytes()


def test_a_first_pixel_that_spells_percent_is_a_pixel() -> None:
    assert len(nmnist.decode(nmnist.encode(made([5, 9], x=0x25, y=0x20)), "percent")) == 2
