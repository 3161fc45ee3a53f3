"""One layer through a whole recording, forward and backward in time, compiled, event-driven.

Spike trains are lists: ``offsets`` int64 [T + 1] says where each bin's entries begin in ``index``
int32 [n] (the neuron, in (H, W, C) order) and ``value`` float32 [n] (how much the spike counts).

Forward, a layer keeps what its gradient needs and no more: for every bin the neurons whose
surrogate is not zero, and its value there. Backward, only they have an error of their own, and the
errors of the layer below are gathered only where that layer kept a neuron: with a surrogate of
finite support all cost follows the spikes (Perez-Nieves and Goodman, "Sparse spiking gradient
descent", NeurIPS 2021).
"""

from __future__ import annotations

import numba
import numpy as np

from models.layout import (
    BLOCK,
    C_IN,
    C_OUT,
    DELAYS,
    DENSE,
    FIRST_PLACE,
    FIRST_WEIGHT,
    H_OUT,
    KIND,
    NEURONS,
    NO_DELAYS,
    OX,
    OY,
    POOL,
    ROWS,
    SLOTS,
    W_OUT,
)
from models.neuron_kernels import EXPONENTIAL, FAST_SIGMOID
from models.scatter_kernels import collect, delay_gradient, dot, gather, scatter
from models.step_kernels import (
    ASLEEP,
    DECAY_X,
    DECAY_Y,
    LATE,
    POOLING,
    SOON,
    THETA,
    advance,
)


@numba.njit(cache=True, nogil=True)
def arrange(index, count, shape, out, value):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Bring a recording's inputs, flat in (C, H, W), into the order of neurons."""
    channels, height, width = shape
    plane = height * width
    for i in range(index.shape[0]):
        flat = np.int64(index[i])
        c = flat // plane
        out[i] = (flat - c * plane) * channels + c
        value[i] = count[i]


