"""What a spike does to a layer, compiled: the way there, and both ways back for its gradient.

    scatter   acc[post] += n · W[pre, post]          a spike reaches the neurons behind its synapses
    collect   grad[pre, post] += n · e[post]         what the spike's synapses learn from the error
    gather    Σ W[pre, post] · e[post]               what the error says of the spike itself

All three walk the same runs of memory (``models.layout``): their cost follows the spikes. ``acc``
and ``e`` are ``[SLOTS · NEURONS]`` float32, one slot a bin, of which ``slot`` is the one at hand
and a synapse with a delay of d bins takes the d-th after it. ``lo`` and ``hi`` bound the output
rows (H) that are walked; neurons are counted from row ``lo``. ``base`` is where the layer's slots
begin.

``scatter_all``, ``collect_all`` and ``gather_all`` do so for many spikes, ``begin`` to ``end`` of
``index`` (neurons in (H, W, C) order). Spikes of one place reach the same neurons: those that come
behind one another are taken four or two at a time, each sum in the order of the spikes.
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
    TAPS,
    W_IN,
    W_OUT,
    WEIGHT,
)

_SHIFT = 7
"""log2 of ``layout.BLOCK``."""

SCATTER, COLLECT, GATHER = range(3)


@numba.njit(cache=True, nogil=True)
def _begin(row, delays, base, slot, c):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return where the slot of input channel ``c`` begins, delays by channel counted in."""
    if row[DELAYS] == BY_CHANNEL:
        slot += delays[row[FIRST_DELAY] + c]
        if slot >= row[SLOTS]:
            slot -= row[SLOTS]
    return base + slot * row[NEURONS]


@numba.njit(cache=True, nogil=True)
def scatter(row, reach, weights, delays, pooling, acc, touched, base, slot, lo, hi, c, place, n):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Add ``n`` spikes of the input at (c, place); return the number of synapses.

    ``touched`` uint8 is set for every block of ``acc`` that is reached.
    """
    if row[DELAYS] == BY_GROUP:
        return _scatter_groups(row, weights, delays, acc, touched, base, slot, lo, hi, c, place, n)
    begin = _begin(row, delays, base, slot, c)
    at = reach[row[FIRST_PLACE] + place]
    c_out = row[C_OUT]
    oy = np.int64(at[OY])
    rows = np.int64(at[ROWS])
    if row[KIND] == POOL:
        if rows == 0 or oy < lo or oy >= hi:
            return 0
        a = begin + ((oy - lo) * row[W_OUT] + at[OX]) * c_out + c
        acc[a] += n * pooling
        touched[a >> _SHIFT] = 1
        return 1
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
    step = row[ROW_STEP]
    for _ in range(rows):
        source = weights[w : w + run]
        target = acc[a : a + run]
        for i in range(run):
            target[i] += n * source[i]
        for block in range(a >> _SHIFT, ((a + run - 1) >> _SHIFT) + 1):
            touched[block] = 1
        a += line
        w -= step
    return rows * run


@numba.njit(cache=True, nogil=True)
def collect(row, reach, grad, delays, e, slot, c, place, n):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Add ``n`` times the error ``e`` to the gradient of every synapse of the input (c, place)."""
    if row[DELAYS] == BY_GROUP:
        for f in range(row[C_OUT]):
            _group(COLLECT, row, grad, delays, e, slot, c, place, n, f)
        return
    at = reach[row[FIRST_PLACE] + place]
    run = np.int64(at[RUN])
    line = row[W_OUT] * row[C_OUT]
    w = row[FIRST_WEIGHT] + at[WEIGHT] + c * row[CHANNEL_STEP]
    a = _begin(row, delays, 0, slot, c) + at[OY] * line + at[OX] * row[C_OUT]
    step = row[ROW_STEP]
    for _ in range(at[ROWS]):
        target = grad[w : w + run]
        source = e[a : a + run]
        for i in range(run):
            target[i] += n * source[i]
        a += line
        w -= step


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def dot(a, b, n):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return the scalar product of the first ``n`` of two arrays."""
    total = np.float32(0)
    for i in range(n):
        total += a[i] * b[i]
    return total


@numba.njit(cache=True, nogil=True)
def gather(row, reach, weights, delays, e, slot, c, place):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return the weighted error behind the synapses of the input (c, place)."""
    total = np.float32(0)
    if row[DELAYS] == BY_GROUP:
        for f in range(row[C_OUT]):
            total += _group(GATHER, row, weights, delays, e, slot, c, place, total, f)
        return total
    at = reach[row[FIRST_PLACE] + place]
    line = row[W_OUT] * row[C_OUT]
    a = _begin(row, delays, 0, slot, c) + at[OY] * line + at[OX] * row[C_OUT]
    run = np.int64(at[RUN])
    w = row[FIRST_WEIGHT] + at[WEIGHT] + c * row[CHANNEL_STEP]
    step = row[ROW_STEP]
    for _ in range(at[ROWS]):
        total += dot(weights[w : w + run], e[a : a + run], run)
        a += line
        w -= step
    return total


