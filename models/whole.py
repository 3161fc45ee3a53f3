"""A whole recording through a network at once, layer after layer, on several CPU cores.

The same spikes as ``models.stepper.Stepper`` gives bin by bin: every neuron adds the same numbers
in the same order. A layer goes through all bins before the next begins, its rows shared out among
threads, so that one recording alone keeps them busy.
"""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from models import layer_kernels, layout
from models.event_layers import Layers, Room, Train
from models.store import Model
from pipeline.binning import Bins


class Whole:
    """A model that answers whole recordings, each from rest.

    spikes, synaptic_operations   of the last recording; an operation is one weight added
    """

    def __init__(self, model: Model, threads: int = 2) -> None:
        network = model.network
        self._layers = Layers(network)
        self._saccades = model.saccades
        self._layers.take(model.weights, model.delays or (None,) * len(network.layers))
        self._rooms = [Room(self._layers.table) for _ in range(threads)]
        self._pool = ThreadPoolExecutor(threads, "retina-whole") if threads > 1 else None
        self.spikes = 0
        self.synaptic_operations = 0

    def run(self, recording: Bins) -> NDArray[np.int64]:
        """Return the output layer's spikes in every bin, ``[n_bins, n_out]`` int64.

        Raises ValueError where an index of ``recording`` lies outside the network's input.
        """
        layers = self._layers
        train = layers.inputs(self._saccades.apart(recording))
        self.spikes = self.synaptic_operations = 0
        for i in range(len(layers.table)):
            train, operations = self._layer(i, train)
            self.spikes += len(train.index)
            self.synaptic_operations += operations
        row = layers.table[-1]
        shape = len(train.offsets) - 1, int(row[layout.C_OUT : layout.W_OUT + 1].prod())
        out = np.zeros(shape, np.float32)
        layer_kernels.spread(train.offsets, train.index, row, out)
        return out.astype(np.int64)

    def _layer(self, i: int, train: Train) -> tuple[Train, int]:
        layers, rooms = self._layers, self._rooms
        parts = self._parts(i, train)
        if self._pool is None or len(parts) == 1:
            spikes, _, operations = layers.forward(i, train, rooms[0], None, layers.whole(i))
            return spikes, operations
        tiles = [
            self._pool.submit(layers.forward, i, train, room, None, rows)
            for room, rows in zip(rooms, parts, strict=False)
        ]
        found, total = tiles[0].result()[::2]
        for tile in tiles[1:]:
            other, _, operations = tile.result()
            found, total = _merge(found, other), total + operations
        return found, total

    def _parts(self, i: int, train: Train) -> list[tuple[int, int]]:
        """Return the output rows that each thread takes, so that all have as many inputs."""
        row = self._layers.table[i]
        rows, threads = int(row[layout.H_OUT]), len(self._rooms)
        if rows < 2 * threads:
            return [(0, rows)]
        per_row = np.bincount(
            train.index // (row[layout.C_IN] * row[layout.W_IN]), minlength=row[layout.H_IN]
        )
        shares = np.cumsum(per_row) / max(len(train.index), 1)
        cuts = np.searchsorted(shares, np.arange(1, threads) / threads) + 1
        scaled = np.clip(np.rint(cuts * rows / row[layout.H_IN]).astype(int), 1, rows - 1)
        edges = sorted({0, *scaled.tolist(), rows})
        return list(itertools.pairwise(edges))


def _merge(a: Train, b: Train) -> Train:
    offsets = np.empty_like(a.offsets)
    index = np.empty(len(a.index) + len(b.index), np.int32)
    layer_kernels.merge(a.offsets, a.index, b.offsets, b.index, offsets, index)
    return Train(offsets, index, np.ones(len(index), np.float32))
