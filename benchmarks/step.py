"""One 1 ms step of a spiking network, batch 1, one CPU core, beside other simulators.

The input is real: recordings of N-MNIST's test set, bin by bin, state kept through each. Ours
takes sparse bins as they come through the pipeline; the peers (``benchmarks.peers``) get dense
frames made beforehand, outside the measured time. All networks have the same shapes and weights.
Two are stepped: the shipped classifier, and SLAYER's network for N-MNIST with trained weights
where a model of it ships, else with seeded random ones, which fire more; its row says which.

A run goes once through the recordings; its figures are the median and the 99th percentile over
all steps. Runs of the contestants alternate, so that what else the machine does meets all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.harness import Row, in_turn, row
from benchmarks.network import N_BINS, events_of, missing, slayer, threads
from benchmarks.peers import Peer, installed, stepping
from models.frames import frames
from models.stepper import Stepper
from models.store import Model, load
from pipeline.binning import Bins, bin_events

if TYPE_CHECKING:
    from pipeline.events import Events


def rows(*, quick: bool = False) -> list[Row]:
    """Measure both networks; ``quick`` takes 60 bins and three runs, not four recordings and nine.

    A peer that is not installed has a row with 0 runs that says so in its name.
    """
    recordings, runs, n_bins = (1, 3, 60) if quick else (4, 9, N_BINS)
    with threads(1), torch.inference_mode():
        events = events_of(recordings)
        found = _measure("classifier", load("nmnist-classifier"), events, runs, n_bins)
        model, weights = slayer(events)
        return found + _measure(f"SLAYER's network ({weights})", model, events, runs, n_bins)


def _measure(name: str, model: Model, events: list[Events], runs: int, n_bins: int) -> list[Row]:
    network = model.network
    sparse = [bin_events(e, *network.input_shape[1:], model.bin_us, n_bins) for e in events]
    dense = torch.from_numpy(frames(events, network.input_shape, n_bins, model.bin_us))
    stepper = Stepper(model)
    p99: dict[str, list[float]] = {}

    def measure(who: str, run: Callable[[], NDArray[np.float64]]) -> Callable[[], float]:
        def once() -> float:
            took = run()
            p99.setdefault(who, []).append(float(np.percentile(took, 99)))
            return float(np.percentile(took, 50))

        return once

    contestants = {"silicon-retina": measure("silicon-retina", partial(_ours, stepper, sparse))}
    for who, peer in installed().items():
        contestants[who] = measure(who, partial(_theirs, peer, model, dense))
    found = []
    for who, p50 in in_turn(contestants, runs).items():
        ours = who == "silicon-retina"
        found.append(row(f"{name}, {who}, p50", "ms", p50, peer=not ours))
        found.append(row(f"{name}, {who}, p99", "ms", p99[who], peer=not ours))
    return found + missing(name, "ms")


def _ours(stepper: Stepper, recordings: list[Bins]) -> NDArray[np.float64]:
    took = []
    for offsets, index, count in recordings:
        stepper.reset()
        bins = [(index[lo:hi], count[lo:hi]) for lo, hi in pairwise(offsets.tolist())]
        for entries, counts in bins:
            began = time.perf_counter_ns()
            stepper.step(entries, counts)
            took.append(time.perf_counter_ns() - began)
    return np.array(took) / 1e6


def _theirs(peer: Peer, model: Model, recordings: torch.Tensor) -> NDArray[np.float64]:
    took = []
    for recording in recordings.unbind(1):
        step = stepping(peer, model.network, model.weights)
        for frame in recording[:, None].unbind(0):
            began = time.perf_counter_ns()
            step(frame)
            took.append(time.perf_counter_ns() - began)
    return np.array(took) / 1e6
