"""Still images to look at: one file, a folder of them, or an IDX file such as MNIST's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models import idx, images
from pipeline.errors import RecordingError

_Read = Callable[[], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Still:
    """One image: its name as N-MNIST's recordings have it, its label where known, its pixels.

    name   the path of its recording without the suffix: ``5/00001``, or the file's name
    read   gives it ``[H, W]`` float32 in [0, 1]; raises RecordingError
    """

    name: str
    label: int | None
    read: _Read


def open_stills(path: str | Path) -> list[Still]:
    """List the images at ``path``, sorted by name; they are read when they are looked at.

    A folder holds images, or folders of them called 0 to 9 as their labels, or folders of those;
    of an IDX file of images the labels are read from the file beside it, and its images are named
    by their number, the first is 00001. Raises RecordingError where there is no image.
    """
    root = Path(path)
    if root.is_dir():
        return _folder(root)
    if not root.exists():
        raise RecordingError(f"{root}: no such file or folder, expected an image or images")
    if idx.is_images(root):
        return _idx(root)
    return [Still(root.stem, _label(root.resolve().parent), lambda: images.read(root))]


def _folder(root: Path) -> list[Still]:
    files = sorted(
        file
        for file in root.rglob("*")
        if file.suffix.lower() in images.SUFFIXES
        and not any(part.startswith(".") for part in file.relative_to(root).parts)
    )
    if not files:
        ends = ", ".join(images.SUFFIXES)
        raise RecordingError(f"{root}: holds no image, expected files that end in {ends}")
    names = [file.relative_to(root).with_suffix("").as_posix() for file in files]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise RecordingError(f"{root}: two images are called {twice}, expected one of each name")
    return [
        Still(name, _label(file.resolve().parent), lambda file=file: images.read(file))  # type: ignore[misc]
        for name, file in zip(names, files, strict=True)
    ]


def _idx(path: Path) -> list[Still]:
    pixels = idx.read(path, 3)
    beside = idx.labels_of(path)
    labels = idx.read(beside, 1).tolist() if beside else [None] * len(pixels)
    if len(labels) != len(pixels):
        raise RecordingError(
            f"{beside}: has {len(labels)} labels for the {len(pixels)} images of {path.name}"
        )

    def still(row: int, label: int | None) -> Still:
        number = f"{row + 1:05d}"
        return Still(
            number if label is None else f"{label}/{number}",
            label,
            lambda: pixels[row].astype(np.float32) / np.float32(255),
        )

    return [still(row, label) for row, label in enumerate(labels)]


def _label(folder: Path) -> int | None:
    name = folder.name
    return int(name) if len(name) == 1 and name in "0123456789" else None
