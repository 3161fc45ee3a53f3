"""Images of every kind become grey; what is none gets one line."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from models import idx, images
from models.images import grey
from models.stills import open_stills
from pipeline.errors import RecordingError


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32))
def test_grey_of_colours_and_depths(height: int, width: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)
    luminance = pixels[:, :, :3] @ np.array([0.299, 0.587, 0.114]) / 255
    np.testing.assert_allclose(
        grey(Image.fromarray(pixels[:, :, 0])), pixels[:, :, 0] / 255, atol=1e-6
    )
    np.testing.assert_allclose(grey(Image.fromarray(pixels[:, :, :3])), luminance, atol=1e-6)
    shown = luminance * pixels[:, :, 3] / 255
    np.testing.assert_allclose(grey(Image.fromarray(pixels)), shown, atol=1e-6)
    deep = pixels[:, :, 0].astype(np.uint16) << 8 | pixels[:, :, 1]
    np.testing.assert_allclose(grey(Image.fromarray(deep)), deep / 65535, atol=1e-6)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bits_from_a_file(tmp_path: Path, suffix: str) -> None:
    deep = np.arange(0, 65536, 4096, dtype=np.uint16).reshape(4, 4)
    path = tmp_path / f"deep{suffix}"
    Image.fromarray(deep).save(path)
    np.testing.assert_allclose(images.read(path), deep / 65535, atol=1e-6)


def test_palette_and_one_pixel(tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    Image.new("RGB", (1, 1), (255, 0, 0)).convert("P").save(path)
    np.testing.assert_allclose(images.read(path), [[0.299]], atol=1e-3)
    Image.new("1", (3, 2), 1).save(path)
    np.testing.assert_array_equal(images.read(path), np.ones((2, 3)))


def test_what_is_no_image(tmp_path: Path) -> None:
    whole = tmp_path / "whole.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64), np.uint8)).save(whole)
    short = tmp_path / "short.png"
    for n in (30, 100, 2000):
        short.write_bytes(whole.read_bytes()[:n])
        with pytest.raises(RecordingError, match=r"short\.png: (cannot be read|is no image)"):
            images.read(short)
    for path, why in ((tmp_path, "is a folder"), (tmp_path / "none.png", "no such file")):
        with pytest.raises(RecordingError, match=why):
            images.read(path)
    (tmp_path / "text.png").write_text("no")
    with pytest.raises(RecordingError, match="is no image of a format that is known"):
        images.read(tmp_path / "text.png")


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def test_idx_files(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (3, 5, 4), np.uint8)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(idx_bytes(pixels))
    np.testing.assert_array_equal(idx.read(path, 3), pixels)
    bare = open_stills(path)
    assert [(still.name, still.label) for still in bare] == [
        ("00001", None),
        ("00002", None),
        ("00003", None),
    ]
    np.testing.assert_allclose(bare[1].read(), pixels[1] / 255, atol=1e-6)
    labels = tmp_path / "train-labels-idx1-ubyte.gz"
    labels.write_bytes(gzip.compress(idx_bytes(np.array([7, 1, 2], np.uint8))))
    assert open_stills(path)[0].name == "7/00001"
    labels.write_bytes(gzip.compress(idx_bytes(np.array([7, 1], np.uint8))))
    with pytest.raises(RecordingError, match="2 labels for the 3 images"):
        open_stills(path)
    labels.write_bytes(gzip.compress(idx_bytes(np.array([7, 1], np.uint8)))[:-9])
    with pytest.raises(RecordingError, match="cannot be read"):
        open_stills(path)
    path.write_bytes(idx_bytes(pixels)[:-1])
    with pytest.raises(RecordingError, match="3×5×4 bytes are announced, 59 are there"):
        open_stills(path)


def test_a_folder_of_images(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="holds no image"):
        open_stills(tmp_path)
    for name in ("Test/3/00001.png", "Test/3/00002.bmp", "cat.jpg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 3), 128).save(path)
    found = open_stills(tmp_path)
    assert [(still.name, still.label) for still in found] == [
        ("Test/3/00001", 3),
        ("Test/3/00002", 3),
        ("cat", None),
    ]
    assert found[2].read().shape == (3, 4)
    Image.new("L", (4, 3), 128).save(tmp_path / "cat.png")
    with pytest.raises(RecordingError, match="two images are called cat"):
        open_stills(tmp_path)
