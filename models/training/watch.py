"""Numbers that are not finite, caught at the update that made them; the batch that would fit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor

from models.module import SpikingModule
from pipeline.errors import RetinaError


def finite(module: SpikingModule, loss: Tensor, epoch: int, update: int) -> None:
    """Raise RetinaError naming step and layer where loss, gradients or weights are not finite."""
    where = f"training stopped at epoch {epoch + 1}, update {update + 1}"
    for i, (name, parameter) in enumerate(named(module)):
        del i
        for what, values in (("", parameter.detach()), ("gradient of ", parameter.grad)):
            if values is not None and not bool(torch.isfinite(values).all()):
                raise RetinaError(
                    f"{where}: {what}{name} is not finite; expected numbers: try a smaller "
                    "optimiser.rate or optimiser.clip"
                )
    if not bool(torch.isfinite(loss)):
        raise RetinaError(f"{where}: the loss is {float(loss)}, expected a number")


def named(module: SpikingModule) -> Iterable[tuple[str, Tensor]]:
    """Yield the learnable parameters, called as in the model's file: ``layers.0.weight``."""
    for what, parameters in (("weight", module.weights), ("delay", module.delays)):
        for i, parameter in enumerate(parameters):
            tensor = cast("Tensor", parameter)
            if tensor.requires_grad:
                yield f"layers.{i}.{what}", tensor


def fitting_batch(batch: int, base: int, one: int, room: int) -> int:
    """Return ``batch`` halved until ``base`` + n · ``one`` bytes fit in ``room``; 0: not even one.

    ``base`` is what the network takes without recordings, ``one`` what each recording adds.
    """
    while batch and base + batch * one > room:
        batch //= 2
    return batch
