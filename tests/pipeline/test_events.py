"""Events pack into eight bytes and come back the same, or are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.events import EVENT, MAX_PACKET_US, MAX_SIDE, WIRE_EVENT, empty_events, pack, unpack
from tests.strategies import events_of


@st.composite
def packable(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    t_begin = draw(st.integers(-(2**62), 2**62))
    n = draw(st.integers(0, 50))

    def column(high: int) -> np.ndarray:
        return draw(hnp.arrays(np.int64, n, elements=st.integers(0, high)))

    x, y, p = column(2**16 - 1), column(MAX_SIDE - 1), column(1)
    return events_of(t_begin + column(MAX_PACKET_US), x, y, p), t_begin


@given(packable())
def test_what_is_packed_comes_back(case: tuple[np.ndarray, int]) -> None:
    events, t_begin = case
    wire = pack(events, t_begin)
    assert wire.dtype == WIRE_EVENT
    assert wire.nbytes == 8 * len(events)
    again = unpack(wire, t_begin)
    assert again.dtype == EVENT
    np.testing.assert_array_equal(again, events)


def test_the_layout_is_aedat4s_in_memory_and_documented_on_the_wire() -> None:
    assert EVENT.itemsize == 16
    assert [EVENT.fields[name][1] for name in ("t", "x", "y", "p")] == [0, 8, 10, 12]
    wire = pack(events_of([1005], [3], [7], [1]), 1000)
    assert wire.tobytes() == bytes([5, 0, 0, 0, 3, 0, 7 << 1 | 1, 0])
    assert len(empty_events(3)) == 3


def test_slices_and_read_only_arrays_pack_too() -> None:
    events = events_of(range(10), range(10), range(10), [0, 1] * 5)
    events.flags.writeable = False
    np.testing.assert_array_equal(unpack(pack(events[::3], 0), 0), events[::3])
    wire = np.frombuffer(pack(events, 0).tobytes(), WIRE_EVENT)
    np.testing.assert_array_equal(unpack(wire[::2], 0), events[::2])


def test_only_the_lowest_bit_is_polarity() -> None:
    assert unpack(pack(events_of([0, 0], [0, 0], [0, 0], [2, 255]), 0), 0)["p"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("t", "y", "t_begin", "message"),
    [
        (99, 0, 100, "events from 99 to 99 µs do not fit a packet that begins at 100 µs"),
        (MAX_PACKET_US + 1, 0, 0, f"events from {MAX_PACKET_US + 1} to"),
        (2**63 - 1, 0, -(2**63), "do not fit a packet"),
        (0, MAX_SIDE, 0, "row 32768 is not below 32768"),
    ],
)
def test_what_does_not_fit_is_refused(t: int, y: int, t_begin: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pack(events_of([t], [0], [y], [0]), t_begin)


def test_another_dtype_is_refused() -> None:
    with pytest.raises(ValueError, match=r"events have dtype .*expected"):
        pack(np.zeros(3, WIRE_EVENT), 0)


def test_the_longest_packet_fits_exactly() -> None:
    events = events_of([7, 7 + MAX_PACKET_US], [0, 0], [0, 0], [0, 1])
    np.testing.assert_array_equal(unpack(pack(events, 7), 7), events)
