"""Training: forward, backward and Adam's update of SLAYER's network, batch 16, two cores.

All start from the same weights, take the same real recordings (``recordings/samples``, 300 ms) and
reduce the same loss, cross-entropy on counts of output spikes; ours event by event
(``models.event_module``) with the surrogate of the project's recipe for this network, the peers
(``benchmarks.peers``) over dense frames made beforehand, with the surrogate that each comes with.
``torch, the same network`` is the same neuron and gradient as ours in plain torch; that ours
follows its loss curve is a test (``tests/benchmarks/test_training.py``). One run is one update of
each in turn, each contestant's first, which compiles and allocates, not counted.

Memory: what ours keeps from forward for backward, counted in bytes of its lists at two levels of
activity, against the tensors that autograd saves for the plain torch way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.harness import Row, in_turn, row
from benchmarks.network import N_BINS, missing, slayer, threads
from benchmarks.peers import PEERS, PeerModule, installed
from benchmarks.recording import filled
from models.event_module import EventModule
from models.module import SpikingModule, dense
from models.store import Model
from models.surrogate import Surrogate
from pipeline.binning import Bins, bin_events
from recordings.folder import SAMPLES_DIR, samples

BATCH = 16
CORES = 2
RATE = 0.001
SURROGATE = Surrogate("triangle", 0.6, 2.0)
LAST = Surrogate("exponential")


class Recorded:
    """A batch of recordings, sparse and dense, with their labels."""

    def __init__(self, model: Model, size: int) -> None:
        found = samples(SAMPLES_DIR, "Test")
        chosen = [found[k * len(found) // size] for k in range(size)]
        height, width = model.network.input_shape[1:]
        self.events = [sample.read() for sample in chosen]
        self.bins: list[Bins] = [
            bin_events(e, height, width, model.bin_us, N_BINS) for e in self.events
        ]
        self.frames = dense(self.bins, model.network.input_shape)
        self.labels = torch.tensor([model.classes.index(s.label) for s in chosen])


def loss_of(out: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy of output spikes ``[T, B, C, H, W]``, 0.1 a spike."""
    return functional.cross_entropy(0.1 * out.flatten(2).sum(0), labels)


