"""Advancing neurons by a bin, and one bin through the whole network, compiled, event-driven.

Every layer does two things in a bin: each incoming spike adds its synapses' weights to the
neurons that it reaches (``models.scatter_kernels``: cost follows the spikes), and one vectorised
pass advances the neurons, ``BLOCK`` at a time, and finds those that fire. A block that no spike
has reached since the reset sleeps: its potential is 0 and nothing is done. In one that is awake,
the response to own spikes is computed only while it lasts.

Memory of a block b: ``state[b·4·BLOCK:]`` float32 holds x, y, q, r of ``models.neuron``, BLOCK each.
``fresh`` int32 [blocks] is −1 asleep, else for how many bins yet own spikes are felt. The input of
the bin is ``acc`` where ``touched`` says so.
"""

from __future__ import annotations

import numba
import numpy as np

from models.lanes import WORD, lowest, reaching
from models.layout import (
    BLOCK,
    C_OUT,
    FIRST_INPUT,
    FIRST_NEURON,
    H_OUT,
    NEURONS,
    SLOTS,
    W_OUT,
)
from models.scatter_kernels import scatter_all

DECAY_X, DECAY_Y, LATE, SOON, DECAY_R, DECAY_Q, RESET, THETA, POOLING = range(9)
"""Entries of the constants, float32: ``models.neuron.Dynamics``, then pooling's weight."""

ASLEEP = -1

SPIKES, OPERATIONS, BINS, FIRED = range(4)
"""Entries of the totals, int64. From FIRED on an entry a layer: where the layer's spikes of the
last bin end in the queue, which holds those of all layers, one behind the other."""

# Below this a trace is silence. Taking it for 0 keeps the recursions out of subnormal numbers,
# where a processor may be a hundred times slower; it is far below a potential's last digit.
_SILENT = np.float32(1e-20)


