"""True images: a folder of PNG, MNIST's own files, and what is said of others."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models.targets import open_targets
from pipeline.errors import RecordingError


def saved(path: Path, pixels: NDArray[np.uint8]) -> None:
    Image.fromarray(pixels).save(path)


def idx(array: NDArray[np.uint8]) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def test_a_folder_of_png(tmp_path: Path) -> None:
    image = (np.arange(784) % 256).astype(np.uint8).reshape(28, 28)
    (tmp_path / "Test" / "3").mkdir(parents=True)
    saved(tmp_path / "Test" / "3" / "00007.png", image)
    targets = open_targets(tmp_path)
    np.testing.assert_allclose(targets.image(3, "00007", "Test"), image / 255, atol=1e-6)
    with pytest.raises(RecordingError, match=r"Train/3/00007\.png: no such file"):
        targets.image(3, "00007", "Train")
    (tmp_path / "3").mkdir()
    saved(tmp_path / "3" / "00008.png", image[:20])
    with pytest.raises(RecordingError, match="has 28×20 pixels, expected 28×28"):
        targets.image(3, "00008", "Train")
    (tmp_path / "3" / "00009.png").write_bytes(b"no")
    with pytest.raises(RecordingError, match=r"00009\.png: is no image of a format"):
        targets.image(3, "00009", "Train")


@pytest.mark.parametrize("packed", [True, False])
def test_mnists_own_files(tmp_path: Path, packed: bool) -> None:
    images = np.random.default_rng(1).integers(0, 256, (5, 28, 28), np.uint8)
    labels = np.arange(5, dtype=np.uint8)
    for name in ("train", "t10k"):
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            path = tmp_path / f"{name}-{kind}-ubyte{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(idx(array)) if packed else idx(array))
        images = images[::-1].copy()
    targets = open_targets(tmp_path)
    np.testing.assert_allclose(targets.image(2, "00003", "Train"), images[2] / 255, atol=1e-6)
    np.testing.assert_allclose(targets.image(1, "00002", "Test"), images[3] / 255, atol=1e-6)
    with pytest.raises(RecordingError, match=r"image 00003 of train is of label 2, .* of 7"):
        targets.image(7, "00003", "Train")
    with pytest.raises(RecordingError, match="no image of recording '00006', train holds 1 to 5"):
        targets.image(0, "00006", "Train")


def test_what_is_no_folder_of_true_images(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no such folder, expected a folder of"):
        open_targets(tmp_path / "none")
    with pytest.raises(RecordingError, match="holds no true image"):
        open_targets(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte"
    for content in (b"", b"\0\0\x08\x03", idx(np.zeros((1, 28, 28), np.uint8))[:-1]):
        path.write_bytes(content)
        with pytest.raises(RecordingError, match=r"bytes are announced|is no IDX file"):
            open_targets(tmp_path).image(0, "00001", "Train")
    path.write_bytes(idx(np.zeros((1, 28, 28), np.uint8)))
    with pytest.raises(RecordingError, match=r"lacks train-labels-idx1-ubyte\[\.gz\]"):
        open_targets(tmp_path).image(0, "00001", "Train")
