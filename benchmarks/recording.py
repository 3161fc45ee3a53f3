"""One recording of 300 ms through SLAYER's network as a whole, batch 1, two cores.

Ours takes the recording's sparse bins, by three ways that give the same spikes: layer after layer
on both cores (``models.whole``), bin by bin on one (``models.stepper``), and the forward half of
training (``models.event_module``, which can use one core for one recording). The peers take dense
frames made beforehand, all bins in one call (``benchmarks.peers``). Each run goes through several
real test recordings; its figure is their mean.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch

from benchmarks.harness import Row, in_turn, row
from benchmarks.network import N_BINS, events_of, missing, slayer, threads
from benchmarks.peers import PeerModule, installed
from models.event_module import EventModule
from models.frames import frames
from models.module import SpikingModule
from models.stepper import Stepper
from models.store import Model
from models.whole import Whole
from pipeline.binning import Bins, bin_events

_M = TypeVar("_M", bound=SpikingModule)
_R = TypeVar("_R")

CORES = 2


def rows(*, quick: bool = False) -> list[Row]:
    """Measure; ``quick`` takes one recording and three runs instead of five and seven."""
    recordings, runs = (1, 3) if quick else (5, 7)
    with threads(CORES), torch.inference_mode():
        events = events_of(recordings)
        model, weights = slayer(events)
        network = model.network
        sparse = [bin_events(e, *network.input_shape[1:], model.bin_us, N_BINS) for e in events]
        dense = torch.from_numpy(frames(events, network.input_shape, N_BINS)).unbind(1)
        ours = _ours(model)
        _same(ours, sparse)
        timed = {who: _timer(run, sparse) for who, run in ours.items()}
        for who, peer in installed().items():
            module = PeerModule(peer, network, list(model.weights))
            timed[who] = _timer(module, [frame[:, None] for frame in dense])
        for once in timed.values():
            once()
        values = in_turn(timed, runs)
    name = f"SLAYER's network ({weights}), 300 ms"
    found = [
        row(f"{name}, {who}", "ms", each, peer=who not in ours) for who, each in values.items()
    ]
    return found + missing(name, "ms")


def _ours(model: Model) -> dict[str, Callable[[Bins], object]]:
    whole, stepper = Whole(model, CORES), Stepper(model)
    module = filled(EventModule(model.network, threads=CORES), model)

    def stepped(recording: Bins) -> object:
        stepper.reset()
        return stepper.run(*recording)

    @torch.no_grad()
    def trained(recording: Bins) -> object:
        return module.respond([recording]).out.flatten(1).numpy()

    return {
        "silicon-retina": whole.run,
        "silicon-retina, bin by bin on one core": stepped,
        "silicon-retina, as in training": trained,
    }


def filled(module: _M, model: Model) -> _M:
    """Return the module with the model's weights."""
    with torch.no_grad():
        for parameter, weight in zip(module.weights, model.weights, strict=True):
            if weight is not None:
                parameter.copy_(torch.from_numpy(weight))
    return module


def _same(ours: dict[str, Callable[[Bins], object]], recordings: list[Bins]) -> None:
    """Raise AssertionError unless all ways of ours give the same spikes."""
    for recording in recordings:
        answers = [np.asarray(run(recording)) for run in ours.values()]
        assert answers[0].any()
        for other in answers[1:]:
            assert (other == answers[0]).all()


def _timer(run: Callable[[_R], object], recordings: Sequence[_R]) -> Callable[[], float]:
    def once() -> float:
        began = time.perf_counter()
        for recording in recordings:
            run(recording)
        return (time.perf_counter() - began) / len(recordings) * 1e3

    return once
