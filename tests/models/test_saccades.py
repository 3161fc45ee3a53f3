"""Networks that know which saccade they see: inputs of their own for each, the same everywhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.module import SpikingModule, dense
from models.network import parse
from models.saccades import Saccades, starts
from models.stepper import Stepper
from models.store import Model, load, save
from models.torch_stepper import TorchStepper
from models.training.config import ReconstructorConfig
from models.training.parallel import Group
from models.training.recipe import read, to_toml
from models.training.run import Job, train
from models.whole import Whole
from pipeline.binning import Bins
from pipeline.errors import ModelError, SettingError

INPUTS = 2 * 9 * 8


def told(*saccades_ms: float, window_us: int = 30_000) -> Model:
    """Return a lively model with input channels for each saccade."""
    network = parse(f"{2 * len(saccades_ms)}-3c3-4c3s2-5", 9, 8)
    rng = np.random.default_rng(3)
    weights = tuple(
        np.round(rng.normal(0.5, 3, shape) * 16).astype(np.float32) / 16
        for shape in network.weight_shapes
        if shape is not None
    )
    return Model(network, weights, tuple(range(5)), window_us=window_us, saccades_ms=saccades_ms)


def recording(seed: int, n_bins: int, n: int) -> Bins:
    rng = np.random.default_rng(seed)
    times = np.sort(rng.integers(0, n_bins, n))
    offsets = np.searchsorted(times, np.arange(n_bins + 1)).astype(np.uint32)
    index = rng.integers(0, INPUTS, n).astype(np.uint32)
    return Bins(offsets, index, rng.integers(1, 4, n).astype(np.uint8))


def by_hand(bins: Bins, begins: tuple[int, ...], window: int) -> Bins:
    """Return the inputs of the network, worked out bin by bin."""
    index = bins.index.copy()
    for k in range(len(bins.offsets) - 1):
        which = sum(k % window >= begin for begin in begins) - 1
        index[bins.offsets[k] : bins.offsets[k + 1]] += np.uint32(which * INPUTS)
    return Bins(bins.offsets, index, bins.count)


@settings(deadline=None, max_examples=20)
@given(
    begins=st.sets(st.integers(1, 29), min_size=1, max_size=3),
    n_bins=st.integers(1, 70),
    n=st.integers(0, 800),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_way_sees_the_saccade(begins: set[int], n_bins: int, n: int, seed: int) -> None:
    saccades = (0, *sorted(begins))
    model = told(*map(float, saccades))
    bins = recording(seed, n_bins, n)
    plain = Stepper(replace(model, saccades_ms=()))
    want = plain.run(*by_hand(bins, saccades, 30))

    stepper = Stepper(model)
    assert stepper.input_shape == model.input_shape == (2, 9, 8)
    assert np.array_equal(stepper.run(*bins), want)
    stepper.reset()
    half = n_bins // 2
    cut = int(bins.offsets[half])
    first = stepper.run(bins.offsets[: half + 1], bins.index[:cut], bins.count[:cut])
    then = stepper.run(bins.offsets[half:] - cut, bins.index[cut:], bins.count[cut:])
    assert np.array_equal(np.concatenate([first, then]), want)
    assert np.array_equal(Whole(model).run(bins), want)
    for stepped in (stepper, TorchStepper(model, "cpu")):
        stepped.reset()
        for k in range(n_bins):
            part = slice(int(bins.offsets[k]), int(bins.offsets[k + 1]))
            assert np.array_equal(stepped.step(bins.index[part], bins.count[part]), want[k])

    module = SpikingModule(model.network)
    for mine, weight in zip(module.weights, model.weights, strict=True):
        assert weight is not None
        mine.data = torch.from_numpy(weight)
    apart = model.saccades.apart(bins)
    with torch.no_grad():
        out = module(dense([apart], model.network.input_shape))[-1]
    assert np.array_equal(out.flatten(1).numpy(), want)


def test_a_recording_may_begin_within_the_window() -> None:
    saccades = Saccades((0, 10, 20), 30, 100)
    bins = Bins(np.array([0, 1, 2], np.uint32), np.array([7, 8], np.uint32), np.ones(2, np.uint8))
    assert saccades.apart(bins, 9).index.tolist() == [7, 108]
    assert saccades.apart(bins, 29).index.tolist() == [207, 8]


def test_an_input_outside_one_saccade_s_is_refused() -> None:
    model = told(0, 10)
    stepper = Stepper(model)
    one = np.ones(1, np.uint8)
    beyond = np.array([INPUTS], np.uint32)
    with pytest.raises(ValueError, match=rf"input {INPUTS} lies outside \(2, 9, 8\)"):
        stepper.step(beyond, one)
    offsets = np.array([0, 0, 1], np.uint32)
    with pytest.raises(ValueError, match="bin 1 has an input outside"):
        stepper.run(offsets, beyond, one)
    with pytest.raises(ValueError, match="lies outside"):
        Whole(model).run(Bins(offsets, beyond, one))
    with pytest.raises(ValueError, match="lies outside"):
        TorchStepper(model, "cpu").step(beyond, one)


def test_on_disk_there_and_back(tmp_path: Path) -> None:
    path = tmp_path / "told.safetensors"
    save(told(0, 10.0, 25), path)
    found = load(path)
    assert found.saccades_ms == (0, 10, 25)
    assert found.input_shape == (2, 9, 8)
    assert found.network.input_shape == (6, 9, 8)


@pytest.mark.parametrize(
    ("saccades_ms", "said"),
    [
        ((0.0, 10.5), "not in whole bins of 1.0 ms"),
        ((5.0, 10.0), "do not rise from 0"),
        ((0.0, 10.0, 10.0), "do not rise from 0"),
        ((0.0, 30.0), "expected within the window of 30 ms"),
        ((0.0, 10.0, 20.0, 25.0), "as many input channels for each"),
    ],
)
def test_saccades_that_cannot_be(tmp_path: Path, saccades_ms: tuple[float, ...], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        save(replace(told(0, 1, 2), saccades_ms=saccades_ms), tmp_path / "x.safetensors")


def test_starts() -> None:
    assert starts((0, 105, 210), 1.0) == (0, 105, 210)
    assert starts((0, 5), 0.5) == (0, 10)
    assert starts((), 1.0) == ()


def test_a_recipe_says_so() -> None:
    changes = ["network=6-4c5-1c5p0", "saccades_ms=[0, 20, 40]"]
    config = read(ReconstructorConfig, "reconstructor", changes)
    assert config.saccades_ms == (0, 20, 40)
    assert "saccades_ms = [0.0, 20.0, 40.0]" in to_toml(config)
    with pytest.raises(SettingError, match=r"saccades_ms = .* is not"):
        read(ReconstructorConfig, None, ["saccades_ms=[0, x]"])
    with pytest.raises(SettingError, match="go beyond window_ms = 300"):
        read(ReconstructorConfig, None, ["saccades_ms=[0, 300]"])
    with pytest.raises(SettingError, match="do not rise from 0"):
        read(ReconstructorConfig, None, ["saccades_ms=[1, 3]"])


def test_a_network_has_channels_for_each() -> None:
    config = msgspec.structs.replace(ReconstructorConfig(), saccades_ms=(0.0, 105.0))
    with pytest.raises(SettingError, match=r"2 input channels, expected 4 \(OFF and ON for each"):
        train(config, Job(data="samples"), Group(torch.device("cpu")))
