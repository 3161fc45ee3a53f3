"""How a network lies in the memory of the CPU's kernels: geometry, and the order of its weights.

Neurons lie in (H, W, C) order and a layer's share of them is padded to a multiple of ``BLOCK``,
neurons that are advanced together. A convolution's weights lie as
[C_IN, KERNEL, STRIDE (phase), TAPS, C_OUT], kernel columns reversed within their phase, a dense
layer's as [H, W, C_IN, C_OUT]: so a spike's weights for one kernel row, or for all of a dense
layer, are one contiguous run that lies along the neurons that they reach.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from models.network import MAX_DELAY_MS, Conv, Dense, Layer, Network, Pool, Shape

BLOCK = 128
"""Neurons advanced together; a layer is padded to a multiple."""

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
    FIRST_WEIGHT,
    DELAYS,
    FIRST_DELAY,
    SLOTS,
    NEURONS,
    FIRST_NEURON,
    FIRST_INPUT,
    FIRST_PLACE,
    CHANNEL_STEP,
    ROW_STEP,
) = range(21)
COLUMNS = 21
"""Columns of the table, one row a layer.

TAPS is the number of kernel columns of one stride's phase; SLOTS how many bins of input a layer
holds, the one that is due and those that delays keep; NEURONS is padded; FIRST_NEURON says where
its neurons lie among all layers', FIRST_INPUT where their input does, FIRST_PLACE where its places
do in ``reach``. CHANNEL_STEP is how far the weights of one input channel lie from those of the
next, ROW_STEP how far those to one output row lie behind those to the next.
"""

OY, ROWS, OX, RUN, WEIGHT = range(5)
"""Columns of ``reach``: an input at this place (y, x) reaches ROWS output rows from row OY on, in
each RUN neurons from column OX on; the first row's weights, of channel 0, lie WEIGHT behind the
layer's first.
"""

CONV, POOL, DENSE = range(3)
"""Kinds of layers."""

NO_DELAYS, BY_CHANNEL, BY_GROUP = range(3)
"""Kinds of delays, in the order of ``models.network.Delays``."""

_KINDS = {"none": NO_DELAYS, "channel": BY_CHANNEL, "group": BY_GROUP}


def table(network: Network) -> NDArray[np.int64]:
    """Return the geometry ``[layers, COLUMNS]`` int64 of a network."""
    rows = np.zeros((len(network.layers), COLUMNS), np.int64)
    weights = delays = neurons = inputs = places = 0
    # One for the bin at hand, and one for the bin before it, which a delay's gradient needs.
    slots = math.ceil(MAX_DELAY_MS / network.neuron.ts_ms) + 2
    for i, layer in enumerate(network.layers):
        before, after = network.shapes[i], network.shapes[i + 1]
        row = rows[i]
        row[C_IN : W_IN + 1] = before
        row[C_OUT : W_OUT + 1] = after
        if isinstance(layer, Pool):
            row[KIND], row[KERNEL] = POOL, layer.size
        elif isinstance(layer, Dense):
            row[KIND], row[CHANNEL_STEP] = DENSE, layer.features
        else:
            row[KIND], row[KERNEL], row[STRIDE] = CONV, layer.kernel, layer.stride
            row[PADDING], row[TAPS] = layer.padding, -(-layer.kernel // layer.stride)
            kernel_row = layer.stride * row[TAPS] * layer.features
            row[CHANNEL_STEP] = layer.kernel * kernel_row
            row[ROW_STEP] = layer.stride * kernel_row
        row[DELAYS] = NO_DELAYS if isinstance(layer, Pool) else _KINDS[layer.delays]
        row[SLOTS] = 1 if row[DELAYS] == NO_DELAYS else slots
        row[NEURONS] = -(-math.prod(after) // BLOCK) * BLOCK
        row[FIRST_WEIGHT], row[FIRST_DELAY] = weights, delays
        row[FIRST_NEURON], row[FIRST_INPUT] = neurons, inputs
        row[FIRST_PLACE] = places
        weights += len(order(layer, before))
        delays += math.prod(layer.delay_shape(before) or (0,))
        neurons += row[NEURONS]
        inputs += row[NEURONS] * row[SLOTS]
        places += before[1] * before[2]
    return rows


def reach(network: Network) -> NDArray[np.int32]:
    """Return which neurons an input reaches, ``[places, 5]`` int32, layer behind layer.

    A place is a row and column of a layer's input, in (H, W) order.
    """
    parts = []
    for layer, before, after in zip(
        network.layers, network.shapes, network.shapes[1:], strict=False
    ):
        y, x = (a.ravel() for a in np.indices(before[1:]))
        part = np.zeros((len(y), 5), np.int64)
        if isinstance(layer, Conv):
            part[:] = _conv_reach(layer, y, x, after)
        elif isinstance(layer, Pool):
            part[:, OY], part[:, OX], part[:, RUN] = y // layer.size, x // layer.size, 1
            part[:, ROWS] = (part[:, OY] < after[1]) & (part[:, OX] < after[2])
        else:
            part[:, ROWS], part[:, RUN] = 1, after[0]
            part[:, WEIGHT] = np.arange(len(y)) * before[0] * after[0]
        parts.append(part)
    return np.concatenate(parts).astype(np.int32)


def _conv_reach(
    layer: Conv, y: NDArray[np.int64], x: NDArray[np.int64], after: Shape
) -> NDArray[np.int64]:
    kernel, stride, (features, height, width) = layer.kernel, layer.stride, after
    taps = -(-kernel // stride)
    top, left = y + layer.padding, x + layer.padding
    phase, last = left % stride, left // stride
    first = np.maximum(last - (kernel - phase + stride - 1) // stride + 1, 0)
    columns = np.minimum(last, width - 1) - first + 1
    oy = np.maximum((top - kernel + stride) // stride, 0)
    rows = np.minimum(top // stride, height - 1) - oy + 1
    weight = (((top - oy * stride) * stride + phase) * taps + first - last + taps - 1) * features
    none = (columns <= 0) | (rows <= 0)
    found = np.stack([oy, rows, first, columns * features, weight], 1)
    found[none] = 0
    return found


def order(layer: Layer, before: Shape) -> NDArray[np.int64]:
    """Return the places in a layer's weights, flat, in the kernels' order; −1 where none is."""
    shape = layer.weight_shape(before)
    if shape is None:
        return np.zeros(0, np.int64)
    places = np.arange(math.prod(shape))
    if isinstance(layer, Conv):
        return _conv_order(layer, places.reshape(shape))
    return places.reshape(shape[0], *before).transpose(2, 3, 1, 0).ravel()


def _conv_order(layer: Conv, places: NDArray[np.int64]) -> NDArray[np.int64]:
    taps = -(-layer.kernel // layer.stride)
    features, channels = places.shape[:2]
    laid = np.full((channels, layer.kernel, layer.stride, taps, features), -1)
    for column in range(layer.kernel):
        tap, phase = divmod(column, layer.stride)
        laid[:, :, phase, taps - 1 - tap] = places[:, :, :, column].transpose(1, 2, 0)
    return laid.ravel()


def lay(weight: NDArray[np.float32], places: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return a layer's weights in the kernels' order, 0 where none is."""
    laid: NDArray[np.float32] = np.where(places < 0, np.float32(0), weight.ravel()[places])
    return laid


def unlay(laid: NDArray[np.float32], places: NDArray[np.int64], out: NDArray[np.float32]) -> None:
    """Bring what lies in the kernels' order back into ``out``, in the weights' own."""
    there = places >= 0
    out.ravel()[places[there]] = laid[there]


def whole_bins(delay_ms: NDArray[np.float32], ts_ms: float) -> NDArray[np.int64]:
    """Return delays as whole bins, halves to the even one, flat."""
    return np.rint(np.maximum(delay_ms, 0) / ts_ms).astype(np.int64).ravel()
