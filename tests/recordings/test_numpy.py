"""NPY and NPZ: every layout, nothing unpickled, nothing allocated that a header only claims."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib import format as npy

from pipeline.errors import RecordingError
from pipeline.events import EVENT, Events
from recordings import arrays
from recordings.opening import open_recording
from tests.strategies import random_events

EVENTS = random_events(150_000, 34, 30, 1_000_000)


def read(path: Path) -> Events:
    with open_recording(path) as recording:
        return recording.read()


def columns(events: Events, order: str, dtype: str) -> Any:
    return np.stack([events[name] for name in order], axis=1).astype(dtype)


def seconds(events: Events) -> Any:
    rows = columns(events, "txyp", "f8")
    rows[:, 0] *= 1e-6
    return rows


def filled(events: Events, fields: list[tuple[str, str]], of: str) -> Any:
    out = np.zeros(len(events), fields)
    for (name, _), ours in zip(fields, of, strict=True):
        out[name] = events[ours]
    return out


NPY = {
    "ours": EVENTS,
    "tonic": arrays.to_tonic(EVENTS),
    "N-MNIST in tonic": filled(EVENTS, [(name, "i8") for name in "xytp"], "xytp"),
    "packed": arrays.to_packed(EVENTS),
    "metavision": arrays.to_metavision(EVENTS),
    "big-endian": filled(
        EVENTS, [("pol", "i1"), ("x", ">u2"), ("y", ">u2"), ("ts", ">i4")], "pxyt"
    ),
    "x y t p": columns(EVENTS, "xytp", "i8"),
    "x y p t": columns(EVENTS, "xypt", "f8"),
    "t x y p in s": seconds(EVENTS),
    "column by column": np.asfortranarray(columns(EVENTS, "txyp", "i4")),
}


@pytest.mark.parametrize("layout", NPY)
def test_npy(tmp_path: Path, layout: str) -> None:
    np.save(tmp_path / "a.npy", NPY[layout])
    with open_recording(tmp_path / "a.npy") as recording:
        assert recording.format == "npy"
        assert (recording.read() == EVENTS).all()
        part = EVENTS[(EVENTS["t"] >= 400_000) & (EVENTS["t"] < 600_000)]
        assert (recording.read(400_000, 600_000) == part).all()


def test_npz_of_columns_and_its_size(tmp_path: Path) -> None:
    by_name = {name: EVENTS[name] for name in "txyp"}
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", **by_name, width=34, height=30)  # type: ignore[operator]
        with open_recording(tmp_path / "a.npz") as recording:
            assert (recording.width, recording.height) == (34, 30)
            assert (recording.read() == EVENTS).all()
            part = EVENTS[EVENTS["t"] >= 900_000]
            assert (recording.read(900_000) == part).all()


def test_npz_of_one_array_and_other_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", labels=np.arange(9), events=EVENTS, sensor_size=[34, 30, 2])
    with open_recording(tmp_path / "a.npz") as recording:
        assert (recording.width, recording.height) == (34, 30)
        assert (recording.read() == EVENTS).all()
    np.savez(
        tmp_path / "b.npz",
        timestamp_ns=EVENTS["t"].astype("u8") * 1000,
        x=EVENTS["x"].astype("f4"),
        y=EVENTS["y"].astype("i8"),
        polarity=EVENTS["p"] * 2.0 - 1,
    )
    assert (read(tmp_path / "b.npz") == EVENTS).all()


def test_a_file_that_is_read_by_time_is_not_read_whole(tmp_path: Path) -> None:
    events = random_events(400_000, 34, 34, 4_000_000)
    np.save(tmp_path / "a.npy", events)
    with open_recording(tmp_path / "a.npy") as recording:
        assert (recording.read(3_000_000) == events[events["t"] >= 3_000_000]).all()
        assert recording.counts.events < 130_000


def test_time_that_does_not_rise_is_not_found_by_halves(tmp_path: Path) -> None:
    events = random_events(400_000, 34, 34, 4_000_000)
    events["t"][200_000:] -= 1_000_000
    np.save(tmp_path / "a.npy", events)
    with open_recording(tmp_path / "a.npy") as recording:
        whole = recording.read()
        assert recording.counts.jumps == 1
    with open_recording(tmp_path / "a.npy") as recording:
        assert (recording.read(3_000_000) == whole[whole["t"] >= 3_000_000]).all()


def test_what_no_sensor_can_mean_is_counted(tmp_path: Path) -> None:
    rows = np.array(
        [[1, 3, 3, 1], [2, -1, 3, 1], [3, 3, 2**40, 1], [2**62, 3, 3, 1], [4, 3, 3, 0]], "i8"
    )
    fields = np.zeros(5, [("t", "i8"), ("x", "i8"), ("y", "i8"), ("p", "i8")])
    for i, name in enumerate("txyp"):
        fields[name] = rows[:, i]
    np.save(tmp_path / "a.npy", fields)
    with open_recording(tmp_path / "a.npy") as recording:
        assert recording.read()["t"].tolist() == [1, 4]
        assert recording.counts.outside == 3


def test_times_that_are_no_numbers_are_counted(tmp_path: Path) -> None:
    fields = np.zeros(4, [("t", "f8"), ("x", "f4"), ("y", "f4"), ("p", "f4")])
    fields["t"] = [0.5, np.nan, np.inf, 1]
    np.save(tmp_path / "a.npy", fields)
    with open_recording(tmp_path / "a.npy") as recording:
        assert recording.read()["t"].tolist() == [500_000, 1_000_000]
        assert recording.counts.outside == 2


class Loud:
    """An object that tells when it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return pytest.fail, ("unpickled",)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    objects = np.array([Loud()], object)
    np.save(tmp_path / "a.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "a.npz", t=objects)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(RecordingError, match=f"{name}.* pickled objects, which are never read"):
            open_recording(tmp_path / name)


def header(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    out = io.BytesIO()
    fields = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    npy.write_array_header_2_0(out, fields)
    return out.getvalue()


@pytest.mark.parametrize("n", [4, 2**40, 2**60])
def test_a_header_that_claims_more_than_there_is(tmp_path: Path, n: int) -> None:
    data = header((n,), EVENT) + bytes(3 * 16)
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(RecordingError, match=f"truncated: .* at byte {len(data)}"):
        open_recording(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("events.npy", data)
    with pytest.raises(RecordingError, match="events is truncated"):
        open_recording(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "array",
    [
        np.arange(10),
        np.zeros((5, 3)),
        np.full((5, 4), 0.5),
        np.zeros(3, [("t", "i8"), ("x", "i4")]),
    ],
)
def test_what_holds_no_events(tmp_path: Path, array: Any) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(RecordingError, match="is no array of events, expected fields"):
        open_recording(tmp_path / "a.npy")
    np.savez(tmp_path / "a.npz", what=array)
    with pytest.raises(RecordingError, match=r"holds what .* no events"):
        open_recording(tmp_path / "a.npz")


def test_columns_of_different_lengths(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", t=np.arange(3), x=np.arange(3), y=np.arange(3), p=np.zeros(2))
    with pytest.raises(RecordingError, match="its columns differ in length"):
        open_recording(tmp_path / "a.npz")


def test_without_events(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", EVENTS[:0])
    assert len(read(tmp_path / "a.npy")) == 0
    np.savez(tmp_path / "a.npz", events=EVENTS[:0])
    assert len(read(tmp_path / "a.npz")) == 0


def test_a_broken_archive(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", events=EVENTS)
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(RecordingError, match=r"a.npz: cannot be read: rows \d+ to \d+: "):
        read(tmp_path / "a.npz")
    (tmp_path / "a.npz").write_bytes(data[: len(data) // 2])
    with pytest.raises(RecordingError, match=r"a.npz: cannot be read: .*zip"):
        read(tmp_path / "a.npz")