@numba.njit(cache=True, nogil=True, inline="always")
def advance(constants, state, acc, touched, fresh, block, memory, sweep, u, fired):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Advance a block by a bin; fill ``u`` [BLOCK]; return whether any fires.

    ``fired`` uint64 [BLOCK / 64] gets a bit for each that does. ``acc`` [BLOCK] is its input,
    emptied here. Every ``sweep`` bins traces that have faded are set to 0. The same float32
    operations in the same order as ``neuron_kernels.forward``.
    """
    decay_x, decay_y = constants[DECAY_X], constants[DECAY_Y]
    late, soon, theta = constants[LATE], constants[SOON], constants[THETA]
    zero = np.float32(0)
    one = np.float32(1)
    o = block * (4 * BLOCK)
    x = state[o : o + BLOCK]
    y = state[o + BLOCK : o + 2 * BLOCK]
    if touched:
        for i in range(BLOCK):
            old = x[i]
            new = decay_x * old + acc[i]
            y[i] = decay_y * y[i] + late * old + soon * new
            x[i] = new
            acc[i] = zero
    else:
        for i in range(BLOCK):
            old = x[i]
            new = decay_x * old
            y[i] = decay_y * y[i] + late * old + soon * new
            x[i] = new
    if sweep:
        for i in range(BLOCK):
            x[i] = x[i] if abs(x[i]) > _SILENT else zero
            y[i] = y[i] if abs(y[i]) > _SILENT else zero
    left = fresh[block]
    q = state[o + 2 * BLOCK : o + 3 * BLOCK]
    r = state[o + 3 * BLOCK : o + 4 * BLOCK]
    if left > 0:
        decay_r, decay_q, reset = constants[DECAY_R], constants[DECAY_Q], constants[RESET]
        for i in range(BLOCK):
            q[i] = decay_q * q[i] + reset * r[i]
            v = y[i] + q[i]
            r[i] = decay_r * r[i] + (one if v >= theta else zero)
            u[i] = v
    else:
        for i in range(BLOCK):
            u[i] = y[i]
    some = np.uint64(0)
    for k in range(BLOCK // WORD):
        bits = reaching(u, k * WORD, theta)
        fired[k] = bits
        some |= bits
    if some:
        if left <= 0:
            for i in range(BLOCK):
                r[i] = one if u[i] >= theta else zero
        left = memory
    elif left > 0:
        left -= 1
        if left == 0:
            for i in range(2 * BLOCK):
                state[o + 2 * BLOCK + i] = zero
    else:
        left = 0
    if sweep and left > 0:
        for i in range(BLOCK):
            q[i] = q[i] if abs(q[i]) > _SILENT else zero
            r[i] = r[i] if abs(r[i]) > _SILENT else zero
    fresh[block] = left
    return some != 0


@numba.njit(cache=True, nogil=True)
def listed(fired, first, out, found):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Put ``first`` + i into ``out`` from ``found`` on for every bit i; return where they end."""
    for k in range(BLOCK // WORD):
        bits = fired[k]
        while bits:
            out[found] = first + k * WORD + lowest(bits)
            found += 1
            bits &= bits - np.uint64(1)
    return found


@numba.njit(cache=True, nogil=True)
def _layer(row, constants, state, acc, touched, fresh, slot, memory, sweep, u, fired, queue):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Advance a layer by a bin; fill ``queue`` with those that fire, return how many."""
    found = np.int64(0)
    begin = row[FIRST_INPUT] + slot * row[NEURONS]
    first = row[FIRST_NEURON] // BLOCK
    for b in range(row[NEURONS] // BLOCK):
        at = begin // BLOCK + b
        reached = touched[at]
        if not reached and fresh[first + b] == ASLEEP:
            continue
        touched[at] = 0
        lo = begin + b * BLOCK
        some = advance(
            constants,
            state,
            acc[lo : lo + BLOCK],
            reached,
            fresh,
            first + b,
            memory,
            sweep,
            u,
            fired,
        )
        if some:
            found = listed(fired, b * BLOCK, queue, found)
    return found


@numba.njit(cache=True, nogil=True)
def arrange(index, count, shape, out, value):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Bring inputs, flat in (C, H, W), into the order of neurons.

    Returns how many there are before the first that lies outside.
    """
    channels, height, width = shape
    plane = height * width
    for i in range(index.shape[0]):
        flat = np.int64(index[i])
        c = flat // plane
        if c >= channels:
            return i
        out[i] = (flat - c * plane) * channels + c
        value[i] = count[i]
    return index.shape[0]


@numba.njit(cache=True, nogil=True)
def step(table, reach, constants, weights, delays, state, acc, touched, fresh, rhythm, u, fired, queue, ones, index, value, begin, end, totals, out):  # type: ignore[no-untyped-def]  # fmt: skip  # pragma: no cover
    """Take one bin: ``begin`` to ``end`` of ``index`` int32, as arranged, and ``value`` float32.

    Sets ``out`` [outputs] int64 to the output layer's spikes and adds to ``totals``. ``rhythm`` is
    (bins that own spikes are felt, bins between two sweeps). ``ones`` float32 are as many 1 as the
    queue has places.
    """
    bin_ = totals[BINS]
    sweep = bin_ % rhythm[1] == rhythm[1] - 1
    operations = 0
    spikes = 0
    layers = table.shape[0]
    for layer in range(layers):
        row = table[layer]
        slot = bin_ % row[SLOTS]
        operations += scatter_all(
            row, reach, weights, delays, constants[POOLING], acc, touched, row[FIRST_INPUT], slot,
            0, row[H_OUT], index, value, begin, end,
        )  # fmt: skip
        index, value = queue[spikes:], ones
        begin = np.int64(0)
        end = _layer(
            row, constants, state, acc, touched, fresh, slot, rhythm[0], sweep, u, fired, index
        )
        spikes += end
        totals[FIRED + layer] = spikes
    row = table[layers - 1]
    c_out = row[C_OUT]
    plane = row[H_OUT] * row[W_OUT]
    out[:] = 0
    for i in range(end):
        place = index[i] // c_out
        out[(index[i] - place * c_out) * plane + place] += 1
    totals[SPIKES] += spikes
    totals[OPERATIONS] += operations
    totals[BINS] += 1


@numba.njit(cache=True, nogil=True)
def tell(table, queue, totals, index):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill ``index`` uint32 [neurons] with who spiked in the last bin, flat into (C, H, W)."""
    i = 0
    for layer in range(table.shape[0]):
        c_out = table[layer, C_OUT]
        plane = table[layer, H_OUT] * table[layer, W_OUT]
        while i < totals[FIRED + layer]:
            place = queue[i] // c_out
            index[i] = (queue[i] - place * c_out) * plane + place
            i += 1


@numba.njit(cache=True, nogil=True)
def run(table, reach, constants, weights, delays, state, acc, touched, fresh, rhythm, u, fired, queue, ones, offsets, index, value, totals, out):  # type: ignore[no-untyped-def]  # fmt: skip  # pragma: no cover
    """Take the bins that ``offsets`` int64 parts ``index`` and ``value`` into, as ``step`` does.

    Fills ``out`` [bins, outputs].
    """
    for k in range(offsets.shape[0] - 1):
        step(
            table, reach, constants, weights, delays, state, acc, touched, fresh, rhythm, u, fired,
            queue, ones, index, value, offsets[k], offsets[k + 1], totals, out[k],
        )  # fmt: skip
