"""Neurons side by side: arrays on lines of the cache, and a bit for each that is at threshold."""

import numba
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.lanes import WORD, counted, lowest, nearby, reaching, zeros

potentials = arrays(np.float32, 3 * WORD, elements=st.floats(-30, 30, width=32) | st.just(np.nan))
limits = st.sampled_from([0.5, 6.0, 10.0, float("inf")])


@numba.njit
def _asked(u, first, theta, support, at, near):  # type: ignore[no-untyped-def]  # pragma: no cover
    bits = reaching(u, first, theta)
    several = counted(bits)
    n = 0
    while bits:
        at[n] = lowest(bits)
        n += 1
        bits &= bits - np.uint64(1)
    close = nearby(u, first, theta, support)
    m = 0
    while close:
        near[m] = lowest(close)
        m += 1
        close &= close - np.uint64(1)
    return n, several, m


@given(u=potentials, first=st.integers(0, 2 * WORD), support=limits)
def test_the_bits_are_the_comparisons(u: np.ndarray, first: int, support: float) -> None:
    theta = np.float32(10)
    at, near = np.zeros(WORD, np.int64), np.zeros(WORD, np.int64)
    n, several, m = _asked(u, first, theta, np.float32(support), at, near)
    here = u[first : first + WORD]
    np.testing.assert_array_equal(at[:n], np.flatnonzero(here >= theta))
    assert several == n
    np.testing.assert_array_equal(near[:m], np.flatnonzero(abs(here - theta) < support))


@given(n=st.integers(1, 3000), dtype=st.sampled_from([np.float32, np.int32, np.int64]))
def test_zeros_begin_on_a_line_of_the_cache(n: int, dtype: type[np.generic]) -> None:
    found = zeros(n, dtype)
    assert found.shape == (n,)
    assert found.dtype == dtype
    assert not found.any()
    assert found.flags.c_contiguous
    assert found.flags.aligned
    assert found.flags.writeable
    assert found.ctypes.data % 64 == 0
