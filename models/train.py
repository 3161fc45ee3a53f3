"""Training a classifier of recordings by SLAYER's gradient on the CPU, seeded.

Two stages: most epochs see one saccade of each recording, drawn anew each time, which is three
times as cheap and teaches the network to answer early; the last see the whole window. Loss:
cross-entropy of the output neurons' spike counts times ``count_gain``, plus ``rate_penalty``
times the hidden layers' spikes per neuron and bin, which keeps the network sparse.

The validation split (stratified by label, drawn by the seed) chooses the epoch whose weights are
kept; nothing else is looked at.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import numba
import numpy as np
import torch
from numba.core.config import NUMBA_NUM_THREADS  # type: ignore[attr-defined]
from torch import Tensor, nn
from torch.nn import functional

from models.augment import Augmentation, augment
from models.dataset import Dataset, read, split
from models.frames import frames
from models.module import SpikingModule
from models.network import Network, parse
from models.neuron import CUBA, LIF, SRM
from models.store import Model, save
from models.surrogate import Surrogate
from pipeline.errors import SettingError
from pipeline.events import Events
from recordings.nmnist import SENSOR

SACCADES_US = (0, 105_000, 210_000)
"""When N-MNIST's three saccades begin."""


class ClassifierConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a classifier is trained; the defaults are the shipped model's recipe.

    network          layers as in ``models.network``
    epochs           passes over the training split, the last ``full_epochs`` on the whole window
    batch            recordings an update
    rate             Adam's learning rate relative to each layer's initial weights
    count_gain       logit of one output spike per 100 ms
    rate_penalty     loss per hidden spike of a neuron and bin
    dropout          share of each hidden layer's neurons that are silenced for a recording
    label_smoothing  share of the target spread over all classes
    saccade_ms, window_ms   how long the short and the full recordings are
    validation       share of each label's recordings kept for choosing the epoch
    validate_every   epochs between validations
    seed             of split, weights, order, augmentation and dropout
    threads          of the CPU; another number may round sums differently
    """

    network: str = "2-16c5s2-32c3s2-10"
    epochs: int = 110
    full_epochs: int = 4
    batch: int = 16
    rate: float = 0.05
    count_gain: float = 0.4
    rate_penalty: float = 0.1
    dropout: float = 0.05
    label_smoothing: float = 0.02
    saccade_ms: int = 100
    window_ms: int = 300
    validation: float = 0.2
    validate_every: int = 5
    seed: int = 1
    threads: int = 2
    neuron: SRM | CUBA | LIF = SRM()
    surrogate: Surrogate = Surrogate("exponential")
    augmentation: Augmentation = Augmentation()


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    """What one epoch brought; ``accuracy`` and ``early`` (first saccade) are of the validation."""

    epoch: int
    epochs: int
    loss: float
    train_accuracy: float
    seconds: float
    accuracy: float | None = None
    early: float | None = None
    best: float = 0.0


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """The model that was kept and how it came to be."""

    model: Model
    history: list[Epoch]
    accuracy: float
    early: float
    train_names: list[str]
    validation_names: list[str]


def train_classifier(
    config: ClassifierConfig,
    data: Path,
    out: Path | None = None,
    progress: Callable[[Epoch], None] | None = None,
) -> Trained:
    """Train a classifier on the recordings under ``data`` and save it to ``out``.

    ``data`` has N-MNIST's layout; its split ``Train`` is used where it has one, else all of it.
    ``progress`` is told of every epoch. The same config, data and versions give the same weights
    on the same machine. Raises RecordingError where the data cannot be read, is unlabelled, or
    gives a label no recording on either side of the split, SettingError where the network cannot
    be read or does not fit the data.
    """
    torch.set_num_threads(config.threads)
    numba.set_num_threads(min(config.threads, NUMBA_NUM_THREADS))
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    training, validation = split(read(data), config.validation, config.seed)
    classes = tuple(sorted(set(training.labels)))
    network = _network(config, len(classes))
    module = SpikingModule(network, config.surrogate)
    example = frames(training.events[:32], network.input_shape, config.saccade_ms)
    module.initialise(torch.from_numpy(example), config.seed)
    optimiser = torch.optim.Adam(
        [
            {"params": [w], "lr": config.rate * float(w.detach().std()), "initial": 1.0}
            for w in module.weights
            if w.requires_grad
        ]
    )
    steps = config.epochs * math.ceil(len(training.labels) / config.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: _warm_cosine(step, steps, warm=steps // 20)
    )

    history: list[Epoch] = []
    best, best_early, best_score = 0.0, 0.0, -1.0
    kept = [w.detach().clone() for w in module.weights]
    for epoch in range(config.epochs):
        started = time.monotonic()
        full = epoch >= config.epochs - config.full_epochs
        losses, right = [], 0
        for batch, target in _batches(training, config, full, network.input_shape, rng):
            loss, answers = _update(module, batch, target, classes, config, optimiser)
            schedule.step()
            losses.append(loss)
            right += answers
        accuracy = early = None
        if (epoch + 1) % config.validate_every == 0 or epoch + 1 == config.epochs:
            accuracy, early, margin = validate(module, validation.events, validation.labels, config)
            # The margin breaks ties between epochs that get as many right.
            if accuracy + 1e-3 * margin > best_score:
                best, best_early, best_score = accuracy, early, accuracy + 1e-3 * margin
                kept = [w.detach().clone() for w in module.weights]
        report = Epoch(
            epoch=epoch + 1,
            epochs=config.epochs,
            loss=float(np.mean(losses)),
            train_accuracy=right / len(training.labels),
            seconds=time.monotonic() - started,
            accuracy=accuracy,
            early=early,
            best=best,
        )
        history.append(report)
        if progress is not None:
            progress(report)

    model = Model(
        network=network,
        weights=tuple(w.numpy() if w.numel() else None for w in kept),
        classes=classes,
        bin_us=round(config.neuron.ts_ms * 1000),
        window_us=config.window_ms * 1000,
    )
    if out is not None:
        save(model, out)
    return Trained(
        model=model,
        history=history,
        accuracy=best,
        early=best_early,
        train_names=training.names,
        validation_names=validation.names,
    )


@torch.no_grad()
def validate(
    module: SpikingModule, events: Sequence[Events], labels: Sequence[int], config: ClassifierConfig
) -> tuple[float, float, float]:
    """Return accuracy over the window, over the first saccade, and the mean margin in [-1, 1].

    The margin is the true class's share of output spikes less the best other class's.
    """
    bins = round(config.window_ms / config.neuron.ts_ms)
    right = early = 0
    margins = 0.0
    classes = sorted(set(labels))
    for lo in range(0, len(events), config.batch):
        part = events[lo : lo + config.batch]
        spikes = torch.from_numpy(frames(part, module.network.input_shape, bins, _bin_us(config)))
        out = module(spikes)[-1].flatten(2)
        target = torch.tensor([classes.index(c) for c in labels[lo : lo + config.batch]])
        counts = out.sum(0)
        right += int((counts.argmax(1) == target).sum())
        first = out[: round(config.saccade_ms / config.neuron.ts_ms)].sum(0)
        early += int((first.argmax(1) == target).sum())
        share = counts / counts.sum(1, keepdim=True).clamp(min=1)
        true = share.gather(1, target[:, None])[:, 0]
        margins += float((true - share.scatter(1, target[:, None], -1).amax(1)).sum())
    return right / len(events), early / len(events), margins / len(events)


def _update(
    module: SpikingModule,
    batch: Tensor,
    target: list[int],
    classes: tuple[int, ...],
    config: ClassifierConfig,
    optimiser: torch.optim.Optimizer,
) -> tuple[float, int]:
    spikes, penalty = batch, torch.zeros(())
    layers = len(module.network.layers)
    for i in range(layers):
        spikes = module.layer(i, spikes)[0]
        if i + 1 < layers:
            penalty = penalty + spikes.mean()
            if config.dropout:
                # One mask a recording: a synapse that is gone stays gone for the recording.
                mask = torch.rand(spikes.shape[1:]) >= config.dropout
                spikes = spikes * (mask.to(spikes.dtype) / (1 - config.dropout))
    counts = spikes.flatten(2).sum(0)
    per_100_ms = 100 / (len(batch) * config.neuron.ts_ms)
    truth = torch.tensor([classes.index(label) for label in target])
    loss = functional.cross_entropy(
        counts * (config.count_gain * per_100_ms), truth, label_smoothing=config.label_smoothing
    )
    optimiser.zero_grad(set_to_none=True)
    total = loss + config.rate_penalty * penalty
    total.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(module.parameters(), 1e3)
    optimiser.step()
    return float(loss.detach()), int((counts.argmax(1) == truth).sum())


def _batches(
    data: Dataset,
    config: ClassifierConfig,
    full: bool,
    shape: tuple[int, int, int],
    rng: np.random.Generator,
) -> Iterator[tuple[Tensor, list[int]]]:
    order = rng.permutation(len(data.labels))
    length = config.window_ms if full else config.saccade_ms
    for lo in range(0, len(order), config.batch):
        chosen = order[lo : lo + config.batch]
        events = [augment(data.events[i], SENSOR, config.augmentation, rng) for i in chosen]
        begins = [0] * len(chosen)
        if not full:
            begins = [int(b) for b in rng.choice(SACCADES_US, len(chosen))]
        n_bins = round(length / config.neuron.ts_ms)
        spikes = frames(events, shape, n_bins, _bin_us(config), begins)
        yield torch.from_numpy(spikes), [data.labels[i] for i in chosen]


def _network(config: ClassifierConfig, classes: int) -> Network:
    try:
        network = parse(config.network, SENSOR[1], SENSOR[0], config.neuron)
    except ValueError as error:
        raise SettingError(f"network: {error}") from None
    ends = network.input_shape[0], math.prod(network.shapes[-1])
    if ends != (2, classes):
        raise SettingError(
            f"network {config.network!r} has {ends[0]} input channels and {ends[1]} outputs, "
            f"expected 2 (OFF and ON) and {classes} (the labels in the data)"
        )
    return network


def _bin_us(config: ClassifierConfig) -> int:
    return round(config.neuron.ts_ms * 1000)


def _warm_cosine(step: int, steps: int, warm: int) -> float:
    if step < warm:
        return (step + 1) / (warm + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))
