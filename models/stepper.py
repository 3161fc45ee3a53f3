"""A network stepped bin by bin with kept state, event-driven on one CPU core, without torch."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from models import layout
from models import step_kernels as k
from models.lanes import WORD, zeros
from models.store import Model
from pipeline.binning import Bins

Spiked = tuple[NDArray[np.int64], NDArray[np.uint32]]
"""Who spiked in a bin: ``index`` [n], flat into each layer's (C, H, W), layer behind layer, and
``ends`` [layers], where each layer's end in it; given as (ends, index)."""


class Stepper:
    """One stream through a model; its state lives from ``reset`` to ``reset``.

    input_shape   (C, H, W) of a bin of events; channel 0 OFF, 1 ON
    output_shape  (C, H, W) of the output layer
    classes       labels of a classifier's output neurons, in order
    bin_us        length of a bin
    window_us     time after which an answer is due
    network       its layers, with the model's own threshold
    spikes, synaptic_operations   since the last reset; an operation is one weight added

    The same inputs in the same order give the same spikes, stepped or as a whole (``run``).
    Making one compiles the kernels where that has not been done on this machine before.
    """

    def __init__(self, model: Model) -> None:
        network = model.network
        self.network = network
        self.input_shape = model.input_shape
        self.output_shape = model.output_shape
        self.classes = model.classes
        self.bin_us = model.bin_us
        self.window_us = model.window_us
        dynamics = network.neuron.dynamics
        self._table = layout.table(network)
        self._reach = layout.reach(network)
        self._constants = np.array([*dynamics, network.pooling], np.float32)
        self._threshold = 1.0
        self._weights, self._delays = laid(model)
        neurons = int(self._table[:, layout.NEURONS].sum())
        inputs = int((self._table[:, layout.NEURONS] * self._table[:, layout.SLOTS]).sum())
        self._state = zeros(4 * neurons, np.float32)
        self._acc = zeros(inputs, np.float32)
        self._touched = np.zeros(inputs // layout.BLOCK, np.uint8)
        self._fresh = np.zeros(neurons // layout.BLOCK, np.int32)
        self._rhythm = np.array([dynamics.memory, dynamics.sweep], np.int64)
        self._potential = zeros(layout.BLOCK, np.float32)
        self._fired = np.zeros(layout.BLOCK // WORD, np.uint64)
        self._queue = np.zeros(neurons, np.int32)
        self._ones = np.ones(neurons, np.float32)
        self._totals = np.zeros(k.FIRED + len(self._table), np.int64)
        self._told = np.zeros(neurons, np.uint32)
        self._out = np.zeros(math.prod(self.output_shape), np.int64)
        self._inputs = math.prod(model.input_shape)
        self._saccades = model.saccades
        self._bin = 0
        # Inputs are copied here: a view into a received packet may be read-only or unaligned,
        # and each such kind of array would be compiled for anew.
        self._index = np.zeros(self._inputs, np.uint32)
        self._count = np.zeros(self._inputs, np.uint8)
        self._place = np.zeros(self._inputs, np.int32)
        self._value = np.zeros(self._inputs, np.float32)
        self.step(np.zeros(0, np.uint32), np.zeros(0, np.uint8))
        self.spiked()
        self.reset()

    @property
    def spikes(self) -> int:
        """Spikes of all neurons since the last reset."""
        return int(self._totals[k.SPIKES])

    @property
    def synaptic_operations(self) -> int:
        """Weights added to neurons' inputs since the last reset, once for each spike."""
        return int(self._totals[k.OPERATIONS])

    @property
    def threshold(self) -> float:
        """How many times its model's own threshold θ a neuron has."""
        return self._threshold

    @threshold.setter
    def threshold(self, times: float) -> None:
        """Let the network be one whose neurons have ``times`` their θ, from the next bin on.

        What follows from θ follows: a neuron's response to its own spikes, the weight of pooling.
        Raises ValueError where that is no neuron.
        """
        network = self.network.with_threshold(times)
        self._threshold = times
        self._constants[:] = (*network.neuron.dynamics, network.pooling)

    def spiked(self) -> Spiked:
        """Return who spiked in the last bin, in every layer; the next call overwrites it."""
        k.tell(self._table, self._queue, self._totals, self._told)
        ends = self._totals[k.FIRED :]
        return ends, self._told[: ends[-1]]

    def reset(self) -> None:
        """Forget everything: the next bin is the first."""
        self._state.fill(0)
        self._acc.fill(0)
        self._touched.fill(0)
        self._fresh.fill(k.ASLEEP)
        self._totals.fill(0)
        self._bin = 0

    def step(self, index: NDArray[np.uint32], count: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Take one bin and return the output layer's spikes in it, ``[n_out]`` int64.

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
            self._place = np.zeros(2 * n, np.int32)
            self._value = np.zeros(2 * n, np.float32)
        self._index[:n] = index
        self._count[:n] = count
        if self._saccades.told and n:
            if int(index.max()) >= self._inputs:
                raise self._outside(int(index.max()))
            self._index[:n] += self._saccades.first(self._bin)
        inside = k.arrange(
            self._index[:n], self._count[:n], self.network.input_shape, self._place, self._value
        )
        if inside < n:
            raise self._outside(int(index[inside]))
        k.step(
            self._table,
            self._reach,
            self._constants,
            self._weights,
            self._delays,
            self._state,
            self._acc,
            self._touched,
            self._fresh,
            self._rhythm,
            self._potential,
            self._fired,
            self._queue,
            self._ones,
            self._place,
            self._value,
            0,
            n,
            self._totals,
            self._out,
        )
        self._bin += 1
        return self._out.copy()

    def _outside(self, index: int) -> ValueError:
        return ValueError(
            f"input {index} lies outside {self.input_shape}, expected below {self._inputs}"
        )

    def run(
        self,
        offsets: NDArray[np.uint32],
        index: NDArray[np.uint32],
        count: NDArray[np.uint8],
    ) -> NDArray[np.int64]:
        """Take many bins and return the output spikes of each, ``[n_bins, n_out]`` int64.

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
        _, index, _ = self._saccades.apart(Bins(offsets, index, count), self._bin)
        place, value = np.zeros(n, np.int32), np.zeros(n, np.float32)
        inside = k.arrange(
            np.array(index, np.uint32),
            np.array(count, np.uint8),
            self.network.input_shape,
            place,
            value,
        )
        # Only the bins before the one with an input that lies outside.
        bins = len(steps) if inside == n else int(np.searchsorted(offsets, inside, "right")) - 1
        out = np.zeros((bins, len(self._out)), np.int64)
        k.run(
            self._table,
            self._reach,
            self._constants,
            self._weights,
            self._delays,
            self._state,
            self._acc,
            self._touched,
            self._fresh,
            self._rhythm,
            self._potential,
            self._fired,
            self._queue,
            self._ones,
            np.array(offsets[: bins + 1], np.int64),
            place,
            value,
            self._totals,
            out,
        )
        self._bin += bins
        if bins < len(steps):
            raise ValueError(f"bin {bins} has an input outside {self.input_shape}")
        return out


def laid(model: Model) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return a model's weights and delays (in bins) in the kernels' order, all layers' together.

    Delays that a model does not give are 0.
    """
    network = model.network
    weights = [np.zeros(0, np.float32)]
    delays = [np.zeros(0, np.int64)]
    for i, layer in enumerate(network.layers):
        weight, delay, shape = model.weights[i], model.delay(i), network.delay_shapes[i]
        if weight is not None:
            weights.append(layout.lay(weight, layout.order(layer, network.shapes[i])))
        if delay is not None:
            delays.append(layout.whole_bins(delay, network.neuron.ts_ms))
        elif shape is not None:
            delays.append(np.zeros(math.prod(shape), np.int64))
    return np.concatenate(weights), np.concatenate(delays)
