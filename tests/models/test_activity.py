"""Who spiked in every layer, told without changing the step; a network with another threshold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.activity import Activity
from models.module import SpikingModule
from models.stepper import Stepper
from models.store import load
from models.torch_stepper import TorchStepper
from pipeline.binning import bin_events
from pipeline.packets import ActivityHeader, ActivityPacket
from recordings.folder import SAMPLES_DIR, samples
from tests.models.test_stepper import dense, made, noise

SPECS = ["2-4c3-2a-5", "2-3c3s2-6", "1-7", "2-5c5p2-2a-3c3-2a-4-3"]


def spikes_of(packet: ActivityPacket, shapes: tuple[tuple[int, int, int], ...]) -> list[np.ndarray]:
    """Every layer's spikes as the module gives them, ``[n_bins, C, H, W]``."""
    found = []
    for which, shape in enumerate(shapes):
        cells = np.zeros((packet.header.n_bins, int(np.prod(shape))), int)
        np.add.at(cells, packet.layer(which), 1)
        found.append(cells.reshape(-1, *shape))
    return found


@settings(max_examples=25)
@given(st.sampled_from(SPECS), st.integers(0, 2**32 - 1))
def test_every_layer_s_spikes_are_the_module_s(spec: str, seed: int) -> None:
    model = made(spec, 11, 9, seed)
    bins = noise(model.network, 9, seed)
    module = SpikingModule(model.network)
    for mine, weight in zip(module.weights, model.weights, strict=True):
        if weight is not None:
            mine.data = torch.from_numpy(weight)
    with torch.no_grad():
        expected = [layer[:, 0].numpy() for layer in module(dense(model.network, bins))]
    for stepper in (Stepper(model), TorchStepper(model, "cpu")):
        activity = Activity(stepper)
        assert activity.names == ("input", *spec.split("-")[1:])
        for k in range(9):
            part = slice(int(bins.offsets[k]), int(bins.offsets[k + 1]))
            stepper.step(bins.index[part], bins.count[part])
            activity.add(bins.index[part])
        assert activity.n_bins == 9
        header = ActivityHeader(
            t_end=9000,
            names=activity.names,
            shapes=activity.shapes,
            bin_us=1000,
            n_bins=0,
            n=0,
        )
        packet = ActivityPacket.of(*activity.take(), header)
        packet.check(np.asarray(packet.payload).nbytes)
        assert activity.n_bins == 0
        given_, *layers = spikes_of(packet, model.network.shapes)
        shown = np.zeros_like(given_.reshape(9, -1))
        for k in range(9):
            shown[k, bins.index[bins.offsets[k] : bins.offsets[k + 1]]] = 1
        assert (given_.reshape(9, -1) == shown).all()
        assert sum(int(layer.sum()) for layer in layers) == stepper.spikes
        for ours, theirs in zip(layers, expected, strict=True):
            assert (ours == theirs).all()


def test_who_asks_changes_nothing_and_nothing_is_told_of_nothing() -> None:
    model = made("2-4c3-2a-5", 8, 8, 1)
    bins = noise(model.network, 20, 1)
    plain, asked = Stepper(model), Stepper(model)
    whole = plain.run(*bins)
    assert [part.tolist() for part in asked.spiked()] == [[0, 0, 0], []]
    rows = []
    for k in range(20):
        part = slice(int(bins.offsets[k]), int(bins.offsets[k + 1]))
        rows.append(asked.step(bins.index[part], bins.count[part]))
        ends, index = asked.spiked()
        last = index[ends[-2] : ends[-1]]
        assert sorted(last.tolist()) == np.flatnonzero(rows[-1]).tolist()
    assert (np.array(rows) == whole).all()
    asked.reset()
    assert [part.tolist() for part in asked.spiked()] == [[0, 0, 0], []]
    with pytest.raises(ValueError, match="2 streams spike together, expected one"):
        TorchStepper(model, "cpu", streams=2).spiked()
    assert [part.tolist() for part in TorchStepper(model, "cpu").spiked()] == [[0, 0, 0], []]


@pytest.mark.parametrize("times", [0.5, 1.0, 1.3])
def test_another_threshold_is_another_network(times: float) -> None:
    model = load("nmnist-classifier")
    bins = bin_events(samples(SAMPLES_DIR, "Test")[0].read(), 34, 34, model.bin_us, 100)
    other = replace(model, network=model.network.with_threshold(times))
    expected = Stepper(other).run(*bins)
    stepper = Stepper(model)
    assert stepper.threshold == 1
    before = stepper.run(*bins)
    stepper.threshold = times
    stepper.reset()
    assert (stepper.run(*bins) == expected).all()
    assert (times == 1) == bool((expected == before).all())
    peer = TorchStepper(model, "cpu")
    peer.threshold = times
    assert peer.threshold == times
    for k in range(100):
        part = slice(int(bins.offsets[k]), int(bins.offsets[k + 1]))
        assert (peer.step(bins.index[part], bins.count[part]) == expected[k]).all()
    stepper.threshold = 1.0
    stepper.reset()
    assert (stepper.run(*bins) == before).all()


@pytest.mark.parametrize("times", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_threshold_is_refused_and_changes_nothing(times: float) -> None:
    model = made("2-4c3-5", 6, 6, 1)
    for stepper in (Stepper(model), TorchStepper(model, "cpu")):
        with pytest.raises(ValueError, match="theta"):
            stepper.threshold = times
        assert stepper.threshold == 1
