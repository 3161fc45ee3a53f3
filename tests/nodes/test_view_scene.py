"""What the viewer shows, without Qt: picture, opinions, rates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from nodes.view.palette import DEFAULT, PALETTES
from nodes.view.scene import Scene
from nodes.view.tracks.meter import SLOT_MS, SLOTS
from nodes.view.tracks.show import MAX_PIXELS, Show
from nodes.view.tracks.state import state_of
from pipeline import EventPacket, PredictionPacket
from pipeline.events import WIRE_EVENT
from pipeline.packets import EventHeader, PredictionHeader
from pipeline.status import NodeStatus
from tests.strategies import ERA, event_packet, events_of

ON, OFF, GROUND = PALETTES[DEFAULT].dark
SECOND = 1_000_000_000


def shot(
    *rows: tuple[int, int, int, int], t_begin: int = 0, t_end: int = 1000, **head: object
) -> EventPacket:
    t, x, y, p = zip(*rows, strict=True) if rows else ((), (), (), ())
    return event_packet(events_of(t, x, y, p), t_begin, t_end, **head)


def opinion(
    answer: int,
    label: int | None = 3,
    *,
    ms: int = 300,
    begin_us: int = 0,
    final: bool = True,
    spikes: int = 7,
    sample: str | None = "a.bin",
) -> PredictionPacket:
    counts = np.zeros(10, np.int64)
    counts[answer] = spikes
    header = PredictionHeader(
        t_begin=begin_us, t_end=begin_us + ms * 1000, classes=tuple(range(10)), answer=answer,
        final=final, window_us=300_000, label=label, sample=sample,
    )  # fmt: skip
    return PredictionPacket.of(counts, counts.astype(np.float32), header)


def colours(scene: Scene) -> NDArray[np.uint8]:
    """Return the picture as ``[H, W, 3]`` RGB."""
    picture = scene.picture()
    assert (picture >> 24 == 0xFF).all()
    return np.stack([picture >> shift & 0xFF for shift in (16, 8, 0)], -1).astype(np.uint8)


def dark(scene: Scene) -> bool:
    return bool((colours(scene) == GROUND).all())


def test_fresh_events_have_their_colour_and_old_ones_fade() -> None:
    scene = Scene(Show(fade_ms=10))
    scene.add_events(shot((1000, 3, 5, 1), (1000, 4, 5, 0), t_end=1001), 0)
    picture = colours(scene)
    assert picture.shape == (34, 34, 3)
    assert tuple(picture[5, 3]) == pytest.approx(ON, abs=1)
    assert tuple(picture[5, 4]) == pytest.approx(OFF, abs=1)
    assert tuple(picture[0, 0]) == GROUND
    scene.add_events(shot(t_begin=1001, t_end=11_000), 0)
    faded = colours(scene)[5, 3].astype(float) - GROUND
    assert faded == pytest.approx((np.array(ON) - GROUND) * np.exp(-1), abs=3)
    scene.add_events(shot(t_begin=11_000, t_end=200_000), 0)
    assert dark(scene)


def test_the_last_event_of_a_pixel_is_the_one_that_is_seen() -> None:
    scene = Scene()
    scene.add_events(shot((10, 3, 5, 1), (20, 3, 5, 0), t_end=21), 0)
    assert tuple(colours(scene)[5, 3]) == pytest.approx(OFF, abs=1)
    scene.add_events(shot((30, 3, 5, 1), t_begin=21, t_end=31), 0)
    assert tuple(colours(scene)[5, 3]) == pytest.approx(ON, abs=1)


@given(st.data(), st.integers(1, 40), st.integers(1, 40), st.integers(-ERA, ERA))
def test_any_bytes_are_drawn_where_they_say_or_not_at_all(
    data: st.DataObject, width: int, height: int, t_begin: int
) -> None:
    raw = data.draw(st.binary(max_size=400))
    # Arbitrary bytes hardly ever hit a small sensor: half of the events are moved there.
    wire = np.frombuffer(raw[: len(raw) // 8 * 8], WIRE_EVENT).copy()
    wire["x"][::2] %= width
    wire["yp"][::2] %= 2 * height
    head = EventHeader(t_begin=t_begin, t_end=t_begin, width=width, height=height, n=len(wire))
    scene = Scene()
    scene.add_events(EventPacket(head, wire.tobytes()), 0)
    expected = np.full((height, width, 3), GROUND, np.uint8)
    for _, x, yp in wire.tolist():
        if x < width and yp >> 1 < height:
            expected[yp >> 1, x] = ON if yp & 1 else OFF
    # No event may be later than its packet's end: all of these are as fresh as can be.
    assert (colours(scene) == expected).all()


def test_an_event_that_claims_the_future_fades_like_the_packets_last() -> None:
    scene = Scene(Show(fade_ms=1))
    wire = np.array([(2**32 - 1, 1, 2 << 1 | 1)], WIRE_EVENT)
    head = EventHeader(t_begin=0, t_end=1000, width=4, height=4, n=1)
    scene.add_events(EventPacket(head, wire), 0)
    assert tuple(colours(scene)[2, 1]) == ON
    scene.add_events(shot(t_begin=1000, t_end=20_000, width=4, height=4), 0)
    assert dark(scene)


def test_a_gap_leaves_the_picture_a_new_sample_does_not() -> None:
    scene = Scene()
    scene.add_events(shot((1, 1, 1, 1), sample="a", label=3), 0)
    scene.add_events(shot(t_begin=5000, t_end=6000, sample="a", label=3, reset=True), 0)
    assert not dark(scene)
    scene.add_events(shot(t_begin=6000, t_end=7000, sample="b", label=3, reset=True), 0)
    assert dark(scene)


@pytest.mark.parametrize("t_begin", [-5000, -ERA, ERA])
def test_the_picture_begins_anew_where_time_jumps(t_begin: int) -> None:
    scene = Scene()
    scene.add_events(shot((1, 1, 1, 1)), 0)
    scene.add_events(shot(t_begin=t_begin, t_end=t_begin + 1000), 0)
    assert dark(scene)
    scene.add_events(shot((t_begin + 1500, 1, 1, 1), t_begin=t_begin + 1000,
                          t_end=t_begin + 2000), 0)  # fmt: skip
    assert not dark(scene)


def test_a_sensor_may_change_its_size_in_mid_stream() -> None:
    scene = Scene()
    scene.add_events(shot((1, 1, 1, 1)), 0)
    out = scene.picture()
    scene.add_events(shot(width=20, height=10), 0)
    picture = scene.picture(out)
    assert picture.shape == (10, 20)
    assert dark(scene)
    assert scene.picture(picture) is picture


def test_a_sensor_beyond_all_cameras_is_named_not_drawn() -> None:
    scene = Scene()
    side = 2**15
    assert side * side > MAX_PIXELS
    scene.add_events(shot((1, 1, 1, 1), width=side, height=side), 0)
    assert scene.picture().size == 1
    assert scene.moment(0).sensor == (side, side)


def test_the_score_counts_final_answers_with_a_label() -> None:
    scene = Scene()
    for packet in (opinion(3), opinion(4), opinion(5, None), opinion(3, final=False)):
        scene.add_prediction(packet, 0)
    moment = scene.moment(0)
    assert (moment.right, moment.answered) == (1, 2)
    assert moment.recent == ((3, 3), (4, 3), (5, None))
    scene.forget()
    assert scene.moment(0)[3:] == (None, *moment[4:])


def test_an_answer_stands_since_it_took_the_lead() -> None:
    scene = Scene()

    def since(answer: int, ms: int, **more: object) -> float | None:
        scene.add_prediction(opinion(answer, ms=ms, final=False, **more), 0)
        shown = scene.moment(0).opinion
        assert shown is not None
        return shown.since_ms

    assert since(0, 10, spikes=0) is None
    assert since(0, 20) == 20
    assert since(0, 30) == 20
    assert since(3, 40) == 40
    assert since(3, 50) == 40
    # The next window of a stream without samples, and the next sample.
    assert since(3, 10, begin_us=300_000) == 10
    assert since(3, 20, begin_us=300_000, sample="b.bin") == 20


def test_rates_are_of_wall_time_and_fall_to_zero_in_silence() -> None:
    scene = Scene()
    for k in range(8):
        scene.add_events(shot(*[(1, 1, 1, 1)] * 100), k * SECOND // 8)
    scene.count_frame(SECOND, 0)
    rates = scene.rates()
    assert (rates.events, rates.packets, rates.frames) == (800, 8, 0)
    assert rates.history == [800] * (1000 // SLOT_MS)
    slots = scene.slots
    scene.count_frame(SECOND + 1, 1)
    assert scene.slots == slots
    scene.count_frame(2 * SECOND, 1)
    assert scene.slots > slots
    rates = scene.rates()
    assert (rates.events, rates.frames) == (0, 1)
    scene.count_frame(3600 * SECOND, 0)
    assert scene.rates().history == [0] * SLOTS


def test_silence_is_told() -> None:
    scene = Scene()

    def state(now_ns: int) -> str:
        return state_of(now_ns, scene.heard_ns, [NodeStatus(name="source")], ended=scene.ended).name

    assert state(0) == "WAITING"
    scene.add_events(shot(), SECOND)
    assert state(2 * SECOND) == "LIVE"
    assert state(4 * SECOND) == "STALLED"
    scene.add_prediction(opinion(3), 4 * SECOND)
    assert state(4 * SECOND) == "LIVE"
    scene.end()
    assert state(4 * SECOND) == "ENDED"
