"""A network stepped bin by bin with kept state, event-driven on one CPU core, without torch."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from models import step_kernels as k
from models.network import Conv, Dense, Layer, Pool, Shape
from models.store import Model


class Stepper:
    """One stream through a model; its state lives from ``reset`` to ``reset``.

    input_shape   (C, H, W) of a bin; channel 0 OFF, 1 ON
    classes       labels of the output neurons, in order
    bin_us        length of a bin
    window_us     time after which an answer is due
    spikes, synaptic_operations   since the last reset; an operation is one weight added

    The same inputs in the same order give the same spikes, stepped or as a whole (``run``).
    Making one compiles the kernels where that has not been done on this machine before.
    """

    def __init__(self, model: Model) -> None:
        network = model.network
        self.input_shape = network.input_shape
        self.classes = model.classes
        self.bin_us = model.bin_us
        self.window_us = model.window_us
        self._table, self._weights, neurons = _compile(model)
        self._constants = np.array([*network.neuron.dynamics, network.pooling], np.float32)
        self._state = np.zeros((5, neurons), np.float32)
        self._fired = np.zeros(k.BLOCK, np.uint8)
        self._queue = np.zeros(neurons, np.int32)
        self._totals = np.zeros(2, np.int64)
        self._out = np.zeros(len(model.classes), np.int64)
        self._inputs = math.prod(network.input_shape)
        # Inputs are copied here: a view into a received packet may be read-only or unaligned,
        # and each such kind of array would be compiled for anew.
        self._index = np.zeros(self._inputs, np.uint32)
        self._count = np.zeros(self._inputs, np.uint8)
        self.step(np.zeros(0, np.uint32), np.zeros(0, np.uint8))
        self.reset()

    @property
    def spikes(self) -> int:
        """Spikes of all neurons since the last reset."""
        return int(self._totals[k.SPIKES])

    @property
    def synaptic_operations(self) -> int:
        """Weights added to neurons' inputs since the last reset, once for each spike."""
        return int(self._totals[k.OPERATIONS])

    def reset(self) -> None:
        """Forget everything: the next bin is the first."""
        self._state.fill(0)
        self._totals.fill(0)

    def step(self, index: NDArray[np.uint32], count: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Take one bin and return the output layer's spikes in it, ``[n_classes]`` int64.

        ``index`` [n] is each active input's flat place in (C, H, W), ``count`` [n] its spikes.
        Raises ValueError, without taking the bin, where they differ in length or an index lies
        outside the input.
        """
        n = len(index)
        if n != len(count):
            raise ValueError(f"{n} indices have {len(count)} counts")
        if n > len(self._index):
            # Inputs named twice are as good as inputs counted twice.
            self._index = np.zeros(2 * n, np.uint32)
            self._count = np.zeros(2 * n, np.uint8)
        self._index[:n] = index
        self._count[:n] = count
        taken = k.step(
            self._table,
            self._constants,
            self._weights,
            self._state,
            self._fired,
            self._queue,
            self._index,
            self._count,
            n,
            self._totals,
            self._out,
        )
        if not taken:
            raise ValueError(
                f"input {int(index.max())} lies outside {self.input_shape}, "
                f"expected below {self._inputs}"
            )
        return self._out.copy()

    def run(
        self,
        offsets: NDArray[np.uint32],
        index: NDArray[np.uint32],
        count: NDArray[np.uint8],
    ) -> NDArray[np.int64]:
        """Take many bins and return the output spikes of each, ``[n_bins, n_classes]`` int64.

        ``offsets`` [n_bins + 1] says where each bin's entries begin in ``index`` and ``count``
        [n]. Starts from the state as it is. Raises ValueError where the offsets do not fit the
        entries, or, having taken the bins before it, where an index lies outside the input.
        """
        n = len(index)
        steps = np.diff(offsets.astype(np.int64))
        if len(offsets) < 1 or offsets[0] != 0 or offsets[-1] != n or (steps < 0).any():
            raise ValueError(f"offsets do not rise from 0 to {n} entries")
        if n != len(count):
            raise ValueError(f"{n} indices have {len(count)} counts")
        out = np.zeros((len(offsets) - 1, len(self.classes)), np.int64)
        taken = k.run(
            self._table,
            self._constants,
            self._weights,
            self._state,
            self._fired,
            self._queue,
            np.array(offsets, np.uint32),
            np.array(index, np.uint32),
            np.array(count, np.uint8),
            self._totals,
            out,
        )
        if taken < len(out):
            raise ValueError(f"bin {taken} has an input outside {self.input_shape}")
        return out


def _compile(model: Model) -> tuple[NDArray[np.int64], NDArray[np.float32], int]:
    """Lay a model's weights out for the kernels; return table, weights and padded neurons."""
    network = model.network
    table = np.zeros((len(network.layers), k.COLUMNS), np.int64)
    laid: list[NDArray[np.float32]] = []
    neurons = placed = 0
    for i, layer in enumerate(network.layers):
        before, after = network.shapes[i], network.shapes[i + 1]
        row = table[i]
        row[k.C_IN : k.W_IN + 1] = before
        row[k.C_OUT : k.W_OUT + 1] = after
        weights = _lay(layer, row, before, model.weights[i])
        row[k.FIRST_WEIGHT] = placed
        row[k.FIRST_NEURON] = neurons
        row[k.NEURONS] = math.prod(after)
        laid.append(weights)
        placed += len(weights)
        neurons += -(-math.prod(after) // k.BLOCK) * k.BLOCK
    return table, np.concatenate(laid).astype(np.float32), neurons


def _lay(
    layer: Layer, row: NDArray[np.int64], before: Shape, weight: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """Fill the table's row with a layer's geometry and return its weights in kernel order."""
    if isinstance(layer, Pool):
        row[k.KIND], row[k.KERNEL] = k.POOL, layer.size
        return np.zeros(0, np.float32)
    if weight is None:
        raise ValueError(f"{layer} has no weights")
    if isinstance(layer, Dense):
        row[k.KIND] = k.DENSE
        return np.ascontiguousarray(
            weight.reshape(layer.features, *before).transpose(1, 2, 3, 0)
        ).ravel()
    return _lay_conv(layer, row, weight)


def _lay_conv(
    layer: Conv, row: NDArray[np.int64], weight: NDArray[np.float32]
) -> NDArray[np.float32]:
    taps = -(-layer.kernel // layer.stride)
    row[k.KIND], row[k.KERNEL], row[k.STRIDE] = k.CONV, layer.kernel, layer.stride
    row[k.PADDING], row[k.TAPS] = layer.padding, taps
    features, channels = weight.shape[:2]
    laid = np.zeros((channels, layer.kernel, layer.stride, taps, features), np.float32)
    for column in range(layer.kernel):
        tap, phase = divmod(column, layer.stride)
        laid[:, :, phase, taps - 1 - tap] = weight[:, :, :, column].transpose(1, 2, 0)
    return laid.ravel()
