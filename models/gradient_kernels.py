"""What a spike's gradient needs, compiled: both ways back through a layer.

    collect   grad[pre, post] += n · e[post]         what the spike's synapses learn from the error
    gather    Σ W[pre, post] · e[post]               what the error says of the spike itself

Both walk the runs of memory that ``models.scatter_kernels`` walks, in the same slots: ``e`` is
``[SLOTS · NEURONS]`` float32. ``collect_all`` and ``gather_all`` do so for many spikes, ``begin`` to
``end`` of ``index`` (neurons in (H, W, C) order), ``collect_all`` two of one place at a time.
"""

from __future__ import annotations

import numba
import numpy as np

from models.layout import (
    BY_GROUP,
    C_IN,
    C_OUT,
    CHANNEL_STEP,
    DELAYS,
    DENSE,
    FIRST_DELAY,
    FIRST_PLACE,
    FIRST_WEIGHT,
    H_OUT,
    KERNEL,
    KIND,
    NEURONS,
    NO_DELAYS,
    OX,
    OY,
    PADDING,
    POOL,
    ROW_STEP,
    ROWS,
    RUN,
    SLOTS,
    STRIDE,
    W_IN,
    W_OUT,
    WEIGHT,
)
from models.runs import learn_runs, sum_runs
from models.scatter_kernels import begin_of, conv_place, together

COLLECT, GATHER = range(2)


@numba.njit(cache=True, nogil=True)
def collect(row, reach, grad, delays, e, slot, c, place, n):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Add ``n`` times the error ``e`` to every synapse of (c, place), of a layer with delays."""
    if row[DELAYS] == BY_GROUP:
        for f in range(row[C_OUT]):
            _group(COLLECT, row, grad, delays, e, slot, c, place, n, f)
        return
    at = reach[row[FIRST_PLACE] + place]
    run = np.int64(at[RUN])
    line = row[W_OUT] * row[C_OUT]
    w = row[FIRST_WEIGHT] + at[WEIGHT] + c * row[CHANNEL_STEP]
    a = begin_of(row, delays, 0, slot, c) + at[OY] * line + at[OX] * row[C_OUT]
    learn_runs(grad, (w,), row[ROW_STEP], e, a, line, (n,), np.int64(at[ROWS]), run)


@numba.njit(cache=True, nogil=True)
def collect_all(row, reach, grad, delays, e, slot, index, value, begin, end):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Collect for ``value`` spikes each."""
    c_in = row[C_IN]
    if row[DELAYS] != NO_DELAYS:
        for j in range(begin, end):
            if value[j] != 0:
                place = np.int64(index[j]) // c_in
                c = index[j] - place * c_in
                collect(row, reach, grad, delays, e, slot, c, place, value[j])
        return
    here = slot * row[NEURONS]
    line = row[W_OUT] * row[C_OUT]
    across = row[CHANNEL_STEP]
    step = row[ROW_STEP]
    j = begin
    while j < end:
        place = np.int64(index[j]) // c_in
        first = place * c_in
        k = together(index, j, end, first, c_in)
        to = reach[row[FIRST_PLACE] + place]
        run = np.int64(to[RUN])
        w = row[FIRST_WEIGHT] + to[WEIGHT] - first * across
        a = here + to[OY] * line + to[OX] * row[C_OUT]
        rows = np.int64(to[ROWS])
        i = j
        while i + 2 <= k:
            two = (w + across * index[i], w + across * index[i + 1])
            learn_runs(grad, two, step, e, a, line, (value[i], value[i + 1]), rows, run)
            i += 2
        if i < k:
            learn_runs(grad, (w + across * index[i],), step, e, a, line, (value[i],), rows, run)
        j = k


