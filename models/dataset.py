"""Labelled recordings in memory, and their split for training and validation."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import RecordingError
from pipeline.events import Events
from recordings.folder import samples


@dataclass(frozen=True, slots=True)
class Dataset:
    """Recordings side by side: names, events ``[n] EVENT`` each, labels."""

    names: list[str]
    events: list[Events]
    labels: list[int]

    def take(self, chosen: Sequence[int]) -> Dataset:
        """Return the recordings of these indices, in this order."""
        return Dataset(
            [self.names[i] for i in chosen],
            [self.events[i] for i in chosen],
            [self.labels[i] for i in chosen],
        )


def read(folder: str | Path) -> Dataset:
    """Read the split ``Train`` under ``folder`` where it has one, else every recording.

    Raises RecordingError as ``recordings.folder.samples`` does, and where one has no label.
    """
    found = samples(folder, "Train" if (Path(folder) / "Train").is_dir() else None)
    labels = []
    for sample in found:
        if sample.label is None:
            raise RecordingError(
                f"{folder}: {sample.name} has no label, expected <label>/NNNNN.bin"
            )
        labels.append(sample.label)
    return Dataset([s.name for s in found], [s.read() for s in found], labels)


def split(data: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
    """Return a training part and a validation part with ``share`` of each label's recordings.

    On which side a recording falls depends on the names of its label and the seed alone. Raises
    RecordingError where a label would have no recording on one side.
    """
    training: list[int] = []
    validation: list[int] = []
    for label in sorted(set(data.labels)):
        mine = [i for i, other in enumerate(data.labels) if other == label]
        mine.sort(key=lambda i: hashlib.sha256(f"{seed}:{data.names[i]}".encode()).digest())
        n = round(len(mine) * share)
        if not 0 < n < len(mine):
            raise RecordingError(
                f"{len(mine)} recordings of label {label} cannot be split with {share:.0%} for "
                "validation, expected at least one on each side"
            )
        training += mine[n:]
        validation += mine[:n]
    return data.take(training), data.take(validation)
