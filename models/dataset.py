"""Labelled recordings, read when they are asked for, and what of them is held back."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pipeline.errors import RecordingError, SettingError
from pipeline.events import Events
from recordings.folder import Sample, open_samples

TONIC = "tonic:"
"""What a folder's name begins with that tonic is to fill."""

TRAIN = "Train"
"""The split that is trained on where a folder has splits."""


class Cache:
    """Recordings that were read, up to ``limit_mb`` in memory; what comes later is read anew.

    An epoch asks for every recording once, in an order of its own: to put out the oldest for the
    newest would serve nobody.
    """

    def __init__(self, limit_mb: int) -> None:
        self.room = limit_mb * 2**20
        self._kept: dict[str, Events] = {}
        self._lock = threading.Lock()

    def read(self, sample: Sample) -> Events:
        """Return a sample's events ``[n] EVENT``, not to be written to."""
        found = self._kept.get(sample.name)
        if found is not None:
            return found
        events = sample.read()
        with self._lock:
            if events.nbytes <= self.room and sample.name not in self._kept:
                self.room -= events.nbytes
                self._kept[sample.name] = events
        return events


class Dataset(NamedTuple):
    """Recordings side by side: samples with a label each, and the cache they share."""

    samples: list[Sample]
    labels: list[int]
    cache: Cache

    @property
    def names(self) -> list[str]:
        """Each recording's path under the folder."""
        return [sample.name for sample in self.samples]

    def events(self, i: int) -> Events:
        """Return recording ``i``'s events ``[n] EVENT``; raises RecordingError."""
        return self.cache.read(self.samples[i])

    def take(self, chosen: Sequence[int]) -> Dataset:
        """Return the recordings of these indices, in this order."""
        return Dataset(
            [self.samples[i] for i in chosen], [self.labels[i] for i in chosen], self.cache
        )


def locate(folder: str | Path) -> str | Path:
    """Return the folder that ``tonic:DIR`` stands for, after downloading N-MNIST there; else as is.

    Raises SettingError where tonic is not installed, RecordingError where the download failed.
    """
    name = str(folder)
    if not name.startswith(TONIC):
        return folder
    root = Path(name.removeprefix(TONIC))
    try:
        from tonic.datasets import NMNIST
    except ImportError:
        raise SettingError(
            f"--data {name}: tonic is not installed, expected it from: "
            "pip install 'silicon-retina[data]'"
        ) from None
    try:
        for train in (True, False):
            NMNIST(save_to=str(root), train=train)
    except (OSError, RuntimeError) as error:
        raise RecordingError(f"--data {name}: N-MNIST cannot be downloaded: {error}") from None
    return root / "NMNIST"


def read(folder: str | Path, cache_mb: int = 1024) -> Dataset:
    """List the split ``Train`` under ``folder`` where it has one, else every recording.

    ``samples`` are the recordings that ship, ``tonic:DIR`` the whole of N-MNIST (``locate``).
    Nothing is read yet. Raises RecordingError as ``recordings.folder.open_samples`` does, and
    where a recording has no label.
    """
    folder = locate(folder)
    found = open_samples(folder)
    ours = [s for s in found if s.name.startswith(f"{TRAIN}/")]
    labels = []
    for sample in ours or found:
        if sample.label is None:
            raise RecordingError(
                f"{folder}: {sample.name} has no label, expected <label>/NNNNN.bin"
            )
        labels.append(sample.label)
    return Dataset(ours or found, labels, Cache(cache_mb))


def check_labels(data: Dataset, classes: int, network: str) -> None:
    """Raise RecordingError unless the labels are 0 to ``classes`` − 1, each with recordings."""
    for sample, label in zip(data.samples, data.labels, strict=True):
        if label >= classes:
            raise RecordingError(
                f"{sample.name}: label {label} is none of the {classes} classes of {network} "
                f"(0 to {classes - 1})"
            )
    missing = sorted(set(range(classes)) - set(data.labels))
    if missing:
        root = data.samples[0].path.parents[len(PurePosixPath(data.samples[0].name).parts) - 1]
        raise RecordingError(
            f"{root}: has no recording of label {', '.join(map(str, missing))}, "
            f"{network} expects each of 0 to {classes - 1}"
        )


def split(data: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
    """Return a training part and a validation part with ``share`` of each label's recordings.

    On which side a recording falls depends on the names of its label and the seed alone. Raises
    RecordingError where a label would have no recording on one side.
    """
    validation: list[int] = []
    for label, mine in _by_label(data, seed).items():
        n = round(len(mine) * share)
        if not 0 < n < len(mine):
            raise RecordingError(
                f"{len(mine)} recordings of label {label} cannot be split with {share:.0%} for "
                "validation, expected at least one on each side"
            )
        validation += mine[:n]
    return _part(data, validation)


def fold(data: Dataset, k: int, n: int, seed: int) -> tuple[Dataset, Dataset]:
    """Return what fold ``k`` of ``n`` (from 1) trains on, and the recordings it holds back.

    Every recording is held back in exactly one of the folds, every label in each of them. Raises
    RecordingError where a label has fewer than ``n`` recordings.
    """
    validation: list[int] = []
    for label, mine in _by_label(data, seed).items():
        if len(mine) < n:
            raise RecordingError(
                f"{len(mine)} recordings of label {label} cannot be shared out among {n} folds"
            )
        validation += mine[k - 1 :: n]
    return _part(data, validation)


def _by_label(data: Dataset, seed: int) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for label in sorted(set(data.labels)):
        mine = [i for i, other in enumerate(data.labels) if other == label]
        mine.sort(key=lambda i: hashlib.sha256(f"{seed}:{data.samples[i].name}".encode()).digest())
        found[label] = mine
    return found


def _part(data: Dataset, validation: list[int]) -> tuple[Dataset, Dataset]:
    held = set(validation)
    training = [i for i in range(len(data.labels)) if i not in held]
    return data.take(training), data.take(validation)
