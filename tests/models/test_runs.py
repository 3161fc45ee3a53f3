"""Sums along runs of memory are what NumPy makes of them, float by float where order counts."""

import numba
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.runs import add_runs, learn_runs, sum_runs

LINE = 130
SIZE = 1000


@numba.njit
def _add(out, a, data, w, step, n, rows, run):  # type: ignore[no-untyped-def]  # pragma: no cover
    if len(w) == 4:
        four = (w[0], w[1], w[2], w[3])
        add_runs(out, a, LINE, data, four, step, (n[0], n[1], n[2], n[3]), rows, run)
    elif len(w) == 2:
        add_runs(out, a, LINE, data, (w[0], w[1]), step, (n[0], n[1]), rows, run)
    else:
        add_runs(out, a, LINE, data, (w[0],), step, (n[0],), rows, run)


@numba.njit
def _learn(data, w, step, e, a, n, rows, run):  # type: ignore[no-untyped-def]  # pragma: no cover
    if len(w) == 2:
        learn_runs(data, (w[0], w[1]), step, e, a, LINE, (n[0], n[1]), rows, run)
    else:
        learn_runs(data, (w[0],), step, e, a, LINE, (n[0],), rows, run)


@numba.njit
def _sum(data, w, step, e, a, rows, run):  # type: ignore[no-untyped-def]  # pragma: no cover
    return sum_runs(data, w, step, e, a, LINE, rows, run)


runs = st.integers(0, 100)
rows_ = st.integers(0, 4)
firsts = st.integers(0, 60)
seeds = st.integers(0, 2**32 - 1)


def _drawn(
    seed: int, many: int, back: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return two arrays, and where in the second ``many`` runs begin that go ``back``, apart."""
    rng = np.random.default_rng(seed)
    out, data = rng.normal(size=(2, SIZE)).astype(np.float32)
    w = back + rng.permutation(many) * ((SIZE - back) // many)
    return out, data, w, rng.choice(np.array([1, 1, 2, 1.25], np.float32), many)


@given(a=firsts, rows=rows_, run=runs, many=st.sampled_from([1, 2, 4]), seed=seeds)
def test_runs_are_added_in_their_order(a: int, rows: int, run: int, many: int, seed: int) -> None:
    step = 100
    out, data, w, n = _drawn(seed, many, 3 * step)
    expected = out.copy()
    for row in range(rows):
        here = expected[a + row * LINE :][:run]
        for first, count in zip(w, n, strict=True):
            here += count * data[first - row * step :][:run]
    _add(out, a, data, w, step, n, rows, run)
    np.testing.assert_array_equal(out, expected)


@given(a=firsts, rows=rows_, run=runs, many=st.sampled_from([1, 2]), seed=seeds)
def test_runs_learn_from_the_error(a: int, rows: int, run: int, many: int, seed: int) -> None:
    step = run  # the rows of a kernel lie behind one another
    e, data, w, n = _drawn(seed, many, 3 * step)
    expected = data.astype(np.float64)
    for row in range(rows):
        for first, count in zip(w, n, strict=True):
            expected[first - row * step :][:run] += count * e[a + row * LINE :][:run]
    _learn(data, w, step, e, a, n, rows, run)
    np.testing.assert_allclose(data, expected, rtol=1e-5, atol=1e-5)


@given(a=firsts, rows=rows_, run=runs, seed=seeds)
def test_runs_sum_what_the_error_says(a: int, rows: int, run: int, seed: int) -> None:
    step = run
    e, data, w, _ = _drawn(seed, 1, 3 * step)
    expected = sum(
        float(data[w[0] - row * step :][:run].astype(float) @ e[a + row * LINE :][:run])
        for row in range(rows)
    )
    found = _sum(data, w[0], step, e, a, rows, run)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)
