"""One bin through the whole network, event-driven, in one compiled call on one CPU core.

Every layer does two things in a bin: each incoming spike adds its synapses' weights to the
neurons that it reaches (cost follows the spikes), and one vectorised pass advances all neurons
of the layer and collects those that fire.

Memory: neurons lie in (H, W, C) order, so that a spike's weights for one kernel row are one
contiguous run; ``state`` [5, N] holds the rows below for all layers, each layer's neurons
starting at a multiple of ``BLOCK``; ``table`` [layers, len(COLUMNS)] says where.
"""

from __future__ import annotations

import numba
import numpy as np

BLOCK = 64
"""Neurons advanced together; a layer's share of the state is padded to a multiple."""

INPUT, TRACE, RESPONSE, REF_TRACE, REF_RESPONSE = range(5)
"""Rows of the state: weighted input of this bin, x and y of both recursions."""

(
    KIND,
    C_IN,
    H_IN,
    W_IN,
    C_OUT,
    H_OUT,
    W_OUT,
    KERNEL,
    STRIDE,
    PADDING,
    TAPS,
    FIRST_NEURON,
    NEURONS,
    FIRST_WEIGHT,
) = range(14)
COLUMNS = 14
"""Columns of the table; TAPS is the number of kernel columns of one stride's phase."""

CONV, POOL, DENSE = range(3)

DECAY_X, DECAY_Y, LATE, SOON, DECAY_R, DECAY_Q, RESET, THETA, POOLING = range(9)
"""Entries of the constants, float32: ``models.neuron.Dynamics``, then pooling's weight."""

SPIKES, OPERATIONS = range(2)
"""Entries of the totals, int64."""

# Below this a trace is silence: it keeps the recursions out of subnormal numbers, where a
# processor may be a hundred times slower, and is far below a potential's last digit.
_SILENT = np.float32(1e-20)


@numba.njit(cache=True, nogil=True)
def _conv(row, weights, acc, c, y, x, n):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Add ``n`` spikes of the input at (c, y, x); return the number of synapses.

    Weights lie as [C_IN, KERNEL, STRIDE (phase), TAPS, C_OUT], kernel columns reversed within
    their phase, so that they run along the output's columns.
    """
    stride = row[STRIDE]
    kernel = row[KERNEL]
    taps = row[TAPS]
    c_out = row[C_OUT]
    width = row[W_OUT]
    top = y + row[PADDING]
    left = x + row[PADDING]
    phase = left % stride
    last = left // stride
    here = (kernel - phase + stride - 1) // stride
    lo = max(last - here + 1, 0)
    hi = min(last, width - 1)
    if hi < lo:
        return 0
    run = (hi - lo + 1) * c_out
    rows = 0
    for oy in range(
        max((top - kernel + stride) // stride, 0), min(top // stride, row[H_OUT] - 1) + 1
    ):
        ky = top - oy * stride
        w = (
            row[FIRST_WEIGHT]
            + (((c * kernel + ky) * stride + phase) * taps + (lo - last + taps - 1)) * c_out
        )
        a = row[FIRST_NEURON] + (oy * width + lo) * c_out
        source = weights[w : w + run]
        target = acc[a : a + run]
        for i in range(run):
            target[i] += n * source[i]
        rows += 1
    return rows * run


@numba.njit(cache=True, nogil=True)
def _scatter(row, weights, pooling, acc, c, y, x, n):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Add ``n`` spikes of the input at (c, y, x) to a layer; return the number of synapses."""
    if row[KIND] == CONV:
        return _conv(row, weights, acc, c, y, x, n)
    if row[KIND] == POOL:
        oy = y // row[KERNEL]
        ox = x // row[KERNEL]
        if oy >= row[H_OUT] or ox >= row[W_OUT]:
            return 0
        acc[row[FIRST_NEURON] + (oy * row[W_OUT] + ox) * row[C_OUT] + c] += n * pooling
        return 1
    run = row[C_OUT]
    w = row[FIRST_WEIGHT] + ((c * row[H_IN] + y) * row[W_IN] + x) * run
    source = weights[w : w + run]
    target = acc[row[FIRST_NEURON] : row[FIRST_NEURON] + run]
    for i in range(run):
        target[i] += n * source[i]
    return run


