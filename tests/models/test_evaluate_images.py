"""Reconstructors measured against true images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from models import evaluate_cli
from models.evaluate_images import evaluate_images, integrated, shown
from models.metrics import psnr, ssim
from models.network import parse
from models.store import Intensity, Model, save
from models.targets import open_targets
from models.whole import Whole
from pipeline.binning import bin_events
from pipeline.errors import RecordingError, SettingError
from recordings.folder import SAMPLES_DIR, samples


def made() -> Model:
    network = parse("2-1c5p0-1c3p0", 34, 34)
    weights = tuple(np.full(s, 2, np.float32) for s in network.weight_shapes if s)
    intensity = Intensity(40, 0, "linear")
    return Model(network, weights, name="mine", task="reconstructor", intensity=intensity)


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command("evaluate")(evaluate_cli.evaluate)
    app.callback()(lambda: None)
    return app


def test_figures_are_those_of_the_images_shown() -> None:
    model, chosen = made(), samples(SAMPLES_DIR, "Test")[:3]
    targets = open_targets(SAMPLES_DIR / "targets")
    result = evaluate_images(model, chosen, targets)
    whole = Whole(model)
    for sample, told in zip(chosen, result.images, strict=True):
        events = sample.read()
        spikes = whole.run(bin_events(events, 34, 34, 1000, 300))
        image = shown(model, np.cumsum(spikes, 0), 300)
        assert image.max() > 0
        assert sample.label is not None
        truth = targets.image(sample.label, sample.path.stem, "Test")
        assert (told.ssim, told.psnr_db) == (ssim(image, truth), psnr(image, truth))
        plain = integrated(events, model)
        assert plain.max() == 1
        assert told.integration_ssim == ssim(plain, truth)
    assert result.n == 3
    assert result.ssim == pytest.approx(np.mean([i.ssim for i in result.images]))
    assert result.anytime[-1].ms == 300
    assert result.anytime[-1].psnr_db == pytest.approx(result.psnr_db)
    assert result.spikes_per_answer > 0


def test_the_command(app: typer.Typer, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    save(made(), path)
    first = samples(SAMPLES_DIR, "Test")[0]
    label = tmp_path / "data" / "Test" / str(first.label)
    label.mkdir(parents=True)
    (label / first.path.name).write_bytes(first.path.read_bytes())
    command = ["evaluate", str(path), str(tmp_path / "data")]
    refused = CliRunner().invoke(app, command)
    assert isinstance(refused.exception, SettingError)
    assert "--targets DIR" in str(refused.exception)
    command += ["--targets", str(SAMPLES_DIR / "targets"), "--json", "-"]
    told = CliRunner().invoke(app, command)
    assert told.exit_code == 0, told.output
    quiet = json.loads(told.stdout)
    assert set(quiet) >= {"model", "n", "ssim", "psnr_db", "anytime"}
    noisy = json.loads(CliRunner().invoke(app, [*command, "--noise", "20"]).stdout)
    assert noisy["spikes_per_answer"] > quiet["spikes_per_answer"]
    table = CliRunner().invoke(app, command[:-2])
    assert "integration" in table.stdout
    assert "pJ an addition" in table.stdout
    wrong = CliRunner().invoke(app, [*command, "--noise", "-1"])
    assert isinstance(wrong.exception, SettingError)


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    sample = samples(SAMPLES_DIR, "Test")[0]
    other = tmp_path / "Test" / "0"
    other.mkdir(parents=True)
    known = next((SAMPLES_DIR / "targets").glob("**/*.png"))
    (other / "99999.png").write_bytes(known.read_bytes())
    with pytest.raises(RecordingError, match=r"\.png: no such file"):
        evaluate_images(made(), [sample], open_targets(tmp_path))
