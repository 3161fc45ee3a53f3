"""Mixed precision: products in bfloat16, all that neurons remember in float32."""

from __future__ import annotations

import torch
from torch import Tensor

from models.module import SpikingModule


class MixedModule(SpikingModule):
    """A module that weighs spikes in bfloat16 while it trains, and in float32 else.

    Spikes are small whole numbers, exact in bfloat16; weights lose all but their first 8 bits in
    the product and none in the update. What is validated is what will run: float32.
    """

    def current(self, i: int, spikes: Tensor) -> Tensor:
        """Return the weighted input of layer ``i``, ``[T, B, C', H', W']`` float32."""
        if not self.training:
            return super().current(i, spikes)
        with torch.autocast(spikes.device.type, torch.bfloat16):
            return super().current(i, spikes).to(torch.float32)
