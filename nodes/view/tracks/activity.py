"""Which neurons of each layer spike: a raster of the last bins, and each layer's rate."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from pipeline.packets import ActivityPacket

COLUMNS = 300
"""So many bins are seen side by side."""
_BAND = 48
"""A layer of more neurons than that shows several in a row."""
_WAITING = 512
_MOST_NETWORKS = 16


class Band(NamedTuple):
    """A layer's rows in the raster: ``rows`` from row ``top``, for ``neurons`` neurons.

    ``rate_hz`` is how often one of them spikes in a second of event time, on the mean.
    """

    name: str
    top: int
    rows: int
    neurons: int
    rate_hz: float


class Raster(NamedTuple):
    """``share`` [rows, columns] f4: of a row's neurons, how many spiked in a bin; newest last."""

    share: NDArray[np.float32]
    bands: tuple[Band, ...]
    bin_us: int
    t_us: int


@numba.njit(cache=True, nogil=True)
def _enter(index, offsets, n_layers, tops, rows, sizes, column, counts, totals):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Enter the spikes of a packet's bins into ``counts`` [rows, columns] from ``column`` on.

    ``totals`` [layers, columns] are the spikes of each layer. What stood in the columns goes.
    """
    columns = counts.shape[1]
    n_bins = (offsets.shape[0] - 1) // n_layers
    for k in range(max(0, n_bins - columns), n_bins):
        at = (column + k) % columns
        counts[:, at] = 0
        for layer in range(n_layers):
            cell = k * n_layers + layer
            totals[layer, at] = offsets[cell + 1] - offsets[cell]
            for i in range(offsets[cell], offsets[cell + 1]):
                row = np.int64(index[i]) * rows[layer] // sizes[layer]
                counts[tops[layer] + row, at] += 1


class _Network:
    """What the layers of one network did, drawn when somebody looks."""

    def __init__(self) -> None:
        self.waiting: deque[ActivityPacket] = deque(maxlen=_WAITING)
        self._layers: tuple[tuple[str, int], ...] = ()
        self._sample: str | None = None
        self._column = self._filled = 0
        self._t_us = self._bin_us = 0
        self._lay_out(())

    def forget(self) -> None:
        self.waiting.clear()
        self._filled = 0

    def _lay_out(self, layers: tuple[tuple[str, int], ...]) -> None:
        self._layers = layers
        self._sizes = np.array([n for _, n in layers], np.int64)
        self._rows = np.minimum(self._sizes, _BAND)
        self._tops = np.cumsum(self._rows) - self._rows
        total = int(self._rows.sum())
        self._counts = np.zeros((total, COLUMNS), np.int32)
        self._totals = np.zeros((len(layers), COLUMNS), np.int64)
        self._column = self._filled = 0

    def _take(self, packet: ActivityPacket) -> None:
        head = packet.header
        sizes = (c * h * w for c, h, w in head.shapes)
        layers = tuple(zip(head.names, sizes, strict=True))
        if layers != self._layers or head.bin_us != self._bin_us:
            self._lay_out(layers)
        elif head.sample != self._sample or head.t_begin < self._t_us:
            self._filled = 0
        self._sample, self._bin_us, self._t_us = head.sample, head.bin_us, head.t_end
        _enter(
            packet.index, packet.offsets, len(layers), self._tops, self._rows, self._sizes,
            self._column, self._counts, self._totals,
        )  # fmt: skip
        self._column = (self._column + head.n_bins) % COLUMNS
        self._filled = min(COLUMNS, self._filled + head.n_bins)

    def raster(self) -> Raster | None:
        while self.waiting:
            self._take(self.waiting.popleft())
        if not self._filled:
            return None
        order = (self._column - self._filled + np.arange(self._filled)) % COLUMNS
        share = np.zeros((len(self._counts), COLUMNS), np.float32)
        # How many neurons each row stands for.
        crowd = np.repeat(self._sizes / np.maximum(self._rows, 1), self._rows)
        share[:, COLUMNS - self._filled :] = self._counts[:, order] / crowd[:, None]
        seconds = self._filled * self._bin_us / 1e6
        spikes = self._totals[:, order].sum(1)
        bands = tuple(
            Band(name, int(top), int(rows), size, float(n) / size / seconds)
            for (name, size), top, rows, n in zip(
                self._layers, self._tops, self._rows, spikes, strict=True
            )
        )
        return Raster(np.minimum(share, 1), bands, self._bin_us, self._t_us)


class Activity:
    """Keeps what the layers of networks do; ``version`` grows with each packet.

    Packets wait until somebody looks (``raster``): unseen they cost nothing. ``add`` and
    ``raster`` may be called from two threads.
    """

    def __init__(self) -> None:
        self.version = 0
        self._networks: dict[str, _Network] = {}

    @property
    def names(self) -> list[str]:
        """The nodes that have told of their network's layers, the first one first."""
        return list(self._networks)

    def forget(self) -> None:
        """Forget what has come."""
        for network in list(self._networks.values()):
            network.forget()
        self.version += 1

    def add(self, packet: ActivityPacket) -> None:
        """Take in a packet; each stream is a network of its own."""
        name = packet.header.stream.removesuffix(f"/{packet.kind}")
        network = self._networks.get(name)
        if network is None:
            if len(self._networks) == _MOST_NETWORKS:
                return
            network = self._networks[name] = _Network()
        network.waiting.append(packet)
        self.version += 1

    def raster(self, name: str | None = None) -> Raster | None:
        """Return the raster of a node's network (None: the first one's); None without any bins."""
        networks = self._networks
        network = networks.get(next(iter(networks), "") if name is None else name)
        return None if network is None else network.raster()
