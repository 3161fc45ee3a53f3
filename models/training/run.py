"""A training from data on disk to a model on disk, and what stands beside it."""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import replace
from pathlib import Path, PurePosixPath

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.dataset import TRAIN, Dataset, check_labels, fold, read, split
from models.network import Network, parse
from models.store import Model, save
from models.targets import open_targets
from models.training import checkpoint
from models.training.batches import Batches
from models.training.config import AnyConfig, ReconstructorConfig
from models.training.objective import Score, objective
from models.training.parallel import Group
from models.training.trainer import Epoch, Told, Trainer
from pipeline.errors import SettingError
from recordings.nmnist import SENSOR


class Fold(msgspec.Struct, frozen=True):
    """The ``k``-th (from 1) of ``n`` parts is held back."""

    k: int
    n: int

    @staticmethod
    def parse(text: str) -> Fold:
        """Read ``K/N``; raises SettingError."""
        k, _, n = text.partition("/")
        if not (k.isdecimal() and n.isdecimal() and 1 <= int(k) <= int(n) and int(n) >= 2):
            raise SettingError(f"--fold {text}: expected K/N with K from 1 to N, such as 1/5")
        return Fold(int(k), int(n))


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What a training works on.

    data         folder in N-MNIST's layout, or ``samples``
    targets      where a reconstructor's true images are
    out          file of the model; None: it is not saved
    checkpoints  folder of checkpoints; None: there are none
    fresh        whether a checkpoint that is there is passed over
    """

    data: str
    targets: str | None = None
    out: Path | None = None
    checkpoints: Path | None = None
    fresh: bool = False
    fold: Fold | None = None


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """A model and how it came to be; ``score`` is of the weights that were kept."""

    model: Model
    history: list[Epoch]
    score: Score | None
    training: list[str]
    validation: list[str]
    seconds: float


def train(config: AnyConfig, job: Job, group: Group, told: Told = lambda *_: None) -> Trained:
    """Train a network on ``job.data``; ``told`` is called after every epoch.

    The same config, data, versions and machine give the same weights. Raises SettingError where
    the network cannot be read or does not fit its task, RecordingError where the data cannot be
    read or split or lacks a class, ModelError and RetinaError as ``Trainer.run`` does.
    """
    started = time.monotonic()
    if job.fold is not None:
        # What a fold holds back decides nothing, or its figure would flatter.
        validation = msgspec.structs.replace(config.validation, choose="last", patience=0)
        config = msgspec.structs.replace(config, validation=validation)
    network = _network(config)
    data = read(job.data, config.cache_mb)
    training, validation_part = _split(data, config, job.fold)
    if not isinstance(config, ReconstructorConfig):
        check_labels(data, math.prod(network.shapes[-1]), f"network {network.spec!r}")
    images = _images(training, network, config, job.targets)
    truth = None
    if validation_part is not None:
        truth = _images(validation_part, network, config, job.targets)
    batches = Batches(training, network, config, images, group.rank, group.world)
    task = objective(config, truth)
    trainer = Trainer(config, network, batches, validation_part, task, group)
    trainer.run(job.checkpoints, _fingerprint(training, validation_part), job.fresh, told)
    model = trainer.model()
    scored = [e.score for e in trainer.history if e.score is not None]
    score = scored[-1] if scored else None
    if config.validation.choose == "best" and scored:
        score = max(scored, key=lambda s: s.value)
    if job.out is not None:
        model = replace(model, name=job.out.stem)
        if group.leads:
            # What stands beside it is of the model before.
            job.out.with_suffix(".md").unlink(missing_ok=True)
            save(model, job.out)
            if job.checkpoints is not None:
                checkpoint.remove(job.checkpoints)
    return Trained(
        model=model,
        history=trainer.history,
        score=score,
        training=training.names,
        validation=validation_part.names if validation_part else [],
        seconds=time.monotonic() - started,
    )


def _network(config: AnyConfig) -> Network:
    try:
        network = parse(config.network, SENSOR[1], SENSOR[0], config.neuron)
    except ValueError as error:
        raise SettingError(f"network: {error}") from None
    channels, (features, height, width) = network.input_shape[0], network.shapes[-1]
    expected = 2 * max(1, len(config.saccades_ms))
    if channels != expected:
        each = " for each of saccades_ms" if config.saccades_ms else ""
        raise SettingError(
            f"network {config.network!r} has {channels} input channels, expected {expected} "
            f"(OFF and ON{each})"
        )
    if isinstance(config, ReconstructorConfig) and (features, height, width) != (1, 28, 28):
        raise SettingError(
            f"network {config.network!r} ends in {features}@{height}×{width}, expected 1@28×28: "
            "a neuron for each pixel of the true image"
        )
    if not isinstance(config, ReconstructorConfig) and (height, width) != (1, 1):
        raise SettingError(
            f"network {config.network!r} ends in {features}@{height}×{width}, expected a neuron "
            "for each class, such as -10 at its end"
        )
    return network


def _split(data: Dataset, config: AnyConfig, held: Fold | None) -> tuple[Dataset, Dataset | None]:
    if held is not None:
        return fold(data, held.k, held.n, config.seed)
    if config.validation.share:
        return split(data, config.validation.share, config.seed)
    return data, None


def _images(
    data: Dataset, network: Network, config: AnyConfig, targets: str | None
) -> NDArray[np.float32] | None:
    """Return a reconstructor's true images ``[n, H, W]``, None for a classifier."""
    if not isinstance(config, ReconstructorConfig):
        return None
    if targets is None:
        raise SettingError("train reconstructor: --targets is missing, expected the true images")
    opened = open_targets(targets)
    images = np.empty((len(data.labels), *network.shapes[-1][1:]), np.float32)
    for i, sample in enumerate(data.samples):
        assert sample.label is not None
        parts = PurePosixPath(sample.name).parts
        held_in = parts[0] if len(parts) == 3 else TRAIN
        images[i] = opened.image(sample.label, sample.path.stem, held_in)
    return images


def _fingerprint(training: Dataset, validation: Dataset | None) -> str:
    names = ["training", *training.names, "validation", *(validation.names if validation else [])]
    return hashlib.sha256("\n".join(names).encode()).hexdigest()