@numba.njit(cache=True, nogil=True)
def _pool(row, reach, pooling, acc, touched, lo, hi, index, value, begin, end):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Do what ``scatter`` does for spikes ``begin`` to ``end`` of a pooling layer.

    One synapse each: the call would cost more than what it does.
    """
    c_in = row[C_IN]
    width = row[W_OUT]
    first = row[FIRST_PLACE]
    through = np.int64(0)
    for j in range(begin, end):
        at = np.int64(index[j])
        place = at // c_in
        oy = reach[first + place, OY]
        if reach[first + place, ROWS] and lo <= oy < hi:
            a = ((oy - lo) * width + reach[first + place, OX]) * c_in + at - place * c_in
            acc[a] += value[j] * pooling
            touched[a // BLOCK] = 1
            through += np.int64(value[j])
    return through


@numba.njit(cache=True, nogil=True)
def forward(row, reach, constants, weights, delays, offsets, index, value, state, acc, touched, fresh, rhythm, lo, hi, surrogate, u, fired, out_offsets, out, kept_offsets, kept, rho):  # type: ignore[no-untyped-def]  # fmt: skip  # pragma: no cover
    """Run a layer's rows ``lo`` to ``hi`` from rest; fill its spikes and what its gradient needs.

    ``out`` int32 gets the spikes; ``kept`` int32 and ``rho`` float32 the neurons near their
    threshold and the surrogate there, unless ``kept`` is empty. ``surrogate`` is (kind, support,
    width, scale) as float32. Returns how many spikes and how many near neurons there were (the
    arrays hold the first of them where there are more than they have room for) and how many
    synapses spikes went through.
    """
    steps = offsets.shape[0] - 1
    c_in = row[C_IN]
    base = lo * row[W_OUT] * row[C_OUT]
    count = (hi - lo) * row[W_OUT] * row[C_OUT]
    blocks = (count + BLOCK - 1) // BLOCK
    theta = constants[THETA]
    keep = kept.shape[0] > 0
    kind = int(surrogate[0])
    support, width, scale = surrogate[1], surrogate[2], surrogate[3]
    one = np.float32(1)
    acc[:] = 0
    state[:] = 0
    touched[:] = 0
    # Where a neuron at rest has a gradient too, none may sleep.
    fresh[:] = 0 if keep and support > theta else ASLEEP
    found = 0
    near = 0
    operations = 0
    out_offsets[0] = 0
    kept_offsets[0] = 0
    # Few neurons of a block fire or are near: eight flags at a look tell where they are.
    eight_fired = fired.view(np.uint64)
    nearby = np.zeros(BLOCK, np.uint8)
    eight_near = nearby.view(np.uint64)
    for t in range(steps):
        slot = t % row[SLOTS]
        if row[KIND] == POOL:
            operations += _pool(
                row, reach, constants[POOLING], acc, touched, lo, hi, index, value, offsets[t],
                offsets[t + 1],
            )  # fmt: skip
        else:
            for j in range(offsets[t], offsets[t + 1]):
                if value[j] != 0:
                    at = np.int64(index[j])
                    place = at // c_in
                    operations += np.int64(value[j]) * scatter(
                        row, reach, weights, delays, constants[POOLING], acc, touched, 0, slot, lo,
                        hi, at - place * c_in, place, value[j],
                    )  # fmt: skip
        sweep = t % rhythm[1] == rhythm[1] - 1
        begin = slot * row[NEURONS]
        for b in range(blocks):
            at = begin // BLOCK + b
            reached = touched[at]
            if not reached and fresh[b] == ASLEEP:
                continue
            touched[at] = 0
            first = begin + b * BLOCK
            fire = advance(
                constants, state, acc[first : first + BLOCK], reached, fresh, b, rhythm[0], sweep,
                u, fired,
            )  # fmt: skip
            if fire:
                if found + BLOCK <= out.shape[0]:
                    for k in range(BLOCK // 8):
                        if eight_fired[k]:
                            for i in range(8 * k, 8 * k + 8):
                                out[found] = base + b * BLOCK + i
                                found += fired[i]
                else:
                    found += fire
            if keep:
                valid = min(BLOCK, count - b * BLOCK)
                some = 0
                for i in range(BLOCK):
                    close = abs(u[i] - theta) < support
                    nearby[i] = close
                    some += close
                if not some:
                    continue
                if valid < BLOCK:
                    nearby[valid:] = 0
                if near + BLOCK > kept.shape[0]:
                    for i in range(valid):
                        near += nearby[i]
                    continue
                for k in range(BLOCK // 8):
                    if eight_near[k]:
                        for i in range(8 * k, 8 * k + 8):
                            kept[near] = base + b * BLOCK + i
                            rho[near] = abs(u[i] - theta)
                            near += nearby[i]
        out_offsets[t + 1] = found
        kept_offsets[t + 1] = near
    if keep and near <= rho.shape[0]:
        if kind == EXPONENTIAL:
            for j in range(near):
                rho[j] = scale * np.exp(-rho[j] / width)
        elif kind == FAST_SIGMOID:
            for j in range(near):
                z = one + rho[j] / width
                rho[j] = scale / (z * z)
        else:
            for j in range(near):
                rho[j] = scale * (one - rho[j] / width)
    return found, near, operations


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def _recede(constants, x, y, delta, e):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Take a block one bin back: the adjoint of the input's recursions."""
    decay_x, decay_y = constants[DECAY_X], constants[DECAY_Y]
    late, soon = constants[LATE], constants[SOON]
    zero = np.float32(0)
    silent = np.float32(1e-30)
    for i in range(BLOCK):
        after = y[i]
        yi = decay_y * after + delta[i]
        xi = decay_x * x[i] + late * after + soon * yi
        delta[i] = zero
        y[i] = yi if abs(yi) > silent else zero
        xi = xi if abs(xi) > silent else zero
        x[i] = xi
        e[i] = xi


