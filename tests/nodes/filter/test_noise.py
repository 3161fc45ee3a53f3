"""Added noise: as many spikes as asked for, Poisson, anywhere at any time, seeded."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nodes.filter import Filter
from pipeline import EventPacket
from pipeline.events import EVENT, Events
from pipeline.tuning import tune
from tests.strategies import cut, cuts, event_packet, random_events

W, H = 34, 34


def silence(length_us: int, width: int = W, height: int = H, t: int = 0) -> EventPacket:
    return event_packet(random_events(0, W, H, 1), t, t + length_us, width, height)


def out(node: Filter, *packets: EventPacket) -> Events:
    node.start()
    found = [p.events for packet in packets for p in node.feed(packet)]
    return np.concatenate(found).astype(EVENT)


def counts(events: Events, width: int = W, height: int = H) -> NDArray[np.int64]:
    return np.bincount(events["y"].astype(int) * width + events["x"], minlength=width * height)


def chi_square(seen: NDArray[np.int64], mean: float) -> float:
    """Return how many standard deviations the pixels' counts lie from Poisson's law (χ² test)."""
    most = int(mean + 6 * math.sqrt(mean)) + 1
    law = [math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(most)]
    expected = np.array([*law, 1 - sum(law)]) * len(seen)
    found = np.bincount(np.minimum(seen, most), minlength=most + 1).astype(float)
    # Rare numbers are taken together, so that each cell is expected five times or more.
    cells: list[tuple[float, float]] = []
    e = f = 0.0
    for here, there in zip(expected, found, strict=True):
        e, f = e + here, f + there
        if e >= 5:
            cells.append((e, f))
            e = f = 0.0
    last = cells.pop()
    cells.append((last[0] + e, last[1] + f))
    free = len(cells) - 1
    return (sum((f - e) ** 2 / e for e, f in cells) - free) / math.sqrt(2 * free)


@pytest.mark.parametrize("per_pixel", [0.1, 1.0, 2.0, 5.0, 40.0])
@pytest.mark.parametrize("width", [34, 346])
def test_as_many_as_asked_for_and_poisson_at_every_pixel(per_pixel: float, width: int) -> None:
    height = {34: 34, 346: 260}[width]
    node = Filter(noise_per_pixel=per_pixel)
    noise = out(node, *(silence(10_000, width, height, t) for t in range(0, 300_000, 10_000)))
    assert len(noise) == round(per_pixel * width * height)
    assert node.facts()["noise_added"] == len(noise)
    assert abs(chi_square(counts(noise, width, height), per_pixel)) < 4.5
    # Times, columns, rows and polarities are uniform, each in ten parts.
    for column, most in (("t", 300_000), ("x", width), ("y", height), ("p", 2)):
        parts = min(10, most)
        found = np.bincount(noise[column].astype(int) * parts // most, minlength=parts)
        share = np.bincount(np.arange(most) * parts // most) / most * len(noise)
        assert (np.abs(found - share) < 5 * np.sqrt(share) + 1).all(), column
    assert (np.diff(noise["t"]) >= 0).all()


def test_windows_are_independent_of_each_other_and_counts_do_not_drift() -> None:
    node = Filter(noise_per_pixel=0.0437, noise_over_ms=7)
    exact = 0.0437 * W * H
    for k in range(1, 60):
        out(node, silence(7_000, t=7_000 * (k - 1)))
        assert abs(node.facts()["noise_added"] - exact * k) <= 0.5 + 1e-6
    first = out(Filter(noise_per_pixel=2.0), silence(300_000))
    second = out(Filter(noise_per_pixel=2.0), silence(300_000, t=300_000))
    assert not np.array_equal(first["x"], second["x"])


def test_as_a_rate() -> None:
    noise = out(
        Filter(noise_hz=0.5), *(silence(100_000, t=t) for t in range(0, 6_000_000, 100_000))
    )
    assert len(noise) == round(0.5 * 6 * W * H)
    both = out(Filter(noise_hz=10.0, noise_per_pixel=1.0, noise_over_ms=100), silence(300_000))
    assert len(both) == 3 * 2 * W * H


@settings(max_examples=40)
@given(cuts(6_000), st.floats(0.01, 20), st.integers(0, 2**62), st.integers(1, 9))
def test_it_does_not_depend_on_how_the_stream_is_cut(
    bounds: list[int], per_pixel: float, seed: int, over_ms: int
) -> None:
    events = random_events(200, 5, 4, 6_000, seed=seed % 1000)
    asked = {"noise_per_pixel": per_pixel, "noise_seed": seed, "noise_over_ms": over_ms}
    whole = out(Filter(**asked), *cut(events, [6_000], 5, 4))
    parts = out(Filter(**asked), *cut(events, bounds, 5, 4))
    assert np.array_equal(whole, parts)
    real, both = (Counter(map(tuple, all_.tolist())) for all_ in (events, whole))
    assert real <= both
    assert len(whole) - 200 >= math.floor(6 / over_ms) * per_pixel * 20 - 1
    assert (np.diff(whole["t"]) >= 0).all()


def test_another_seed_another_noise_and_a_reset_begins_a_window() -> None:
    one, same, other = (
        out(Filter(noise_per_pixel=1.0, noise_seed=s), silence(300_000)) for s in (1, 1, 2)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    node = Filter(noise_per_pixel=1.0)
    out(node, silence(123_456))
    begun = silence(300_000, t=123_456)
    begun.header.reset = True
    assert len(out(node, begun)) == W * H


def test_the_slider_takes_hold_at_once() -> None:
    node = Filter(noise_over_ms=300)
    assert len(out(node, *(silence(1_000, t=t) for t in range(0, 100_000, 1_000)))) == 0
    tune(node, "noise_per_pixel", "3")
    loud = out(node, *(silence(1_000, t=t) for t in range(100_000, 200_000, 1_000)))
    assert len(loud) == pytest.approx(W * H, rel=0.1)
    tune(node, "polarity", "merge")
    tune(node, "polarity", "both")
    rest = out(node, *(silence(1_000, t=t) for t in range(200_000, 300_000, 1_000)))
    assert len(loud) + len(rest) == 2 * W * H
    tune(node, "noise_per_pixel", "0")
    assert len(out(node, silence(300_000, t=300_000))) == 0
    # Once more within a window: it gets the share of what is left of it.
    out(node, silence(100_000, t=600_000))
    tune(node, "noise_per_pixel", "3")
    assert len(out(node, silence(200_000, t=700_000))) == 2 * W * H


def test_no_noise_in_time_that_no_packet_covers() -> None:
    node = Filter(noise_per_pixel=1.0, noise_over_ms=10)
    first = out(node, silence(10_000))
    far = out(node, silence(10_000, t=10_000_000))
    assert len(first) == len(far) == W * H
    assert far["t"].min() >= 10_000_000


def test_much_noise_over_a_long_time_leaves_in_parts() -> None:
    node = Filter(noise_hz=1000.0)
    node.start()
    sizes = []
    until = 0
    for packet in node.feed(silence(2_000_000, 346, 260)):
        assert packet.header.t_begin == until
        until = packet.header.t_end
        sizes.append(packet.size)
        if len(sizes) == 20:
            break
    assert max(sizes) < 1 << 19
    assert sum(sizes) == pytest.approx(346 * 260 * until / 1000, rel=0.01)


def test_noise_is_of_the_picture_that_comes_out() -> None:
    node = Filter(noise_per_pixel=10.0, crop="3,4,20,10", pool=2, rotate=90)
    noise = out(node, silence(300_000))
    assert len(noise) == 10 * 10 * 5
    assert noise["x"].max() == 4
    assert noise["y"].max() == 9
