"""A network as a torch module over whole recordings, dense: the reference, and the way on a GPU.

``models.event_module`` is the same network on lists of spikes, for training on the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models import neuron_kernels
from models.network import MAX_DELAY_MS, Conv, Dense, Layer, Network, Pool
from models.neuron import Dynamics
from models.reference import neurons, response, shift
from models.surrogate import Surrogate
from pipeline.binning import Bins
from pipeline.errors import SettingError


class Response(NamedTuple):
    """What a network answers to a batch of recordings.

    out      spikes of the output layer, ``[T, B, C, H, W]`` float32, differentiable
    spikes   how many spikes each layer fired in each recording, ``[B, layers]`` float32,
             differentiable
    """

    out: Tensor
    spikes: Tensor


Loop = Literal["plain", "compiled", "triton"]
"""Where a neuron's time loop runs: plain torch, compiled (CPU, float32), or Triton (CUDA)."""

Precision = Literal["float32", "bfloat16"]
"""What spikes are weighed in while a module trains; the neurons' recursions are float32 either way.

Spikes are small whole numbers, exact in bfloat16; weights lose all but their first 8 bits in the
product and none in the update.
"""


class SpikingModule(nn.Module):
    """A network with learnable weights and delays; ``forward`` takes whole recordings.

    weights, delays   one parameter a layer in ``Network.weight_shapes`` and ``delay_shapes``
                      (delays in ms), empty for a layer without
    surrogates        one a layer; ``last``, where given, is the output layer's, which may look
                      farther than the hidden layers' at little cost
    """

    def __init__(
        self,
        network: Network,
        surrogate: Surrogate = Surrogate(),
        *,
        last: Surrogate | None = None,
        loop: Loop = "compiled",
        precision: Precision = "float32",
    ) -> None:
        super().__init__()
        if loop == "triton":
            _triton_kernels()
        self.network = network
        hidden = (surrogate,) * (len(network.layers) - 1)
        self.surrogates = (*hidden, last or surrogate)
        self.loop = loop
        self.precision = precision
        self.weights = _parameters(network.weight_shapes)
        self.delays = _parameters(network.delay_shapes)

    def forward(self, spikes: Tensor, masks: Sequence[Tensor] | None = None) -> list[Tensor]:
        """Return every layer's spikes ``[T, B, C, H, W]`` from counts ``[T, B, C, H, W]``.

        ``masks`` [B, C, H, W], one for each layer but the last, scale what a layer passes on
        (dropout); the spikes returned are those before it.
        """
        out = []
        for i in range(len(self.network.layers)):
            spikes = self.layer(i, spikes)[0]
            out.append(spikes)
            if masks is not None and i < len(masks):
                spikes = spikes * masks[i]
        return out

    def respond(self, batch: Sequence[Bins], masks: Sequence[Tensor] | None = None) -> Response:
        """Return the answer to recordings of equally many bins (``pipeline.binning.Bins`` each)."""
        device = next((w.device for w in self.parameters() if w.numel()), torch.device("cpu"))
        layers = self.forward(dense(batch, self.network.input_shape).to(device), masks)
        return Response(layers[-1], torch.stack([s.sum((0, 2, 3, 4)) for s in layers], 1))

    def layer(self, i: int, spikes: Tensor) -> tuple[Tensor, Tensor]:
        """Return spikes and membrane potential of layer ``i``, ``[T, B, C, H, W]`` each."""
        dynamics = self.network.neuron.dynamics
        current = self.current(i, spikes)
        if self.loop == "plain":
            return neurons(current, dynamics, self.surrogates[i])
        if self.loop == "triton":
            return fused(current, dynamics, self.surrogates[i])
        return compiled(current, dynamics, self.surrogates[i])

    def current(self, i: int, spikes: Tensor) -> Tensor:
        """Return the weighted input of layer ``i``, ``[T, B, C', H', W']``."""
        layer = self.network.layers[i]
        weight = cast("Tensor", self.weights[i]) if not isinstance(layer, Pool) else None
        if isinstance(layer, Pool) or layer.delays == "none":
            return self._weigh(layer, weight, spikes)
        bins = cast("Tensor", self.delays[i]) / self.network.neuron.ts_ms
        if layer.delays == "channel":
            return self._weigh(layer, weight, shift(spikes, bins))
        assert weight is not None
        parts = [
            self._weigh(layer, weight[f : f + 1], shift(spikes, bins[f]))
            for f in range(layer.features)
        ]
        return torch.cat(parts, 2)

    def _weigh(self, layer: Layer, weight: Tensor | None, spikes: Tensor) -> Tensor:
        steps, batch = spikes.shape[:2]
        frames = spikes.flatten(0, 1)
        if not isinstance(layer, Dense):
            frames = frames.contiguous(memory_format=torch.channels_last)
        # What is validated is what will run: float32.
        half = self.precision == "bfloat16" and self.training
        with torch.autocast(frames.device.type, torch.bfloat16, enabled=half):
            weighed = weigh(layer, weight, frames, self.network.pooling).to(spikes.dtype)
        return weighed.reshape(steps, batch, *weighed.shape[1:])

    @torch.no_grad()
    def clamp_delays(self) -> None:
        """Bring delays that an update took out of [0, ``MAX_DELAY_MS``] back to its edge."""
        for delay in self.delays:
            delay.clamp_(0, MAX_DELAY_MS)

    @torch.no_grad()
    def initialise(self, spikes: Tensor, seed: int) -> None:
        """Draw the weights so that every layer lives on the example ``spikes`` [T, B, C, H, W].

        Gaussian weights, scaled layer by layer until the potential without the response to own
        spikes has a root mean square of ``θ``: neither silent nor saturated. Delays are uniform in
        [0, 5) ms.
        """
        generator = torch.Generator().manual_seed(seed)
        dynamics = self.network.neuron.dynamics
        for i, layer in enumerate(self.network.layers):
            if not isinstance(layer, Pool):
                weight = cast("Tensor", self.weights[i])
                weight.normal_(0, weight[0].numel() ** -0.5, generator=generator)
                cast("Tensor", self.delays[i]).uniform_(0, 5, generator=generator)
                psp = response(self.current(i, spikes), dynamics)
                weight *= dynamics.theta / (psp.square().mean().sqrt() + 1e-9)
            spikes = self.layer(i, spikes)[0]


