"""Folders in N-MNIST's layout, and the shipped samples against their table."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest

from models import images
from pipeline.errors import RecordingError
from recordings import folder, nmnist
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


def test_labels_that_are_words_are_numbered_over_all_splits(tmp_path: Path) -> None:
    put(tmp_path, "Train/cat/a.bin", "Train/zebra/a.bin", "Test/dog/a.bin", "Test/zebra/b.bin")
    found = samples(tmp_path)
    assert [(s.name, s.label, s.word) for s in found] == [
        ("Test/dog/a.bin", 1, "dog"),
        ("Test/zebra/b.bin", 2, "zebra"),
        ("Train/cat/a.bin", 0, "cat"),
        ("Train/zebra/a.bin", 2, "zebra"),
    ]
    assert samples(tmp_path, "Test") == found[:2]
    assert samples(put(tmp_path / "words", "b/a.bin", "a/a.bin"))[0].word == "a"


TONIC = {
    "NMNIST": ["NMNIST/Train/5/00001.bin", "NMNIST/Test/0/00002.bin"],
    "NCALTECH101": [
        "NCALTECH101/Caltech101/Faces_easy/image_0001.bin",
        "NCALTECH101/Caltech101/airplanes/image_0001.bin",
    ],
    "CIFAR10DVS": ["CIFAR10DVS/airplane/cifar10_a_0.aedat4", "CIFAR10DVS/dog/cifar10_d_0.aedat4"],
    "POKERDVS": ["POKERDVS/pips_train/cl/0.npy", "POKERDVS/pips_test/he/0.npy"],
    "NCARS": [
        "NCARS/Prophesee_Dataset_n_cars/n-cars_test/cars/obj_0.dat",
        "NCARS/Prophesee_Dataset_n_cars/n-cars_train/background/obj_1.dat",
    ],
}
"""Folders as ``tonic.datasets`` leaves them."""


@pytest.mark.parametrize("dataset", TONIC)
@pytest.mark.parametrize("above", [True, False])
def test_what_tonic_downloads(tmp_path: Path, dataset: str, above: bool) -> None:
    put(tmp_path, *TONIC[dataset])
    (tmp_path / dataset / "archive.zip").write_bytes(b"PK")
    (tmp_path / dataset / "labels.csv").write_text("a,b\n")
    root = tmp_path if above else tmp_path / dataset
    found = samples(root)
    expected = [name if above else name.partition("/")[2] for name in TONIC[dataset]]
    assert [sample.name for sample in found] == sorted(expected)
    if dataset == "NMNIST":
        assert {sample.label for sample in found} == {5, 0}
    else:
        words = sorted(Path(name).parent.name for name in TONIC[dataset])
        assert {(sample.word, sample.label) for sample in found} == {
            (word, i) for i, word in enumerate(words)
        }


def test_annotations_and_targets_are_no_recordings(tmp_path: Path) -> None:
    put(tmp_path, "Caltech101/cup/a.bin", "Caltech101/bonsai/a.bin")
    put(tmp_path, "Caltech101_annotations/cup/a.bin", "targets/cup/a.bin")
    assert [sample.word for sample in samples(tmp_path)] == ["bonsai", "cup"]


def test_gestures_are_labelled_by_their_files(tmp_path: Path) -> None:
    root = put(
        tmp_path,
        "DVSGesture/ibmGestureTrain/user01_led/0.npy",
        "DVSGesture/ibmGestureTrain/user01_led/10.npy",
        "DVSGesture/ibmGestureTest/user02_led/3.npy",
    )
    assert [(s.label, s.word) for s in samples(root)] == [(3, None), (0, None), (10, None)]
    assert len(samples(root / "DVSGesture", "ibmGestureTest")) == 1


def test_files_of_every_readable_format(tmp_path: Path) -> None:
    events = nmnist.decode(ONE, "one")
    for name in ("Train/3/a.npy", "Train/3/b.npz", "Train/4/c.csv", "Train/4/d.bin"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("npy"):
            np.save(path, events)
        elif name.endswith("npz"):
            np.savez(path, events=events)
        elif name.endswith("csv"):
            path.write_text("t,x,y,p\n1,1,2,0\n")
        else:
            path.write_bytes(ONE)
    (tmp_path / "Train/3/notes.txt").write_text("none of them")
    # A table beside recordings of the other kinds is none itself.
    assert names(samples(tmp_path)) == [
        ("Train/3/a.npy", 3), ("Train/3/b.npz", 3), ("Train/4/d.bin", 4),
    ]  # fmt: skip
    assert all((sample.read() == events).all() for sample in samples(tmp_path))
    (tmp_path / "Train/4/d.bin").unlink()
    assert samples(tmp_path)[-1].name == "Train/4/c.csv"
    assert (samples(tmp_path)[-1].read() == events).all()


def test_splits_of_files_without_labels(tmp_path: Path) -> None:
    put(tmp_path, "train/a.h5", "test/b.h5")
    assert names(samples(tmp_path)) == [("test/b.h5", None), ("train/a.h5", None)]
    assert names(samples(tmp_path, "train")) == [("train/a.h5", None)]


def test_a_ros_2_bag_is_one_recording(tmp_path: Path) -> None:
    put(tmp_path, "3/drive/metadata.yaml", "3/drive/drive_0.mcap", "3/other.raw")
    assert names(samples(tmp_path)) == [("3/drive", 3), ("3/other.raw", 3)]
    assert names(open_samples(tmp_path / "3" / "drive")) == [("drive", 3)]
    with pytest.raises(RecordingError, match="has no split 'Train'"):
        open_samples(tmp_path / "3" / "drive", "Train")


def test_folders_of_folders_are_no_labels(tmp_path: Path) -> None:
    put(tmp_path, "mnist/Train/3/a.bin", "caltech/cup/a.bin")
    with pytest.raises(RecordingError, match="'Train' is no label"):
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
