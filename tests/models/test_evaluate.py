"""Evaluation: its figures, its agreement with the stream, and the command around it."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from models import evaluate_cli
from models.cli import train_app
from models.evaluate import evaluate, respond, wilson
from models.readout import answer, scores
from models.stepper import Stepper
from models.store import WEIGHTS_DIR, load
from pipeline.binning import bin_events
from pipeline.errors import ModelError, RecordingError
from pipeline.events import empty_events
from recordings.folder import SAMPLES_DIR, samples

MODEL = "nmnist-classifier"


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    app = typer.Typer()
    app.command("evaluate")(evaluate_cli.evaluate)
    app.add_typer(train_app, name="train")
    return app


def test_the_shipped_model_does_what_its_card_says() -> None:
    result = evaluate(load(MODEL), samples(SAMPLES_DIR, "Test"))
    card = (WEIGHTS_DIR / f"{MODEL}.md").read_text()
    stated = re.search(r"50 test recordings of[^|]*\| ([\d.]+) %", card)
    assert stated is not None
    assert result.n == 50
    assert result.accuracy >= 0.9
    assert result.accuracy * 100 == pytest.approx(float(stated[1]), abs=0.01)
    assert result.accuracy_ci95[0] < result.accuracy < result.accuracy_ci95[1]
    assert sum(map(sum, result.confusion)) == 50
    assert sum(result.confusion[i][i] for i in range(10)) == round(result.accuracy * 50)
    assert [point.ms for point in result.anytime] == list(range(10, 301, 10))
    assert result.anytime[-1].accuracy == result.accuracy
    assert result.spikes_per_answer > 0
    assert result.synaptic_operations_per_answer > result.spikes_per_answer


def test_the_answers_are_those_of_a_stream() -> None:
    model = load(MODEL)
    chosen = samples(SAMPLES_DIR, "Test")[:8]
    offline = evaluate(model, chosen)
    stepper = Stepper(model)
    for sample, told in zip(chosen, offline.predictions, strict=True):
        bins = bin_events(sample.read(), 34, 34, model.bin_us, model.n_bins)
        stepper.reset()
        counts = np.zeros(10, np.int64)
        for lo, hi in zip(bins.offsets[:-1], bins.offsets[1:], strict=True):
            counts += stepper.step(bins.index[lo:hi], bins.count[lo:hi])
        assert counts.tolist() == told.counts
        assert answer(counts, model.classes) == told.answer


def test_wilson_by_hand() -> None:
    # Wilson 1927: 45 of 50.
    assert wilson(45, 50) == pytest.approx((0.7864, 0.9565), abs=1e-4)
    assert wilson(0, 0) == (0, 1)
    assert wilson(50, 50)[1] == 1


def test_readout() -> None:
    assert answer(np.array([3, 7, 7]), (5, 6, 8)) == 6
    np.testing.assert_allclose(scores(np.array([1, 3])), [0.25, 0.75])
    np.testing.assert_allclose(scores(np.zeros(4, np.int64)), 0.25)
    assert scores(np.array([1, 3])).dtype == np.float32


def test_recordings_that_do_not_fit(tmp_path: Path) -> None:
    model = load(MODEL)
    sample = samples(SAMPLES_DIR, "Test")[0]
    with pytest.raises(RecordingError, match="has no label"):
        evaluate(model, [dataclasses.replace(sample, label=None)])
    small = dataclasses.replace(model, classes=tuple(range(1, 11)))
    with pytest.raises(ModelError, match=r"label 0 is none of the model's classes"):
        evaluate(small, [sample])
    events = empty_events(1)
    events["x"] = 34
    with pytest.raises(RecordingError, match="beyond the network's 34×34"):
        respond(Stepper(model), events, 300, "wide.bin")


def test_json_alone_on_standard_output(app: typer.Typer, tmp_path: Path) -> None:
    first = samples(SAMPLES_DIR, "Test")[0]
    (tmp_path / "0").mkdir()
    shutil.copy(first.path, tmp_path / "0" / "a.bin")
    result = CliRunner().invoke(app, ["evaluate", MODEL, str(tmp_path), "--json", "-"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert set(told) >= {
        "model",
        "n",
        "accuracy",
        "accuracy_ci95",
        "confusion",
        "anytime",
        "spikes_per_answer",
        "synaptic_operations_per_answer",
    }
    assert told["model"] == MODEL
    assert told["predictions"][0]["sample"] == "0/a.bin"
    out = tmp_path / "out.json"
    result = CliRunner().invoke(app, ["evaluate", MODEL, str(tmp_path), "--json", str(out)])
    assert json.loads(out.read_text()) == told
    assert "recordings right" in result.stdout


def test_errors_of_the_command_are_ours(app: typer.Typer, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["evaluate", "none.safetensors", "samples"])
    assert isinstance(result.exception, ModelError)
    result = CliRunner().invoke(app, ["evaluate", MODEL, str(tmp_path)])
    assert isinstance(result.exception, RecordingError)
