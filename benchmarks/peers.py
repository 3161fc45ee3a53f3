"""The simulators that ours is measured against, on the same network with the same weights.

Each has the lightest spiking layer that it offers, with our time constant and threshold: snnTorch's
``Leaky``, norse's ``LIFBoxCell``, spikingjelly's ``LIFNode``, sinabs' ``LIF``; all simpler than the
two recursions of the spike response model, which the plain torch way computes like ours. Synapses
are torch's convolutions for all of them; over whole recordings they take all bins in one call.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models import reference
from models.module import weigh
from models.network import Network, Pool
from models.neuron import SRM
from models.surrogate import Surrogate

Cell = Callable[[Tensor], Tensor]
"""From a layer's weighted input in one bin to its spikes, keeping state from call to call."""

Over = Callable[[Tensor], Tensor]
"""From a layer's weighted input ``[T, ...]`` to its spikes, beginning at rest."""


class Peer(NamedTuple):
    """How a simulator makes a layer of neurons; both raise ImportError where it is missing."""

    cell: Callable[[Network], Cell]
    over: Callable[[Network], Over]


class PeerModule(nn.Module):
    """A network of a peer's neurons with learnable weights, over whole recordings."""

    def __init__(
        self, peer: Peer, network: Network, weights: list[NDArray[np.float32] | None]
    ) -> None:
        super().__init__()
        self.network = network
        self.weights = nn.ParameterList(
            nn.Parameter(torch.empty(0) if w is None else torch.from_numpy(w.copy()), w is not None)
            for w in weights
        )
        self.neurons = [peer.over(network) for _ in network.layers]

    def forward(self, spikes: Tensor) -> Tensor:
        """Return the output's spikes ``[T, B, C, H, W]`` from counts of the same order."""
        for i, layer in enumerate(self.network.layers):
            weight = None if isinstance(layer, Pool) else cast("Tensor", self.weights[i])
            flat = weigh(layer, weight, spikes.flatten(0, 1), self.network.pooling)
            spikes = self.neurons[i](flat.view(*spikes.shape[:2], *flat.shape[1:]))
        return spikes


def stepping(
    peer: Peer, network: Network, weights: tuple[NDArray[np.float32] | None, ...]
) -> Callable[[Tensor], Tensor]:
    """Return what takes one frame ``[1, C, H, W]`` through all layers, keeping state."""
    cells = [peer.cell(network) for _ in network.layers]
    tensors = [None if w is None else torch.tensor(w) for w in weights]

    def step(spikes: Tensor) -> Tensor:
        for layer, weight, cell in zip(network.layers, tensors, cells, strict=True):
            spikes = cell(weigh(layer, weight, spikes, network.pooling))
        return spikes

    return step


def installed() -> dict[str, Peer]:
    """Return the peers that can be imported here, in the order of ``PEERS``."""
    small = Network("1-1", (1, 1, 1), ())
    found = {}
    for name, peer in PEERS.items():
        try:
            with warnings.catch_warnings():
                # Some are built on parts of other libraries that have been deprecated.
                warnings.simplefilter("ignore")
                peer.cell(small)
        except ImportError:
            continue
        found[name] = peer
    return found


def _looped(cell: Callable[[Network], Cell]) -> Callable[[Network], Over]:
    def over(network: Network) -> Over:
        def run(current: Tensor) -> Tensor:
            step = cell(network)
            return torch.stack([step(row) for row in current])

        return run

    return over


def _decay(network: Network) -> float:
    neuron = network.neuron
    return neuron.synaptic[0] if isinstance(neuron, SRM) else neuron.dynamics.decay_y


def _torch_cell(network: Network) -> Cell:
    d = network.neuron.dynamics
    state: list[Tensor] = []

    def step(current: Tensor) -> Tensor:
        if not state:
            state.extend(torch.zeros_like(current) for _ in range(4))
        x, y, r, q = state
        y.mul_(d.decay_y).add_(x, alpha=d.late)
        x.mul_(d.decay_x).add_(current)
        y.add_(x, alpha=d.soon)
        q.mul_(d.decay_q).add_(r, alpha=d.reset)
        spikes = (y + q >= d.theta).to(current.dtype)
        r.mul_(d.decay_r).add_(spikes)
        return spikes

    return step


def _torch_over(network: Network) -> Over:
    return lambda current: reference.neurons(current, network.neuron.dynamics, Surrogate())[0]


def _snntorch(network: Network) -> Cell:
    import snntorch

    leaky = snntorch.Leaky(beta=_decay(network), threshold=network.neuron.theta)
    memory: list[Any] = [leaky.reset_mem()]

    def step(current: Tensor) -> Tensor:
        spikes, memory[0] = leaky(current, memory[0])
        return cast("Tensor", spikes)

    return step


def _norse(network: Network) -> Cell:
    import norse.torch as norse
    from norse.torch.functional.reset import reset_subtract

    parameters = norse.LIFBoxParameters(
        tau_mem_inv=torch.tensor((1 - _decay(network)) * 1000),
        v_th=torch.tensor(network.neuron.theta * (1 - _decay(network))),
        reset_method=reset_subtract,
    )
    cell = norse.LIFBoxCell(parameters)
    state: list[Any] = [None]

    def step(current: Tensor) -> Tensor:
        spikes, state[0] = cell(current, state[0])
        return cast("Tensor", spikes)

    return step


def _spikingjelly(network: Network, mode: str = "s") -> Cell:
    from spikingjelly.activation_based.neuron import LIFNode

    node = LIFNode(
        tau=1 / (1 - _decay(network)),
        decay_input=False,
        v_threshold=network.neuron.theta,
        v_reset=None,
        detach_reset=True,
        step_mode=mode,
    )
    return cast("Cell", node)


def _spikingjelly_over(network: Network) -> Over:
    node = cast("Any", _spikingjelly(network, "m"))

    def run(current: Tensor) -> Tensor:
        node.reset()
        return cast("Tensor", node(current))

    return run


def _sinabs_layer(network: Network) -> Any:
    import sinabs.layers as sinabs
    from sinabs.activation import SingleSpike

    return sinabs.LIF(
        tau_mem=float(-1 / np.log(_decay(network))),
        spike_threshold=torch.tensor(network.neuron.theta),
        spike_fn=SingleSpike,
        norm_input=False,
    )


def _sinabs(network: Network) -> Cell:
    layer = _sinabs_layer(network)
    return lambda current: cast("Tensor", layer(current[:, None])[:, 0])


def _sinabs_over(network: Network) -> Over:
    layer = _sinabs_layer(network)

    def run(current: Tensor) -> Tensor:
        layer.reset_states()
        if torch.is_grad_enabled():
            # Through its own loop over time the backward pass is quadratic in the bins.
            return torch.stack([layer(row[:, None])[:, 0] for row in current])
        return cast("Tensor", layer(current.transpose(0, 1)).transpose(0, 1))

    return run


PEERS = {
    "torch": Peer(_torch_cell, _torch_over),
    "snnTorch": Peer(_snntorch, _looped(_snntorch)),
    "norse": Peer(_norse, _looped(_norse)),
    "spikingjelly": Peer(_spikingjelly, _spikingjelly_over),
    "sinabs": Peer(_sinabs, _sinabs_over),
}
"""By name; ``torch`` is the spike response model in plain torch."""
