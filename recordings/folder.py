"""Folders of recordings, as N-MNIST's ``<split>/<label>/NNNNN.bin`` and like it.

The levels may be left out from the top: a folder of labels is one split, and a folder of files
is one label's (or nobody's). Folders around them that hold nothing else are passed through, so that
what ``tonic.datasets`` downloads opens as it is. The files are of any format that can be read.

Labels are the digits 0 to 9, or else words (N-Caltech101's, N-CARS'), which are numbered in their
alphabetical order over all splits; the word stays with the sample. In DVS Gesture's folders a
label is a file's own name. A folder ``targets`` beside them holds no recordings but the true
images. The samples that ship with the project are called ``samples``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import RecordingError
from pipeline.events import Events
from recordings import nmnist
from recordings.opening import open_recording

SHIPPED = "samples"
"""The word that stands for the recordings that ship with the project."""

SAMPLES_DIR = Path(__file__).parent / "samples"
"""Where the shipped recordings lie."""

TARGETS = "targets"
"""The folder that holds the true images, under the recordings' names (``.png``)."""

LAYOUT = "<split>/<label>/NNNNN.bin"

RECORDED = frozenset(
    (".bin", ".aedat", ".aedat2", ".aedat4", ".bag", ".dat", ".db3", ".es", ".mcap", ".raw")
)
"""Endings of recordings wherever they lie."""

TABLES = frozenset((".h5", ".hdf5", ".npy", ".npz"))
TEXTS = frozenset((".csv", ".txt"))
"""Endings of recordings where neither folders nor recordings of the former kinds lie beside them:
tables of labels, images and notes have them, too."""

SPLITS = frozenset(("train", "test", "val", "valid", "validation", "training", "testing"))
"""Names of folders that are no label, in any case."""

_GESTURE = "ibmGesture"
_NO_LABELS = ("_annotations",)


@dataclass(frozen=True, slots=True)
class Sample:
    """One recording: its path relative to the folder as given (posix), its file, its label.

    ``word`` is the label's name where labels are words.
    """

    name: str
    path: Path
    label: int | None
    word: str | None = None

    def read(self) -> Events:
        """Read its events ``[n] EVENT``; raises RecordingError."""
        if self.path.suffix == ".bin":
            return nmnist.read(self.path)
        with open_recording(self.path) as recording:
            return recording.read()


class _Leaf(NamedTuple):
    """A folder that holds recordings, and the name of the split that it is in."""

    split: str
    folder: Path
    files: list[Path]


def read(sample: Sample) -> Events:
    """Read a sample's events ``[n] EVENT``; raises RecordingError."""
    return sample.read()


def samples(folder: str | Path, split: str | None = None) -> list[Sample]:
    """List the recordings under ``folder``, of one ``split`` or of all, sorted by name.

    Raises RecordingError where the folder is missing, is a file, holds no recording or not that
    split, or where some labels are digits and others are not.
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

    A folder of that name is reached as ``./samples``. A file (or a folder that is one recording,
    as ROS 2's are) is taken alone, its label from its folder where that is a digit. Raises
    RecordingError as ``samples`` does.
    """
    if path == SHIPPED:
        return samples(SAMPLES_DIR, split)
    file = Path(path)
    if not file.exists():
        raise RecordingError(
            f"{file}: no such file or folder, expected a recording, a folder of {LAYOUT} or "
            f"{SHIPPED!r} (the shipped ones)"
        )
    if file.is_file() or _is_bag(file):
        if split is not None:
            raise RecordingError(f"{file}: is a file and has no split {split!r}")
        return [Sample(file.name, file, _digit(file.resolve().parent.name))]
    return samples(file, split)


def _walk(root: Path, split: str | None) -> list[Sample]:
    files, _ = _entries(root)
    if files and split is None:
        label = _digit(root.resolve().name)
        return [Sample(file.name, file, label) for file in files]
    leaves = list(_leaves(root))
    if split is not None:
        splits = sorted({leaf.split for leaf in leaves if leaf.split})
        if split not in splits:
            have = ", ".join(splits) if splits else "none"
            raise RecordingError(f"{root}: has no split {split!r}, its splits: {have}")
    words = _words(leaves)
    return [
        sample
        for leaf in leaves
        if split in (None, leaf.split)
        for sample in _samples(root, leaf, words)
    ]


def _leaves(root: Path) -> Iterator[_Leaf]:
    """Yield the folders of recordings under ``root``, at most a split's name between."""
    for folder in _entries(_inner(root))[1]:
        files, inner = _entries(folder)
        if files:
            yield _Leaf(folder.name if folder.name.casefold() in SPLITS else "", folder, files)
            continue
        for leaf in inner:
            yield _Leaf(folder.name, leaf, _entries(leaf)[0])


def _inner(root: Path) -> Path:
    """Pass through folders that hold one folder alone, as long as splits and labels lie deeper."""
    while True:
        files, folders = _entries(root)
        if files or len(folders) != 1:
            return root
        inside = _entries(folders[0])
        if inside[0] or not any(_entries(folder)[1] for folder in inside[1]):
            return root
        root = folders[0]


def _words(leaves: list[_Leaf]) -> dict[str, int]:
    """Number the labels that are words; nothing where they are digits. Raises RecordingError."""
    # A folder of folders is no label, whatever its name.
    wrong = [leaf for leaf in leaves if not leaf.files and _entries(leaf.folder)[1]]
    labels = [leaf for leaf in leaves if _labels(leaf)]
    if not wrong and not any(leaf.folder.name.isdecimal() for leaf in labels):
        return {name: i for i, name in enumerate(sorted({leaf.folder.name for leaf in labels}))}
    for leaf in wrong or labels:
        if _digit(leaf.folder.name) is None:
            raise RecordingError(
                f"{leaf.folder}: {leaf.folder.name!r} is no label: expected folders named 0 to 9"
            )
    return {}


def _samples(root: Path, leaf: _Leaf, words: dict[str, int]) -> Iterator[Sample]:
    name = leaf.folder.name
    word = name if name in words else None
    label = words[name] if word else _digit(name)
    for file in leaf.files:
        own = int(file.stem) if leaf.split.startswith(_GESTURE) and file.stem.isdecimal() else label
        yield Sample(file.relative_to(root).as_posix(), file, own, word)


def _labels(leaf: _Leaf) -> bool:
    """Tell whether the folder's name is a label."""
    return leaf.folder.name.casefold() not in SPLITS and not leaf.split.startswith(_GESTURE)


def _entries(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the recordings and the other folders in a folder, each in order of name."""
    with os.scandir(folder) as scan:
        entries = sorted((e.name, e.is_dir()) for e in scan if not e.name.startswith("."))
    folders = [folder / name for name, is_dir in entries if is_dir]
    bags = [each for each in folders if _is_bag(each)]
    folders = [
        each
        for each in folders
        if not each.name.startswith("_")
        and each.name != TARGETS
        and not each.name.endswith(_NO_LABELS)
        and each not in bags
    ]
    files = [folder / name for name, is_dir in entries if not is_dir]
    for endings in (RECORDED, TABLES, TEXTS):
        found = [file for file in files if file.suffix.lower() in endings] + bags
        if found or folders:
            break
    return sorted(found), folders


def _is_bag(folder: Path) -> bool:
    """Tell whether a folder is one recording: a ROS 2 bag."""
    return (folder / "metadata.yaml").is_file()


def _digit(name: str) -> int | None:
    return int(name) if len(name) == 1 and name in "0123456789" else None
