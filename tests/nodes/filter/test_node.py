"""filter in its place: off by default, live settings, resets, other sensors, facts, graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nodes.bins import Bins
from nodes.filter import (
    Filter,
    background,
    crop,
    hot,
    limit,
    noise,
    orient,
    polarity,
    pool,
    refractory,
)
from nodes.infer import Infer
from nodes.source import Source
from pipeline import EventPacket, PredictionPacket
from pipeline.errors import SettingError
from pipeline.packets import EventHeader
from pipeline.tuning import tune
from tests.strategies import cut, event_packet, events_of, random_events

W, H = 12, 10


def feed(node: Filter, *packets: EventPacket) -> list[EventPacket]:
    node.start()
    found = []
    for packet in packets:
        for out in node.feed(packet):
            assert isinstance(out, EventPacket)
            found.append(out)
    return found


def test_off_is_off() -> None:
    packets = cut(random_events(400, 40, 40, 3000), [1000, 1500, 3000], W, H)
    found = feed(Filter(), *packets)
    for before, after in zip(packets, found, strict=True):
        assert after.payload is before.payload
        assert after.header.stream == "filter/events"
        for name in ("t_begin", "t_end", "n", "width", "height", "born_ns", "sample", "reset"):
            assert getattr(after.header, name) == getattr(before.header, name)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"crop": "1,2,3"}, "is not x0,y0,width,height: whole numbers, such as 10,10,34,34"),
        ({"crop": "0,0,0,5"}, "is not x0,y0,width,height"),
        ({"crop": "-1,0,5,5"}, "is not x0,y0,width,height"),
        ({"crop": "0,0,5,99999"}, "is not x0,y0,width,height"),
        ({"rotate": 45}, "rotate = 45 is not one of 0, 90, 180, 270"),
        ({"pool": 0}, "pool = 0 is not a whole number at least 1 and at most 64"),
        ({"noise_per_pixel": -1.0}, "noise_per_pixel = -1.0 is not a number at least 0"),
        ({"noise_per_pixel": float("nan")}, "is not a number"),
        ({"background_us": 2**31}, "background_us = 2147483648 is not"),
        ({"limit_hz": 2**31}, "limit_hz = 2147483648 is not"),
    ],
)
def test_settings_out_of_range(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        Filter(**values)


def test_every_setting_is_live_and_a_wrong_one_changes_nothing() -> None:
    node = Filter(crop="1,1,5,5")
    assert node.live == set(node.settings.__struct_fields__)
    feed(node, event_packet(random_events(10, W, H, 1000), 0, 1000, W, H))
    for key, value in (("crop", "1,1"), ("rotate", "45"), ("pool", "0"), ("noise_hz", "nan")):
        with pytest.raises(SettingError):
            tune(node, key, value)
    (out,) = feed(node, event_packet(random_events(10, W, H, 1000), 1000, 2000, W, H))
    assert (out.header.width, out.header.height) == (5, 5)
    assert not out.header.reset


@pytest.mark.parametrize(
    ("key", "value", "size"),
    [
        ("crop", "2,3,4,5", (4, 5)),
        ("crop", "0,0,12,9", (12, 9)),
        ("pool", "2", (6, 5)),
        ("pool", "64", (1, 1)),
        ("rotate", "90", (10, 12)),
        ("rotate", "180", (12, 10)),
        ("flip", "both", (12, 10)),
    ],
)
def test_another_picture_is_another_stream(key: str, value: str, size: tuple[int, int]) -> None:
    events = random_events(200, W, H, 5000)
    packets = cut(events, [1000, 2000, 3000, 4000, 5000], W, H)
    node = Filter(background_us=10**6)
    before = feed(node, *packets[:2])
    tune(node, key, value)
    after = feed(node, *packets[2:])
    assert {(p.header.width, p.header.height) for p in before} == {(W, H)}
    assert {(p.header.width, p.header.height) for p in after} == {size}
    assert [p.header.reset for p in (*before, *after)] == [True, False, True, False, False]
    # What the stages knew of the other picture is forgotten.
    fresh = feed(Filter(background_us=10**6, **{key: _typed(value)}), *packets[2:])
    assert [p.events.tolist() for p in after] == [p.events.tolist() for p in fresh]


def _typed(value: str) -> object:
    return int(value) if value.isdigit() else value


@pytest.mark.parametrize("key", ["refractory_us", "polarity", "limit_hz", "noise_hz", "hot_pixels"])
def test_other_settings_go_on_without_a_reset(key: str) -> None:
    packets = cut(random_events(200, W, H, 3000), [1000, 2000, 3000], W, H)
    node = Filter(background_us=10**6)
    value = {"polarity": "on", "hot_pixels": "true"}.get(key, "100")
    first = feed(node, packets[0])
    tune(node, key, value)
    rest = feed(node, *packets[1:])
    assert [p.header.reset for p in (*first, *rest)] == [True, False, False]


@pytest.mark.parametrize(
    "values",
    [
        {"background_us": 10**6},
        {"refractory_us": 10**6},
        {"pool": 3, "pool_count": 3},
        {"pool": 2, "pool_refractory_us": 10**6},
        {"limit_hz": 1000, "limit_burst_us": 10**6},
    ],
)
def test_a_reset_forgets(values: dict[str, Any]) -> None:
    events = random_events(300, W, H, 1000, seed=3)
    later = events.copy()
    later["t"] += 1000
    again = event_packet(later, 1000, 2000, W, H, reset=True)
    first, second = feed(Filter(**values), event_packet(events, 0, 1000, W, H), again)
    assert second.header.reset
    assert second.wire.tolist() == first.wire.tolist()


def test_time_that_steps_back_and_another_sensor_are_resets() -> None:
    events = random_events(300, W, H, 1000, seed=3)
    node = Filter(background_us=10**6)
    packet = event_packet(events, 0, 1000, W, H)
    first, back, other = feed(node, packet, packet, event_packet(events, 1000, 2000, 9, H))
    assert [p.header.reset for p in (first, back, other)] == [False, True, True]
    assert back.wire.tolist() == first.wire.tolist()
    assert (other.header.width, other.header.height) == (9, H)


def beating(t: int) -> EventPacket:
    """A second in which pixel (3, 4) fires 100 times and those of a bar 60 times each."""
    times = np.linspace(t, t + 999_999, 100).astype(int)
    bar = np.linspace(t, t + 999_999, 60).astype(int)
    parts = [events_of(times, [3] * 100, [4] * 100, [1] * 100)]
    parts += [events_of(bar, [x] * 60, [y] * 60, [0] * 60) for x in (8, 9) for y in (2, 3, 4)]
    events = np.concatenate(parts).astype(parts[0].dtype)
    return event_packet(events[np.argsort(events["t"], kind="stable")], t, t + 10**6, W, H)


def test_hot_pixels_are_learnt_kept_over_resets_and_learnt_anew() -> None:
    node = Filter(hot_pixels=True)
    (first,) = feed(node, beating(0))
    assert first.size == 460
    assert node.facts() == {"in": 460, "out": 460, "dropped_hot": 0, "dropped_outside": 0,
                            "hot_pixels": 1, "hot_mask": "3,4"}  # fmt: skip
    again = beating(10**6)
    again.header.reset = True
    (second,) = feed(node, again)
    assert second.size == 360
    assert set(second.events["x"].tolist()) == {8, 9}
    # The mask is of the sensor's pixels: it holds whatever is cut out of it.
    tune(node, "crop", "2,2,8,8")
    (third,) = feed(node, beating(2 * 10**6))
    assert third.size == 360
    tune(node, "crop", "")
    tune(node, "relearn_hot_pixels", "")
    assert node.facts()["hot_learnt_s"] == 0
    (fourth,) = feed(node, beating(3 * 10**6))
    assert fourth.size == 460
    assert node.facts()["hot_mask"] == "3,4"
    tune(node, "hot_hz", "200")
    feed(node, beating(4 * 10**6))
    assert node.facts()["hot_pixels"] == 0
    tune(node, "hot_pixels", "false")
    (last,) = feed(node, beating(5 * 10**6))
    assert last.size == 460


def test_learning_goes_on_over_resets_and_begins_anew_with_another_sensor() -> None:
    node = Filter(hot_pixels=True, hot_learn_ms=2000)
    one, two = beating(0), beating(10**6)
    two.header.reset = True
    feed(node, one)
    assert node.facts()["hot_learnt_s"] == 1
    feed(node, two)
    assert node.facts()["hot_pixels"] == 1
    feed(node, event_packet(two.events, 2 * 10**6, 3 * 10**6, W + 1, H))
    assert node.facts()["hot_learnt_s"] == 1
    with pytest.raises(SettingError, match="'melt' is nothing that it does"):
        node.act("melt", "")


def test_a_long_mask_is_cut_short_in_words_alone() -> None:
    node = Filter(hot_pixels=True, hot_hz=1.0)
    grid = [(x, y) for x in range(1000, 1160, 3) for y in range(600, 660, 3)]
    n = len(grid)
    events = events_of(
        np.arange(2 * n) * 100, [x for x, _ in grid] * 2, [y for _, y in grid] * 2, [1] * 2 * n
    )
    feed(node, event_packet(events, 0, 10**6, 1460, 720))
    facts = node.facts()
    assert facts["hot_pixels"] == n
    assert len(str(facts["hot_mask"])) <= 600
    assert str(facts["hot_mask"]).endswith("...")


def test_words_for_what_lets_nothing_through() -> None:
    node = Filter(crop="50,50,4,4")
    node.start()
    assert node.words() == []
    (out,) = feed(node, event_packet(random_events(20, W, H, 1000), 0, 1000, W, H))
    assert (out.size, out.header.width, out.header.height) == (0, 1, 1)
    assert node.words() == [
        "crop = 50,50,4,4 lies outside the sensor of 12×10 pixels: nothing is left"
    ]
    tune(node, "crop", "1,1,4,4")
    assert node.words() == []


def test_a_sensor_that_cannot_be_costs_no_memory() -> None:
    node = Filter(background_us=1000, hot_pixels=True)
    header = EventHeader(t_begin=0, t_end=1000, width=2**15, height=2**15, n=1)
    assert feed(node, EventPacket(header, bytes(8))) == []
    assert node.facts()["dropped_too_large"] == 1
    assert "16,777,216 pixels" in node.words()[0]


def test_silence_goes_through_a_filter() -> None:
    for values in ({}, {"background_us": 100}, {"pool": 2, "limit_hz": 5}):
        packets = [event_packet(random_events(0, W, H, 1), t, t + 1000, W, H) for t in (0, 1000)]
        found = feed(Filter(**values), *packets)
        assert [(p.header.t_begin, p.header.t_end, p.size) for p in found] == [
            (0, 1000, 0),
            (1000, 2000, 0),
        ]


def test_everything_is_compiled_before_the_first_event() -> None:
    """Packets from a socket cannot be written to, those of this process can: both are ready."""
    node = Filter()
    node.start()
    kernels = [
        hot.count, hot.mask, hot.stand_out, crop.crop, refractory.rest, background.support,
        polarity.select, polarity.merge, pool.pool, orient.orient, noise.draw, noise.merge,
        limit.limit,
    ]  # fmt: skip
    before = [len(kernel.signatures) for kernel in kernels]
    settings = {
        "hot_pixels": "true", "hot_learn_ms": "1", "crop": "1,1,8,8", "refractory_us": "10",
        "background_us": "900", "pool": "2", "pool_count": "2", "pool_refractory_us": "1",
        "flip": "both", "rotate": "270", "noise_per_pixel": "0.5", "limit_hz": "100000",
    }  # fmt: skip
    for key, value in settings.items():
        tune(node, key, value)
    for k, kind in enumerate(("merge", "on", "off")):
        tune(node, "polarity", kind)
        events = random_events(500, W, H, 2000)
        events["t"] += k * 2000
        packet = event_packet(events, k * 2000, (k + 1) * 2000, W, H)
        feed(node, packet)
        later = EventPacket(packet.header, packet.wire.tobytes())
        feed(node, later)
    assert [len(kernel.signatures) for kernel in kernels] == before


def test_a_noisy_recording_through_the_whole_graph_is_answered() -> None:
    source = Source(path="samples", split="Test", pace="fast", limit=3)
    node = Filter(noise_per_pixel=0.5, background_us=5000)
    packets = Infer(every_ms=0)(Bins(width=34, height=34)(node(source)))
    answers = [p for p in packets if isinstance(p, PredictionPacket)]
    assert [p.header.final for p in answers] == [True] * 3
    assert sum(p.header.answer == p.header.label for p in answers) >= 2