def updater(
    module: nn.Module, forward: Callable[[], Tensor], labels: Tensor, rate: float = RATE
) -> Callable[[], float]:
    """Return what makes one update of ``module`` by Adam and returns the loss before it."""
    learned = [p for p in module.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(learned, lr=rate)

    def update() -> float:
        optimiser.zero_grad()
        loss = loss_of(forward(), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        return float(loss.detach())

    return update


def rows(*, quick: bool = False) -> list[Row]:
    """Measure; ``quick`` takes a batch of 2 and one run instead of 16 and five."""
    size, runs = (2, 1) if quick else (BATCH, 5)
    with threads(CORES):
        model, weights = slayer([s.read() for s in samples(SAMPLES_DIR, "Test")[:4]])
        recorded = Recorded(model, size)
        timed = {who: _timer(update, size) for who, update in _contestants(model, recorded).items()}
        for once in timed.values():
            once()
        values = in_turn(timed, runs)
        name = f"SLAYER's network ({weights}), batch {size}"
        found = [
            row(f"{name}, {who}", "recordings/s", each, peer=who != "silicon-retina")
            for who, each in values.items()
        ]
        return [
            *found,
            *missing(name, "recordings/s"),
            *_memory(model, recorded),
            *_on_cuda(model, recorded, runs),
        ]


def _contestants(model: Model, recorded: Recorded) -> dict[str, Callable[[], float]]:
    network = model.network
    module = filled(EventModule(network, SURROGATE, last=LAST, threads=CORES), model)
    plain = filled(SpikingModule(network, SURROGATE, last=LAST, loop="plain"), model)
    found = {
        "silicon-retina": updater(
            module, lambda: module.respond(recorded.bins).out, recorded.labels
        ),
        "torch, the same network": updater(
            plain, lambda: plain(recorded.frames)[-1], recorded.labels
        ),
    }
    for who, peer in installed().items():
        if peer is PEERS["torch"]:
            continue
        theirs = PeerModule(peer, network, list(model.weights))
        found[who] = updater(theirs, _forward(theirs, recorded.frames), recorded.labels)
    return found


def _forward(module: PeerModule, frames: Tensor) -> Callable[[], Tensor]:
    def forward() -> Tensor:
        out: Tensor = module(frames)
        return out

    return forward


def _timer(update: Callable[[], float], size: int) -> Callable[[], float]:
    def once() -> float:
        began = time.perf_counter()
        update()
        return size / (time.perf_counter() - began)

    return once


def _memory(model: Model, recorded: Recorded) -> list[Row]:
    """Return rows of kept memory: all recordings' events, and every fourth event of them."""
    found = []
    for share, every in (("all events", 1), ("a quarter of the events", 4)):
        height, width = model.network.input_shape[1:]
        bins = [
            bin_events(e[::every], height, width, model.bin_us, N_BINS) for e in recorded.events
        ]
        module = filled(EventModule(model.network, SURROGATE, last=LAST, threads=CORES), model)
        response = module.respond(bins)
        kept, spikes = kept_bytes(response.out), int(response.spikes.sum())
        name = f"kept for backward, {share}, batch {len(bins)}, silicon-retina"
        found.append(row(f"{name}: {spikes:,} spikes", "MiB", [kept / 2**20]))
        found.append(row(f"{name}, a spike", "bytes", [kept / max(spikes, 1)]))
    plain = filled(SpikingModule(model.network, SURROGATE, last=LAST, loop="plain"), model)
    saved = saved_bytes(lambda: plain(recorded.frames[:, :1])[-1])
    name = "kept for backward, batch 1, torch, the same network, whatever the events"
    return [*found, row(name, "MiB", [saved / 2**20], peer=True)]


def kept_bytes(out: Tensor) -> int:
    """Return the bytes of the lists that ``EventModule`` keeps for the backward pass of ``out``."""
    node: Any = out.grad_fn
    while not hasattr(node, "kept"):
        node = node.next_functions[0][0]
    _, trains, nears, _ = node.kept
    lists: Sequence[Any] = [one for part in (*trains, *nears) for one in part]
    seen = {id(a): a.nbytes for one in lists for a in _arrays(one)}
    return sum(seen.values())


def _arrays(lists: Any) -> list[Any]:
    return [getattr(lists, name) for name in lists.__slots__]


def saved_bytes(forward: Callable[[], Tensor]) -> int:
    """Return the bytes of tensors that autograd saves in ``forward``, each counted once."""
    seen: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = forward()
    del out
    return sum(seen.values())


def _on_cuda(model: Model, recorded: Recorded, runs: int) -> list[Row]:
    """Return rows of the dense way, ours and the peers', on the first CUDA GPU."""
    if not torch.cuda.is_available():
        name = "on a CUDA GPU: not measured, there is none here"
        return [Row(name, "recordings/s", 0, 0, 0, 0, peer=False)]
    device = torch.device("cuda")
    frames, labels = recorded.frames.to(device), recorded.labels.to(device)
    module = filled(SpikingModule(model.network, SURROGATE, last=LAST, loop="plain"), model)
    module.to(device)
    contestants = {"silicon-retina": updater(module, lambda: module(frames)[-1], labels)}
    for who, peer in installed().items():
        if peer is not PEERS["torch"]:
            theirs = PeerModule(peer, model.network, list(model.weights)).to(device)
            contestants[who] = updater(theirs, _forward(theirs, frames), labels)
    timed = {who: _timer(update, len(labels)) for who, update in contestants.items()}
    for once in timed.values():
        once()
    return [
        row(f"{torch.cuda.get_device_name()}, batch {len(labels)}, {who}", "recordings/s", each,
            peer=who != "silicon-retina")
        for who, each in in_turn(timed, runs).items()
    ]  # fmt: skip
