"""Spike response model neurons over whole recordings, in torch, with SLAYER's gradient.

Tensors are ``[T, ...]`` float32, time first. A layer's input is ``current``, the weighted sum of
the input spikes of each bin: the synaptic response is linear, so that it may follow the weights.

    a = ε ∗ current            u = a + ν ∗ s            s[k] = 1 where u[k] ≥ θ

Both kernels are exact second-order recursions (``Neuron.synaptic``), so that no tail is cut and
a stream gives the same spikes. A spike is written as 1 where the paper gives it the height 1/Ts
and multiplies its integrals by Ts; the derivative of such a spike is therefore Ts · ρ(u).
Source: Shrestha and Orchard, NeurIPS 2018, equations 1 to 5 and 9.

``reference`` is the plain statement; ``srm`` is the same in compiled code, forward and backward.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from models import srm_kernels
from models.network import Neuron


def response(current: Tensor, decay: float, gain: float) -> Tensor:
    """Convolve ``current`` ``[T, ...]`` with the alpha kernel of a recursion, differentiably.

    The result at bin k depends on bins before k only: the kernel is 0 at time 0.
    """
    x = torch.zeros_like(current[0])
    y = torch.zeros_like(current[0])
    out = []
    for row in current:
        y = decay * (y + x)
        x = decay * x + row
        out.append(gain * y)
    return torch.stack(out)


class Surrogate(torch.autograd.Function):
    """A spike where u ≥ θ, with Ts · ρ(u) as its derivative (SLAYER, equation 9)."""

    @staticmethod
    def forward(ctx: Any, potential: Tensor, neuron: Neuron) -> Tensor:
        """Return 1 where ``potential`` reaches the threshold, else 0, in its dtype and shape."""
        ctx.save_for_backward(potential)
        ctx.neuron = neuron
        return (potential >= neuron.theta).to(potential.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        """Return the gradient of ``potential``."""
        (potential,) = ctx.saved_tensors
        return grads[0] * ctx.neuron.ts_ms * surrogate(potential, ctx.neuron), None


def surrogate(potential: Tensor, neuron: Neuron) -> Tensor:
    """Return ρ(u) = scale_rho/(tau_rho·θ) · exp(−|u − θ|/(tau_rho·θ)), elementwise."""
    width = neuron.tau_rho * neuron.theta
    return neuron.scale_rho / width * torch.exp(-(potential - neuron.theta).abs() / width)


def reference(current: Tensor, neuron: Neuron) -> tuple[Tensor, Tensor]:
    """Return spikes (0 or 1) and membrane potential, both ``[T, ...]`` like ``current``.

    Plain torch, any dtype and device, differentiable by the surrogate; the refractory response
    of a neuron to itself is not differentiated.
    """
    psp = response(current, *neuron.synaptic)
    decay, gain = neuron.refractory
    rx = torch.zeros_like(current[0])
    ry = torch.zeros_like(current[0])
    spikes, potentials = [], []
    for a in psp:
        ry = decay * (ry + rx)
        u = a + gain * ry
        s = Surrogate.apply(u, neuron)  # type: ignore[no-untyped-call]
        rx = decay * rx + s.detach()
        spikes.append(s)
        potentials.append(u)
    return torch.stack(spikes), torch.stack(potentials)


class _Compiled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, current: Tensor, neuron: Neuron) -> tuple[Tensor, Tensor]:
        rows = current.detach().reshape(len(current), -1).contiguous().numpy()
        spikes, potential = np.empty_like(rows), np.empty_like(rows)
        syn, ref = _pair(neuron.synaptic), _pair(neuron.refractory)
        srm_kernels.forward(rows, spikes, potential, syn, ref, np.float32(neuron.theta))
        ctx.potential, ctx.neuron = potential, neuron
        spikes_out = torch.from_numpy(spikes).view(current.shape)
        potential_out = torch.from_numpy(potential).view(current.shape)
        ctx.mark_non_differentiable(potential_out)
        return spikes_out, potential_out

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        neuron: Neuron = ctx.neuron
        grad = grads[0].reshape(ctx.potential.shape).contiguous().numpy()
        out = np.empty_like(grad)
        width = neuron.tau_rho * neuron.theta
        srm_kernels.backward(
            grad,
            ctx.potential,
            out,
            _pair(neuron.synaptic),
            np.float32(neuron.theta),
            np.float32(width),
            np.float32(neuron.ts_ms * neuron.scale_rho / width),
        )
        return torch.from_numpy(out).view(grads[0].shape), None


def srm(current: Tensor, neuron: Neuron) -> tuple[Tensor, Tensor]:
    """Return spikes and membrane potential like ``reference``, compiled, float32 on the CPU.

    Spikes are differentiable; the potential is not.
    """
    spikes, potential = _Compiled.apply(current, neuron)  # type: ignore[no-untyped-call]
    return spikes, potential


def _pair(values: tuple[float, float]) -> tuple[np.float32, np.float32]:
    return np.float32(values[0]), np.float32(values[1])