def dense(batch: Sequence[Bins], shape: tuple[int, int, int]) -> Tensor:
    """Return binned recordings as counts ``[T, B, C, H, W]`` float32; ``shape`` is (C, H, W)."""
    steps = len(batch[0][0]) - 1
    out = np.zeros((steps, len(batch), math.prod(shape)), np.float32)
    for b, (offsets, index, count) in enumerate(batch):
        if len(offsets) != steps + 1:
            raise ValueError(f"recording {b} has {len(offsets) - 1} bins, the first has {steps}")
        rows = np.repeat(np.arange(steps), offsets[1:].astype(np.int64) - offsets[:-1])
        np.add.at(out[:, b], (rows, index.astype(np.int64)), count)
    return torch.from_numpy(out).view(steps, len(batch), *shape)


def _parameters(shapes: Sequence[tuple[int, ...] | None]) -> nn.ParameterList:
    return nn.ParameterList(
        nn.Parameter(torch.zeros(shape) if shape else torch.empty(0), requires_grad=bool(shape))
        for shape in shapes
    )


def weigh(layer: Layer, weight: Tensor | None, frames: Tensor, pooling: float) -> Tensor:
    """Return the weighted input ``[N, C', H', W']`` of a layer from spikes ``[N, C, H, W]``."""
    if isinstance(layer, Pool):
        return functional.avg_pool2d(frames, layer.size) * (pooling * layer.size**2)
    if weight is None:
        raise ValueError(f"{layer} needs weights")
    if isinstance(layer, Conv):
        stride = layer.stride
        if layer.kernel == 1 and stride > 1 and not layer.padding:
            # oneDNN reads past its input in the weights' gradient of such a convolution, where
            # channels lie last (torch 2.13): the pixels that it skips are skipped here.
            frames, stride = frames[:, :, ::stride, ::stride], 1
        return functional.conv2d(frames, weight, stride=stride, padding=layer.padding)
    return functional.linear(frames.flatten(1), weight)[:, :, None, None]


class _Compiled(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, current: Tensor, dynamics: Dynamics, surrogate: Surrogate
    ) -> tuple[Tensor, Tensor]:
        rows = current.detach().reshape(len(current), -1).contiguous().numpy()
        spikes, potential = np.empty_like(rows), np.empty_like(rows)
        constants = np.array(dynamics, np.float32)
        neuron_kernels.forward(rows, spikes, potential, constants)
        ctx.kept = potential, constants, surrogate
        potential_out = torch.from_numpy(potential).view(current.shape)
        ctx.mark_non_differentiable(potential_out)
        return torch.from_numpy(spikes).view(current.shape), potential_out

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        potential, constants, surrogate = ctx.kept
        grad = grads[0].reshape(potential.shape).contiguous().numpy()
        out = np.empty_like(grad)
        width = surrogate.width * constants[7]
        neuron_kernels.backward(
            grad,
            potential,
            out,
            constants,
            surrogate.code,
            np.float32(width),
            np.float32(surrogate.scale / width),
        )
        return torch.from_numpy(out).view(grads[0].shape), None, None


def compiled(current: Tensor, dynamics: Dynamics, surrogate: Surrogate) -> tuple[Tensor, Tensor]:
    """Return spikes and potential like ``models.reference.neurons``, float32 on the CPU.

    Spikes are differentiable; the potential is not.
    """
    spikes, potential = _Compiled.apply(current, dynamics, surrogate)  # type: ignore[no-untyped-call]
    return spikes, potential


def _triton_kernels() -> Any:
    try:
        from models import triton_kernels
    except ModuleNotFoundError as error:
        if error.name != "triton":
            raise
        raise SettingError(
            "loop 'triton' needs Triton, which torch for CUDA brings along; expected it installed, "
            "or loop 'compiled' or 'plain'"
        ) from None
    return triton_kernels


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, current: Tensor, dynamics: Dynamics, surrogate: Surrogate
    ) -> tuple[Tensor, Tensor]:
        rows = current.detach().reshape(len(current), -1).contiguous()
        spikes, potential = torch.empty_like(rows), torch.empty_like(rows)
        _triton_kernels().forward(rows, spikes, potential, dynamics)
        ctx.save_for_backward(potential)
        ctx.kept = dynamics, surrogate
        potential_out = potential.view(current.shape)
        ctx.mark_non_differentiable(potential_out)
        return spikes.view(current.shape), potential_out

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        (potential,) = ctx.saved_tensors
        grad = grads[0].reshape(potential.shape).contiguous()
        out = torch.empty_like(grad)
        _triton_kernels().backward(grad, potential, out, *ctx.kept)
        return out.view(grads[0].shape), None, None


def fused(current: Tensor, dynamics: Dynamics, surrogate: Surrogate) -> tuple[Tensor, Tensor]:
    """Return what ``compiled`` does, by Triton's kernels: float32 on a CUDA GPU.

    Raises SettingError where Triton is not installed.
    """
    spikes, potential = _Fused.apply(current, dynamics, surrogate)  # type: ignore[no-untyped-call]
    return spikes, potential
