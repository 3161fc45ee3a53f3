"""The event-driven stepper: as a whole, bit by bit, in torch, and with what it must refuse."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.frames import frames
from models.module import SpikingModule
from models.network import Network, parse
from models.stepper import Stepper
from models.store import Model, load
from models.torch_stepper import TorchStepper
from pipeline.binning import Bins, bin_events
from recordings.folder import SAMPLES_DIR, samples


def made(spec: str, height: int, width: int, seed: int, *, exact: bool = True) -> Model:
    """Return a lively model; ``exact`` weights are sixteenths, whose sums have no order."""
    network = parse(spec, height, width)
    rng = np.random.default_rng(seed)
    weights = []
    for shape in network.weight_shapes:
        weight = None if shape is None else rng.normal(0.3, 3, shape).astype(np.float32)
        weights.append(np.round(weight * 16) / 16 if exact and weight is not None else weight)
    outputs = network.shapes[-1]
    return Model(network, tuple(weights), tuple(range(outputs[0] * outputs[1] * outputs[2])))


def noise(network: Network, n_bins: int, seed: int) -> Bins:
    rng = np.random.default_rng(seed)
    size = int(np.prod(network.input_shape))
    entries = [rng.permutation(size)[: rng.integers(0, size // 3 + 1)] for _ in range(n_bins)]
    offsets = np.cumsum([0, *map(len, entries)]).astype(np.uint32)
    index = np.concatenate([*entries, np.zeros(0, np.int64)]).astype(np.uint32)
    return Bins(offsets, index, rng.integers(1, 4, len(index)).astype(np.uint8))


def stepped(stepper: Stepper | TorchStepper, bins: Bins) -> np.ndarray:
    rows = []
    for lo, hi in zip(bins.offsets[:-1], bins.offsets[1:], strict=True):
        rows.append(stepper.step(bins.index[lo:hi], bins.count[lo:hi]))
    return np.array(rows)


def dense(network: Network, bins: Bins) -> torch.Tensor:
    out = np.zeros((len(bins.offsets) - 1, 1, int(np.prod(network.input_shape))), np.float32)
    for k, (lo, hi) in enumerate(zip(bins.offsets[:-1], bins.offsets[1:], strict=True)):
        out[k, 0, bins.index[lo:hi]] = bins.count[lo:hi]
    return torch.from_numpy(out.reshape(len(out), 1, *network.input_shape))


layers = st.lists(
    st.one_of(
        st.builds(
            "{}c{}s{}p{}".format,
            st.integers(1, 5),
            st.integers(1, 5),
            st.integers(1, 3),
            st.integers(0, 3),
        ),
        st.builds("{}a".format, st.integers(1, 3)),
        st.builds("{}".format, st.integers(1, 7)),
    ),
    min_size=1,
    max_size=4,
)


@given(layers, st.integers(1, 3), st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_any_network_gives_the_module_s_spikes(
    parts: list[str], channels: int, height: int, width: int, seed: int
) -> None:
    try:
        model = made("-".join([str(channels), *parts]), height, width, seed)
    except ValueError:
        return
    bins = noise(model.network, 12, seed)
    stepper = Stepper(model)
    whole = stepper.run(*bins)
    spikes, operations = stepper.spikes, stepper.synaptic_operations
    stepper.reset()
    np.testing.assert_array_equal(stepped(stepper, bins), whole)
    assert (stepper.spikes, stepper.synaptic_operations) == (spikes, operations)

    module = SpikingModule(model.network)
    for mine, weight in zip(module.weights, model.weights, strict=True):
        if weight is not None:
            mine.data = torch.from_numpy(weight)
    with torch.no_grad():
        out = module(dense(model.network, bins))
    np.testing.assert_array_equal(out[-1].flatten(1).numpy(), whole)
    assert sum(int(layer.sum()) for layer in out) == spikes

    peer = TorchStepper(model, "cpu")
    np.testing.assert_array_equal(stepped(peer, bins), whole)
    assert (peer.spikes, peer.synaptic_operations) == (spikes, operations)


def test_real_recordings_through_the_shipped_model_live_whole_and_in_torch() -> None:
    model = load("nmnist-classifier")
    stepper, peer = Stepper(model), TorchStepper(model, "cpu")
    shape = model.network.input_shape
    module = SpikingModule(model.network)
    for mine, weight in zip(module.weights, model.weights, strict=True):
        if weight is not None:
            mine.data = torch.from_numpy(weight)
    for sample in samples(SAMPLES_DIR, "Test")[::17]:
        events = sample.read()
        bins = bin_events(events, 34, 34, model.bin_us, model.n_bins)
        stepper.reset()
        whole = stepper.run(*bins)
        stepper.reset()
        peer.reset()
        np.testing.assert_array_equal(stepped(stepper, bins), whole)
        # Other orders of adding float32 may move a spike; on these recordings none is moved.
        np.testing.assert_array_equal(stepped(peer, bins), whole)
        assert peer.spikes == stepper.spikes
        with torch.no_grad():
            out = module(torch.from_numpy(frames([events], shape, model.n_bins)))[-1]
        np.testing.assert_array_equal(out[:, 0, :, 0, 0].numpy(), whole)


def test_silence_after_input_stays_finite_and_ends() -> None:
    model = made("2-4c3-2a-5", 8, 8, 1)
    stepper = Stepper(model)
    stepper.run(*noise(model.network, 20, 1))
    nothing = np.zeros(3001, np.uint32)
    stepper.run(nothing, np.zeros(0, np.uint32), np.zeros(0, np.uint8))
    assert not stepper._state.any()


def test_delays_that_a_model_does_not_give_are_none() -> None:
    model = made("2-4c3d-5D", 8, 8, 1)
    without = replace(model, network=parse("2-4c3-5", 8, 8))
    bins = noise(model.network, 20, 1)
    np.testing.assert_array_equal(Stepper(model).run(*bins), Stepper(without).run(*bins))


def test_inputs_outside_are_refused_and_leave_the_state() -> None:
    model = made("2-4c3-5", 6, 6, 1)
    stepper = Stepper(model)
    bins = noise(model.network, 10, 2)
    expected = stepper.run(*bins)
    stepper.reset()
    one = np.ones(1, np.uint8)
    for bad in (72, 2**32 - 1):
        for each in (stepper, TorchStepper(model, "cpu")):
            with pytest.raises(ValueError, match=f"input {bad} lies outside"):
                each.step(np.array([bad], np.uint32), one)
    np.testing.assert_array_equal(stepper.run(*bins), expected)
    with pytest.raises(ValueError, match="bin 0 has an input outside"):
        stepper.run(np.array([0, 1], np.uint32), np.array([72], np.uint32), one)
    with pytest.raises(ValueError, match="offsets do not rise"):
        stepper.run(np.array([0, 2], np.uint32), np.array([0], np.uint32), one)
    with pytest.raises(ValueError, match="1 indices have 0 counts"):
        stepper.step(np.array([0], np.uint32), np.zeros(0, np.uint8))


def test_read_only_unaligned_and_repeated_inputs() -> None:
    model = made("2-4c3-5", 6, 6, 1)
    raw = bytes(1) + np.arange(72, dtype=np.uint32).tobytes()
    index = np.frombuffer(raw, np.uint32, offset=1)
    assert not index.flags.aligned
    once, twice = Stepper(model), Stepper(model)
    for _ in range(10):
        a = once.step(index, np.full(72, 2, np.uint8))
        b = twice.step(np.concatenate([index, index]), np.ones(144, np.uint8))
        np.testing.assert_array_equal(a, b)


def test_the_cpu_stepper_does_not_load_torch() -> None:
    code = (
        "import sys, models.device, models.readout; from models.stepper import Stepper\n"
        "from models.store import load; Stepper(load('nmnist-classifier'))\n"
        "assert models.device.pick('cpu') == 'cpu'\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
