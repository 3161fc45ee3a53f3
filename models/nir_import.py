"""Models from NIR graphs: ours, and others' that are chains of layers that we have.

The mapping is ``models.nir_export``'s, read backwards; time constants are taken as Euler's step of
one bin takes them, decay = 1 − Ts/τ. What a graph's nodes say holds; the metadata of a graph of
ours only add what NIR has no word for, and its neuron's constants where the nodes agree with them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.network import Conv, Dense, Layer, Network, Pool, parse
from models.neuron import CUBA, LIF, SRM, Dynamics, Neuron
from models.nir_export import KEY, library
from models.store import Intensity, Model, Task, check
from pipeline.errors import ModelError

Floats = NDArray[np.float32]


class _Said(msgspec.Struct, kw_only=True):
    name: str = ""
    task: Task | None = None
    neuron: SRM | CUBA | LIF | None = None
    classes: tuple[int, ...] | None = None
    bin_us: int = 1_000
    window_us: int = 300_000
    intensity: Intensity = Intensity()
    saccades_ms: tuple[float, ...] = ()


@dataclass(slots=True)
class _Read:
    """A layer as the graph has it: its neuron's recursions and what its input is scaled by."""

    layer: Layer
    weight: Floats | None
    delay: Floats | None
    dynamics: Dynamics
    scale: float


@dataclass(slots=True)
class _Chain:
    """The graph's nodes from input to output, walked along its edges."""

    nir: Any
    nodes: dict[str, Any]
    edges: list[tuple[str, str]]
    where: str
    ts: float
    at: str = ""
    seen: set[str] = field(default_factory=set)

    def next(self, *beyond: str) -> str:
        """Step to the one node that follows, other than those ``beyond``; return its name."""
        found = {b for a, b in self.edges if a == self.at} - set(beyond)
        if len(found) != 1:
            raise ModelError(
                f"{self.where}: {self.at!r} goes on to {sorted(found) or 'nothing'}, expected one "
                "node: a network of ours is a chain"
            )
        self.at = found.pop()
        if self.at in self.seen:
            raise ModelError(f"{self.where}: the edges lead back to {self.at!r}")
        self.seen.add(self.at)
        return self.at

    def node(self, *kinds: str) -> Any:
        """Return the present node, one of these kinds."""
        node = self.nodes[self.at]
        if type(node).__name__ not in kinds:
            raise ModelError(
                f"{self.where}: {self.at!r} is {type(node).__name__}, expected {' or '.join(kinds)}"
            )
        return node

    def one(self, node: Any, key: str) -> float:
        """Return a parameter that is the same for all neurons of a node."""
        values = np.unique(np.asarray(getattr(node, key), np.float64))
        if values.size != 1 or not np.isfinite(values[0]):
            raise ModelError(
                f"{self.where}: {self.at!r} has {key} from {values.min():g} to {values.max():g}, "
                "expected the same for all its neurons"
            )
        return float(values[0])

    def zero(self, node: Any, key: str) -> None:
        """Check that a parameter is zero throughout."""
        if np.any(np.asarray(getattr(node, key))):
            raise ModelError(f"{self.where}: {self.at!r} has a {key}, ours have none")

    def decay(self, node: Any, key: str) -> float:
        """Return the decay of Euler's step at a time constant."""
        tau = self.one(node, key)
        # A float32 of a bin's length is not quite a bin's length.
        if tau < self.ts * (1 - 1e-6):
            raise ModelError(
                f"{self.where}: {self.at!r} has {key} {tau:g} s, expected at least the bin, "
                f"{self.ts:g} s"
            )
        decay = 1 - self.ts / tau
        return decay if decay > 1e-6 else 0.0

    def leaky(self) -> tuple[float, float]:
        """Return decay and gain of the present leaky integrator, per bin."""
        node = self.node("LI")
        self.zero(node, "v_leak")
        return self.decay(node, "tau"), self.one(node, "r") * self.ts / self.one(node, "tau")


def read(path: str | Path, bin_us: int = 1_000) -> Model:
    """Return the model that the NIR graph ``path`` holds.

    A graph that is not of ours is stepped in bins of ``bin_us``, its outputs are classes from 0
    on, or an image where they have rows and columns. Its neurons' reset to a value becomes ours by
    subtraction: NIR has no word for the latter. Raises ModelError naming the node that has no
    counterpart here.
    """
    nir = library()
    try:
        graph = nir.read(str(path))
    except (OSError, KeyError, ValueError, AssertionError, TypeError) as error:
        raise ModelError(f"{path}: is no NIR graph ({error})") from None
    return model_of(graph, str(path), bin_us)


