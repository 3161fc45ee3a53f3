"""Models as NIR graphs, which other simulators and neuromorphic chips read.

NIR (Pedersen et al., "Neuromorphic intermediate representation", Nat. Commun. 15:8122, 2024)
describes neurons in continuous time; its readers take Euler's step, in which a time constant τ
decays by 1 − Ts/τ. A graph of ours gives each the τ whose Euler step of one bin is our decay, so
that such a reader steps exactly our recursions: τ = Ts / (1 − decay), a little more than the
neuron's own. What becomes what:

    convolution   Conv2d, zero bias          dense     Flatten, Affine, zero bias
    pooling       SumPool2d, its weight in the neuron's input
    delays        Delay, one a channel; a delay a synapse group cannot be said
    CUBA          CubaLIF
    LIF           CubaLIF with a synapse of τ = Ts, which Euler's step takes for none at all
    SRM           LI, Delay of one bin, LI, Threshold: the alpha function; and from the threshold
                  back to itself LI, LI: the refractory response

Our neuron spikes at u ≥ θ, NIR's at v > threshold: the threshold is the float32 next below θ.
NIR knows no reset by subtraction: CubaLIF says a reset to 0, and a reader must be asked for ours
(norse: ``from_nir(graph, reset_method=models.nir_export.falls(neuron), dt=Ts)``).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from models.network import Conv, Dense, Layer, Pool, Shape
from models.neuron import SRM, Neuron
from models.store import Model, check
from pipeline.errors import ModelError

KEY = "silicon_retina"
"""Under which the graph's metadata say what NIR has no word for: task, classes, bin and window."""


def library() -> Any:
    """Return the module ``nir``; raises ModelError where it is not installed."""
    try:
        import nir
    except ImportError:
        raise ModelError(
            "NIR needs the package 'nir', which is not installed: pip install 'silicon-retina[nir]'"
        ) from None
    return nir


def export(model: Model, path: str | Path) -> None:
    """Write ``model`` as a NIR graph (HDF5).

    Raises ModelError where the model cannot be said in NIR, or the file cannot be written.
    """
    made = graph(model)
    try:
        library().write(str(path), made)
    except OSError as error:
        raise ModelError(f"{path}: cannot be written: {error}") from None


def graph(model: Model) -> Any:
    """Return ``model`` as a ``nir.NIRGraph``.

    Raises ModelError where a layer has a delay for every synapse group.
    """
    nir = library()
    check(model, model.name or model.network.spec)
    network = model.network
    builder = _Builder(nir, network.neuron)
    builder.add("input", nir.Input(np.array(network.input_shape)))
    shapes = network.shapes
    for i, layer in enumerate(network.layers):
        if isinstance(layer, Conv | Dense) and layer.delays == "group":
            raise ModelError(
                f"{model.name or network.spec}: layer {i} ({network.spec.split('-')[i + 1]}) has a "
                "delay for every synapse group, NIR's Delay has one a channel"
            )
        builder.synapses(i, layer, shapes[i], model)
        out = (layer.features,) if isinstance(layer, Dense) else shapes[i + 1]
        builder.neurons(i, out, network.pooling if isinstance(layer, Pool) else 1.0)
    shape = (shapes[-1][0],) if isinstance(network.layers[-1], Dense) else shapes[-1]
    builder.add("output", nir.Output(np.array(shape)))
    described = {
        "name": model.name,
        "task": model.task,
        "neuron": network.neuron,
        "classes": model.classes,
        "bin_us": model.bin_us,
        "window_us": model.window_us,
        "intensity": model.intensity,
        "saccades_ms": model.saccades_ms,
    }
    metadata = {KEY: msgspec.json.encode(described).decode()}
    return nir.NIRGraph(builder.nodes, builder.edges, metadata=metadata)


def falls(neuron: Neuron) -> Callable[[Any, Any, Any, Any], Any]:
    """Return our reset as norse takes one: what falls by θ in the next bin, before its decay."""
    decay = neuron.dynamics.decay_q

    def reset(spikes: Any, potential: Any, _reset: Any, threshold: Any) -> Any:
        return potential - spikes * (threshold / decay)

    return reset


