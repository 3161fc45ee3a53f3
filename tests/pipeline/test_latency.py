"""The histogram of latencies: cheap, monotone, and exact to about 3 %."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.latency import BUCKETS, bucket, bucket_us, quantile_ms

LONGEST = 63 << 24
"""The longest latency in µs that has a bucket of its own (about 18 minutes)."""


@given(st.integers(0, LONGEST))
def test_a_bucket_tells_its_latency_to_3_percent(us: int) -> None:
    assert abs(bucket_us(bucket(us)) - us) <= 0.032 * us


@given(st.integers(-(2**63), 2**63), st.integers(-(2**63), 2**63))
def test_buckets_are_in_order_and_there_are_enough(a: int, b: int) -> None:
    assert 0 <= bucket(min(a, b)) <= bucket(max(a, b)) < BUCKETS


def test_every_bucket_is_used_and_stands_for_itself() -> None:
    middles = [bucket_us(i) for i in range(BUCKETS)]
    assert all(a < b for a, b in pairwise(middles))
    assert [bucket(int(us)) for us in middles] == list(range(BUCKETS))


@pytest.mark.parametrize("us", [0, 1, 63, 64, 65, 127, 128, 4095, 4096])
def test_short_latencies(us: int) -> None:
    assert bucket_us(bucket(us)) == pytest.approx(us, rel=0.016)


def test_nothing_has_no_quantile() -> None:
    assert quantile_ms([0] * BUCKETS, 0.5) is None


@given(st.lists(st.integers(0, LONGEST), min_size=1, max_size=200), st.floats(0, 1))
def test_quantiles_are_those_of_numpy(latencies: list[int], q: float) -> None:
    counts = [0] * BUCKETS
    for us in latencies:
        counts[bucket(us)] += 1
    found = quantile_ms(counts, q)
    assert found is not None
    true = float(np.quantile(latencies, q, method="inverted_cdf")) / 1000
    assert found == pytest.approx(true, rel=0.032, abs=1e-9)


def test_what_is_off_the_scale_is_in_the_last_bucket() -> None:
    counts = [0] * BUCKETS
    counts[bucket(2**62)] += 1
    assert quantile_ms(counts, 0.99) == bucket_us(BUCKETS - 1) / 1000 > 1_000_000