def model_of(graph: Any, where: str, bin_us: int = 1_000) -> Model:
    """Return the model that a ``nir.NIRGraph`` describes; see ``read``."""
    said = _said(graph, where, bin_us)
    chain = _Chain(library(), graph.nodes, list(graph.edges), where, said.bin_us * 1e-6)
    inputs = [name for name, node in graph.nodes.items() if type(node).__name__ == "Input"]
    if len(inputs) != 1:
        raise ModelError(f"{where}: has {len(inputs)} inputs, expected one")
    chain.at = inputs[0]
    shape = tuple(int(n) for n in np.ravel(chain.nodes[chain.at].input_type["input"]))
    if len(shape) != 3:
        raise ModelError(f"{where}: its input is {shape}, expected (channels, rows, columns)")
    layers = _layers(chain)
    neuron = _neuron(layers, said, where)
    network = _network(shape, layers, neuron, where)
    weights = tuple(_weight(part, network, where) for part in layers)
    outputs = network.shapes[-1]
    task: Task = said.task or ("classifier" if outputs[1:] == (1, 1) else "reconstructor")
    classes = tuple(range(outputs[0])) if task == "classifier" else ()
    model = Model(
        network,
        weights,
        classes if said.classes is None else said.classes,
        said.bin_us,
        said.window_us,
        said.name,
        task,
        tuple(part.delay for part in layers),
        said.intensity,
        said.saccades_ms,
    )
    check(model, where)
    return model


def _said(graph: Any, where: str, bin_us: int) -> _Said:
    text = graph.metadata.get(KEY)
    if text is None:
        return _Said(bin_us=bin_us)
    try:
        return msgspec.json.decode(text, type=_Said)
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        raise ModelError(f"{where}: its metadata {KEY!r} cannot be read: {error}") from None


def _layers(chain: _Chain) -> list[_Read]:
    layers = []
    chain.next()
    while type(chain.nodes[chain.at]).__name__ != "Output":
        delay = None
        node = chain.nodes[chain.at]
        if type(node).__name__ == "Delay":
            delay = _delay(chain)
            chain.next()
        layer, weight = _synapses(chain, delay is not None)
        chain.next()
        dynamics, scale = _neurons(chain)
        layers.append(_Read(layer, weight, delay, dynamics, scale))
    if not layers:
        raise ModelError(f"{chain.where}: has no layer between its input and its output")
    return layers


def _delay(chain: _Chain) -> Floats:
    seconds = np.asarray(chain.nodes[chain.at].delay, np.float64)
    rows = seconds.reshape(len(seconds), -1)
    if np.ptp(rows, axis=1).any():
        raise ModelError(
            f"{chain.where}: {chain.at!r} delays the neurons of a channel differently, expected "
            "one delay a channel"
        )
    return (rows[:, 0] * 1000).astype(np.float32)


def _synapses(chain: _Chain, delayed: bool) -> tuple[Layer, Floats | None]:
    node = chain.node("Conv2d", "SumPool2d", "Flatten", "Affine", "Linear")
    kind = type(node).__name__
    delays: Any = "channel" if delayed else "none"
    if kind == "SumPool2d":
        size = _square(chain, node.kernel_size)
        chain.zero(node, "padding")
        if _square(chain, node.stride) != size or delayed:
            raise ModelError(
                f"{chain.where}: {chain.at!r} pools {size}×{size} with another stride or a delay, "
                "expected neither"
            )
        return Pool(size), None
    if kind == "Conv2d":
        weight = np.asarray(node.weight, np.float32)
        chain.zero(node, "bias")
        if isinstance(node.padding, str) or {*np.ravel(node.dilation), *np.ravel(node.groups)} != {
            1
        }:
            raise ModelError(
                f"{chain.where}: {chain.at!r} has padding {node.padding!r}, dilation "
                f"{node.dilation} and {node.groups} groups, expected numbers, 1 and 1"
            )
        sizes = (weight.shape[2:], node.stride, node.padding)
        kernel, stride, padding = (_square(chain, size) for size in sizes)
        return Conv(len(weight), kernel, stride, padding, delays), weight
    if kind == "Flatten":
        chain.next()
        node = chain.node("Affine", "Linear")
    if type(node).__name__ == "Affine":
        chain.zero(node, "bias")
    weight = np.asarray(node.weight, np.float32)
    return Dense(len(weight), delays), weight


def _square(chain: _Chain, size: Any) -> int:
    values = {int(n) for n in np.ravel(size)}
    if len(values) != 1:
        raise ModelError(f"{chain.where}: {chain.at!r} has {size}, expected the same both ways")
    return values.pop()


def _neurons(chain: _Chain) -> tuple[Dynamics, float]:
    """Return the recursions of the present neurons and their input's scale; step past them."""
    node = chain.node("CubaLIF", "LIF", "LI")
    kind = type(node).__name__
    if kind == "LI":
        return _response(chain)
    chain.zero(node, "v_leak")
    tau = "tau_mem" if kind == "CubaLIF" else "tau"
    leak = chain.decay(node, tau)
    gain = chain.one(node, "r") * chain.ts / chain.one(node, tau)
    syn, scale = 0.0, 1.0
    if kind == "CubaLIF":
        syn = chain.decay(node, "tau_syn")
        scale = chain.one(node, "w_in") * chain.ts / chain.one(node, "tau_syn")
    theta = _theta(chain, node.v_threshold)
    chain.next()
    return Dynamics(syn, leak, 0.0, gain, 0.0, leak, -theta, theta), scale