@numba.njit(cache=True, nogil=True)
def _advance(row, constants, state, fired, queue):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Advance a layer's neurons by one bin; fill ``queue`` with those that fire, return how many.

    The same float32 operations in the same order as ``neuron_kernels.forward``.
    """
    decay_x, decay_y = constants[DECAY_X], constants[DECAY_Y]
    late, soon = constants[LATE], constants[SOON]
    decay_r, decay_q, reset = constants[DECAY_R], constants[DECAY_Q], constants[RESET]
    theta = constants[THETA]
    one = np.float32(1)
    zero = np.float32(0)
    words = fired.view(np.uint64)
    found = 0
    for begin in range(0, row[NEURONS], BLOCK):
        lo = row[FIRST_NEURON] + begin
        acc = state[INPUT, lo : lo + BLOCK]
        x = state[TRACE, lo : lo + BLOCK]
        y = state[RESPONSE, lo : lo + BLOCK]
        rx = state[REF_TRACE, lo : lo + BLOCK]
        ry = state[REF_RESPONSE, lo : lo + BLOCK]
        for i in range(BLOCK):
            xi = decay_x * x[i] + acc[i]
            yi = decay_y * y[i] + late * x[i] + soon * xi
            ryi = decay_q * ry[i] + reset * rx[i]
            u = yi + ryi
            spike = one if u >= theta else zero
            rxi = decay_r * rx[i] + spike
            acc[i] = zero
            x[i] = xi if abs(xi) > _SILENT else zero
            y[i] = yi if abs(yi) > _SILENT else zero
            rx[i] = rxi if rxi > _SILENT else zero
            ry[i] = ryi if abs(ryi) > _SILENT else zero
            fired[i] = u >= theta
        any_fired = np.uint64(0)
        for j in range(BLOCK // 8):
            any_fired |= words[j]
        if any_fired:
            for i in range(BLOCK):
                if fired[i]:
                    queue[found] = begin + i
                    found += 1
    return found


@numba.njit(cache=True, nogil=True)
def step(table, constants, weights, state, fired, queue, index, count, n, totals, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Take one bin: the first ``n`` of ``index`` (flat into C, H, W) and ``count``.

    Sets ``out`` [outputs] int64 to the output layer's spikes and adds to ``totals``. Returns
    False, and changes nothing, where an index lies outside the input.
    """
    first = table[0]
    plane = first[H_IN] * first[W_IN]
    size = first[C_IN] * plane
    for i in range(n):
        if index[i] >= size:
            return False
    acc = state[INPUT]
    operations = 0
    for i in range(n):
        flat = np.int64(index[i])
        c = flat // plane
        y = (flat - c * plane) // first[W_IN]
        x = flat - c * plane - y * first[W_IN]
        k = count[i]
        operations += np.int64(k) * _scatter(
            first, weights, constants[POOLING], acc, c, y, x, np.float32(k)
        )
    spikes = 0
    layers = table.shape[0]
    for layer in range(layers):
        row = table[layer]
        found = _advance(row, constants, state, fired, queue)
        spikes += found
        c_out = row[C_OUT]
        if layer + 1 < layers:
            after = table[layer + 1]
            for i in range(found):
                at = np.int64(queue[i])
                place = at // c_out
                y = place // row[W_OUT]
                operations += _scatter(
                    after,
                    weights,
                    constants[POOLING],
                    acc,
                    at - place * c_out,
                    y,
                    place - y * row[W_OUT],
                    np.float32(1),
                )
        else:
            out[:] = 0
            plane_out = row[H_OUT] * row[W_OUT]
            for i in range(found):
                place = queue[i] // c_out
                out[(queue[i] - place * c_out) * plane_out + place] += 1
    totals[SPIKES] += spikes
    totals[OPERATIONS] += operations
    return True


@numba.njit(cache=True, nogil=True)
def run(table, constants, weights, state, fired, queue, offsets, index, count, totals, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Take the bins between ``offsets`` [n_bins + 1]; fill ``out`` [n_bins, outputs] int64.

    Returns the number of bins taken: fewer than ``n_bins`` where one lies outside the input.
    """
    for k in range(offsets.shape[0] - 1):
        lo = np.int64(offsets[k])
        hi = np.int64(offsets[k + 1])
        ok = step(
            table,
            constants,
            weights,
            state,
            fired,
            queue,
            index[lo:hi],
            count[lo:hi],
            hi - lo,
            totals,
            out[k],
        )
        if not ok:
            return k
    return offsets.shape[0] - 1
