"""NIR: a model comes back as it went, and another framework that reads the graph spikes alike."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.frames import frames
from models.module import SpikingModule, dense
from models.network import Network, parse
from models.neuron import CUBA, LIF, SRM, Neuron
from models.nir_export import export, falls, graph
from models.nir_import import model_of, read
from models.stepper import Stepper
from models.store import SHIPPED, Intensity, Model, load
from pipeline.binning import Bins, bin_events
from pipeline.errors import ModelError
from recordings.folder import SAMPLES_DIR, samples

nir = pytest.importorskip("nir", reason="NIR is optional: pip install 'silicon-retina[nir]'")

DIAGRAM = "2-4c5s2-2a-6c3-10"
NEURONS = (CUBA(), CUBA(theta=2.0, tau_syn_ms=3.0, tau_mem_ms=7.0, gain=0.5), LIF())


def _random(network: Network, seed: int = 0) -> Model:
    rng = np.random.default_rng(seed)
    weights = tuple(
        None if shape is None else rng.normal(0, 1, shape).astype(np.float32)
        for shape in network.weight_shapes
    )
    delays = tuple(
        None if shape is None else rng.integers(0, 9, shape).astype(np.float32)
        for shape in network.delay_shapes
    )
    return Model(network, weights, tuple(range(10)), name="x", delays=delays)


def _active(neuron: Neuron) -> Model:
    network = parse(DIAGRAM, 34, 34, neuron)
    module = SpikingModule(network)
    with torch.no_grad():
        events = [sample.read() for sample in samples(SAMPLES_DIR, "Test")[:4]]
        module.initialise(torch.from_numpy(frames(events, network.input_shape, 100)), seed=0)
    weights = tuple(w.detach().numpy() if w.numel() else None for w in module.weights)
    return Model(network, weights, tuple(range(10)))


def _recording(n_bins: int) -> Bins:
    return bin_events(samples(SAMPLES_DIR, "Test")[0].read(), 34, 34, 1000, n_bins)


def _same(a: Model, b: Model) -> None:
    assert (a.network, a.task, a.classes, a.name) == (b.network, b.task, b.classes, b.name)
    assert (a.bin_us, a.window_us, a.intensity) == (b.bin_us, b.window_us, b.intensity)
    for i in range(len(a.network.layers)):
        np.testing.assert_array_equal(a.weights[i], b.weights[i])
        ours, theirs = a.delay(i), b.delay(i)
        assert (ours is None) == (theirs is None)
        if ours is not None and theirs is not None:
            np.testing.assert_allclose(ours, theirs, rtol=1e-6)


positive = st.floats(0.5, 30.0)
neurons = st.one_of(
    st.builds(SRM, theta=positive, tau_s_ms=positive, tau_ref_ms=positive, scale_ref=positive),
    st.builds(CUBA, theta=positive, tau_syn_ms=positive, tau_mem_ms=positive, gain=positive),
    st.builds(LIF, theta=positive, tau_mem_ms=positive, gain=positive),
)
layers = st.lists(
    st.sampled_from(["3c3", "2c5s2", "4c3p0", "3c1p0d", "2a", "5c3s2p2"]), min_size=1, max_size=4
)


@settings(deadline=None, max_examples=30)
@given(neuron=neurons, layers=layers, last=st.sampled_from(["10", "10d"]))
def test_a_model_comes_back_as_it_went(neuron: Neuron, layers: list[str], last: str) -> None:
    try:
        network = parse("-".join(["2", *layers, last]), 12, 16, neuron)
    except ValueError:
        return
    model = _random(network)
    _same(model_of(graph(model), "x"), model)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_model_comes_back_through_a_file(name: str, tmp_path: Path) -> None:
    model = load(name)
    export(model, tmp_path / "x.nir")
    _same(read(tmp_path / "x.nir"), model)


def test_a_reconstructor_keeps_what_its_spikes_mean() -> None:
    network = parse("2-3c3-1c3", 8, 8)
    model = _random(network)
    shown = Intensity(3.0, 0.5, "linear")
    model = Model(network, model.weights, task="reconstructor", intensity=shown)
    assert model_of(graph(model), "x").intensity == shown


@pytest.mark.parametrize("neuron", NEURONS, ids=lambda n: f"{type(n).__name__}-{n.gain}")
def test_without_our_metadata_the_neuron_is_read_from_the_nodes(neuron: CUBA | LIF) -> None:
    made = graph(_random(parse("2-3c3-2a-10", 8, 8, neuron)))
    made.metadata = {}
    found = model_of(made, "x").network.neuron
    assert type(found) is type(neuron)
    np.testing.assert_allclose(found.dynamics, neuron.dynamics, rtol=1e-5, atol=1e-7)


def test_without_our_metadata_the_spike_response_model_is_read_too() -> None:
    neuron = SRM(theta=7.0, tau_s_ms=6.0, tau_ref_ms=2.0, scale_ref=3.0)
    made = graph(_random(parse("2-3c3-10", 8, 8, neuron)))
    made.metadata = {}
    found = model_of(made, "x").network.neuron
    assert isinstance(found, SRM)
    np.testing.assert_allclose(found.dynamics, neuron.dynamics, rtol=1e-5)


# Another framework.


def _run(step: Callable[[Any, Any], Any], counts: torch.Tensor) -> NDArray[np.float32]:
    state, out = None, []
    with torch.no_grad():
        for frame in counts:
            spikes, state = step(frame, state)
            out.append(spikes.reshape(-1))
    return torch.stack(out).numpy()


def _norse() -> Any:
    pytest.importorskip("nirtorch", reason="nirtorch is not installed (sh setup.sh bench)")
    with warnings.catch_warnings():
        # norse is built on parts of torch that torch has deprecated.
        warnings.simplefilter("ignore")
        return pytest.importorskip(
            "norse.torch", reason="norse is not installed (sh setup.sh bench)"
        )


@pytest.mark.parametrize("neuron", NEURONS, ids=lambda n: f"{type(n).__name__}-{n.gain}")
def test_norse_reads_the_graph_and_spikes_alike(neuron: CUBA | LIF, tmp_path: Path) -> None:
    norse = _norse()
    model = _active(neuron)
    export(model, tmp_path / "x.nir")
    recording = _recording(120)
    ours = Stepper(model).run(*recording)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = norse.from_nir(nir.read(tmp_path / "x.nir"), reset_method=falls(neuron), dt=1e-3)
        theirs = _run(net, dense([recording], model.network.input_shape))
    assert ours.sum() > 20
    assert (ours != theirs).sum() == 0


class _Threshold(torch.nn.Module):
    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold

    def forward(self, potential: torch.Tensor) -> torch.Tensor:
        return (potential > self.threshold).float()


class _Delay(torch.nn.Module):
    def forward(
        self, x: torch.Tensor, state: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros_like(x) if state is None else state, x


def test_the_spike_response_model_runs_on_norses_integrators(tmp_path: Path) -> None:
    """norse's own reader has no LI and no Threshold: nirtorch runs the graph on norse's cells."""
    norse = _norse()
    import nirtorch

    def leaky(node: Any) -> torch.nn.Module:
        class Scaled(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                tau, r = (float(np.unique(v)[0]) for v in (node.tau, node.r))
                self.r = r
                parameters = norse.LIBoxParameters(tau_mem_inv=torch.tensor(1 / tau))
                self.cell = norse.LIBoxCell(parameters, dt=1e-3)

            def forward(self, x: torch.Tensor, state: Any = None) -> Any:
                return self.cell(self.r * x, state)

        return Scaled()

    model = _active(SRM())
    export(model, tmp_path / "x.nir")
    recording = _recording(120)
    ours = Stepper(model).run(*recording)
    kinds = {
        nir.LI: leaky,
        nir.Delay: lambda node: _Delay(),
        nir.Threshold: lambda node: _Threshold(float(np.unique(node.threshold)[0])),
        nir.Flatten: lambda node: torch.nn.Flatten(1),
        nir.Affine: lambda node: _linear(node.weight),
    }
    net = nirtorch.nir_to_torch(nir.read(tmp_path / "x.nir"), kinds)
    theirs = _run(net, dense([recording], model.network.input_shape))
    assert ours.sum() > 20
    assert (ours != theirs).sum() == 0


def _linear(weight: NDArray[np.float32]) -> torch.nn.Linear:
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight.data = torch.from_numpy(weight)
    return layer


# What cannot be said.


def test_group_delays_are_refused() -> None:
    with pytest.raises(ModelError, match=r"layer 0 \(3c3D\) has a delay for every synapse group"):
        graph(_random(parse("2-3c3D-10", 8, 8)))


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "nir", None)
    with pytest.raises(ModelError, match=r"pip install 'silicon-retina\[nir\]'"):
        export(_random(parse("2-10", 8, 8)), tmp_path / "x.nir")


def test_a_file_that_is_no_graph_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.nir").write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"x\.nir: is no NIR graph"):
        read(tmp_path / "x.nir")
    with pytest.raises(ModelError, match=r"y\.nir: is no NIR graph"):
        read(tmp_path / "y.nir")


def _spoil(node: str, key: str, value: Any) -> Callable[[Any], None]:
    def spoil(made: Any) -> None:
        setattr(made.nodes[node], key, value)

    return spoil


def _branch(made: Any) -> None:
    made.edges.append(("neuron0", "output"))


def _back(made: Any) -> None:
    made.edges = [("pool1", "conv0") if edge[0] == "pool1" else edge for edge in made.edges]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_spoil("conv0", "bias", np.ones(3, np.float32)), "'conv0' has a bias"),
        (_spoil("conv0", "dilation", (2, 2)), "'conv0' has padding"),
        (_spoil("conv0", "stride", (1, 2)), r"'conv0' has \(1, 2\), expected the same both ways"),
        (_spoil("neuron0", "v_leak", np.ones((3, 8, 8))), "'neuron0' has a v_leak"),
        (_spoil("neuron0", "tau_mem", np.linspace(1, 2, 192)), "'neuron0' has tau_mem from 1 to 2"),
        (_spoil("neuron0", "tau_mem", np.full(1, 1e-4)), "expected at least the bin"),
        (_spoil("neuron0", "tau_mem", np.full(1, 0.05)), "layer 1's neurons differ"),
        (_spoil("neuron1", "w_in", np.full(1, 3.0)), "pools with a weight of"),
        (_branch, "'neuron0' goes on to .*'output'.*a network of ours is a chain"),
        (_back, "the edges lead back to 'conv0'"),
    ],
)
def test_what_has_no_counterpart_is_named(spoil: Callable[[Any], None], message: str) -> None:
    made = graph(_random(parse("2-3c3-2a-10", 8, 8, CUBA())))
    spoil(made)
    with pytest.raises(ModelError, match=message):
        model_of(made, "x.nir")


def test_a_layer_that_we_do_not_have_is_named() -> None:
    made = graph(_random(parse("2-3c3-2a-10", 8, 8, CUBA())))
    square = np.array([2, 2])
    made.nodes["pool1"] = nir.AvgPool2d(square, square, np.array([0, 0]))
    with pytest.raises(ModelError, match="'pool1' is AvgPool2d, expected Conv2d or SumPool2d"):
        model_of(made, "x.nir")