@numba.njit(cache=True, nogil=True)
def backward(row, reach, constants, weights, delays, offsets, index, value, low_offsets, low, kept_offsets, kept, rho, error, x, y, delta, e, awake, grad, delay_grad, low_error):  # type: ignore[no-untyped-def]  # fmt: skip  # pragma: no cover
    """Run a layer back in time; add to ``grad`` and ``delay_grad``; fill ``low_error``.

    ``error`` [n kept] is the loss's derivative by the spike of each neuron that was kept; the
    inputs are the layer's own as forward; ``low`` are the neurons that the layer below kept, and
    ``low_error`` [n] gets the derivative by theirs. ``x``, ``y``, ``delta`` [NEURONS] and ``e``
    [SLOTS · NEURONS] are room to work in, ``awake`` uint8 one a block.
    """
    steps = offsets.shape[0] - 1
    c_in = row[C_IN]
    neurons = row[NEURONS]
    slots = row[SLOTS]
    delayed = row[DELAYS] != NO_DELAYS
    x[:] = 0
    y[:] = 0
    delta[:] = 0
    e[:] = 0
    awake[:] = 0
    for t in range(steps - 1, -2 if delayed else -1, -1):
        slot = t % slots
        begin = slot * neurons
        if t >= 0:
            for j in range(kept_offsets[t], kept_offsets[t + 1]):
                n = kept[j]
                delta[n] = rho[j] * error[j]
                awake[n // BLOCK] = 1
            for b in range(neurons // BLOCK):
                if awake[b]:
                    lo = b * BLOCK
                    hi = lo + BLOCK
                    _recede(constants, x[lo:hi], y[lo:hi], delta[lo:hi], e[begin + lo : begin + hi])
        else:
            e[begin : begin + neurons] = 0
        # A delay's gradient needs the error of the bin before, so that inputs come one bin later.
        now = t + 1 if delayed else t
        if now >= steps:
            continue
        at_slot = now % slots
        for j in range(offsets[now], offsets[now + 1] if row[KIND] != POOL else offsets[now]):
            if value[j] != 0:
                at = np.int64(index[j])
                place = at // c_in
                c = at - place * c_in
                collect(row, reach, grad, delays, e, at_slot, c, place, value[j])
                if delayed:
                    delay_gradient(
                        row, reach, weights, delays, e, at_slot, slot, delay_grad, c, place,
                        value[j],
                    )  # fmt: skip
        if row[KIND] == POOL:
            # One synapse each: the call would cost more than what it does.
            width, c_out = row[W_OUT], row[C_OUT]
            pooling = constants[POOLING]
            places = reach[row[FIRST_PLACE] :]
            for j in range(low_offsets[now], low_offsets[now + 1]):
                at = np.int64(low[j])
                place = at // c_in
                if places[place, ROWS]:
                    over = places[place, OY] * width + places[place, OX]
                    low_error[j] = pooling * e[begin + over * c_out + at - place * c_in]
            continue
        if row[KIND] == DENSE and not delayed:
            # A few synapses each, all behind one another: likewise.
            c_out = row[C_OUT]
            here = e[begin : begin + c_out]
            for j in range(low_offsets[now], low_offsets[now + 1]):
                w = row[FIRST_WEIGHT] + np.int64(low[j]) * c_out
                low_error[j] = dot(weights[w : w + c_out], here, c_out)
            continue
        for j in range(low_offsets[now], low_offsets[now + 1]):
            at = np.int64(low[j])
            place = at // c_in
            low_error[j] = gather(row, reach, weights, delays, e, at_slot, at - place * c_in, place)


@numba.njit(cache=True, nogil=True)
def merge(a_offsets, a, b_offsets, b, offsets, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Put two lists of spikes together, bin by bin, the first one's first."""
    n = 0
    for t in range(offsets.shape[0] - 1):
        offsets[t] = n
        for j in range(a_offsets[t], a_offsets[t + 1]):
            out[n] = a[j]
            n += 1
        for j in range(b_offsets[t], b_offsets[t + 1]):
            out[n] = b[j]
            n += 1
    offsets[offsets.shape[0] - 1] = n


@numba.njit(cache=True, nogil=True)
def spread(offsets, index, row, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Set ``out`` [T, C · H · W], zeros, to 1 where there is a spike."""
    c_out = row[C_OUT]
    plane = row[H_OUT] * row[W_OUT]
    for t in range(offsets.shape[0] - 1):
        for j in range(offsets[t], offsets[t + 1]):
            place = index[j] // c_out
            out[t, (index[j] - place * c_out) * plane + place] = np.float32(1)


@numba.njit(cache=True, nogil=True)
def pick(offsets, index, row, grad, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill ``out`` [n] with the entries of ``grad`` [T, C · H · W] that a list names."""
    c_out = row[C_OUT]
    plane = row[H_OUT] * row[W_OUT]
    for t in range(offsets.shape[0] - 1):
        for j in range(offsets[t], offsets[t + 1]):
            place = index[j] // c_out
            out[j] = grad[t, (index[j] - place * c_out) * plane + place]