def _response(chain: _Chain) -> tuple[Dynamics, float]:
    decay_x, scale = chain.leaky()
    chain.next()
    later = chain.one(chain.node("Delay"), "delay")
    if not math.isclose(later, chain.ts, rel_tol=1e-5):
        raise ModelError(f"{chain.where}: {chain.at!r} waits {later:g} s, expected a bin")
    chain.next()
    decay_y, late = chain.leaky()
    neuron = chain.next()
    theta = _theta(chain, chain.node("Threshold").threshold)
    # The loop by which a neuron hears its own spikes is told from the way on by what it is.
    after = {b for a, b in chain.edges if a == neuron}
    own = {b for b in after if type(chain.nodes[b]).__name__ == "LI"}
    chain.next(*(after - own))
    decay_r, unit = chain.leaky()
    chain.next()
    decay_q, reset = chain.leaky()
    if {b for a, b in chain.edges if a == chain.at} != {neuron}:
        raise ModelError(f"{chain.where}: {chain.at!r} does not lead back to {neuron!r}")
    chain.at = neuron
    chain.next(*own)
    return Dynamics(decay_x, decay_y, late, 0.0, decay_r, decay_q, unit * reset, theta), scale


def _theta(chain: _Chain, threshold: Any) -> float:
    """Return the least potential beyond a threshold."""
    values = np.unique(np.asarray(threshold, np.float32))
    if values.size != 1:
        raise ModelError(f"{chain.where}: {chain.at!r} has thresholds of its own for each neuron")
    return float(np.nextafter(values[0], np.float32(np.inf)))


def _neuron(layers: list[_Read], said: _Said, where: str) -> Neuron:
    first = layers[0].dynamics
    for i, part in enumerate(layers):
        if not np.allclose(part.dynamics, first, rtol=1e-5, atol=1e-7):
            raise ModelError(
                f"{where}: layer {i}'s neurons differ from layer 0's, expected the same in all"
            )
    if said.neuron is not None and np.allclose(said.neuron.dynamics, first, rtol=1e-5, atol=1e-7):
        return said.neuron
    ts_ms = said.bin_us / 1000
    if first.late:
        return _srm(first, ts_ms, where)
    if not first.decay_y or first.soon <= 0:
        raise ModelError(f"{where}: its neurons keep no potential, or take input with gain ≤ 0")
    mem = {"theta": _digits(first.theta), "tau_mem_ms": _tau(first.decay_y, ts_ms),
           "gain": _digits(first.soon)}  # fmt: skip
    if first.decay_x:
        return CUBA(ts_ms=ts_ms, tau_syn_ms=_tau(first.decay_x, ts_ms), **mem)
    return LIF(ts_ms=ts_ms, **mem)


def _srm(found: Dynamics, ts_ms: float, where: str) -> SRM:
    tau_s, tau_ref = _tau(found.decay_x, ts_ms), _tau(found.decay_r, ts_ms)
    unit = SRM(ts_ms=ts_ms, theta=_digits(found.theta), tau_s_ms=tau_s, tau_ref_ms=tau_ref)
    scale = 2.0 * found.reset / unit.dynamics.reset
    neuron = SRM(ts_ms=ts_ms, theta=unit.theta, tau_s_ms=tau_s, tau_ref_ms=tau_ref,
                 scale_ref=_digits(scale))  # fmt: skip
    if not np.allclose(neuron.dynamics, found, rtol=1e-4, atol=1e-7):
        raise ModelError(f"{where}: its chained LI are no alpha function of equal time constants")
    return neuron


def _tau(decay: float, ts_ms: float) -> float:
    return _digits(-ts_ms / math.log(decay))


def _digits(value: float) -> float:
    """Return what float32 holds of a number that someone wrote."""
    return float(f"{value:.6g}")


def _network(shape: tuple[int, ...], layers: list[_Read], neuron: Neuron, where: str) -> Network:
    tokens = [str(shape[0])]
    for part in layers:
        layer = part.layer
        if isinstance(layer, Pool):
            tokens.append(f"{layer.size}a")
            continue
        delays = "d" if layer.delays == "channel" else ""
        if isinstance(layer, Dense):
            tokens.append(f"{layer.features}{delays}")
            continue
        stride = f"s{layer.stride}" if layer.stride != 1 else ""
        padding = f"p{layer.padding}" if layer.padding != 1 else ""
        tokens.append(f"{layer.features}c{layer.kernel}{stride}{padding}{delays}")
    try:
        return parse("-".join(tokens), shape[1], shape[2], neuron)
    except ValueError as error:
        raise ModelError(f"{where}: {error}") from None


def _weight(part: _Read, network: Network, where: str) -> Floats | None:
    if part.weight is not None:
        same = math.isclose(part.scale, 1, rel_tol=1e-5)
        return part.weight if same else (part.weight * np.float32(part.scale)).astype(np.float32)
    if not math.isclose(part.scale, network.pooling, rel_tol=1e-4):
        raise ModelError(
            f"{where}: pools with a weight of {part.scale:g}, expected {network.pooling:g}, 1.1 θ"
        )
    return None
