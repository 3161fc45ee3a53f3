"""One 1 ms step of a spiking network, batch 1, one CPU core, beside other simulators.

The input is real: recordings of N-MNIST's test set, bin by bin, state kept through each. Ours
takes sparse bins as they come through the pipeline; the peers get dense frames made beforehand,
outside the measured time, and the lightest spiking layer that they have (snnTorch's ``Leaky``,
norse's ``LIFBoxCell``), which is simpler than the two recursions of ours. All networks have the
same shapes and weights. Two are stepped: the shipped classifier, and SLAYER's network for
N-MNIST with seeded random weights, which fire more than trained ones would.

A run goes once through the recordings; its figure is the median (and for ours the 99th
percentile) over all steps. Runs of the contestants alternate, so that what else the machine does
meets all of them.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.harness import Row, in_turn, row
from models.frames import frames
from models.module import SpikingModule, weigh
from models.network import Network, Pool, parse
from models.stepper import Stepper
from models.store import Model, load
from pipeline.binning import Bins, bin_events
from recordings.folder import SAMPLES_DIR, samples
from recordings.nmnist import SENSOR

if TYPE_CHECKING:
    from pipeline.events import Events

SLAYER = "2-16c5-2a-32c3-2a-64c3-10"
_N_BINS = 300

Step = Callable[[torch.Tensor], object]


def rows(*, quick: bool = False) -> list[Row]:
    """Measure both networks; ``quick`` takes one recording and three runs instead of four and nine.

    A peer that is not installed has a row with 0 runs that says so in its name.
    """
    recordings, runs = (1, 3) if quick else (4, 9)
    with _one_core(), torch.inference_mode():
        events = [s.read() for s in samples(SAMPLES_DIR, "Test")[:: 50 // recordings][:recordings]]
        found = _measure("classifier", load("nmnist-classifier"), events, runs)
        return found + _measure("SLAYER's network", _random(events), events, runs)


def _measure(name: str, model: Model, events: list[Events], runs: int) -> list[Row]:
    network = model.network
    sparse = [bin_events(e, *network.input_shape[1:], model.bin_us, _N_BINS) for e in events]
    dense = torch.from_numpy(frames(events, network.input_shape, _N_BINS, model.bin_us))
    stepper = Stepper(model)
    peers = {"torch": _plain_torch, "snnTorch": _snntorch, "norse": _norse}
    absent = {peer for peer, make in peers.items() if not _importable(make, model)}
    p99: list[float] = []

    def ours() -> float:
        took = _ours(stepper, sparse)
        p99.append(float(np.percentile(took, 99)))
        return float(np.percentile(took, 50))

    contestants = {"silicon-retina": ours} | {
        peer: lambda make=make: float(np.percentile(_theirs(make, model, dense), 50))
        for peer, make in peers.items()
        if peer not in absent
    }
    found = [
        row(f"{name}, {who}, p50", "ms", values, peer=who != "silicon-retina")
        for who, values in in_turn(contestants, runs).items()
    ]
    found.insert(1, row(f"{name}, silicon-retina, p99", "ms", p99))
    return found + [
        Row(f"{name}, {peer}: not installed", "ms", 0, 0, 0, 0, peer=True)
        for peer in sorted(absent)
    ]


def _importable(make: Callable[[Model], Step], model: Model) -> bool:
    try:
        make(model)
    except ImportError:
        return False
    return True


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


def _theirs(
    make: Callable[[Model], Step], model: Model, recordings: torch.Tensor
) -> NDArray[np.float64]:
    took = []
    for recording in recordings.unbind(1):
        step = make(model)
        for frame in recording[:, None].unbind(0):
            began = time.perf_counter_ns()
            step(frame)
            took.append(time.perf_counter_ns() - began)
    return np.array(took) / 1e6


def _random(events: list[Events]) -> Model:
    """Return SLAYER's network with weights drawn so that every layer is active."""
    network = parse(SLAYER, SENSOR[1], SENSOR[0])
    module = SpikingModule(network)
    module.initialise(torch.from_numpy(frames(events, network.input_shape, _N_BINS)), seed=0)
    weights = tuple(w.detach().numpy() if w.numel() else None for w in module.weights)
    return Model(network, weights, tuple(range(10)))


def _synapses(network: Network, model: Model) -> list[Callable[[torch.Tensor], torch.Tensor]]:
    """Return each layer's weighing of a frame, the same for every peer."""

    def bind(i: int) -> Callable[[torch.Tensor], torch.Tensor]:
        layer, weight = network.layers[i], model.weights[i]
        tensor = None if weight is None else torch.tensor(weight)
        theta = network.neuron.theta
        if isinstance(layer, Pool):
            return lambda frame: weigh(layer, None, frame, theta)
        return lambda frame: weigh(layer, tensor, frame, theta)

    return [bind(i) for i in range(len(network.layers))]


def _plain_torch(model: Model) -> Step:
    """Step the same spike response model in torch, layer by layer."""
    neuron = model.network.neuron
    (decay_s, gain_s), (decay_r, gain_r) = neuron.synaptic, neuron.refractory
    synapses = _synapses(model.network, model)
    states = [torch.zeros((4, 1, *shape)) for shape in model.network.shapes[1:]]

    def step(spikes: torch.Tensor) -> torch.Tensor:
        for weighed, (x, y, rx, ry) in zip(synapses, states, strict=True):
            current = weighed(spikes)
            y.add_(x).mul_(decay_s)
            x.mul_(decay_s).add_(current)
            ry.add_(rx).mul_(decay_r)
            spikes = (gain_s * y + gain_r * ry >= neuron.theta).to(x.dtype)
            rx.mul_(decay_r).add_(spikes)
        return spikes

    return step


def _snntorch(model: Model) -> Step:
    import snntorch

    synapses = _synapses(model.network, model)
    layers = [
        snntorch.Leaky(beta=model.network.neuron.synaptic[0], threshold=model.network.neuron.theta)
        for _ in synapses
    ]
    memories = [layer.reset_mem() for layer in layers]

    def step(spikes: torch.Tensor) -> torch.Tensor:
        for i, (weighed, layer) in enumerate(zip(synapses, layers, strict=True)):
            spikes, memories[i] = layer(weighed(spikes), memories[i])
        return spikes

    return step


def _norse(model: Model) -> Step:
    with warnings.catch_warnings():
        # norse is built on parts of torch that torch has deprecated.
        warnings.simplefilter("ignore")
        import norse.torch as norse

    synapses = _synapses(model.network, model)
    parameters = norse.LIFBoxParameters(
        tau_mem_inv=torch.tensor(1000 / model.network.neuron.tau_s_ms),
        v_th=torch.tensor(model.network.neuron.theta),
    )
    layers = [norse.LIFBoxCell(parameters) for _ in synapses]
    states: list[Any] = [None] * len(layers)

    def step(spikes: torch.Tensor) -> torch.Tensor:
        for i, (weighed, layer) in enumerate(zip(synapses, layers, strict=True)):
            spikes, states[i] = layer(weighed(spikes), states[i])
        return spikes

    return step


@contextlib.contextmanager
def _one_core() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
