"""Events as other libraries' arrays, there and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

from pipeline.events import EVENT, Events
from recordings import arrays
from recordings.arrays import from_array
from tests.strategies import events_of, recordings


@given(recordings(width=2**15, height=2**15, length_us=2**50))
def test_there_and_back(events: Events) -> None:
    for there in (arrays.to_tonic, arrays.to_packed, arrays.to_metavision):
        back = from_array(there(events), exponent=0)
        assert back.dtype == EVENT
        assert (back == events).all()
    assert (from_array(events) == events).all()


def test_the_dtypes_are_the_libraries_own() -> None:
    events = events_of([1, 2], [3, 4], [5, 6], [0, 1])
    assert arrays.to_packed(events).dtype.itemsize == 13
    assert arrays.to_tonic(events).dtype.names == ("x", "y", "t", "p")
    assert arrays.to_tonic(events)["p"].tolist() == [False, True]
    assert arrays.to_metavision(events).dtype == [
        ("x", "<u2"), ("y", "<u2"), ("p", "<i2"), ("t", "<i8"),
    ]  # fmt: skip


def test_faery_takes_ours_packed(tmp_path: Any) -> None:
    faery = pytest.importorskip("faery", reason="faery is not installed")
    events = events_of([1, 2, 9], [3, 4, 0], [5, 6, 0], [0, 1, 1])
    stream = faery.events_stream_from_array(arrays.to_packed(events), (10, 10))
    assert (from_array(np.concatenate(list(stream))) == events).all()


@pytest.mark.parametrize(
    ("names", "factor"),
    [
        (("t", "x", "y", "p"), 1),
        (("timestamp_ns", "x", "y", "on"), 1000),
        (("ts", "xs", "ys", "ps"), 1),
    ],
)
def test_fields_by_any_name(names: tuple[str, ...], factor: int) -> None:
    events = events_of([1, 2, 9], [3, 4, 0], [5, 6, 0], [0, 1, 1])
    other = np.zeros(3, [(name, "i8") for name in names])
    for name, ours in zip(names, "txyp", strict=True):
        other[name] = events[ours]
    other[names[0]] *= factor
    assert (from_array(other) == events).all()


def test_float_times_are_seconds_where_they_have_a_fraction() -> None:
    other = np.zeros(2, [("t", "f8"), ("x", "i4"), ("y", "i4"), ("p", "i4")])
    other["t"] = [1.5, 2.25]
    assert from_array(other)["t"].tolist() == [1_500_000, 2_250_000]
    other["t"] = [1, 2]
    assert from_array(other)["t"].tolist() == [1, 2]
    assert from_array(other, exponent=3)["t"].tolist() == [1_000, 2_000]


def test_what_cannot_be_said_is_refused() -> None:
    events = events_of([1], [40_000], [5], [0])
    with pytest.raises(ValueError, match="beyond 32,767"):
        arrays.to_tonic(events)
    with pytest.raises(ValueError, match="-1 µs is negative"):
        arrays.to_packed(events_of([-1], [4], [5], [0]))
    with pytest.raises(ValueError, match="have dtype"):
        arrays.to_metavision(np.zeros(3, "i8"))
    with pytest.raises(ValueError, match=r"fields \['t', 'x'\] holds no events"):
        from_array(np.zeros(3, [("t", "i8"), ("x", "i8")]))
    with pytest.raises(ValueError, match="field 't' is of dtype"):
        from_array(np.zeros(3, [("t", "S4"), ("x", "i8"), ("y", "i8"), ("p", "i8")]))
    wide = np.zeros(3, [("t", "i8"), ("x", "i8"), ("y", "i8"), ("p", "i8")])
    wide["x"][1] = 70_000
    with pytest.raises(ValueError, match="x or y of 1 events is outside 0 to 65,535"):
        from_array(wide)
