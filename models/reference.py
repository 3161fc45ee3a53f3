"""What the neurons, delays and dropout mean, in plain torch; every kernel is tested against it.

Tensors are ``[T, ...]``, time first, any float dtype and device. A neuron's input is ``current``,
the weighted sum of the input spikes of each bin: its recursions (``models.neuron``) are linear, so
that they may follow the weights.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from models.neuron import Dynamics
from models.surrogate import Surrogate, spike


def response(current: Tensor, dynamics: Dynamics) -> Tensor:
    """Return the response y ``[T, ...]`` to ``current`` ``[T, ...]``, differentiably."""
    x = torch.zeros_like(current[0])
    y = torch.zeros_like(current[0])
    out = []
    for row in current:
        new = dynamics.decay_x * x + row
        y = dynamics.decay_y * y + dynamics.late * x + dynamics.soon * new
        x = new
        out.append(y)
    return torch.stack(out)


def neurons(current: Tensor, dynamics: Dynamics, surrogate: Surrogate) -> tuple[Tensor, Tensor]:
    """Return spikes (0 or 1) and membrane potential, both ``[T, ...]`` like ``current``.

    Differentiable through the surrogate; a neuron's response to its own spikes is not
    differentiated (Shrestha and Orchard, NeurIPS 2018).
    """
    q = torch.zeros_like(current[0])
    r = torch.zeros_like(current[0])
    spikes, potentials = [], []
    for y in response(current, dynamics):
        q = dynamics.decay_q * q + dynamics.reset * r
        u = y + q
        s = spike(u, dynamics.theta, surrogate)
        r = dynamics.decay_r * r + s.detach()
        spikes.append(s)
        potentials.append(u)
    return torch.stack(spikes), torch.stack(potentials)


class _Shift(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, spikes: Tensor, bins: Tensor) -> Tensor:
        steps = len(spikes)
        whole = bins.detach().clamp(min=0).round().long()
        # One bin more than is passed on: a delay's gradient asks what comes next.
        longer = spikes.new_zeros((steps + 1, *spikes.shape[1:]))
        for c, by in enumerate(whole.tolist()):
            if by <= steps:
                there = spikes[: steps + 1 - by, :, c]
                longer[by : by + len(there), :, c] = there
        ctx.save_for_backward(longer, whole)
        return longer[:-1].clone()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        longer, whole = ctx.saved_tensors
        grad = grads[0]
        steps = len(grad)
        back = torch.zeros_like(grad)
        for c, by in enumerate(whole.tolist()):
            if by < steps:
                back[: steps - by, :, c] = grad[by:, :, c]
        by_channel = (grad * (longer[:-1] - longer[1:])).transpose(1, 2).sum((0, 2, 3, 4))
        return back, by_channel


def shift(spikes: Tensor, bins: Tensor) -> Tensor:
    """Return ``spikes`` ``[T, B, C, H, W]`` with channel c later by ``bins[c]``, rounded, ≥ 0.

    What would come after the last bin is cut. The gradient of a delay is SLAYER's:
    ∂L/∂d = Σ ∂L/∂out[k] · −(out[k+1] − out[k]).
    """
    out: Tensor = _Shift.apply(spikes, bins)  # type: ignore[no-untyped-call]
    return out


def dropout(shape: tuple[int, ...], share: float, generator: torch.Generator) -> Tensor:
    """Return a mask ``[B, C, H, W]``: 0 for the neurons that fall silent for a recording.

    Those that stay have 1 / (1 − share). One mask a recording: a synapse that is gone stays gone.
    """
    kept = torch.rand(shape, generator=generator) >= share
    return kept.to(torch.float32) / (1 - share)
