"""What a network does, written down: who spiked, layer by layer, bin by bin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from models.stepper import Stepper
    from models.torch_stepper import TorchStepper


class Activity:
    """Collects the spikes of a stepper's bins until they are taken, all together.

    names    of the layers, the input first
    shapes   (C, H, W) of each
    n_bins   bins that wait to be taken
    """

    def __init__(self, stepper: Stepper | TorchStepper) -> None:
        self._stepper = stepper
        self.names = stepper.network.names
        self.shapes = (stepper.input_shape, *stepper.network.shapes[1:])
        self._parts: list[NDArray[np.uint32]] = []
        self._inputs: list[int] = []
        self._ends: list[NDArray[np.int64]] = []

    @property
    def n_bins(self) -> int:
        """How many bins wait to be taken."""
        return len(self._inputs)

    def add(self, index: NDArray[np.uint32]) -> None:
        """Add the bin that was stepped last, whose active inputs were ``index`` [n]."""
        ends, spiked = self._stepper.spiked()
        self._parts += (index.copy(), spiked.copy())
        self._inputs.append(len(index))
        self._ends.append(ends.copy())

    def take(self) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """Return ``offsets`` and ``index`` as an ActivityPacket has them, and begin anew."""
        n_bins, n_layers = len(self._inputs), len(self.names)
        within = np.zeros((n_bins, n_layers + 1), np.int64)
        if n_bins:
            # The input's spikes stand before those of the layers.
            within[:, 1:] = np.array(self._inputs)[:, None]
            within[:, 2:] += np.stack(self._ends)
        begins = np.cumsum(within[:, -1]) - within[:, -1]
        offsets = np.append(within[:, :-1] + begins[:, None], within[:, -1].sum())
        index = np.concatenate([np.zeros(0, np.uint32), *self._parts])
        self.forget()
        return offsets.astype(np.uint32), index

    def forget(self) -> None:
        """Leave what was not taken."""
        self._parts.clear()
        self._inputs.clear()
        self._ends.clear()
