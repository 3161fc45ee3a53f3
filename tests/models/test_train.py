"""Training: it learns, it repeats itself, it stops where numbers fail, and folds choose nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from models.module import SpikingModule
from models.network import parse
from models.training import memory, trainer, watch
from models.training.board import board
from models.training.config import ClassifierConfig, ClassifierLoss, Validation
from models.training.memory import Need, fitting_batch
from models.training.parallel import Group
from models.training.run import Fold, Job, Trained, train
from models.training.trainer import Epoch
from pipeline.errors import DeviceError, RecordingError, RetinaError, SettingError

ALONE = Group(torch.device("cpu"))

SMALL = ClassifierConfig(
    network="2-4c5s3-10",
    epochs=4,
    full_epochs=1,
    batch=10,
    saccade_ms=60,
    window_ms=120,
    average=0.5,
    validation=Validation(every=2),
    seed=3,
    threads=1,
)


def run(config: ClassifierConfig, fold: Fold | None = None) -> tuple[Trained, list[Epoch]]:
    told: list[Epoch] = []
    trained = train(config, Job(data="samples", fold=fold), ALONE, lambda e, _: told.append(e))
    return trained, told


def changed(config: ClassifierConfig, **fields: object) -> ClassifierConfig:
    return msgspec.structs.replace(config, **fields)


def same(a: Trained, b: Trained) -> bool:
    pairs = zip(a.model.weights, b.model.weights, strict=True)
    return all(x is not None and y is not None and np.array_equal(x, y) for x, y in pairs)


def test_a_small_run_learns_and_repeats_itself() -> None:
    first, told = run(SMALL)
    again, _ = run(SMALL)
    assert [e.epoch for e in told] == [1, 2, 3, 4]
    assert [e.window for e in told] == [False, False, False, True]
    assert told[2].loss < told[0].loss
    assert same(first, again)
    assert not same(first, run(changed(SMALL, seed=4))[0])
    assert [e.score is not None for e in told] == [False, True, False, True]
    assert first.score == told[3].score
    assert all(s > 0 for s in told[0].spikes)


def test_the_dense_module_trains_the_same_network() -> None:
    config = changed(SMALL, epochs=1, full_epochs=0)
    event, dense = run(config)[0], run(changed(config, module="dense"))[0]
    for a, b in zip(event.model.weights, dense.model.weights, strict=True):
        assert a is not None
        assert b is not None
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3 * np.abs(a).max())


def test_mixed_precision_learns_and_is_validated_in_float32() -> None:
    mixed = changed(SMALL, module="dense", precision="mixed")
    trained, told = run(mixed)
    assert told[2].loss < told[0].loss
    assert not same(trained, run(changed(mixed, precision="float32"))[0])
    with pytest.raises(SettingError, match='precision = "mixed" needs a CUDA device or module'):
        run(changed(SMALL, precision="mixed"))


def test_a_fold_chooses_nothing() -> None:
    best = changed(SMALL, validation=Validation(every=1, choose="best", patience=1))
    trained, told = run(best, Fold(2, 5))
    assert len(told) == best.epochs
    assert same(trained, run(SMALL, Fold(2, 5))[0])
    assert len(trained.validation) == 10
    assert not set(trained.validation) & set(trained.training)


def test_the_best_are_kept_and_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    validation = Validation(every=1, choose="best", patience=2)
    trained, told = run(changed(SMALL, epochs=12, validation=validation))
    values = [e.score.value for e in told if e.score is not None]
    assert trained.score is not None
    assert trained.score.value == max(values)
    if len(told) < 12:
        assert values.index(max(values)) == len(values) - 3


def test_without_a_validation_all_are_trained_on() -> None:
    trained, _ = run(changed(SMALL, epochs=1, validation=Validation(share=0.0)))
    assert (len(trained.training), trained.validation, trained.score) == (50, [], None)


def test_numbers_that_are_not_finite_stop_it_with_step_and_layer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(RetinaError, match=r"stopped at epoch 1, update 1: the loss is inf"):
        run(changed(SMALL, rate_penalty=1e300))
    monkeypatch.setattr(trainer, "share_of_rate", lambda *_: float("nan"))
    with pytest.raises(RetinaError, match=r"epoch 1, update 1: layers\.0\.weight is not finite"):
        run(SMALL)


def test_every_parameter_is_watched() -> None:
    module = SpikingModule(parse("2-2c3d-2a-3D", 8, 8))
    loss, out = torch.zeros(()), torch.zeros(1)
    watch.gradients(module, loss, out, "here")
    watch.weights(module, "here")
    names = [name for name, _ in watch.named(module)]
    assert names == ["layers.0.weight", "layers.2.weight", "layers.0.delay", "layers.2.delay"]
    for name, parameter in watch.named(module):
        parameter.grad = torch.zeros_like(parameter)
        parameter.grad.view(-1)[-1] = float("nan")
        with pytest.raises(RetinaError, match=rf"here: gradient of {name} is not finite"):
            watch.gradients(module, loss, out, "here")
        parameter.grad = None
        with torch.no_grad():
            parameter.view(-1)[-1] = float("inf")
        with pytest.raises(RetinaError, match=rf"here: {name} is not finite"):
            watch.weights(module, "here")
        with torch.no_grad():
            parameter.view(-1)[-1] = 0
    out.grad = torch.full_like(out, float("nan"))
    with pytest.raises(RetinaError, match="here: gradient of the output spikes is not finite"):
        watch.gradients(module, loss, out, "here")


def test_the_batch_that_fits() -> None:
    assert fitting_batch(64, Need(10, 1, 100)) == 64
    assert fitting_batch(64, Need(10, 2, 100)) == 32
    assert fitting_batch(64, Need(10, 80, 100)) == 1
    assert fitting_batch(64, Need(10, 81, 100)) == 0
    assert fitting_batch(48, Need(0, 10, 140)) == 12


@pytest.mark.parametrize(
    ("need", "said"),
    [
        (Need(10, 10, 1000), r"with batch = 10; batch = 5 would fit \(--set batch=5\)"),
        (Need(10, 400, 1000), r"with batch = 10; batch = 2 would fit"),
        (Need(10, 2000, 1000), "not even one recording fits"),
    ],
)
def test_cuda_out_of_memory_says_what_fits(
    monkeypatch: pytest.MonkeyPatch, need: Need, said: str
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(trainer.Trainer, "_update", full)
    monkeypatch.setattr(memory, "measure", lambda *_: need)
    with pytest.raises(DeviceError, match=said):
        run(SMALL)


def test_memory_shared_by_processes() -> None:
    error = memory.out_of_memory(64, 4, lambda: Need(0, 100, 1000))
    assert "batch = 64 over 4 processes; batch = 32 would fit" in str(error)


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ("2-nonsense", "network: 'nonsense' is no layer"),
        ("1-10", "has 1 input channels, expected 2"),
        ("2-4c3", "ends in 4@34×34, expected a neuron for each class"),
    ],
)
def test_networks_that_do_not_fit(network: str, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        run(changed(SMALL, network=network))


def test_classes_that_the_data_lacks() -> None:
    with pytest.raises(RecordingError, match=r"label \d is none of the 4 classes of network '2-4'"):
        run(changed(SMALL, network="2-4"))


@pytest.mark.parametrize("text", ["0/5", "6/5", "1", "a/b", "1/1", "-1/5"])
def test_folds_that_are_none(text: str) -> None:
    with pytest.raises(SettingError, match="expected K/N"):
        Fold.parse(text)
    assert Fold.parse("2/5") == Fold(2, 5)


def test_tensorboard_gets_figures_and_weights(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="TensorBoard is optional")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with board(tmp_path) as told:
        train(changed(SMALL, epochs=2), Job(data="samples"), ALONE, told)
    found = EventAccumulator(str(tmp_path)).Reload()
    assert [s.step for s in found.Scalars("loss/training")] == [1, 2]
    assert len(found.Scalars("validation/accuracy")) == 1
    assert found.Scalars("spikes/layer 0")[0].value > 0
    assert found.Tags()["histograms"] == ["layers.0.weight", "layers.1.weight"]


def test_tensorboard_that_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with (
        pytest.raises(SettingError, match=r"pip install 'silicon-retina\[train\]'"),
        board(tmp_path),
    ):
        pass


@pytest.mark.parametrize("kind", ["cross_entropy", "early", "spike_count", "van_rossum"])
def test_every_loss_falls(kind: str) -> None:
    loss = ClassifierLoss(kind=kind)  # type: ignore[arg-type]
    _, told = run(changed(SMALL, epochs=3, loss=loss, rate_penalty=0.0, full_epochs=0))
    assert told[2].loss < told[0].loss
