"""Whole recordings at once: the spikes of the stream, whatever the number of threads."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.module import SpikingModule, dense
from models.network import parse
from models.neuron import CUBA, LIF, SRM
from models.stepper import Stepper
from models.store import Model
from models.whole import Whole
from pipeline.binning import Bins

SPECS = ("2-4c5-2a-6c3s2-5", "2-6c3s2p0-3a-4", "2-4c5d-2a-3D", "2-3c3D-5", "2-7")


def recording(rng: np.random.Generator, bins: int, inputs: int, n: int) -> Bins:
    times = np.sort(rng.integers(0, bins, n))
    offsets = np.searchsorted(times, np.arange(bins + 1)).astype(np.uint32)
    index = rng.integers(0, inputs, n).astype(np.uint32)
    return Bins(offsets, index, rng.integers(1, 4, n).astype(np.uint8))


def living(spec: str, neuron: SRM | CUBA | LIF, example: Bins, seed: int) -> Model:
    """A model whose every layer fires at ``example``."""
    network = parse(spec, 13, 11, neuron)
    module = SpikingModule(network)
    module.initialise(dense([example], network.input_shape), seed)
    weights = tuple(w.detach().numpy() if w.numel() else None for w in module.weights)
    delays = tuple(d.detach().numpy() if d.numel() else None for d in module.delays)
    return Model(network, weights, tuple(range(network.shapes[-1][0])), delays=delays)


@settings(deadline=None, max_examples=25)
@given(
    spec=st.sampled_from(SPECS),
    neuron=st.sampled_from([SRM(), CUBA(), LIF()]),
    threads=st.integers(1, 3),
    n=st.integers(0, 600),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_whole_gives_the_streams_spikes(
    spec: str, neuron: SRM | CUBA | LIF, threads: int, n: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    bins = recording(rng, 40, 2 * 13 * 11, n)
    model = living(spec, neuron, recording(rng, 40, 2 * 13 * 11, 400), seed % 1000)
    stepper, whole = Stepper(model), Whole(model, threads)
    want = stepper.run(*bins)
    for _ in range(2):
        assert np.array_equal(whole.run(bins), want)
        assert whole.spikes == stepper.spikes
        assert whole.synaptic_operations == stepper.synaptic_operations


def test_it_answers_a_reconstructor_too() -> None:
    rng = np.random.default_rng(1)
    network = parse("2-3c5-1c3p0", 12, 10)
    weights = tuple(
        rng.normal(0, 9, shape).astype(np.float32) if shape else None
        for shape in network.weight_shapes
    )
    model = Model(network, weights, task="reconstructor")
    bins = recording(rng, 30, 240, 300)
    out = Whole(model).run(bins)
    assert out.shape == (30, 8 * 6)
    assert out.any()
    assert np.array_equal(out, Stepper(model).run(*bins))


def test_an_index_outside_the_input_is_refused() -> None:
    network = parse("2-3", 4, 4)
    model = Model(network, (torch.zeros(3, 32).numpy(),), (0, 1, 2))
    outside = Bins(np.array([0, 1], np.uint32), np.array([32], np.uint32), np.ones(1, np.uint8))
    with pytest.raises(ValueError, match="32 lies outside"):
        Whole(model).run(outside)
