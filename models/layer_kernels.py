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

from models.gradient_kernels import collect_all, delay_gradient, gather_all
from models.lanes import WORD, counted, lowest, nearby
from models.layout import (
    BLOCK,
    C_IN,
    C_OUT,
    DELAYS,
    H_OUT,
    KIND,
    NEURONS,
    NO_DELAYS,
    POOL,
    SLOTS,
    W_OUT,
)
from models.neuron_kernels import EXPONENTIAL, FAST_SIGMOID
from models.scatter_kernels import scatter_all
from models.step_kernels import (
    ASLEEP,
    DECAY_X,
    DECAY_Y,
    LATE,
    POOLING,
    SOON,
    THETA,
    advance,
    listed,
)

_SILENT = np.float32(1e-30)
"""Below this an error's trace has faded: nearer to where numbers end than a spike's, and so looked
for more often."""


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
    base = lo * row[W_OUT] * row[C_OUT]
    count = (hi - lo) * row[W_OUT] * row[C_OUT]
    blocks = (count + BLOCK - 1) // BLOCK
    theta = constants[THETA]
    keep = kept.shape[0] > 0
    kind = int(surrogate[0])
    support, width, scale = surrogate[1], surrogate[2], surrogate[3]
    one = np.float32(1)
    nowhere = np.float32(np.inf)
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
    for t in range(steps):
        slot = t % row[SLOTS]
        operations += scatter_all(
            row, reach, weights, delays, constants[POOLING], acc, touched, 0, slot, lo, hi,
            index, value, offsets[t], offsets[t + 1],
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
            here = base + b * BLOCK
            some = advance(
                constants, state, acc[first : first + BLOCK], reached, fresh, b, rhythm[0], sweep,
                u, fired,
            )  # fmt: skip
            if some:
                if found + BLOCK <= out.shape[0]:
                    found = listed(fired, here, out, found)
                else:
                    for k in range(BLOCK // WORD):
                        found += counted(fired[k])
            if not keep:
                continue
            for k in range(min(BLOCK, count - b * BLOCK), BLOCK):
                u[k] = nowhere
            for k in range(0, BLOCK, WORD):
                bits = nearby(u, k, theta, support)
                if near + WORD > kept.shape[0]:
                    near += counted(bits)
                    continue
                while bits:
                    i = k + lowest(bits)
                    kept[near] = here + i
                    rho[near] = abs(u[i] - theta)
                    near += 1
                    bits &= bits - np.uint64(1)
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
def _recede(constants, x, y, lo, sweep):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Take the block from ``lo`` on one bin back: the adjoint of the input's recursions.

    Without the errors of that bin, which are added behind it. In a ``sweep`` traces that have
    faded are set to 0.
    """
    decay_x, decay_y = constants[DECAY_X], constants[DECAY_Y]
    late, soon = constants[LATE], constants[SOON]
    zero = np.float32(0)
    xs = x[lo : lo + BLOCK]
    ys = y[lo : lo + BLOCK]
    for i in range(BLOCK):
        after = ys[i]
        now = decay_y * after
        xs[i] = decay_x * xs[i] + late * after + soon * now
        ys[i] = now
    if sweep:
        for i in range(BLOCK):
            xs[i] = xs[i] if abs(xs[i]) > _SILENT else zero
            ys[i] = ys[i] if abs(ys[i]) > _SILENT else zero


@numba.njit(cache=True, nogil=True)
def backward(row, reach, constants, rhythm, weights, delays, offsets, index, value, low_offsets, low, kept_offsets, kept, rho, error, x, y, e, awake, grad, delay_grad, low_error):  # type: ignore[no-untyped-def]  # fmt: skip  # pragma: no cover
    """Run a layer back in time; add to ``grad`` and ``delay_grad``; fill ``low_error``.

    ``error`` [n kept] is the loss's derivative by the spike of each neuron that was kept; the
    inputs are the layer's own as forward; ``low`` are the neurons that the layer below kept, and
    ``low_error`` [n] gets the derivative by theirs. ``x`` and ``y`` [NEURONS] and ``e`` [SLOTS ·
    NEURONS] are room to work in, ``awake`` uint8 one a block; ``e`` is ``x`` where there is one
    slot.
    """
    steps = offsets.shape[0] - 1
    c_in = row[C_IN]
    neurons = row[NEURONS]
    slots = row[SLOTS]
    delayed = row[DELAYS] != NO_DELAYS
    soon = constants[SOON]
    every = max(1, rhythm[1] // 3)
    x[:] = 0
    y[:] = 0
    e[:] = 0
    awake[:] = 0
    for t in range(steps - 1, -2 if delayed else -1, -1):
        slot = t % slots
        sweep = t % every == 0
        begin = slot * neurons
        if t >= 0:
            for b in range(neurons // BLOCK):
                if awake[b]:
                    at = b * BLOCK
                    _recede(constants, x, y, at, sweep)
            for j in range(kept_offsets[t], kept_offsets[t + 1]):
                n = kept[j]
                own = rho[j] * error[j]
                y[n] += own
                x[n] += soon * own
                awake[n // BLOCK] = 1
            for b in range(neurons // BLOCK if slots > 1 else 0):
                if awake[b]:
                    at = b * BLOCK
                    e[begin + at : begin + at + BLOCK] = x[at : at + BLOCK]
        else:
            e[begin : begin + neurons] = 0
        # A delay's gradient needs the error of the bin before, so that inputs come one bin later.
        now = t + 1 if delayed else t
        if now >= steps:
            continue
        at_slot = now % slots
        if row[KIND] != POOL:
            collect_all(
                row, reach, grad, delays, e, at_slot, index, value, offsets[now], offsets[now + 1]
            )
        if delayed:
            for j in range(offsets[now], offsets[now + 1]):
                if value[j] != 0:
                    place = np.int64(index[j]) // c_in
                    delay_gradient(
                        row, reach, weights, delays, e, at_slot, slot, delay_grad,
                        index[j] - place * c_in, place, value[j],
                    )  # fmt: skip
        gather_all(
            row, reach, weights, delays, e, at_slot, low, low_offsets[now], low_offsets[now + 1],
            low_error,
        )  # fmt: skip
    if row[KIND] == POOL:
        low_error *= constants[POOLING]


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
