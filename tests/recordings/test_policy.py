"""The one policy: late, jumps, outside, duplicates, and the same whatever the blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.events import EVENT, Events
from recordings.counts import Counts
from recordings.policy import GAP_US, LATE_US, Policy, undo_wrap
from tests.strategies import events_of

DAY = GAP_US


def stream(times: list[int], x: int | list[int] = 1, y: int | list[int] = 1) -> Events:
    return events_of(times, x, y, [1] * len(times))


def applied(
    events: Events, width: int | None = 34, height: int | None = 30
) -> tuple[Events, Counts]:
    counts = Counts()
    return Policy(width, height).apply(events.copy(), counts), counts


def plain(events: Events, width: int, height: int) -> tuple[list[tuple[int, ...]], dict[str, int]]:
    """Say the policy once more, event by event, as its text has it."""
    kept: list[tuple[int, ...]] = []
    counts = dict.fromkeys(("events", "late", "jumps", "duplicates", "outside"), 0)
    offset = 0
    for t, x, y, p in events.tolist():
        if x >= width or y >= height or abs(t) > 2**61:
            counts["outside"] += 1
            continue
        if kept:
            latest = kept[-1][0]
            step = t + offset - latest
            if step < -LATE_US or step > DAY:
                counts["jumps"] += 1
                offset -= step
                now = latest
            elif step < 0:
                counts["late"] += 1
                now = latest
            else:
                now = t + offset
            counts["duplicates"] += (now, x, y, p) == kept[-1]
        else:
            now = t
        kept.append((now, x, y, p))
        counts["events"] += 1
    return kept, counts


def test_events_in_order_pass_untouched() -> None:
    events = stream([0, 5, 5, 9, DAY + 9])
    events["x"] = np.arange(5)
    back, counts = applied(events)
    np.testing.assert_array_equal(back, events)
    assert counts == Counts(events=5)


def test_a_late_event_is_lifted() -> None:
    back, counts = applied(stream([100_000, 100_000 - LATE_US, 100_001], [1, 2, 3]))
    assert back["t"].tolist() == [100_000, 100_000, 100_001]
    assert (counts.late, counts.jumps) == (1, 0)


@pytest.mark.parametrize("step", [-LATE_US - 1, -(10**12), DAY + 1, 2**60])
def test_a_clock_that_is_set_anew_goes_on_from_the_latest_time(step: int) -> None:
    begin = 10**12
    times = [begin, begin + step, begin + step + 70]
    back, counts = applied(stream(times, [1, 2, 3]))
    assert back["t"].tolist() == [begin, begin, begin + 70]
    assert counts.jumps == 1


def test_outside_the_sensor_and_beyond_any_clock_is_dropped() -> None:
    events = stream([0, 1, 2, 3], [33, 34, 5, 6], [29, 0, 30, 7])
    back, counts = applied(events)
    assert back["t"].tolist() == [0, 3]
    assert counts.outside == 2
    back, counts = applied(stream([-(2**63), 2**61 + 1, 7, 2**63 - 1, -(2**61) - 1, 8]))
    assert back["t"].tolist() == [7, 8]
    assert counts.outside == 4


def test_without_a_size_any_pixel_is_inside() -> None:
    back, counts = applied(stream([0, 1], [65535, 0], [0, 65535]), None, None)
    assert len(back) == 2
    assert counts.outside == 0


def test_duplicates_are_kept_and_counted() -> None:
    back, counts = applied(stream([4, 4, 4, 5]))
    assert len(back) == 4
    assert counts.duplicates == 2


def test_bytes_beside_the_fields_are_cleared() -> None:
    raw = stream([1, 2, 3]).view(np.uint8).reshape(3, 16).copy()
    raw[:, 12] = [0, 1, 200]
    raw[:, 13:] = [[0, 0, 0], [9, 9, 9], [255, 255, 255]]
    back, _ = applied(raw.reshape(-1).view(EVENT))
    assert back["p"].tolist() == [0, 1, 1]
    assert not back.view(np.uint8).reshape(3, 16)[:, 13:].any()


steps = st.one_of(
    st.integers(0, 3),
    st.integers(-LATE_US - 2, 5),
    st.sampled_from([-(10**9), DAY, DAY + 1, 10**13]),
)


@given(
    st.lists(
        st.tuples(steps, st.integers(0, 36), st.integers(0, 31), st.integers(0, 1)), max_size=60
    ),
    st.lists(st.integers(0, 60), max_size=5),
    st.integers(-(2**60), 2**60),
)
def test_it_is_what_its_text_says_whatever_the_blocks(
    drawn: list[tuple[int, int, int, int]], cuts: list[int], first: int
) -> None:
    columns = np.array(drawn, np.int64).reshape(-1, 4).T
    events = events_of(first + np.cumsum(columns[0]), *columns[1:])
    expected, tally = plain(events, 34, 30)
    counts = Counts()
    state = None
    out: list[tuple[int, ...]] = []
    for block in np.split(events, sorted(cuts)):
        # A new one that goes on from the state of the one ahead is the same as one.
        policy = Policy(34, 30, state)
        out += policy.apply(block.copy(), counts).tolist()
        state = policy.state
    assert out == expected
    assert {name: getattr(counts, name) for name in tally} == tally


@given(st.integers(2, 40), st.integers(0, 2**40), st.integers(0, 2**40))
def test_a_wrap_is_a_step_back_by_more_than_half(bits: int, before: int, now: int) -> None:
    span = 1 << bits
    before, now = before % span, now % span
    assert undo_wrap(now, before, span) == (before - now > span // 2)
