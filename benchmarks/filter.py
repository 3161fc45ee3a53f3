"""The filter node's stages, packet to packet, beside dv-processing's filters; one core each.

The scene is a bright bar that moves over the sensor, a third of its events noise anywhere, in
packets of 1 ms: at 12 million events a second before a DAVIS346's 346×260 pixels (the most that it
can give), at 50 million before 1280×720. Ours is the node as it runs, from packet to packet,
headers and all; theirs takes EventStores that were made beforehand, outside the measured time. Both
leave the same events where both have the filter, which is checked. Others of theirs (FastDecay,
KNoise) clean by other rules. Time is the thread's own on its core.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Mapping
from typing import Any

import dv_processing as dv
import numpy as np

from benchmarks.harness import Row, in_turn, row
from nodes.filter import Filter
from pipeline import EventPacket
from pipeline.events import EVENT, Events
from pipeline.memory import keep_freed_memory
from pipeline.packets import EventHeader

_PERIOD_US = 2000
_PACKET_US = 1000
_START_US = 1_000_000


def rows(*, quick: bool = False) -> list[Row]:
    """Measure; ``quick`` takes the small sensor alone, and three runs of it."""
    keep_freed_memory()
    found: list[Row] = []
    sensors = [("346×260", 346, 260, 12, 40)]
    if not quick:
        sensors.append(("1280×720", 1280, 720, 50, 20))
    for name, width, height, rate, packets in sensors:
        parts = scene(width, height, rate * _PACKET_US, packets)
        n = sum(map(len, parts))
        contestants = {**_ours(parts, width, height), **_theirs(parts, width, height)}
        _same(contestants)
        timed = {who: _timer(run, n) for who, run in contestants.items()}
        for who, values in in_turn(timed, 3 if quick else 9).items():
            found.append(row(f"{name}: {who}", "Mev/s", values, peer="dv-processing" in who))
    return found


def scene(width: int, height: int, per_packet: int, packets: int) -> list[Events]:
    """Return a moving bar and noise, ``packets`` times ``per_packet`` events in order of time."""
    rng = np.random.default_rng(0)
    found = []
    for k in range(packets):
        t = np.sort(rng.integers(0, _PACKET_US, per_packet)) + k * _PACKET_US
        noise = rng.random(per_packet) < 1 / 3
        bar = (t * 2 // 1000 + rng.integers(0, 4, per_packet)) % width
        events = np.zeros(per_packet, EVENT)
        events["t"] = t + _START_US
        events["x"] = np.where(noise, rng.integers(0, width, per_packet), bar)
        events["y"] = rng.integers(0, height, per_packet)
        events["p"] = rng.integers(0, 2, per_packet)
        found.append(events)
    return found


Run = Callable[[], tuple[float, int]]
"""Goes once through the scene; returns how many seconds it took and how many events are left."""


def _ours(parts: list[Events], width: int, height: int) -> dict[str, Run]:
    quarter = f"{width // 4},{height // 4},{width // 2},{height // 2}"
    settings: dict[str, dict[str, Any]] = {
        "off": {},
        "crop": {"crop": quarter},
        "polarity": {"polarity": "on"},
        "hot pixels, learnt": {"hot_pixels": True, "hot_learn_ms": 1, "hot_hz": 1e6},
        "refractory": {"refractory_us": _PERIOD_US},
        "background activity": {"background_us": _PERIOD_US},
        "pooling 2×2, 4 events": {"pool": 2, "pool_count": 4},
        "flip and rotate": {"flip": "horizontal", "rotate": 90},
        "noise, 1 spike a pixel in 300 ms": {"noise_per_pixel": 1.0},
        "rate limit": {"limit_hz": 6_000_000},
    }
    settings["all at once"] = {
        key: value for each in settings.values() for key, value in each.items()
    }
    packets = [
        EventPacket.of(
            events,
            EventHeader(
                t_begin=_START_US + k * _PACKET_US,
                t_end=_START_US + (k + 1) * _PACKET_US,
                width=width,
                height=height,
                n=0,
                reset=k == 0,
            ),
        )
        for k, events in enumerate(parts)
    ]

    def runner(values: Mapping[str, Any]) -> Run:
        node = Filter(**values)
        node.start()

        def run() -> tuple[float, int]:
            left = 0
            began = time.thread_time()
            for packet in packets:
                for out in node.feed(packet):
                    left += out.size
            return time.thread_time() - began, left

        # The hot pixels are learnt once, before the clock runs.
        run()
        return run

    return {f"{name}, silicon-retina": runner(values) for name, values in settings.items()}


def _theirs(parts: list[Events], width: int, height: int) -> dict[str, Run]:
    stores = [_store(events) for events in parts]
    size = (width, height)
    period = datetime.timedelta(microseconds=_PERIOD_US)
    quarter = (width // 4, height // 4, width // 2, height // 2)
    mask = np.full((height, width), 255, np.uint8)
    made: dict[str, Callable[[], Any]] = {
        "crop": lambda: dv.EventRegionFilter(quarter),
        "polarity": lambda: dv.EventPolarityFilter(True),
        "hot pixels, learnt": lambda: dv.EventMaskFilter(mask),
        "background activity": lambda: dv.noise.BackgroundActivityNoiseFilter(size, period),
        "FastDecay": lambda: dv.noise.FastDecayNoiseFilter(size),
        "KNoise": lambda: dv.noise.KNoiseFilter(size, period),
    }

    def runner(make: Callable[[], Any]) -> Run:
        def run() -> tuple[float, int]:
            peer = make()
            left = 0
            began = time.thread_time()
            for store in stores:
                peer.accept(store)
                left += peer.generateEvents().size()
            return time.thread_time() - began, left

        return run

    return {f"{name}, dv-processing": runner(make) for name, make in made.items()}


def _store(events: Events) -> Any:
    store = dv.EventStore()
    columns = (events["t"], events["x"], events["y"], events["p"].astype(bool))
    for event in zip(*(column.tolist() for column in columns), strict=True):
        store.push_back(*event)
    return store


def _timer(run: Run, n: int) -> Callable[[], float]:
    return lambda: n / run()[0] / 1e6


def _same(contestants: Mapping[str, Run]) -> None:
    """Raise AssertionError where ours and theirs leave another number of events."""
    for who, run in contestants.items():
        name, _, whose = who.rpartition(", ")
        ours = contestants.get(f"{name}, silicon-retina")
        if whose == "dv-processing" and ours is not None:
            assert run()[1] == ours()[1], name
