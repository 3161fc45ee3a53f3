"""The same network stepped bin by bin in torch: for a GPU, and as a peer of the CPU kernels."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.module import weigh
from models.store import Model


class TorchStepper:
    """One stream through a model on a torch device, with ``Stepper``'s interface.

    Its weighted sums are added in another order than ``Stepper``'s, so that a potential may
    differ in its last digits and, where it lies that near the threshold, a spike may.
    """

    def __init__(self, model: Model, device: str = "cuda") -> None:
        network = model.network
        self.input_shape = network.input_shape
        self.classes = model.classes
        self.bin_us = model.bin_us
        self.window_us = model.window_us
        self._network = network
        self._device = torch.device(device)
        if self._device.type == "cuda":
            # TF32 keeps ten bits of a weight: enough to move spikes away from the CPU's.
            torch.backends.cudnn.allow_tf32 = False
        self._weights = [
            None if w is None else torch.tensor(w, device=self._device) for w in model.weights
        ]
        # A weight's synapses of an input differ at the border, so that they are counted by
        # sending the input through weights of one.
        self._fan_out = [
            _fan_out(i, model, None if w is None else torch.ones_like(w), self._device)
            for i, w in enumerate(self._weights)
        ]
        self._state = [
            torch.zeros((4, 1, *shape), device=self._device) for shape in network.shapes[1:]
        ]
        self._frame = torch.zeros((1, *network.input_shape), device=self._device)
        self._inputs = math.prod(network.input_shape)
        self._spikes = torch.zeros((), dtype=torch.int64, device=self._device)
        self._operations = torch.zeros((), dtype=torch.int64, device=self._device)

    @property
    def spikes(self) -> int:
        """Spikes of all neurons since the last reset."""
        return int(self._spikes)

    @property
    def synaptic_operations(self) -> int:
        """Weights added to neurons' inputs since the last reset, once for each spike."""
        return int(self._operations)

    @torch.no_grad()
    def reset(self) -> None:
        """Forget everything: the next bin is the first."""
        for state in self._state:
            state.zero_()
        self._spikes.zero_()
        self._operations.zero_()

    @torch.no_grad()
    def step(self, index: NDArray[np.uint32], count: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Take one bin and return the output layer's spikes in it, ``[n_classes]`` int64.

        Arguments and errors are those of ``Stepper.step``.
        """
        if len(index) != len(count):
            raise ValueError(f"{len(index)} indices have {len(count)} counts")
        if len(index) and int(index.max()) >= self._inputs:
            raise ValueError(
                f"input {int(index.max())} lies outside {self.input_shape}, "
                f"expected below {self._inputs}"
            )
        places = torch.from_numpy(np.asarray(index).astype(np.int64)).to(self._device)
        values = torch.from_numpy(np.asarray(count).astype(np.float32)).to(self._device)
        self._frame.zero_().view(-1).index_add_(0, places, values)
        spikes = self._frame
        for i in range(len(self._network.layers)):
            self._operations += (spikes * self._fan_out[i]).sum().to(torch.int64)
            spikes = self._layer(i, spikes)
            self._spikes += spikes.sum().to(torch.int64)
        out: NDArray[np.int64] = spikes.flatten().to(torch.int64).cpu().numpy()
        return out

    def _layer(self, i: int, spikes: Tensor) -> Tensor:
        neuron = self._network.neuron
        (decay_s, gain_s), (decay_r, gain_r) = neuron.synaptic, neuron.refractory
        current = weigh(self._network.layers[i], self._weights[i], spikes, neuron.theta)
        x, y, rx, ry = self._state[i]
        y.add_(x).mul_(decay_s)
        x.mul_(decay_s).add_(current)
        ry.add_(rx).mul_(decay_r)
        fired: Tensor = (gain_s * y + gain_r * ry >= neuron.theta).to(x.dtype)
        rx.mul_(decay_r).add_(fired)
        return fired


def _fan_out(i: int, model: Model, ones: Tensor | None, device: torch.device) -> Tensor:
    """Return how many synapses each input of layer ``i`` has, in the input's (C, H, W)."""
    network = model.network
    probe = torch.zeros((1, *network.shapes[i]), device=device, requires_grad=True)
    weighed = weigh(network.layers[i], ones, probe, network.neuron.theta)
    (fan,) = torch.autograd.grad(weighed.sum(), probe)
    # Pooling's one synapse has a weight of its own.
    return (fan != 0).to(fan.dtype) if ones is None else fan.round()
