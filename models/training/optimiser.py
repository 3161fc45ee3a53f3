"""Updates: steps relative to each layer's scale, their rate over time, the mean of the weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from models.module import SpikingModule
from models.training.config import Optimiser, Schedule


def build(module: SpikingModule, config: Optimiser) -> torch.optim.Optimizer:
    """Return the optimiser of a freshly initialised module, a group for each parameter.

    A layer's rate is ``config.rate`` times the standard deviation that its weights have now: where
    weights are small, so are the steps. Each group keeps its ``base`` rate for ``set_rate``.
    """
    groups = []
    for weight in map(_tensor, module.weights):
        if weight.requires_grad:
            base = config.rate * float(weight.detach().std())
            groups.append({"params": [weight], "lr": base, "base": base})
    for delay in map(_tensor, module.delays):
        if delay.requires_grad:
            groups.append({"params": [delay], "lr": config.delay_rate, "base": config.delay_rate})
    if config.kind == "nadam":
        return torch.optim.NAdam(groups)
    return torch.optim.Adam(groups, amsgrad=config.kind == "amsgrad")


def share_of_rate(config: Schedule, step: int, steps: int) -> float:
    """Return by what the rate of update ``step`` of ``steps`` is multiplied, in (0, 1]."""
    warm = math.floor(config.warm * steps)
    if step < warm:
        return (step + 1) / (warm + 1)
    if config.kind == "constant":
        return 1.0
    fall = 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))
    return config.floor + (1 - config.floor) * fall


def set_rate(optimiser: torch.optim.Optimizer, share: float) -> None:
    """Set every group's rate to a share of its base."""
    for group in optimiser.param_groups:
        group["lr"] = group["base"] * share


class Average:
    """A running mean of parameters: m ← d·m + (1 − d)·p, with d = min(decay, (1 + n) / (10 + n)).

    The first updates thus count for little once there are more (n counts them).
    """

    def __init__(self, parameters: Sequence[Tensor], decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self._parameters = list(parameters)
        self.mean = [p.detach().clone() for p in parameters]

    @torch.no_grad()
    def update(self) -> None:
        """Take the parameters as they are now into the mean."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for mean, now in zip(self.mean, self._parameters, strict=True):
            mean.lerp_(now, 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the mean and the parameters; a second call puts them back."""
        for mean, now in zip(self.mean, self._parameters, strict=True):
            kept = now.detach().clone()
            now.copy_(mean)
            mean.copy_(kept)


def _tensor(parameter: object) -> Tensor:
    return cast("Tensor", parameter)
