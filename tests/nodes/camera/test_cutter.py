"""Batches of any kind become packets without a gap, and no event goes missing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.camera.cutter import JUMP_US, LATE_US, Cutter
from nodes.camera.device import Batch
from pipeline.events import Events, empty_events


def events(*times: int, x: int = 0) -> Events:
    out = empty_events(len(times))
    out["t"] = times
    out["x"] = x
    return out


def batch(*times: int, reached: int | None = None, x: int = 0) -> Batch:
    return Batch(events(*times, x=x), times[-1] if reached is None else reached)


def cut(cutter: Cutter, now: int) -> list[tuple[int, list[int]]]:
    return [(begin, part["t"].tolist()) for begin, part in cutter.cut(now)]


@pytest.fixture
def cutter() -> Cutter:
    return Cutter(1000, 0, 10, 10)


def test_event_time_begins_at_zero_with_the_first_event(cutter: Cutter) -> None:
    cutter.push(batch(70_000_300, 70_001_300, 70_002_400), 5)
    assert cut(cutter, 5) == [(0, [0]), (1000, [1000])]
    assert cutter.shift_us == -70_000_300


def test_a_packet_waits_until_the_camera_has_passed_its_end(cutter: Cutter) -> None:
    cutter.push(batch(100, 1099), 0)
    assert cut(cutter, 0) == []
    cutter.push(batch(reached=1100), 0)
    assert cut(cutter, 0) == [(0, [0, 999])]


def test_silence_is_believed_after_patience(cutter: Cutter) -> None:
    cutter.patience_us = 5000
    cutter.push(batch(100), 0)
    assert cut(cutter, 5999) == []
    assert cut(cutter, 6000) == [(0, [0])]
    assert cut(cutter, 9999) == [(1000, []), (2000, []), (3000, [])]
    cutter.push(batch(4150), 10_000)
    assert cut(cutter, 10_000) == []
    assert cutter.late == 0


def test_what_comes_too_late_is_lifted_and_counted(cutter: Cutter) -> None:
    cutter.patience_us = 1000
    cutter.push(batch(0), 0)
    assert len(cut(cutter, 5000)) == 4
    cutter.push(batch(3500, 4200), 5000)
    cutter.push(batch(6000), 6000)
    assert cut(cutter, 6000) == [(4000, [4000, 4200]), (5000, [])]
    assert cutter.late == 1


def test_a_step_back_within_a_batch_is_lifted(cutter: Cutter) -> None:
    cutter.push(batch(0, 700, 650, 800, 1000), 0)
    assert cut(cutter, 0) == [(0, [0, 700, 700, 800])]
    assert cutter.late == 1


@pytest.mark.parametrize("step", [-LATE_US - 1, -50_000_000, JUMP_US + 1])
def test_a_clock_that_is_set_anew_goes_on(cutter: Cutter, step: int) -> None:
    cutter.push(batch(60_000_000, 60_002_000), 0)
    assert len(cut(cutter, 0)) == 2
    cutter.push(batch(60_002_000 + step, 60_002_500 + step), 3000)
    assert cutter.jumps == 1
    # The host says how long it was: 3 ms.
    cutter.push(batch(60_003_000 + step), 4000)
    assert cut(cutter, 4000) == [(2000, [2000]), (3000, []), (4000, []), (5000, [5000, 5500])]
    assert (cutter.jumps, cutter.late) == (1, 0)


def test_a_small_step_back_of_a_whole_batch_is_no_new_clock(cutter: Cutter) -> None:
    cutter.push(batch(0, 9_000), 0)
    cutter.push(batch(8_990, 10_000), 0)
    assert (cutter.jumps, cutter.late) == (0, 1)


def test_a_camera_that_comes_back_goes_on_in_event_time(cutter: Cutter) -> None:
    cutter.push(batch(70_000, 70_500), 1_000)
    assert [begin for begin, _ in cutter.flush()] == [0]
    cutter.restart()
    # Its clock begins anew, 4.3 ms later: the next packet's edge below.
    cutter.push(batch(5, 1_005), 5_300)
    assert cut(cutter, 5_300) == [(4000, [4000])]
    assert (cutter.late, cutter.jumps) == (0, 0)


def test_a_flush_gives_what_waits_and_no_more(cutter: Cutter) -> None:
    assert list(cutter.flush()) == []
    cutter.push(batch(0, 1500), 0)
    assert [(t, e["t"].tolist()) for t, e in cutter.flush()] == [(0, [0]), (1000, [1500])]
    assert list(cutter.flush()) == []


def test_what_lies_outside_is_dropped_and_counted(cutter: Cutter) -> None:
    cutter.push(batch(0, 10, x=10), 0)
    cutter.push(batch(20, 1000, x=9), 0)
    assert cut(cutter, 0) == [(0, [20])]
    assert cutter.outside == 2


def test_batches_of_outsiders_alone_still_tell_the_time(cutter: Cutter) -> None:
    cutter.push(batch(0, 2500, x=99), 0)
    assert cut(cutter, 0) == [(0, []), (1000, [])]


def test_a_successor_goes_on_where_the_last_ended() -> None:
    cutter = Cutter(1000, 77_000, 10, 10)
    cutter.push(batch(5, 1005), 0)
    assert cut(cutter, 0) == [(77_000, [77_000])]


steps = st.tuples(
    st.lists(st.integers(-12_000, 30_000), max_size=8),
    st.integers(0, 30_000),
    st.booleans(),
)


@given(st.lists(steps, max_size=30), st.integers(1, 5000), st.integers(0, 20_000))
def test_whatever_comes_packets_join_and_events_are_kept(
    plan: list[tuple[list[int], int, bool]], step_us: int, patience_us: int
) -> None:
    cutter = Cutter(step_us, 0, 10, 10)
    cutter.patience_us = patience_us
    camera = now = given = 0
    end = latest = kept = 0

    def take(parts: list[tuple[int, Events]]) -> None:
        nonlocal end, latest, kept
        for begin, part in parts:
            # A camera that was away leaves a gap, in whole packets.
            assert begin >= end
            assert (begin - end) % step_us == 0
            end = begin + step_us
            kept += len(part)
            if len(part):
                assert begin <= part["t"].min()
                assert part["t"].max() < end
                assert part["t"][0] >= latest
                assert (np.diff(part["t"]) >= 0).all()
                latest = int(part["t"][-1])

    for moves, wait, again in plan:
        now += wait
        if again:
            take(list(cutter.flush()))
            cutter.restart()
        times = []
        for move in moves:
            camera += move
            times.append(camera)
        if times:
            cutter.push(batch(*times, reached=max(times)), now)
            given += len(times)
        take(list(cutter.cut(now)))
    take(list(cutter.flush()))
    assert kept == given
