"""Several processes that train one network: each takes its share of every batch.

Started by ``torchrun``, which sets RANK, WORLD_SIZE and LOCAL_RANK; gradients are averaged by
``DistributedDataParallel`` over gloo (CPU) or nccl (CUDA). Alone, nothing of it is needed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from models.module import Response, SpikingModule
from pipeline.binning import Bins


@dataclass(frozen=True, slots=True)
class Group:
    """The processes that train together; this one is ``rank`` of ``world``."""

    device: torch.device
    rank: int = 0
    world: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process validates, saves and tells."""
        return self.rank == 0

    def wrap(self, module: SpikingModule) -> nn.Module:
        """Return a module whose call is ``module.respond``, its gradients averaged over all."""
        responder = Responder(module)
        if self.world == 1:
            return responder
        return DistributedDataParallel(responder)

    def total(self, values: Sequence[float]) -> list[float]:
        """Return the sums of ``values`` over all processes."""
        if self.world == 1:
            return list(values)
        summed = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.all_reduce(summed)
        return [float(v) for v in summed]

    def agree(self, flag: bool) -> bool:
        """Return the leading process's ``flag``."""
        if self.world == 1:
            return flag
        told = torch.tensor([int(flag)], device=self.device)
        distributed.broadcast(told, 0)
        return bool(told.item())


class Responder(nn.Module):
    """``respond`` as ``forward``, which is what is called through a wrapper."""

    def __init__(self, module: SpikingModule) -> None:
        super().__init__()
        self.module = module

    def forward(self, batch: Sequence[Bins], masks: Sequence[Tensor] | None) -> Response:
        """Return ``module.respond(batch, masks)``."""
        return self.module.respond(batch, masks)


@contextlib.contextmanager
def group(device: str) -> Iterator[Group]:
    """Join the processes that ``torchrun`` started, on ``device`` (cpu or cuda), until the end."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    local: Any = int(os.environ.get("LOCAL_RANK", "0"))
    where = torch.device(device, local) if device == "cuda" else torch.device("cpu")
    if device == "cuda":
        torch.cuda.set_device(where)
    if world == 1:
        yield Group(where)
        return
    distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield Group(where, distributed.get_rank(), world)
    finally:
        distributed.destroy_process_group()