@numba.njit(cache=True, nogil=True)
def gather(row, reach, weights, delays, e, slot, c, place):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return the weighted error behind the synapses of (c, place), of a layer with delays."""
    total = np.float32(0)
    if row[DELAYS] == BY_GROUP:
        for f in range(row[C_OUT]):
            total += _group(GATHER, row, weights, delays, e, slot, c, place, total, f)
        return total
    at = reach[row[FIRST_PLACE] + place]
    line = row[W_OUT] * row[C_OUT]
    a = begin_of(row, delays, 0, slot, c) + at[OY] * line + at[OX] * row[C_OUT]
    run = np.int64(at[RUN])
    w = row[FIRST_WEIGHT] + at[WEIGHT] + c * row[CHANNEL_STEP]
    return sum_runs(weights, w, row[ROW_STEP], e, a, line, np.int64(at[ROWS]), run)


@numba.njit(cache=True, nogil=True)
def gather_all(row, reach, weights, delays, e, slot, index, begin, end, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Gather for each of ``index`` into the same place of ``out``."""
    c_in = row[C_IN]
    if row[DELAYS] != NO_DELAYS:
        for j in range(begin, end):
            place = np.int64(index[j]) // c_in
            out[j] = gather(row, reach, weights, delays, e, slot, index[j] - place * c_in, place)
        return
    here = slot * row[NEURONS]
    if row[KIND] == POOL:
        for j in range(begin, end):
            at = np.int64(index[j])
            place = at // c_in
            to = reach[row[FIRST_PLACE] + place]
            if to[ROWS]:
                over = to[OY] * row[W_OUT] + to[OX]
                out[j] = e[here + over * c_in + at - place * c_in]
            else:
                out[j] = 0
        return
    line = row[W_OUT] * row[C_OUT]
    across = row[CHANNEL_STEP]
    step = row[ROW_STEP]
    for j in range(begin, end):
        at = np.int64(index[j])
        place = at // c_in
        to = reach[row[FIRST_PLACE] + place]
        run = np.int64(to[RUN])
        rows = np.int64(to[ROWS])
        w = row[FIRST_WEIGHT] + to[WEIGHT] + (at - place * c_in) * across
        a = here + to[OY] * line + to[OX] * row[C_OUT]
        out[j] = sum_runs(weights, w, step, e, a, line, rows, run)


@numba.njit(cache=True, nogil=True)
def _group(what, row, weights, delays, e, slot, c, place, n, f):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Collect into, or gather from, the synapses of the input (c, place) to one feature."""
    y = place // row[W_IN]
    x = place - y * row[W_IN]
    total = np.float32(0)
    at = slot + delays[row[FIRST_DELAY] + f * row[C_IN] + c]
    if at >= row[SLOTS]:
        at -= row[SLOTS]
    begin = at * row[NEURONS]
    if row[KIND] == DENSE:
        w = row[FIRST_WEIGHT] + ((y * row[W_IN] + x) * row[C_IN] + c) * row[C_OUT] + f
        if what == COLLECT:
            weights[w] += n * e[begin + f]
        return weights[w] * e[begin + f]
    stride = row[STRIDE]
    kernel = row[KERNEL]
    top = y + row[PADDING]
    left = x + row[PADDING]
    for ky in range(top % stride, kernel, stride):
        oy = (top - ky) // stride
        if oy >= row[H_OUT] or ky > top:
            continue
        for kx in range(left % stride, kernel, stride):
            ox = (left - kx) // stride
            if ox >= row[W_OUT] or kx > left:
                continue
            w = conv_place(row, c, ky, kx, f)
            error = e[begin + (oy * row[W_OUT] + ox) * row[C_OUT] + f]
            if what == COLLECT:
                weights[w] += n * error
            total += weights[w] * error
    return total


@numba.njit(cache=True, nogil=True)
def delay_gradient(row, reach, weights, delays, e, slot, before, grad, c, place, n):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Add to ``grad`` [delays] what a spike that comes at ``slot`` says of its delays.

    SLAYER's ∂L/∂d = Σ ∂L/∂x[k] · −(x[k+1] − x[k]): the error where the delayed spike is, less the
    error one bin ``before``.
    """
    if row[DELAYS] == BY_GROUP:
        for f in range(row[C_OUT]):
            at = row[FIRST_DELAY] + f * row[C_IN] + c
            grad[at] += n * _group(GATHER, row, weights, delays, e, slot, c, place, n, f)
            grad[at] -= n * _group(GATHER, row, weights, delays, e, before, c, place, n, f)
    elif row[DELAYS] != NO_DELAYS:
        at = row[FIRST_DELAY] + c
        grad[at] += n * gather(row, reach, weights, delays, e, slot, c, place)
        grad[at] -= n * gather(row, reach, weights, delays, e, before, c, place)