def threshold_of(theta: float) -> float:
    """Return what a potential must exceed to be at least ``theta``, in float32."""
    return float(np.nextafter(np.float32(theta), np.float32(-np.inf)))


class _Builder:
    """Nodes one after the other."""

    def __init__(self, nir: Any, neuron: Neuron) -> None:
        self.nir = nir
        self.neuron = neuron
        self.ts = neuron.ts_ms / 1000
        self.nodes: dict[str, Any] = {}
        self.edges: list[tuple[str, str]] = []
        self._last: str | None = None

    def add(self, name: str, node: Any) -> None:
        """Add a node after the one added before."""
        if self._last is not None:
            self.edges.append((self._last, name))
        self.nodes[name] = node
        self._last = name

    def synapses(self, i: int, layer: Layer, shape: Shape, model: Model) -> None:
        """Add what weighs the spikes that layer ``i`` takes from ``shape``."""
        nir = self.nir
        weight, delay = model.weights[i], model.delay(i)
        if delay is not None:
            seconds = np.broadcast_to(delay[:, None, None] / 1000, shape)
            self.add(f"delay{i}", nir.Delay(np.ascontiguousarray(seconds, np.float32)))
        if isinstance(layer, Pool):
            square = np.array([layer.size, layer.size])
            self.add(f"pool{i}", nir.SumPool2d(square, square, np.array([0, 0])))
        elif isinstance(layer, Conv):
            bias = np.zeros(layer.features, np.float32)
            settings = (layer.stride, layer.padding, 1, 1)
            self.add(f"conv{i}", nir.Conv2d(shape[1:], weight, *settings, bias))
        else:
            self.add(f"flatten{i}", nir.Flatten(np.array(shape), 0, -1))
            self.add(f"dense{i}", nir.Affine(weight, np.zeros(layer.features, np.float32)))

    def neurons(self, i: int, shape: tuple[int, ...], scale: float) -> None:
        """Add the neurons of layer ``i``, whose input is weighted by ``scale`` once more."""
        if isinstance(self.neuron, SRM):
            self._response(i, shape, scale)
            return
        d = self.neuron.dynamics
        nothing = np.zeros(shape, np.float32)
        tau_syn, tau_mem = self._tau(d.decay_x), self._tau(d.decay_y)
        self.add(
            f"neuron{i}",
            self.nir.CubaLIF(
                tau_syn=_full(shape, tau_syn),
                tau_mem=_full(shape, tau_mem),
                r=_full(shape, d.soon * tau_mem / self.ts),
                v_leak=nothing,
                v_threshold=_full(shape, threshold_of(d.theta)),
                v_reset=nothing,
                w_in=_full(shape, scale * tau_syn / self.ts),
            ),
        )

    def _response(self, i: int, shape: tuple[int, ...], scale: float) -> None:
        d = self.neuron.dynamics
        self.add(f"trace{i}", self._leaky(shape, d.decay_x, scale))
        self.add(f"later{i}", self.nir.Delay(_full(shape, self.ts)))
        self.add(f"response{i}", self._leaky(shape, d.decay_y, d.late))
        self.add(f"neuron{i}", self.nir.Threshold(_full(shape, threshold_of(d.theta))))
        self.nodes[f"spent{i}"] = self._leaky(shape, d.decay_r, 1.0)
        self.nodes[f"refractory{i}"] = self._leaky(shape, d.decay_q, d.reset)
        loop = (f"neuron{i}", f"spent{i}", f"refractory{i}", f"neuron{i}")
        self.edges += pairwise(loop)

    def _leaky(self, shape: tuple[int, ...], decay: float, gain: float) -> Any:
        tau = self._tau(decay)
        return self.nir.LI(
            tau=_full(shape, tau),
            r=_full(shape, gain * tau / self.ts),
            v_leak=np.zeros(shape, np.float32),
        )

    def _tau(self, decay: float) -> float:
        return self.ts / (1 - decay)


def _full(shape: tuple[int, ...], value: float) -> Any:
    return np.full(shape, value, np.float32)
