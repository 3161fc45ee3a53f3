"""The filter's kernels do what plain Python does, event by event, however the stream is cut."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.filter import Filter, FilterSettings
from nodes.filter.chain import Chain
from nodes.filter.crop import crop
from nodes.filter.limit import Limit
from nodes.filter.stage import DAWN, Span
from pipeline import EventPacket, Packet
from pipeline.events import Events
from tests.nodes.filter.plain import Event, Plain, hot
from tests.strategies import cut, cuts, event_packet, events_of, random_events, recordings

W, H, LENGTH = 13, 9, 6_000


def tuples(events: Events) -> list[Event]:
    return [(int(e["t"]), int(e["x"]), int(e["y"]), int(e["p"])) for e in events]


def through(node: Filter, packets: list[EventPacket]) -> list[EventPacket]:
    node.start()
    found = []
    for packet in packets:
        for out in node.feed(packet):
            assert isinstance(out, EventPacket)
            out.check(len(out.wire) * 8)
            found.append(out)
    return found


def joined(packets: list[EventPacket]) -> list[Event]:
    return [event for packet in packets for event in tuples(packet.events)]


sides = st.integers(1, 20)
columns, rows = st.integers(0, W - 1), st.integers(0, H - 1)
chains = st.fixed_dictionaries(
    {},
    optional={
        "crop": st.builds("{},{},{},{}".format, columns, rows, sides, sides),
        "refractory_us": st.integers(0, 3000),
        "background_us": st.integers(0, 6000),
        "polarity": st.sampled_from(["both", "on", "off", "merge"]),
        "pool": st.integers(1, 5),
        "pool_count": st.integers(1, 4),
        "pool_refractory_us": st.integers(0, 2000),
        "flip": st.sampled_from(["none", "horizontal", "vertical", "both"]),
        "rotate": st.sampled_from([0, 90, 180, 270]),
        "limit_hz": st.sampled_from([0, 1, 999, 5_000, 20_000]),
        "limit_burst_us": st.sampled_from([1, 500, 1000, 4000]),
    },
)  # fmt: skip


@settings(max_examples=150)
@given(recordings(width=W, height=H, length_us=LENGTH), cuts(LENGTH), chains)
def test_any_chain_is_the_plain_one(
    events: Events, bounds: list[int], values: dict[str, Any]
) -> None:
    plain = Plain(FilterSettings(**values), W, H)
    expected = [out for event in tuples(events) if (out := plain.one(event)) is not None]
    node = Filter(**values)
    packets = through(node, cut(events, bounds, W, H))
    assert joined(packets) == expected
    assert [(p.header.t_begin, p.header.t_end) for p in packets] == [
        (a, b) for a, b in zip([0, *bounds[:-1]], bounds, strict=True)
    ]
    assert {(p.header.width, p.header.height) for p in packets} == {plain.size}
    facts = node.facts()
    assert facts["in"] == len(events)
    assert facts["out"] == len(expected)
    counted = {k[8:]: n for k, n in facts.items() if k.startswith("dropped_") and n}
    assert counted == +plain.dropped
    assert facts["in"] == facts["out"] + sum(plain.dropped.values())


@given(recordings(width=W, height=H, length_us=LENGTH), chains)
def test_the_packet_that_came_is_not_changed(events: Events, values: dict[str, Any]) -> None:
    packets = cut(events, [LENGTH], W, H)
    before = [bytes(packet.payload) for packet in packets]
    through(Filter(**values), packets)
    assert [bytes(packet.payload) for packet in packets] == before


@given(
    recordings(width=W, height=H, length_us=LENGTH, most=400),
    st.floats(0.001, 2000),
    st.floats(1, 10),
    cuts(LENGTH),
)
def test_hot_pixels_are_those_that_stand_out(
    events: Events, hz: float, factor: float, bounds: list[int]
) -> None:
    events["x"][: len(events) // 2] %= 3
    node = Filter(hot_pixels=True, hot_learn_ms=6, hot_hz=hz, hot_factor=factor)
    first = through(node, cut(events, bounds, W, H))
    assert joined(first) == tuples(events)
    seen = Counter((int(e["x"]), int(e["y"])) for e in events)
    found = hot(seen, W, H, hz * LENGTH / 1e6, factor)
    assert node._chain.hot.pixels == found
    facts = node.facts()
    assert facts["hot_pixels"] == len(found)
    assert facts["hot_mask"] == " ".join(f"{x},{y}" for x, y in found)
    again = through(node, [event_packet(events, 0, LENGTH, W, H)])
    kept = [e for e in tuples(events) if (e[1], e[2]) not in found]
    assert joined(again) == kept
    assert node.facts().get("dropped_hot", 0) == len(events) - len(kept)


def test_events_outside_their_sensor_are_dropped_and_counted() -> None:
    events = random_events(300, 40, 40, 1000)
    inside = (events["x"] < W) & (events["y"] < H)
    for values in ({"polarity": "merge"}, {"background_us": 10**8}, {"hot_pixels": True}):
        node = Filter(**values)
        through(node, cut(events, [500, 1000], W, H))
        assert node.facts()["dropped_outside"] == int((~inside).sum())


@pytest.mark.parametrize("kind", ["none", "all", "some"])
def test_crop_by_either_way(kind: str) -> None:
    x = {"none": [0, 1, 12], "all": [3, 4, 5], "some": [3, 9, 5]}[kind]
    words = np.array([(v << 32) | (4 << 49) | (1 << 48) | v for v in x], np.int64)
    kept = crop(words, 3, 3, 2, 4, 4)
    assert [(int(w >> 32) & 0xFFFF, int(w >> 49) & 0x7FFF) for w in words[:kept]] == [
        (v - 3, 2) for v in x if 3 <= v < 7
    ]
    assert [int(w) & 0xFFFFFFFF for w in words[:kept]] == [v for v in x if 3 <= v < 7]


@given(st.integers(1, 64), st.integers(0, 2**15 - 1))
def test_squares_at_any_place_of_the_largest_sensor(side: int, at: int) -> None:
    chain = Chain()
    chain.lay(FilterSettings(pool=side), (2**15, 64))
    chain.reset(0)
    found = chain.run(np.array([at << 32], np.int64), 0, 1)
    assert [(int(w) >> 32) & 0xFFFF for w in found] == [at // side] * (at // side < 2**15 // side)


@settings(max_examples=100)
@given(
    recordings(width=W, height=H, length_us=LENGTH, most=400),
    st.integers(1, 200_000),
    st.integers(1, 3000),
    cuts(LENGTH),
)
def test_in_no_time_do_more_events_pass_than_the_limit_allows(
    events: Events, hz: int, burst_us: int, bounds: list[int]
) -> None:
    node = Filter(limit_hz=hz, limit_burst_us=burst_us)
    times = [event[0] for event in joined(through(node, cut(events, bounds, W, H)))]
    for i, begin in enumerate(times):
        for j in range(i, len(times)):
            assert (j - i) <= hz * (times[j] - begin + burst_us) / 1e6 + 1


def test_a_limit_after_an_age_of_silence_is_a_limit() -> None:
    stage = Limit()
    stage.lay(FilterSettings(limit_hz=10**9, limit_burst_us=10**7), (W, H))
    assert stage._state[0] == 10**16
    stage._state[:] = 0, 0
    words = np.zeros(3, np.int64)
    assert stage.apply(words, 3, Span(0, 1, 2**32 - 1)) == 3
    assert 0 < stage._state[0] < 10**16


@pytest.mark.parametrize(
    "values",
    [{"refractory_us": 900}, {"background_us": 900}, {"pool": 2, "pool_refractory_us": 900}],
)
def test_the_clock_goes_on_for_hours(values: dict[str, Any]) -> None:
    """Times of pixels have 32 bits: over an hour of them is as good as a second."""
    part = random_events(300, W, H, LENGTH, seed=4)
    begins = [0, 10**6, 2**31, 2**32 - LENGTH // 2, 2**33, 3 * 2**33, 2**50]
    node = Filter(**values)
    got, expected = [], []
    plain = Plain(FilterSettings(**values), W, H)
    packets = []
    for begin in begins:
        events = part.copy()
        events["t"] += begin
        packets += [event_packet(events, begin, begin + LENGTH // 2, W, H)]
        packets += [event_packet(events, begin + LENGTH // 2, begin + LENGTH, W, H)]
        expected += [out for event in tuples(events) if (out := plain.one(event)) is not None]
    got = joined(through(node, packets))
    assert got == expected
    assert node._chain._epoch > DAWN


@pytest.mark.parametrize("values", [{"refractory_us": 900}, {"background_us": 900}])
def test_an_interval_of_an_hour_is_worked_off_in_parts(values: dict[str, Any]) -> None:
    length = 2**32 - 1
    t = np.sort(np.random.default_rng(1).integers(0, 2000, 200))
    t = np.concatenate([t, t + 2**31 - 1000, t + 2**32 - 2001])
    rng = np.random.default_rng(2)
    events = events_of(t, rng.integers(0, 4, 600), rng.integers(0, 4, 600), rng.integers(0, 2, 600))
    plain = Plain(FilterSettings(**values), W, H)
    expected = [out for event in tuples(events) if (out := plain.one(event)) is not None]
    packets = through(Filter(**values), [event_packet(events, 0, length, W, H)])
    assert joined(packets) == expected
    assert packets[0].header.t_begin == 0
    assert packets[-1].header.t_end == length
    for before, after in pairwise(packets):
        assert before.header.t_end == after.header.t_begin


@given(recordings(width=W, height=H, length_us=LENGTH, ordered=False), chains)
def test_events_out_of_order_break_nothing(events: Events, values: dict[str, Any]) -> None:
    node = Filter(**values, noise_per_pixel=0.5)
    packets: list[Packet] = list(node(cut(events, [LENGTH], W, H)))
    facts = node.facts()
    dropped = sum(int(n) for k, n in facts.items() if k.startswith("dropped_"))
    assert facts["in"] + facts["noise_added"] == facts["out"] + dropped
    assert sum(packet.size for packet in packets) == facts["out"]
