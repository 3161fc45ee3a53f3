"""A network as a torch module over whole recordings, for training."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.network import POOL_WEIGHT, Conv, Dense, Layer, Network, Pool
from models.srm import reference, srm


def weigh(layer: Layer, weight: Tensor | None, frames: Tensor, theta: float) -> Tensor:
    """Return the weighted input ``[N, C', H', W']`` of a layer from spikes ``[N, C, H, W]``."""
    if isinstance(layer, Pool):
        squares = functional.avg_pool2d(frames, layer.size)
        return squares * (POOL_WEIGHT * theta * layer.size**2)
    if weight is None:
        raise ValueError(f"{layer} needs weights")
    if isinstance(layer, Conv):
        return functional.conv2d(frames, weight, stride=layer.stride, padding=layer.padding)
    return functional.linear(frames.flatten(1), weight)[:, :, None, None]


class SpikingModule(nn.Module):
    """A network with learnable weights; ``forward`` takes whole recordings.

    ``compiled`` takes the neuron's time loop in compiled code (CPU, float32), else in torch.
    """

    def __init__(self, network: Network, *, compiled: bool = True) -> None:
        super().__init__()
        self.network = network
        self.compiled = compiled
        self.weights = nn.ParameterList(
            nn.Parameter(torch.empty(shape) if shape else torch.empty(0), requires_grad=bool(shape))
            for shape in network.weight_shapes
        )

    def forward(self, spikes: Tensor) -> list[Tensor]:
        """Return every layer's spikes ``[T, B, C, H, W]`` from counts ``[T, B, C, H, W]``."""
        out = []
        for i in range(len(self.network.layers)):
            spikes = self.layer(i, spikes)[0]
            out.append(spikes)
        return out

    def layer(self, i: int, spikes: Tensor) -> tuple[Tensor, Tensor]:
        """Return spikes and membrane potential of layer ``i``, ``[T, B, C, H, W]`` each."""
        neuron = self.network.neuron
        current = self.current(i, spikes)
        return srm(current, neuron) if self.compiled else reference(current, neuron)

    def current(self, i: int, spikes: Tensor) -> Tensor:
        """Return the weighted input of layer ``i``, ``[T, B, C', H', W']``."""
        steps, batch = spikes.shape[:2]
        layer = self.network.layers[i]
        weight = cast("Tensor", self.weights[i]) if not isinstance(layer, Pool) else None
        frames = spikes.flatten(0, 1)
        if not isinstance(layer, Dense):
            frames = frames.contiguous(memory_format=torch.channels_last)
        weighed = weigh(layer, weight, frames, self.network.neuron.theta)
        return weighed.reshape(steps, batch, *weighed.shape[1:])

    @torch.no_grad()
    def initialise(self, spikes: Tensor, seed: int) -> None:
        """Draw the weights so that every layer lives on the example ``spikes`` [T, B, C, H, W].

        Gaussian weights, scaled layer by layer until the potential without refractoriness has a
        root mean square of ``θ`` where the layer is driven: neither silent nor saturated.
        """
        generator = torch.Generator().manual_seed(seed)
        for i, layer in enumerate(self.network.layers):
            if not isinstance(layer, Pool):
                weight = cast("Tensor", self.weights[i])
                weight.normal_(0, weight[0].numel() ** -0.5, generator=generator)
                current = self.current(i, spikes)
                # The mean of (ε * n)² over time is what the potential's square will be.
                psp = _psp(current, *self.network.neuron.synaptic)
                weight *= self.network.neuron.theta / (psp.square().mean().sqrt() + 1e-9)
            spikes = self.layer(i, spikes)[0]


def _psp(current: Tensor, decay: float, gain: float) -> Tensor:
    x, y = torch.zeros_like(current[0]), torch.zeros_like(current[0])
    out = torch.empty_like(current)
    for k, row in enumerate(current):
        y = decay * (y + x)
        x = decay * x + row
        out[k] = gain * y
    return out
