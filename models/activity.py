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
        self.shapes = stepper.network.shapes
        self._parts: list[NDArray[np.uint32]] = []
        self._sizes: list[NDArray[np.int64]] = []

    @property
    def n_bins(self) -> int:
        """How many bins wait to be taken."""
        return len(self._sizes)

    def add(self, index: NDArray[np.uint32]) -> None:
        """Add the bin that was stepped last, whose active inputs were ``index`` [n]."""
        ends, spiked = self._stepper.spiked()
        self._parts += [np.array(index, np.uint32), spiked.copy()]
        self._sizes.append(np.concatenate([[len(index)], np.diff(ends, prepend=0)]))

    def take(self) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """Return ``offsets`` and ``index`` as an ActivityPacket has them, and begin anew."""
        sizes = np.concatenate([[0], *self._sizes])
        index = np.concatenate([np.zeros(0, np.uint32), *self._parts])
        self.forget()
        return np.cumsum(sizes).astype(np.uint32), index

    def forget(self) -> None:
        """Leave what was not taken."""
        self._parts.clear()
        self._sizes.clear()
