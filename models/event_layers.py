"""A network's layers on lists of spikes: what they work in, and one layer through a recording.

``models.layer_kernels`` does the work; here is the memory it works in, in NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models import layer_kernels, layout, step_kernels
from models.lanes import WORD, zeros
from models.network import Network
from pipeline.binning import Bins

Floats = NDArray[np.float32]


@dataclass(slots=True)
class Train:
    """Spikes of a layer: where each bin begins, which neuron, and what each counts."""

    offsets: NDArray[np.int64]
    index: NDArray[np.int32]
    value: Floats


@dataclass(slots=True)
class Near:
    """Neurons near their threshold, bin by bin, and the surrogate there."""

    offsets: NDArray[np.int64]
    index: NDArray[np.int32]
    rho: Floats


def masked(train: Train, factor: Floats) -> Train:
    """Return spikes that count as ``factor`` [neurons] says, without those that count nothing."""
    value = factor[train.index]
    kept = value != 0
    before = np.concatenate([[0], np.cumsum(kept)])
    return Train(before[train.offsets], train.index[kept], value[kept])


class Room:
    """What one thread works in; it grows to what the largest recording needs."""

    def __init__(self, table: NDArray[np.int64]) -> None:
        neurons = int(table[:, layout.NEURONS].max())
        held = int((table[:, layout.NEURONS] * table[:, layout.SLOTS]).max())
        self.state = zeros(4 * neurons, np.float32)
        self.acc = zeros(held, np.float32)
        self.touched = np.zeros(held // layout.BLOCK, np.uint8)
        self.fresh = np.zeros(neurons // layout.BLOCK, np.int32)
        self.u = zeros(layout.BLOCK, np.float32)
        self.fired = np.zeros(layout.BLOCK // WORD, np.uint64)
        self.spikes = zeros(1 << 16, np.int32)
        self.kept = zeros(1 << 18, np.int32)
        self.rho = zeros(1 << 18, np.float32)
        self.x = zeros(neurons, np.float32)
        self.y = zeros(neurons, np.float32)
        self.error = zeros(held, np.float32)
        self.awake = np.zeros(neurons // layout.BLOCK, np.uint8)


class Layers:
    """A network's layers in the kernels' memory, with the weights of this moment."""

    def __init__(self, network: Network) -> None:
        self.network = network
        dynamics = network.neuron.dynamics
        self.table = layout.table(network)
        self.reach = layout.reach(network)
        self.constants = np.array([*dynamics, network.pooling], np.float32)
        self.rhythm = np.array([dynamics.memory, dynamics.sweep], np.int64)
        self.orders = [
            layout.order(layer, shape)
            for layer, shape in zip(network.layers, network.shapes, strict=False)
        ]
        self.weights = zeros(sum(map(len, self.orders)), np.float32)
        held = sum(math.prod(s) for s in network.delay_shapes if s)
        self.delays = np.zeros(held, np.int64)

    def take(self, weights: Sequence[Floats | None], delays: Sequence[Floats | None]) -> None:
        """Lay out these weights, one array a layer, and delays in ms."""
        ts_ms = self.network.neuron.ts_ms
        for i, row in enumerate(self.table):
            weight, delay = weights[i], delays[i]
            if weight is not None and weight.size:
                lo = row[layout.FIRST_WEIGHT]
                places = self.orders[i]
                self.weights[lo : lo + len(places)] = layout.lay(weight, places)
            if delay is not None and delay.size:
                lo = row[layout.FIRST_DELAY]
                self.delays[lo : lo + delay.size] = layout.whole_bins(delay, ts_ms)

    def inputs(self, recording: Bins) -> Train:
        """Return a recording in the kernels' order."""
        offsets, index, count = recording
        out = np.empty(len(index), np.int32)
        value = np.empty(len(index), np.float32)
        shape = self.network.input_shape
        inside = step_kernels.arrange(
            np.ascontiguousarray(index, np.uint32),
            np.ascontiguousarray(count, np.uint8),
            shape,
            out,
            value,
        )
        if inside < len(index):
            raise ValueError(
                f"input {int(index[inside])} lies outside {shape}, expected below "
                f"{math.prod(shape)}"
            )
        return Train(offsets.astype(np.int64), out, value)

    def forward(
        self, i: int, train: Train, room: Room, surrogate: Floats | None, rows: tuple[int, int]
    ) -> tuple[Train, Near | None, int]:
        """Return layer ``i``'s spikes, what its gradient needs, and the synapses gone through."""
        steps = len(train.offsets) - 1
        out_offsets = np.zeros(steps + 1, np.int64)
        kept_offsets = np.zeros(steps + 1, np.int64)
        row = self.table[i]
        blocks, held = row[layout.NEURONS] // layout.BLOCK, row[layout.NEURONS] * row[layout.SLOTS]
        nothing = surrogate is None
        while True:
            found, near, operations = layer_kernels.forward(
                row,
                self.reach,
                self.constants,
                self.weights,
                self.delays,
                train.offsets,
                train.index,
                train.value,
                room.state[: 4 * row[layout.NEURONS]],
                room.acc[:held],
                room.touched[: held // layout.BLOCK],
                room.fresh[:blocks],
                self.rhythm,
                *rows,
                np.zeros(4, np.float32) if surrogate is None else surrogate,
                room.u,
                room.fired,
                out_offsets,
                room.spikes,
                kept_offsets,
                room.kept[:0] if nothing else room.kept,
                room.rho[:0] if nothing else room.rho,
            )
            # The kernel wants a block's room to spare.
            if found + layout.BLOCK > len(room.spikes):
                room.spikes = zeros(2 * (found + layout.BLOCK), np.int32)
            elif not nothing and near + layout.BLOCK > len(room.kept):
                room.kept = zeros(2 * (near + layout.BLOCK), np.int32)
                room.rho = zeros(len(room.kept), np.float32)
            else:
                break
        index = room.spikes[:found].copy()
        spikes = Train(out_offsets, index, np.ones(found, np.float32))
        if nothing:
            return spikes, None, operations
        kept = Near(kept_offsets, room.kept[:near].copy(), room.rho[:near].copy())
        return spikes, kept, operations

    def whole(self, i: int) -> tuple[int, int]:
        """Return all output rows of layer ``i``."""
        return 0, int(self.table[i, layout.H_OUT])
