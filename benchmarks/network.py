"""The network and the recordings that the benchmarks of models are run on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from benchmarks.harness import Row
from benchmarks.peers import PEERS, installed
from models.frames import frames
from models.module import SpikingModule
from models.network import parse
from models.store import WEIGHTS_DIR, Model, load
from pipeline.events import Events
from recordings.folder import SAMPLES_DIR, samples
from recordings.nmnist import SENSOR

SLAYER = "2-16c5-2a-32c3-2a-64c3-10"
"""SLAYER's network for N-MNIST (Shrestha and Orchard, NeurIPS 2018)."""

N_BINS = 300
"""Of 1 ms: a whole recording."""

_TRAINED = WEIGHTS_DIR / "nmnist-slayer.safetensors"


def events_of(count: int) -> list[Events]:
    """Return ``count`` (at most 50) of the shipped test recordings, spread over the classes."""
    found = samples(SAMPLES_DIR, "Test")
    every = max(1, len(found) // count)
    return [found[k * every].read() for k in range(count)]


def slayer(events: list[Events]) -> tuple[Model, str]:
    """Return SLAYER's network and what its weights are: trained, or random and active."""
    if _TRAINED.is_file():
        return load(_TRAINED), "trained"
    network = parse(SLAYER, SENSOR[1], SENSOR[0])
    module = SpikingModule(network)
    with torch.no_grad():
        module.initialise(torch.from_numpy(frames(events[:4], network.input_shape, N_BINS)), seed=0)
    weights = tuple(w.detach().numpy() if w.numel() else None for w in module.weights)
    return Model(network, weights, tuple(range(10))), "random weights"


def missing(name: str, unit: str) -> list[Row]:
    """Return a row without runs for each peer that is not installed."""
    here = installed()
    return [
        Row(f"{name}, {peer}: not installed", unit, 0, 0, 0, 0, peer=True)
        for peer in PEERS
        if peer not in here
    ]


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch have so many threads, and what it had before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
