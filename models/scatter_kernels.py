"""What a spike does to a layer, compiled: it reaches the neurons behind its synapses.

    acc[post] += n · W[pre, post]

A spike walks the runs of memory that ``models.layout`` lays out: the cost follows the spikes.
``acc`` is ``[SLOTS · NEURONS]`` float32, one slot a bin, of which ``slot`` is the one at hand and a
synapse with a delay of d bins takes the d-th after it; ``base`` is where the layer's slots begin.
``lo`` and ``hi`` bound the output rows (H) that are walked; neurons are counted from row ``lo``.
``models.gradient_kernels`` walks the same runs back.

``scatter_all`` does so for many spikes, ``begin`` to ``end`` of ``index`` (neurons in (H, W, C)
order). Spikes of one place reach the same neurons: those that come behind one another are taken
four or two at a time, each sum in the order of the spikes.
"""

from __future__ import annotations

import numba
import numpy as np

from models.layout import (
    BY_CHANNEL,
    BY_GROUP,
    C_IN,
    C_OUT,
    CHANNEL_STEP,
    DELAYS,
    DENSE,
    FIRST_DELAY,
    FIRST_PLACE,
    FIRST_WEIGHT,
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
    TAPS,
    W_IN,
    W_OUT,
    WEIGHT,
)
from models.runs import add_runs

_SHIFT = 7
"""log2 of ``layout.BLOCK``."""


@numba.njit(cache=True, nogil=True)
def begin_of(row, delays, base, slot, c):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return where the slot of input channel ``c`` begins, delays by channel counted in."""
    if row[DELAYS] == BY_CHANNEL:
        slot += delays[row[FIRST_DELAY] + c]
        if slot >= row[SLOTS]:
            slot -= row[SLOTS]
    return base + slot * row[NEURONS]


@numba.njit(cache=True, nogil=True)
def together(index, begin, end, first, c_in):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return where the spikes from ``begin`` on end that lie at the place of neuron ``first``."""
    j = begin
    while j < end and first <= index[j] < first + c_in:
        j += 1
    return j


@numba.njit(cache=True, nogil=True)
def conv_place(row, c, ky, kx, f):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return where a convolution's weight lies."""
    tap = kx // row[STRIDE]
    phase = kx - tap * row[STRIDE]
    return (
        row[FIRST_WEIGHT]
        + (((c * row[KERNEL] + ky) * row[STRIDE] + phase) * row[TAPS] + row[TAPS] - 1 - tap)
        * row[C_OUT]
        + f
    )


