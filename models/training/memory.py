"""CUDA memory that is not enough: which batch would fit, measured on one recording."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

from models.module import SpikingModule
from models.training import watch
from models.training.batches import Batch
from pipeline.errors import DeviceError

SPARE = 0.9
"""How much of the memory is reckoned with: the allocator cannot fill every gap."""


class Need(NamedTuple):
    """Bytes: what the network takes without recordings, what each adds, what there is."""

    base: int
    one: int
    room: int


def fitting_batch(batch: int, need: Need) -> int:
    """Return ``batch`` halved until it fits; 0: not even one recording does."""
    while batch and need.base + batch * need.one > need.room * SPARE:
        batch //= 2
    return batch


def out_of_memory(batch: int, world: int, measure: Callable[[], Need]) -> DeviceError:
    """Return the error that says which ``batch`` (over ``world`` processes) would fit."""
    try:
        need = measure()
        fits = fitting_batch(max(1, batch // world // 2), need) * world
    except torch.OutOfMemoryError:
        fits = 0
    what = f"CUDA is out of memory with batch = {batch}"
    if world > 1:
        what += f" over {world} processes"
    if not fits:
        return DeviceError(f"{what}; not even one recording fits, expected a smaller network")
    return DeviceError(f"{what}; batch = {fits} would fit (--set batch={fits})")


def measure(module: SpikingModule, batch: Batch) -> Need:
    """Return what one recording of ``batch`` needs, forward and backward, on the CUDA device."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    base = torch.cuda.memory_allocated()
    masks = None if batch.masks is None else [m[:1].cuda() for m in batch.masks]
    response = module.respond(batch.bins[:1], masks)
    # Not ``backward``: several processes would wait for each other's gradients.
    parameters = [p for _, p in watch.named(module)]
    torch.autograd.grad(response.out.sum() + response.spikes.sum(), parameters)
    one = torch.cuda.max_memory_allocated() - base
    del response
    torch.cuda.empty_cache()
    return Need(base, one, base + torch.cuda.mem_get_info()[0])
