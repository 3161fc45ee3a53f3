"""Training: it learns, it repeats itself, and it keeps its splits apart."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from models import cli
from models.store import load
from models.train import ClassifierConfig, Epoch, train_classifier
from pipeline.errors import RecordingError, SettingError
from recordings.folder import SAMPLES_DIR, samples

SMALL = ClassifierConfig(
    network="2-4c5s3-10",
    epochs=4,
    full_epochs=1,
    batch=10,
    rate=0.1,
    saccade_ms=60,
    window_ms=120,
    validate_every=2,
    seed=3,
    threads=1,
)


def test_a_small_run_learns_and_repeats_itself(tmp_path: Path) -> None:
    told: list[Epoch] = []
    out = tmp_path / "a.safetensors"
    first = train_classifier(SMALL, SAMPLES_DIR, out, told.append)
    again = train_classifier(SMALL, SAMPLES_DIR)
    assert [e.epoch for e in told] == [1, 2, 3, 4]
    assert told[2].loss < told[0].loss
    assert [e.loss for e in first.history] == [e.loss for e in again.history]
    for a, b, c in zip(first.model.weights, again.model.weights, load(out).weights, strict=True):
        assert a is not None
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
    assert told[0].accuracy is None
    assert told[1].accuracy is not None
    assert first.accuracy == max(e.accuracy for e in told if e.accuracy is not None)


def test_only_the_training_split_is_used_and_parted_by_label() -> None:
    quick = ClassifierConfig(
        network="2-10", epochs=1, full_epochs=0, saccade_ms=5, window_ms=10, threads=1
    )
    trained = train_classifier(quick, SAMPLES_DIR)
    names = {s.name for s in samples(SAMPLES_DIR, "Train")}
    assert set(trained.train_names) | set(trained.validation_names) == names
    assert not set(trained.train_names) & set(trained.validation_names)
    assert sorted(n.split("/")[1] for n in trained.validation_names) == list("0123456789")


def test_data_that_cannot_be_trained_on(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no such folder"):
        train_classifier(SMALL, tmp_path / "none")
    shutil.copy(samples(SAMPLES_DIR)[0].path, tmp_path / "a.bin")
    with pytest.raises(RecordingError, match=r"a\.bin has no label"):
        train_classifier(SMALL, tmp_path)
    (tmp_path / "4").mkdir()
    shutil.move(tmp_path / "a.bin", tmp_path / "4" / "a.bin")
    with pytest.raises(RecordingError, match="1 recordings of label 4 cannot be split"):
        train_classifier(SMALL, tmp_path)


def test_the_command(tmp_path: Path) -> None:
    app = typer.Typer()
    app.add_typer(cli.train_app, name="train")
    out = tmp_path / "new" / "m.safetensors"
    asked = ["train", "classifier", str(SAMPLES_DIR), "--out", str(out), "--network", "2-10"]
    asked += ["--epochs", "1", "--full-epochs", "0", "--threads", "1"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    assert "validation recordings right" in result.stderr
    assert load(out).network.spec == "2-10"
    result = CliRunner().invoke(app, [*asked, "--network", "2-nonsense"])
    assert isinstance(result.exception, SettingError)
