"""Folders in N-MNIST's layout, and the shipped samples against their table."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest

from models import images
from pipeline.errors import RecordingError
from recordings import folder
from recordings.folder import SAMPLES_DIR, TARGETS, open_samples, samples

ONE = bytes([1, 2, 0, 0, 1])


def put(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(ONE)
    return root


def names(found: list[folder.Sample]) -> list[tuple[str, int | None]]:
    return [(sample.name, sample.label) for sample in found]


def test_splits_of_labels(tmp_path: Path) -> None:
    put(tmp_path, "Train/5/00001.bin", "Test/0/00002.bin", "Test/9/00001.bin")
    (tmp_path / "README.md").write_text("not a recording")
    expected = [("Test/0/00002.bin", 0), ("Test/9/00001.bin", 9), ("Train/5/00001.bin", 5)]
    assert names(samples(tmp_path)) == expected
    assert names(samples(tmp_path, "Test")) == expected[:2]
    assert len(folder.read(samples(tmp_path)[0])) == 1


def test_labels_without_a_split(tmp_path: Path) -> None:
    put(tmp_path, "3/b.bin", "3/a.bin")
    assert names(samples(tmp_path)) == [("3/a.bin", 3), ("3/b.bin", 3)]


def test_files_alone_have_their_folders_label_or_none(tmp_path: Path) -> None:
    put(tmp_path / "mine", "a.bin")
    put(tmp_path / "7", "a.bin")
    assert names(samples(tmp_path / "mine")) == [("a.bin", None)]
    assert names(samples(tmp_path / "7")) == [("a.bin", 7)]
    assert names(open_samples(tmp_path / "7" / "a.bin")) == [("a.bin", 7)]


@pytest.mark.parametrize("name", ["cat/a.bin", "Train/cat/a.bin", "Train/10/a.bin"])
def test_a_label_is_a_digit(tmp_path: Path, name: str) -> None:
    put(tmp_path, name, "Train/3/a.bin")
    label = Path(name).parent.name
    with pytest.raises(RecordingError, match=f"'{label}' is no label: expected folders named 0"):
        samples(tmp_path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="holds no recording"):
        samples(tmp_path)
    with pytest.raises(RecordingError, match="no such folder"):
        samples(tmp_path / "none")
    with pytest.raises(RecordingError, match="no such file or folder"):
        open_samples(tmp_path / "none")
    put(tmp_path, "a.bin")
    with pytest.raises(RecordingError, match="is a file"):
        samples(tmp_path / "a.bin")
    with pytest.raises(RecordingError, match="has no split 'Test', its splits: none"):
        samples(tmp_path, "Test")
    with pytest.raises(RecordingError, match="is a file and has no split"):
        open_samples(tmp_path / "a.bin", "Test")


def test_the_shipped_samples_are_what_their_table_says() -> None:
    with (SAMPLES_DIR / "labels.csv").open(newline="") as file:
        table = {row["file"]: row for row in csv.DictReader(file)}
    found = open_samples("samples")
    assert sorted(table) == [sample.name for sample in found]
    assert len(samples(SAMPLES_DIR, "Test")) == len(samples(SAMPLES_DIR, "Train")) == 50
    for sample in found:
        row = table[sample.name]
        events = sample.read()
        assert sample.label == int(row["label"])
        assert len(events) == int(row["events"])
        assert events["t"][-1] == int(row["last_us"])
        assert (events["t"][1:] >= events["t"][:-1]).all()
        assert max(events["x"].max(), events["y"].max()) < 34
        digest = hashlib.sha256(sample.path.read_bytes()).hexdigest()
        assert digest == row["sha256"]


def test_every_shipped_sample_has_its_true_image() -> None:
    shown = {
        path.relative_to(SAMPLES_DIR / TARGETS) for path in (SAMPLES_DIR / TARGETS).rglob("*.png")
    }
    assert shown == {Path(sample.name).with_suffix(".png") for sample in open_samples("samples")}


def test_the_true_image_is_of_the_digit_that_was_recorded() -> None:
    """Of 50 images the right one is most like the events, of half the recordings; chance is 1."""
    found = open_samples("samples", "Test")
    places = [SAMPLES_DIR / TARGETS / Path(sample.name).with_suffix(".png") for sample in found]
    digits = np.array([images.read(place) for place in places])
    assert digits.shape[1:] == (28, 28)
    digits -= digits.mean(axis=(1, 2), keepdims=True)
    digits /= np.linalg.norm(digits, axis=(1, 2), keepdims=True)
    alike = []
    for sample in found:
        events = sample.read()
        seen = np.zeros((34, 34), np.float32)
        np.add.at(seen, (events["y"], events["x"]), 1)
        parts = np.lib.stride_tricks.sliding_window_view(seen, (28, 28)).reshape(-1, 28 * 28)
        parts = parts - parts.mean(axis=1, keepdims=True)
        parts /= np.linalg.norm(parts, axis=1, keepdims=True)
        alike.append((parts @ digits.reshape(len(digits), -1).T).max(axis=0))
    right = np.argmax(alike, axis=1) == np.arange(len(found))
    assert right.mean() > 0.4, right
