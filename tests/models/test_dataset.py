"""Recordings to train on: read on demand, split by label, and what cannot be split."""

from __future__ import annotations

import shutil
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.dataset import Cache, check_labels, fold, locate, read, split
from pipeline.errors import RecordingError, SettingError
from recordings.folder import SAMPLES_DIR, samples


def test_the_training_split_is_taken_where_there_is_one() -> None:
    data = read(SAMPLES_DIR)
    assert data.names == [s.name for s in samples(SAMPLES_DIR, "Train")]
    assert read("samples").names == data.names
    assert len(read(SAMPLES_DIR / "Test").names) == 50


def test_events_are_read_on_demand_within_the_bound() -> None:
    data = read(SAMPLES_DIR, cache_mb=1)
    first = data.events(0)
    np.testing.assert_array_equal(first, data.samples[0].read())
    assert data.events(0) is first
    for i in range(len(data.labels)):
        data.events(i)
    assert 0 <= data.cache.room < 2**20
    nothing = Cache(0)
    assert nothing.read(data.samples[0]) is not nothing.read(data.samples[0])


@given(st.integers(2, 5), st.integers(0, 2**32))
def test_folds_hold_every_recording_back_once(n: int, seed: int) -> None:
    data = read(SAMPLES_DIR)
    held: list[str] = []
    for k in range(1, n + 1):
        training, validation = fold(data, k, n, seed)
        assert sorted(training.names + validation.names) == data.names
        assert set(validation.labels) == set(range(10))
        held += validation.names
    assert sorted(held) == data.names


@given(st.floats(0.11, 0.89), st.integers(0, 2**32))
def test_a_split_takes_as_many_of_every_label(share: float, seed: int) -> None:
    training, validation = split(read(SAMPLES_DIR), share, seed)
    assert not set(training.names) & set(validation.names)
    assert {validation.labels.count(label) for label in range(10)} == {round(5 * share)}
    assert split(read(SAMPLES_DIR), share, seed)[1].names == validation.names


def test_what_cannot_be_split() -> None:
    data = read(SAMPLES_DIR)
    with pytest.raises(RecordingError, match=r"5 recordings of label 0 cannot be split with 1%"):
        split(data, 0.01, 1)
    with pytest.raises(RecordingError, match=r"5 recordings of label 0 .* among 6 folds"):
        fold(data, 1, 6, 1)


def test_labels_and_classes_must_agree(tmp_path: Path) -> None:
    data = read(SAMPLES_DIR)
    check_labels(data, 10, "network '2-10'")
    with pytest.raises(RecordingError, match=r"label \d is none of the 4 classes of network '2-4'"):
        check_labels(data, 4, "network '2-4'")
    for label in "0134":
        shutil.copytree(SAMPLES_DIR / "Train" / label, tmp_path / "Train" / label)
    with pytest.raises(RecordingError) as error:
        check_labels(read(tmp_path), 5, "network '2-5'")
    assert str(error.value) == (
        f"{tmp_path}: has no recording of label 2, network '2-5' expects each of 0 to 4"
    )
    shutil.copy(data.samples[0].path, tmp_path / "a.bin")
    with pytest.raises(RecordingError, match=r"a\.bin has no label"):
        read(tmp_path / "a.bin")


def test_tonic_fills_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tonic.datasets", None)
    with pytest.raises(SettingError, match=r"tonic is not installed, .*silicon-retina\[data\]"):
        read(f"tonic:{tmp_path}")

    def download(save_to: str, train: bool) -> None:
        if train:
            shutil.copytree(SAMPLES_DIR / "Train", Path(save_to) / "NMNIST" / "Train")

    module = types.ModuleType("tonic.datasets")
    monkeypatch.setattr(module, "NMNIST", download, raising=False)
    monkeypatch.setitem(sys.modules, "tonic.datasets", module)
    assert len(read(f"tonic:{tmp_path}").names) == 50
    assert locate("samples") == "samples"

    def broken(save_to: str, train: bool) -> None:
        raise RuntimeError("no way out")

    monkeypatch.setattr(module, "NMNIST", broken)
    with pytest.raises(RecordingError, match="N-MNIST cannot be downloaded: no way out"):
        read(f"tonic:{tmp_path}")
