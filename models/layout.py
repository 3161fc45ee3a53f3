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
) = range(18)
COLUMNS = 18
"""Columns of the table, one row a layer.

TAPS is the number of kernel columns of one stride's phase; SLOTS how many bins of input a layer
holds, the one that is due and those that delays keep; NEURONS is padded; FIRST_NEURON says where
its neurons lie among all layers', FIRST_INPUT where their input does.
"""

CONV, POOL, DENSE = range(3)
"""Kinds of layers."""

NO_DELAYS, BY_CHANNEL, BY_GROUP = range(3)
"""Kinds of delays, in the order of ``models.network.Delays``."""

_KINDS = {"none": NO_DELAYS, "channel": BY_CHANNEL, "group": BY_GROUP}


def table(network: Network) -> NDArray[np.int64]:
    """Return the geometry ``[layers, COLUMNS]`` int64 of a network."""
    rows = np.zeros((len(network.layers), COLUMNS), np.int64)
    weights = delays = neurons = inputs = 0
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
            row[KIND] = DENSE
        else:
            row[KIND], row[KERNEL], row[STRIDE] = CONV, layer.kernel, layer.stride
            row[PADDING], row[TAPS] = layer.padding, -(-layer.kernel // layer.stride)
        row[DELAYS] = NO_DELAYS if isinstance(layer, Pool) else _KINDS[layer.delays]
        row[SLOTS] = 1 if row[DELAYS] == NO_DELAYS else slots
        row[NEURONS] = -(-math.prod(after) // BLOCK) * BLOCK
        row[FIRST_WEIGHT], row[FIRST_DELAY] = weights, delays
        row[FIRST_NEURON], row[FIRST_INPUT] = neurons, inputs
        weights += len(order(layer, before))
        delays += math.prod(layer.delay_shape(before) or (0,))
        neurons += row[NEURONS]
        inputs += row[NEURONS] * row[SLOTS]
    return rows


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