@numba.njit(cache=True, nogil=True)
def scatter(row, reach, weights, delays, acc, touched, base, slot, lo, hi, c, place, n):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Add ``n`` spikes of the input at (c, place) of a layer with delays; return its synapses.

    ``touched`` uint8 is set for every block of ``acc`` that is reached.
    """
    if row[DELAYS] == BY_GROUP:
        return _scatter_groups(row, weights, delays, acc, touched, base, slot, lo, hi, c, place, n)
    begin = begin_of(row, delays, base, slot, c)
    at = reach[row[FIRST_PLACE] + place]
    c_out = row[C_OUT]
    oy = np.int64(at[OY])
    rows = np.int64(at[ROWS])
    run = np.int64(at[RUN])
    w = row[FIRST_WEIGHT] + at[WEIGHT] + c * row[CHANNEL_STEP]
    if oy < lo:
        rows -= lo - oy
        w -= (lo - oy) * row[ROW_STEP]
        oy = lo
    rows = min(rows, hi - oy)
    if rows <= 0:
        return 0
    line = row[W_OUT] * c_out
    a = begin + (oy - lo) * line + at[OX] * c_out
    add_runs(acc, a, line, weights, (w,), row[ROW_STEP], (n,), rows, run)
    for _ in range(rows):
        for block in range(a >> _SHIFT, ((a + run - 1) >> _SHIFT) + 1):
            touched[block] = 1
        a += line
    return rows * run


@numba.njit(cache=True, nogil=True)
def scatter_all(row, reach, weights, delays, pooling, acc, touched, base, slot, lo, hi, index, value, begin, end):  # type: ignore[no-untyped-def]  # fmt: skip  # pragma: no cover
    """Scatter ``value`` spikes each; return the synapses gone through, a spike at a time."""
    c_in = row[C_IN]
    through = np.int64(0)
    if row[KIND] == POOL:
        # One synapse each: the call would cost more than what it does.
        here = base + slot * row[NEURONS]
        for j in range(begin, end):
            at = np.int64(index[j])
            place = at // c_in
            to = reach[row[FIRST_PLACE] + place]
            if to[ROWS] and lo <= to[OY] < hi:
                a = here + ((to[OY] - lo) * row[W_OUT] + to[OX]) * c_in + at - place * c_in
                acc[a] += value[j] * pooling
                touched[a >> _SHIFT] = 1
                through += np.int64(value[j])
        return through
    if row[DELAYS] != NO_DELAYS:
        for j in range(begin, end):
            if value[j] != 0:
                place = np.int64(index[j]) // c_in
                through += np.int64(value[j]) * scatter(
                    row, reach, weights, delays, acc, touched, base, slot, lo, hi,
                    index[j] - place * c_in, place, value[j],
                )  # fmt: skip
        return through
    here = base + slot * row[NEURONS]
    line = row[W_OUT] * row[C_OUT]
    across = row[CHANNEL_STEP]
    step = row[ROW_STEP]
    j = begin
    while j < end:
        place = np.int64(index[j]) // c_in
        first = place * c_in
        k = together(index, j, end, first, c_in)
        to = reach[row[FIRST_PLACE] + place]
        oy = np.int64(to[OY])
        rows = np.int64(to[ROWS])
        run = np.int64(to[RUN])
        w = row[FIRST_WEIGHT] + to[WEIGHT] - first * across
        if oy < lo:
            rows -= lo - oy
            w -= (lo - oy) * step
            oy = np.int64(lo)
        rows = min(rows, hi - oy)
        a = here + (oy - lo) * line + to[OX] * row[C_OUT]
        i = j
        while i + 4 <= k:
            four = (
                w + across * index[i],
                w + across * index[i + 1],
                w + across * index[i + 2],
                w + across * index[i + 3],
            )
            n4 = (value[i], value[i + 1], value[i + 2], value[i + 3])
            add_runs(acc, a, line, weights, four, step, n4, rows, run)
            i += 4
        if i + 2 <= k:
            two = (w + across * index[i], w + across * index[i + 1])
            add_runs(acc, a, line, weights, two, step, (value[i], value[i + 1]), rows, run)
            i += 2
        if i < k:
            add_runs(acc, a, line, weights, (w + across * index[i],), step, (value[i],), rows, run)
        for _ in range(rows):
            for block in range(a >> _SHIFT, ((a + run - 1) >> _SHIFT) + 1):
                touched[block] = 1
            a += line
        if rows > 0:
            for i in range(j, k):
                through += np.int64(value[i]) * rows * run
        j = k
    return through


@numba.njit(cache=True, nogil=True)
def _scatter_groups(row, weights, delays, acc, touched, base, slot, lo, hi, c, place, n):  # type: ignore[no-untyped-def]  # pragma: no cover
    y = place // row[W_IN]
    x = place - y * row[W_IN]
    synapses = 0
    for f in range(row[C_OUT]):
        at = slot + delays[row[FIRST_DELAY] + f * row[C_IN] + c]
        if at >= row[SLOTS]:
            at -= row[SLOTS]
        begin = base + at * row[NEURONS]
        if row[KIND] == DENSE:
            w = row[FIRST_WEIGHT] + ((y * row[W_IN] + x) * row[C_IN] + c) * row[C_OUT] + f
            acc[begin + f] += n * weights[w]
            touched[(begin + f) >> _SHIFT] = 1
            synapses += 1
            continue
        stride = row[STRIDE]
        kernel = row[KERNEL]
        top = y + row[PADDING]
        left = x + row[PADDING]
        for ky in range(top % stride, kernel, stride):
            oy = (top - ky) // stride
            if oy < lo or oy >= hi or ky > top:
                continue
            for kx in range(left % stride, kernel, stride):
                ox = (left - kx) // stride
                if ox >= row[W_OUT] or kx > left:
                    continue
                a = begin + ((oy - lo) * row[W_OUT] + ox) * row[C_OUT] + f
                acc[a] += n * weights[conv_place(row, c, ky, kx, f)]
                touched[a >> _SHIFT] = 1
                synapses += 1
    return synapses
