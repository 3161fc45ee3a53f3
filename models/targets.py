"""The true images of recordings: what a reconstructor is to show.

Either a folder of PNG files under the recordings' names (``[<split>/]<label>/NNNNN.png``), or
MNIST's own files (``train-images-idx3-ubyte[.gz]``, its labels beside it, and ``t10k-…`` for the
split ``Test``), whose row NNNNN − 1 is the image of recording NNNNN.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models import idx
from models import images as pictures
from pipeline.errors import RecordingError

SHAPE = (28, 28)
"""Height and width of a digit."""

TEST = "Test"

_EXPECTED = "[<split>/]<label>/NNNNN.png or MNIST's train-images-idx3-ubyte[.gz] with its labels"


class Targets(Protocol):
    """Where true images are."""

    def image(self, label: int, stem: str, split: str) -> NDArray[np.float32]:
        """Return the image ``[28, 28]`` float32 in [0, 1] of recording ``split/label/stem.bin``.

        Raises RecordingError where there is none.
        """


def open_targets(path: str | Path) -> Targets:
    """Open the true images at ``path``; raises RecordingError where there are none."""
    root = Path(path)
    if not root.is_dir():
        what = "is a file" if root.is_file() else "no such folder"
        raise RecordingError(f"{root}: {what}, expected a folder of {_EXPECTED}")
    if any(_idx(root, name, 3) for name in ("train", "t10k")):
        return _Mnist(root)
    if next(root.glob("**/*.png"), None) is None:
        raise RecordingError(f"{root}: holds no true image, expected {_EXPECTED}")
    return _Folder(root)


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root

    def image(self, label: int, stem: str, split: str) -> NDArray[np.float32]:
        places = [self._root / split / str(label) / f"{stem}.png"]
        places.append(self._root / str(label) / f"{stem}.png")
        path = next((p for p in places if p.is_file()), None)
        if path is None:
            raise RecordingError(f"{places[0]}: no such file, expected the true image of {stem}")
        image = pictures.read(path)
        if image.shape != SHAPE:
            height, width = image.shape
            raise RecordingError(f"{path}: has {width}×{height} pixels, expected 28×28")
        return image


class _Mnist:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._read: dict[str, tuple[NDArray[np.uint8], NDArray[np.uint8]]] = {}

    def image(self, label: int, stem: str, split: str) -> NDArray[np.float32]:
        name = "t10k" if split == TEST else "train"
        if name not in self._read:
            self._read[name] = self._open(name)
        images, labels = self._read[name]
        row = int(stem) - 1 if stem.isdecimal() else -1
        if not 0 <= row < len(images):
            raise RecordingError(
                f"{self._root}: has no image of recording {stem!r}, {name} holds 1 to {len(images)}"
            )
        if labels[row] != label:
            # Some files leave out rows, and then a row is of another recording.
            raise RecordingError(
                f"{self._root}: image {stem} of {name} is of label {labels[row]}, the recording of "
                f"{label}; expected MNIST's own order"
            )
        found: NDArray[np.float32] = images[row].astype(np.float32) / np.float32(255)
        return found

    def _open(self, name: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        found = []
        for axes in (3, 1):
            path = _idx(self._root, name, axes)
            if path is None:
                raise RecordingError(f"{self._root}: lacks {_name(name, axes)}[.gz]")
            found.append(idx.read(path, axes))
        images, labels = found
        if images.shape[1:] != SHAPE or len(images) != len(labels):
            raise RecordingError(
                f"{self._root}: {name} has images of {images.shape} and {len(labels)} labels, "
                "expected as many of 28×28"
            )
        return images, labels


def _name(name: str, axes: int) -> str:
    return f"{name}-{'images' if axes == 3 else 'labels'}-idx{axes}-ubyte"


def _idx(root: Path, name: str, axes: int) -> Path | None:
    places = [root / _name(name, axes), root / f"{_name(name, axes)}.gz"]
    return next((p for p in places if p.is_file()), None)