@numba.njit(cache=True, nogil=True)
def _together(index, begin, end, first, c_in):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return where the spikes from ``begin`` on end that lie at the place of neuron ``first``."""
    j = begin
    while j < end and first <= index[j] < first + c_in:
        j += 1
    return j


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
                    row, reach, weights, delays, pooling, acc, touched, base, slot, lo, hi,
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
        k = _together(index, j, end, first, c_in)
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
        for _ in range(rows):
            target = acc[a : a + run]
            i = j
            while i + 4 <= k:
                w0, n0 = w + across * index[i], value[i]
                w1, n1 = w + across * index[i + 1], value[i + 1]
                w2, n2 = w + across * index[i + 2], value[i + 2]
                w3, n3 = w + across * index[i + 3], value[i + 3]
                s0, s1 = weights[w0 : w0 + run], weights[w1 : w1 + run]
                s2, s3 = weights[w2 : w2 + run], weights[w3 : w3 + run]
                for m in range(run):
                    two = (target[m] + n0 * s0[m]) + n1 * s1[m]
                    target[m] = (two + n2 * s2[m]) + n3 * s3[m]
                i += 4
            if i + 2 <= k:
                w0, n0 = w + across * index[i], value[i]
                w1, n1 = w + across * index[i + 1], value[i + 1]
                s0, s1 = weights[w0 : w0 + run], weights[w1 : w1 + run]
                for m in range(run):
                    target[m] = (target[m] + n0 * s0[m]) + n1 * s1[m]
                i += 2
            if i < k:
                w0, n0 = w + across * index[i], value[i]
                s0 = weights[w0 : w0 + run]
                for m in range(run):
                    target[m] += n0 * s0[m]
            for block in range(a >> _SHIFT, ((a + run - 1) >> _SHIFT) + 1):
                touched[block] = 1
            a += line
            w -= step
        if rows > 0:
            for i in range(j, k):
                through += np.int64(value[i]) * rows * run
        j = k
    return through


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
        k = _together(index, j, end, first, c_in)
        to = reach[row[FIRST_PLACE] + place]
        run = np.int64(to[RUN])
        w = row[FIRST_WEIGHT] + to[WEIGHT] - first * across
        a = here + to[OY] * line + to[OX] * row[C_OUT]
        for _ in range(to[ROWS]):
            source = e[a : a + run]
            i = j
            while i + 2 <= k:
                w0, n0 = w + across * index[i], value[i]
                w1, n1 = w + across * index[i + 1], value[i + 1]
                t0, t1 = grad[w0 : w0 + run], grad[w1 : w1 + run]
                for m in range(run):
                    t0[m] += n0 * source[m]
                    t1[m] += n1 * source[m]
                i += 2
            if i < k:
                w0, n0 = w + across * index[i], value[i]
                t0 = grad[w0 : w0 + run]
                for m in range(run):
                    t0[m] += n0 * source[m]
            a += line
            w -= step
        j = k


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _dot3(a, first, back, b, begin, on, n):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return the sum of three rows' ``dot``: one sum across a register instead of three."""
    total = np.float32(0)
    a0, b0 = a[first : first + n], b[begin : begin + n]
    first -= back
    begin += on
    a1, b1 = a[first : first + n], b[begin : begin + n]
    first -= back
    begin += on
    a2, b2 = a[first : first + n], b[begin : begin + n]
    for i in range(n):
        total += a0[i] * b0[i] + a1[i] * b1[i] + a2[i] * b2[i]
    return total


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
        total = np.float32(0)
        while rows >= 3:
            total += _dot3(weights, w, step, e, a, line, run)
            w -= 3 * step
            a += 3 * line
            rows -= 3
        for _ in range(rows):
            total += dot(weights[w : w + run], e[a : a + run], run)
            w -= step
            a += line
        out[j] = total


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
                acc[a] += n * weights[_conv_place(row, c, ky, kx, f)]
                touched[a >> _SHIFT] = 1
                synapses += 1
    return synapses


@numba.njit(cache=True, nogil=True)
def _conv_place(row, c, ky, kx, f):  # type: ignore[no-untyped-def]  # pragma: no cover
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
            w = _conv_place(row, c, ky, kx, f)
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
