"""Numbers that are not finite, caught at the update that made them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor

from models.module import SpikingModule
from pipeline.errors import RetinaError

_ADVICE = "expected a number: try a smaller optimiser.rate or optimiser.clip"


def gradients(module: SpikingModule, loss: Tensor, out: Tensor, where: str) -> None:
    """Raise RetinaError unless the loss and all gradients are finite, those of ``out`` included.

    ``where`` is the update. What a sparse backward pass leaves out might hide a number that is
    none: so the gradient that enters it is looked at too.
    """
    if not _finite(loss):
        raise RetinaError(f"{where}: the loss is {float(loss)}, {_ADVICE}")
    if out.grad is not None and not _finite(out.grad):
        raise RetinaError(f"{where}: gradient of the output spikes is not finite, {_ADVICE}")
    for name, parameter in named(module):
        if parameter.grad is not None and not _finite(parameter.grad):
            raise RetinaError(f"{where}: gradient of {name} is not finite, {_ADVICE}")


def weights(module: SpikingModule, where: str) -> None:
    """Raise RetinaError naming the first layer whose weights or delays are not finite."""
    for name, parameter in named(module):
        if not _finite(parameter):
            raise RetinaError(f"{where}: {name} is not finite, {_ADVICE}")


def _finite(values: Tensor) -> bool:
    return bool(torch.isfinite(values).all())


def named(module: SpikingModule) -> Iterable[tuple[str, Tensor]]:
    """Yield the learnable parameters, called as in the model's file: ``layers.0.weight``."""
    for what, parameters in (("weight", module.weights), ("delay", module.delays)):
        for i, parameter in enumerate(parameters):
            tensor = cast("Tensor", parameter)
            if tensor.requires_grad:
                yield f"layers.{i}.{what}", tensor
