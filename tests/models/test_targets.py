"""True images: PNG of every filter and colour, MNIST's own files, and what is said of others."""

from __future__ import annotations

import contextlib
import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models import png
from models.targets import open_targets
from pipeline.errors import RecordingError


def encoded(pixels: NDArray[np.uint8], kinds: list[int]) -> bytes:
    """Return ``pixels`` [H, W, C] as PNG, row y with filter ``kinds[y]``, by the definition."""
    height, width, channels = pixels.shape
    rows = pixels.reshape(height, -1).astype(int)
    raw = b""
    for y, kind in enumerate(kinds):
        up = rows[y - 1] if y else np.zeros(width * channels, int)
        left = np.concatenate([np.zeros(channels, int), rows[y][:-channels]])
        corner = np.concatenate([np.zeros(channels, int), up[:-channels]])
        p = left + up - corner
        near = np.stack([abs(p - left), abs(p - up), abs(p - corner)]).argmin(0)
        paeth = np.choose(near, [left, up, corner])
        predicted = [0 * left, left, up, (left + up) // 2, paeth][kind]
        raw += bytes([kind]) + ((rows[y] - predicted) % 256).astype(np.uint8).tobytes()
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw))
            + chunk(b"IEND", b""))  # fmt: skip


@given(st.integers(1, 4), st.lists(st.integers(0, 4), min_size=1, max_size=9), st.integers(1, 9),
       st.integers(0, 2**32))  # fmt: skip
def test_png_of_every_filter_and_colour(
    channels: int, kinds: list[int], width: int, seed: int
) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (len(kinds), width, channels), np.uint8)
    shown = pixels[:, :, : 3 if channels >= 3 else 1].mean(2) / 255
    np.testing.assert_allclose(png.decode(encoded(pixels, kinds)), shown, atol=1e-6)


@given(st.binary(max_size=200), st.integers(0, 80))
def test_bytes_that_are_no_png(noise: bytes, at: int) -> None:
    whole = encoded(np.zeros((4, 4, 1), np.uint8), [0] * 4)
    for data in (noise, whole[:at], whole[:at] + noise):
        with contextlib.suppress(ValueError, struct.error, zlib.error):
            assert png.decode(data).dtype == np.float32


def idx(array: NDArray[np.uint8]) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def test_a_folder_of_png(tmp_path: Path) -> None:
    image = np.arange(784, dtype=np.uint8).reshape(28, 28, 1)
    (tmp_path / "Test" / "3").mkdir(parents=True)
    (tmp_path / "Test" / "3" / "00007.png").write_bytes(encoded(image, [4] * 28))
    targets = open_targets(tmp_path)
    np.testing.assert_allclose(targets.image(3, "00007", "Test"), image[:, :, 0] / 255, atol=1e-6)
    with pytest.raises(RecordingError, match=r"Train/3/00007\.png: no such file"):
        targets.image(3, "00007", "Train")
    (tmp_path / "3").mkdir()
    (tmp_path / "3" / "00008.png").write_bytes(encoded(image[:20], [0] * 20))
    with pytest.raises(RecordingError, match="has 28×20 pixels, expected 28×28"):
        targets.image(3, "00008", "Train")
    (tmp_path / "3" / "00009.png").write_bytes(b"no")
    with pytest.raises(RecordingError, match=r"00009\.png: is no PNG that can be read"):
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
        with pytest.raises(RecordingError, match=r"cannot be read|is no IDX file"):
            open_targets(tmp_path).image(0, "00001", "Train")
    path.write_bytes(idx(np.zeros((1, 28, 28), np.uint8)))
    with pytest.raises(RecordingError, match=r"lacks train-labels-idx1-ubyte\[\.gz\]"):
        open_targets(tmp_path).image(0, "00001", "Train")
