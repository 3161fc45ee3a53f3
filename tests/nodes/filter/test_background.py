"""The background-activity filter is dv-processing's, event by event."""

from __future__ import annotations

import datetime

import dv_processing as dv
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.filter import Filter
from pipeline.events import EVENT, Events
from recordings.folder import SAMPLES_DIR, samples
from tests.strategies import cut, cuts, random_events, recordings

W, H, LENGTH = 11, 8, 20_000


def theirs(events: Events, width: int, height: int, period_us: int) -> list[tuple[int, ...]]:
    store = dv.EventStore()
    for event in events:
        store.push_back(int(event["t"]), int(event["x"]), int(event["y"]), bool(event["p"]))
    period = datetime.timedelta(microseconds=period_us)
    peer = dv.noise.BackgroundActivityNoiseFilter((width, height), period)
    peer.accept(store)
    return [(e.timestamp(), e.x(), e.y(), int(e.polarity())) for e in peer.generateEvents()]


def ours(
    events: Events, bounds: list[int], width: int, height: int, period_us: int
) -> list[tuple[int, ...]]:
    node = Filter(background_us=period_us)
    packets = node(cut(events, bounds, width, height))
    return [tuple(map(int, event)) for packet in packets for event in packet.events]  # type: ignore[attr-defined]


@settings(max_examples=80)
@given(
    recordings(width=W, height=H, length_us=LENGTH, most=300), st.integers(1, 3000), cuts(LENGTH)
)
def test_event_by_event(events: Events, period_us: int, bounds: list[int]) -> None:
    # Theirs takes it that every pixel fired at time 0.
    events["t"] += period_us
    bounds = [bound + period_us for bound in bounds]
    assert ours(events, bounds, W, H, period_us) == theirs(events, W, H, period_us)


def test_on_a_real_recording_with_noise() -> None:
    real = samples(SAMPLES_DIR, "Test")[0].read()
    noise = random_events(4000, 34, 34, 300_000, seed=5)
    events = np.concatenate([real[real["t"] < 300_000], noise]).astype(EVENT)
    events = events[np.argsort(events["t"], kind="stable")]
    events["t"] += 5000
    found = ours(events, [100_000, 305_000], 34, 34, 5000)
    assert found == theirs(events, 34, 34, 5000)
    assert 0 < len(found) < len(events)
