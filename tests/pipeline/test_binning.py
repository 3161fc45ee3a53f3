"""Binning against a plain reference: the same bins, however the stream is cut into packets."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from nodes.bins import Bins
from pipeline.binning import Binner, Field, bin_events, wire_of
from pipeline.events import WIRE_EVENT, Events, pack
from pipeline.packets import EventHeader, EventPacket, SpikePacket
from tests.strategies import cut, cuts, event_packet, events_of, random_events, recordings

W, H, LENGTH = 9, 7, 5000


def reference(
    events: Events, bin_us: int, n_bins: int, field: Field, binary: bool = False
) -> NDArray[np.int64]:
    """Dense bins ``[n_bins, 2, H, W]``, event by event as anyone would write it down."""
    x0, y0, width, height, pool = field
    frames = np.zeros((n_bins, 2, height, width), np.int64)
    for event in events:
        t, x, y, p = (int(event[name]) for name in ("t", "x", "y", "p"))
        column, row = (x - x0) // pool, (y - y0) // pool
        if 0 <= column < width and 0 <= row < height:
            frames[t // bin_us, p, row, column] += 1
    return np.minimum(frames, 1 if binary else 255)


def dense(bins: Any, field: Field) -> NDArray[np.int64]:
    """Sparse bins as dense ones; every entry must be there once and say something."""
    n_bins = len(bins.offsets) - 1
    offsets = bins.offsets.astype(np.int64)
    assert offsets[0] == 0
    assert offsets[-1] == len(bins.index) == len(bins.count)
    assert (np.diff(offsets) >= 0).all()
    frames = np.zeros((n_bins, 2 * field.height * field.width), np.int64)
    for k in range(n_bins):
        part = slice(offsets[k], offsets[k + 1])
        assert len(set(bins.index[part].tolist())) == len(bins.index[part])
        frames[k, bins.index[part]] = bins.count[part]
    assert (bins.count > 0).all()
    return frames.reshape(n_bins, 2, field.height, field.width)


FIELDS = st.builds(
    Field,
    x0=st.integers(-12, 12),
    y0=st.integers(-12, 12),
    width=st.integers(1, 12),
    height=st.integers(1, 12),
    pool=st.integers(1, 4),
)
BIN_US = st.sampled_from([1, 7, 100, 999, 1000, 2500, 5000])


@given(recordings(width=W, height=H, length_us=LENGTH), BIN_US, FIELDS, st.booleans())
def test_bins_are_those_of_the_reference(
    events: Events, bin_us: int, field: Field, binary: bool
) -> None:
    n_bins = -(-LENGTH // bin_us)
    binner = Binner(field, binary=binary)
    wire = pack(events, 0)
    wire.flags.writeable = False
    for _ in range(2):
        bins = binner.bin(wire, 0, bin_us, n_bins)
        np.testing.assert_array_equal(
            dense(bins, field), reference(events, bin_us, n_bins, field, binary)
        )
    inside = reference(events, LENGTH, 1, Field(*field), False).sum()
    assert binner.outside == 2 * (len(events) - inside)


@given(recordings(width=W, height=H, length_us=LENGTH, ordered=False), BIN_US, FIELDS)
def test_events_out_of_order_are_brought_into_order(
    events: Events, bin_us: int, field: Field
) -> None:
    n_bins = -(-LENGTH // bin_us)
    binner = Binner(field)
    bins = binner.bin(pack(events, 0), 0, bin_us, n_bins)
    np.testing.assert_array_equal(dense(bins, field), reference(events, bin_us, n_bins, field))
    assert binner.unordered == int((np.diff(events["t"]) < 0).any())


@pytest.mark.parametrize("few", [True, False])
@pytest.mark.parametrize("pool", [1, 2])
def test_entries_stand_in_order_of_their_first_event(few: bool, pool: int) -> None:
    events = events_of([0, 1, 2, 3], [5, 1, 5, 3], [0, 0, 0, 0], [0, 0, 0, 1])
    bins = Binner(Field(0, 0, 8, 4, pool)).bin(pack(events, 0), 0, 10, 1000 if few else 1)
    expected = [5 // pool, 1 // pool, 32 + 3 // pool]
    assert bins.index.tolist() == expected
    assert bins.count.tolist() == [2, 1, 1]


@pytest.mark.parametrize("n", [254, 255, 256, 1000])
@pytest.mark.parametrize("n_bins", [1, 100])
def test_counts_are_saturated_at_255(n: int, n_bins: int) -> None:
    wire = pack(events_of([0] * n, [1] * n, [1] * n, [1] * n), 0)
    bins = Binner(Field(0, 0, 3, 3, 1)).bin(wire, 0, 10, n_bins)
    assert bins.count.tolist() == [min(n, 255)]
    bins = Binner(Field(0, 0, 3, 3, 1), binary=True).bin(wire, 0, 10, n_bins)
    assert bins.count.tolist() == [1]


def test_events_after_the_last_bin_are_in_the_last() -> None:
    wire = pack(events_of([5, 25, 2**32 - 1], [0, 1, 2], [0, 0, 0], [0, 0, 0]), 0)
    for n_bins, expected in ((2, [0, 1, 3]), (1, [0, 3])):
        bins = Binner(Field(0, 0, 3, 3, 1)).bin(wire, 0, 10, n_bins)
        assert bins.offsets.tolist() == expected


@given(
    st.lists(
        st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1), st.integers(0, 2**16 - 1)),
        max_size=150,
    ),
    FIELDS | st.just(Field(2**15 - 1, 2**15 - 1, 2, 2, 1)) | st.just(Field(0, 0, 400, 1, 64)),
    st.integers(1, 2**32),
    st.sampled_from([1, 2, 50, 1000]),
)
def test_no_event_whatever_it_says_leaves_the_memory(
    events: list[tuple[int, int, int]], field: Field, bin_us: int, n_bins: int
) -> None:
    """Lies of the wire: coordinates off the sensor, times off the interval, no order."""
    wire = np.array(events, WIRE_EVENT)
    binner = Binner(field)
    bins = binner.bin(wire, 0, bin_us, n_bins)
    assert len(bins.index) <= len(wire)
    assert (bins.index < 2 * field.width * field.height).all()
    frames = dense(bins, field)
    assert not binner._frame.any(), "the scratch memory is left clean"
    assert int(bins.count.sum()) + binner.outside == len(wire)
    assert frames.sum() == bins.count.sum()


def test_a_whole_recording() -> None:
    events = random_events(3000, W, H, LENGTH)
    events["t"] += 100
    field = Field(0, 0, W, H, 1)
    bins = bin_events(events, H, W, 500, 8, t_begin=600)
    seen = events[(events["t"] >= 600) & (events["t"] < 4600)]
    seen["t"] -= 600
    np.testing.assert_array_equal(dense(bins, field), reference(seen, 500, 8, field))
    empty = bin_events(events[:0], H, W, 500, 8)
    assert empty.offsets.tolist() == [0] * 9


def test_buffers_are_copied_only_where_they_must_be() -> None:
    wire = pack(random_events(10, W, H, LENGTH), 0)
    assert wire_of(wire) is wire
    shifted = np.frombuffer(b"\0" + wire.tobytes(), WIRE_EVENT, offset=1)
    again = wire_of(shifted)
    assert again.flags.aligned
    np.testing.assert_array_equal(again, wire)
    np.testing.assert_array_equal(wire_of(wire[::2]), wire[::2])


# The node.


def whole(packets: list[Any], field: Field) -> NDArray[np.int64]:
    """The dense bins of all packets in a row; their intervals must join."""
    for before, after in pairwise(packets):
        assert before.header.t_end == after.header.t_begin
    frames = [dense(packet, field) for packet in packets]
    return np.concatenate(frames) if frames else np.zeros((0, 2, field.height, field.width))


@given(
    recordings(width=W, height=H, length_us=LENGTH),
    cuts(LENGTH),
    BIN_US,
    st.integers(1, 3),
    st.sampled_from([(1, None, None), (2, None, None), (1, 5, 4), (2, 3, 2), (1, 20, 20)]),
    st.booleans(),
)
def test_any_cut_of_a_stream_gives_the_same_bins(
    events: Events,
    bounds: list[int],
    bin_us: int,
    several: int,
    view: tuple[int, int | None, int | None],
    binary: bool,
) -> None:
    pool, width, height = view
    node = Bins(
        bin_us=bin_us,
        window_us=bin_us * several,
        pool=pool,
        width=width,
        height=height,
        mode="binary" if binary else "count",
    )
    packets = list(node(cut(events, bounds, W, H)))
    columns, rows = width or W // pool, height or H // pool
    field = Field((W - columns * pool) // 2, (H - rows * pool) // 2, columns, rows, pool)
    n_bins = LENGTH // (bin_us * several) * several
    done = events[events["t"] < n_bins * bin_us]
    np.testing.assert_array_equal(
        whole(packets, field), reference(done, bin_us, n_bins, field, binary)
    )
    for packet in packets:
        head = packet.header
        assert (head.channels, head.height, head.width, head.bin_us) == (2, rows, columns, bin_us)
        assert head.n_bins % several == 0
        packet.check(len(bytes(packet.payload)))
    if not binary and n_bins:
        counted = sum(int(packet.count.sum()) for packet in packets)
        assert counted + node.outside == len(done)


def test_silence_gives_bins_too() -> None:
    node = Bins()
    packets = list(node(event_packet(events_of([], [], [], []), t, t + 2500) for t in (0, 2500)))
    assert [(p.header.t_begin, p.header.t_end, p.header.n) for p in packets] == [
        (0, 2000, 0),
        (2000, 5000, 0),
    ]


def test_bins_leave_as_soon_as_their_time_has_passed() -> None:
    node = Bins(bin_us=1000)
    node.start()
    ends = (300, 999, 1000, 1500, 2000, 5100)
    got = [
        [q.header.n_bins for q in node.process(event_packet(events_of([], [], [], []), a, b))]
        for a, b in zip((0, *ends), ends, strict=False)
    ]
    assert got == [[], [], [1], [], [1], [3]]


def test_a_reset_begins_the_bins_anew() -> None:
    events = random_events(400, W, H, 3000)
    first = event_packet(events, 0, 1300, W, H)
    second = event_packet(events, 1300, 3000, W, H, reset=True)
    out = list(Bins(bin_us=500)([first, second]))
    assert [(p.header.t_begin, p.header.t_end, p.header.reset) for p in out] == [
        (0, 1000, False),
        (1300, 2800, True),
    ]
    late = events[(events["t"] >= 1300) & (events["t"] < 2800)]
    late["t"] -= 1300
    field = Field(0, 0, W, H, 1)
    np.testing.assert_array_equal(dense(out[1], field), reference(late, 500, 3, field))


def test_the_label_and_the_birth_go_on() -> None:
    packet = event_packet(
        events_of([1], [1], [1], [1]), 0, 1000, W, H, label=3, sample="a", born_ns=9
    )
    (out,) = Bins()([packet])
    assert (out.header.label, out.header.sample, out.header.born_ns) == (3, "a", 9)


@pytest.mark.parametrize("length", [2**16, 2**16 + 1, 3 * 2**16])
def test_a_long_packet_is_given_in_parts(length: int) -> None:
    events = random_events(2000, W, H, length)
    packets = list(Bins(bin_us=1)([event_packet(events, 0, length, W, H)]))
    assert all(1 <= packet.header.n_bins <= 2**16 for packet in packets)
    assert packets[-1].header.t_end == length
    assert sum(packet.header.n_bins for packet in packets) == length
    for packet in packets:
        t = np.repeat(np.arange(packet.header.n_bins), np.diff(packet.offsets.astype(np.int64)))
        times = np.unique(t + packet.header.t_begin)
        inside = (events["t"] >= packet.header.t_begin) & (events["t"] < packet.header.t_end)
        np.testing.assert_array_equal(times, np.unique(events["t"][inside]))


def test_a_fixed_place_on_the_sensor() -> None:
    events = events_of([0, 0, 0], [2, 3, 8], [1, 1, 1], [0, 0, 1])
    (out,) = Bins(x0=2, y0=1, width=2, height=1)([event_packet(events, 0, 1000, W, H)])
    assert out.index.tolist() == [0, 1]
    (out,) = Bins(x0=-1, y0=0, width=4, height=2)([event_packet(events, 0, 1000, W, H)])
    assert sorted(out.index.tolist()) == [4 + 3]


def test_what_is_out_of_view_is_counted_over_all_sensors() -> None:
    node = Bins(width=2, height=2)
    node.start()
    for t, side in ((0, 4), (1000, 6)):
        events = events_of([t, t], [0, side // 2], [0, side // 2], [0, 0])
        list(node.feed(event_packet(events, t, t + 1000, side, side)))
    assert node.outside == 2


def test_a_sensor_of_another_size_is_looked_at_anew() -> None:
    node = Bins(width=4, height=4)
    out = list(
        node(event_packet(events_of([t], [x], [x], [0]), t, t + 1000, side, side)
             for t, side, x in ((0, 8, 2), (1000, 100, 50), (2000, 8, 5)))
    )  # fmt: skip
    assert [packet.index.tolist() for packet in out] == [[0], [4 * 2 + 2], [4 * 3 + 3]]
    assert node.outside == 0
    assert [packet.header.reset for packet in out] == [False, True, True]


# Streams that lie.


def lying(t_begin: int, t_end: int, dts: list[int], **head: Any) -> EventPacket:
    """A packet whose events do not keep to its interval."""
    wire = np.zeros(len(dts), WIRE_EVENT)
    wire["dt"] = dts
    header = EventHeader(t_begin=t_begin, t_end=t_end, width=W, height=H, n=len(dts), **head)
    return EventPacket(header, wire.tobytes())


@given(
    st.lists(
        st.tuples(
            st.integers(-10_000, 10_000) | st.integers(-(2**40), 2**40),
            st.integers(0, 10_000) | st.sampled_from([2**31, 2**32 - 1]),
            st.lists(st.integers(0, 20_000) | st.integers(0, 2**32 - 1), max_size=5),
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from([(10**6, None), (10**6, 7 * 10**6), (10**7, None), (10**7, 36 * 10**8)]),
)
def test_any_sequence_of_packets_is_survived(
    packets: list[tuple[int, int, list[int]]], times: tuple[int, int | None]
) -> None:
    bin_us, window = times
    node = Bins(bin_us=bin_us, window_us=window)
    out = list(node(lying(a, a + length, dts) for a, length, dts in packets))
    for packet in out:
        packet.check(len(bytes(packet.payload)))
    for before, after in pairwise(out):
        joined = before.header.t_end == after.header.t_begin
        assert joined or after.header.reset, "bins that do not join the ones before say so"
    # No packet gives more than its own length and the bin that was open.
    total = sum(length for _, length, _ in packets)
    assert sum(p.header.t_end - p.header.t_begin for p in out) <= total + len(packets) * 2**32


def test_a_leap_ahead_in_time_is_a_gap() -> None:
    """Silence for years is not what a packet from the future tells."""
    node = Bins()
    out = list(node([lying(0, 1000, [5]), lying(2**61, 2**61 + 1000, [5])]))
    assert [(p.header.t_begin, p.header.reset) for p in out] == [(0, False), (2**61, True)]


def test_a_step_back_in_time_is_a_gap() -> None:
    node = Bins()
    out = list(node([lying(5000, 6000, [5]), lying(0, 1000, [5])]))
    assert [(p.header.t_begin, p.header.reset) for p in out] == [(5000, False), (0, True)]


def test_packets_that_overlap_are_joined() -> None:
    node = Bins(bin_us=1000, window_us=3000)
    out = list(node([lying(0, 100, [99]), lying(1000, 2000, [5]), lying(500, 3000, [10, 2400])]))
    (packet,) = out
    assert isinstance(packet, SpikePacket)
    assert packet.offsets.tolist() == [0, 1, 2, 3]
    assert packet.count.tolist() == [2, 1, 1]
