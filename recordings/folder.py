"""Folders of recordings in N-MNIST's layout, ``<split>/<label>/NNNNN.bin``.

The levels may be left out from the top: a folder of labels is one split, and a folder of files
is one label's (or nobody's). A folder ``targets`` beside them holds no recordings but the true
images. The samples that ship with the project are called ``samples``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import RecordingError
from pipeline.events import Events
from recordings import nmnist

SHIPPED = "samples"
"""The word that stands for the recordings that ship with the project."""

SAMPLES_DIR = Path(__file__).parent / "samples"
"""Where the shipped recordings lie."""

TARGETS = "targets"
"""The folder that holds the true images, under the recordings' names (``.png``)."""

LAYOUT = "<split>/<label>/NNNNN.bin"


@dataclass(frozen=True, slots=True)
class Sample:
    """One recording: its path relative to the folder as given (posix), its file, its label."""

    name: str
    path: Path
    label: int | None

    def read(self) -> Events:
        """Read its events ``[n] EVENT``; raises RecordingError as ``nmnist.read`` does."""
        return nmnist.read(self.path)


def read(sample: Sample) -> Events:
    """Read a sample's events ``[n] EVENT``; raises RecordingError as ``nmnist.read`` does."""
    return sample.read()


def samples(folder: str | Path, split: str | None = None) -> list[Sample]:
    """List the recordings under ``folder``, of one ``split`` or of all, sorted by name.

    Raises RecordingError where the folder is missing, is a file, holds no recording or not that
    split, or where a folder of recordings is called anything but 0 to 9.
    """
    root = Path(folder)
    if not root.is_dir():
        what = "is a file" if root.is_file() else "no such folder"
        raise RecordingError(f"{root}: {what}, expected a folder of {LAYOUT}")
    try:
        found = _walk(root, split)
    except OSError as error:
        raise RecordingError(f"{root}: cannot be read: {error.strerror}") from None
    if not found:
        where = root / split if split else root
        raise RecordingError(f"{where}: holds no recording, expected {LAYOUT}")
    return sorted(found, key=lambda sample: sample.name)


def open_samples(path: str | Path, split: str | None = None) -> list[Sample]:
    """List the recordings that ``path`` stands for: a file, a folder or the word ``samples``.

    A folder of that name is reached as ``./samples``. A file is taken alone, its label from its
    folder where that is a digit. Raises RecordingError as ``samples`` does.
    """
    if path == SHIPPED:
        return samples(SAMPLES_DIR, split)
    file = Path(path)
    if not file.exists():
        raise RecordingError(
            f"{file}: no such file or folder, expected a recording, a folder of {LAYOUT} or "
            f"{SHIPPED!r} (the shipped ones)"
        )
    if file.is_file():
        if split is not None:
            raise RecordingError(f"{file}: is a file and has no split {split!r}")
        return [Sample(file.name, file, _digit(file.resolve().parent.name))]
    return samples(file, split)


def _walk(root: Path, split: str | None) -> list[Sample]:
    if split is not None:
        splits = sorted(d.name for d in _folders(root) if _digit(d.name) is None)
        if split not in splits:
            have = ", ".join(splits) if splits else "none"
            raise RecordingError(f"{root}: has no split {split!r}, its splits: {have}")
        return _labels(root, root / split)
    files = _files(root)
    if files:
        label = _digit(root.resolve().name)
        return [Sample(file.name, file, label) for file in files]
    found: list[Sample] = []
    for folder in _folders(root):
        # A folder that holds recordings itself is a label; one that holds folders is a split.
        if _digit(folder.name) is not None or _files(folder):
            found += _label(root, folder)
        else:
            found += _labels(root, folder)
    return found


def _labels(root: Path, split: Path) -> list[Sample]:
    found: list[Sample] = []
    for folder in _folders(split):
        found += _label(root, folder)
    return found


def _label(root: Path, folder: Path) -> list[Sample]:
    label = _digit(folder.name)
    if label is None:
        raise RecordingError(
            f"{folder}: {folder.name!r} is no label: expected folders named 0 to 9"
        )
    return [Sample(f.relative_to(root).as_posix(), f, label) for f in _files(folder)]


def _folders(folder: Path) -> list[Path]:
    folders = (d for d in folder.iterdir() if d.is_dir() and d.name != TARGETS)
    return sorted(d for d in folders if not d.name.startswith((".", "_")))


def _files(folder: Path) -> list[Path]:
    return sorted(f for f in folder.glob("*.bin") if f.is_file() and not f.name.startswith("."))


def _digit(name: str) -> int | None:
    return int(name) if len(name) == 1 and name in "0123456789" else None
