"""Surrogates of a spike's derivative, which is zero or infinite: what training puts in its place.

With z = |u − θ| / (width · θ), the derivative of a spike with respect to its potential is taken as
scale / (width · θ) · f(z):

    exponential    exp(−z)         the spike's probability (Shrestha and Orchard 2018, eq. 9)
    fast_sigmoid   1 / (1 + z)²    Zenke and Ganguli, "SuperSpike", 2018
    triangle       max(0, 1 − z)   finite support: a neuron farther than width · θ from threshold
                                   takes no part in the backward pass, which makes it as sparse as
                                   the forward one (Perez-Nieves and Goodman, "Sparse spiking
                                   gradient descent", 2021)
"""

from __future__ import annotations

import math
from typing import Any, Literal

import msgspec
import torch
from torch import Tensor

KINDS = ("exponential", "fast_sigmoid", "triangle")
"""In the order of the codes that the kernels know them by."""


class Surrogate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which surrogate and how wide; ``width`` in units of the threshold."""

    kind: Literal["exponential", "fast_sigmoid", "triangle"] = "triangle"
    width: float = 1.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        for name in ("width", "scale"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"surrogate's {name} is {value!r}, expected a positive number")

    @property
    def code(self) -> int:
        """The kind's number in ``KINDS``."""
        return KINDS.index(self.kind)

    def support(self, theta: float) -> float:
        """Return how far from the threshold the derivative is not zero, in potential."""
        return self.width * theta if self.kind == "triangle" else math.inf

    def derivative(self, potential: Tensor, theta: float) -> Tensor:
        """Return ρ(u), elementwise, in the potential's dtype and shape."""
        width = self.width * theta
        z = (potential - theta).abs() / width
        if self.kind == "exponential":
            shape = torch.exp(-z)
        elif self.kind == "fast_sigmoid":
            shape = (1 + z).square().reciprocal()
        else:
            shape = (1 - z).clamp(min=0)
        return self.scale / width * shape


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, potential: Tensor, theta: float, surrogate: Surrogate) -> Tensor:
        ctx.save_for_backward(potential)
        ctx.theta, ctx.surrogate = theta, surrogate
        return (potential >= theta).to(potential.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        (potential,) = ctx.saved_tensors
        return grads[0] * ctx.surrogate.derivative(potential, ctx.theta), None, None


def spike(potential: Tensor, theta: float, surrogate: Surrogate) -> Tensor:
    """Return 1 where ``potential`` ≥ ``theta``, else 0, with ρ(u) as the derivative."""
    out: Tensor = _Spike.apply(potential, theta, surrogate)  # type: ignore[no-untyped-call]
    return out
