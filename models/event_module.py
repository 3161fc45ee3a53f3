"""A network as a torch module on lists of spikes: event-driven training on the CPU.

The same network and gradient as ``models.module.SpikingModule``, but what is computed and kept
follows the spikes, not neurons × bins (``models.layer_kernels``). Recordings are shared out among
threads; each thread sums its gradients in a fixed order, so that the same number of threads gives
the same weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models import layer_kernels, layout
from models.module import Response, SpikingModule
from models.network import Network, Pool
from models.step_kernels import THETA
from models.surrogate import Surrogate
from pipeline.binning import Bins

Floats = NDArray[np.float32]


@dataclass(slots=True)
class Train:
    """Spikes of a layer: where each bin begins, which neuron, and what each counts."""

    offsets: NDArray[np.int64]
    index: NDArray[np.int32]
    value: Floats


@dataclass(slots=True)
class Near:
    """Neurons near their threshold, bin by bin, and the surrogate there."""

    offsets: NDArray[np.int64]
    index: NDArray[np.int32]
    rho: Floats


class Room:
    """What one thread works in; it grows to what the largest recording needs."""

    def __init__(self, table: NDArray[np.int64]) -> None:
        neurons = int(table[:, layout.NEURONS].max())
        held = int((table[:, layout.NEURONS] * table[:, layout.SLOTS]).max())
        self.state = np.zeros(4 * neurons, np.float32)
        self.acc = np.zeros(held, np.float32)
        self.touched = np.zeros(held // layout.BLOCK, np.uint8)
        self.fresh = np.zeros(neurons // layout.BLOCK, np.int32)
        self.u = np.zeros(layout.BLOCK, np.float32)
        self.fired = np.zeros(layout.BLOCK, np.uint8)
        self.spikes = np.zeros(1 << 16, np.int32)
        self.kept = np.zeros(1 << 18, np.int32)
        self.rho = np.zeros(1 << 18, np.float32)
        self.x = np.zeros(neurons, np.float32)
        self.y = np.zeros(neurons, np.float32)
        self.delta = np.zeros(neurons, np.float32)
        self.awake = np.zeros(neurons // layout.BLOCK, np.uint8)


class Layers:
    """A network's layers in the kernels' memory, with the weights of this moment."""

    def __init__(self, network: Network) -> None:
        self.network = network
        dynamics = network.neuron.dynamics
        self.table = layout.table(network)
        self.reach = layout.reach(network)
        self.constants = np.array([*dynamics, network.pooling], np.float32)
        self.rhythm = np.array([dynamics.memory, dynamics.sweep], np.int64)
        self.orders = [
            layout.order(layer, shape)
            for layer, shape in zip(network.layers, network.shapes, strict=False)
        ]
        self.weights = np.zeros(sum(map(len, self.orders)), np.float32)
        held = sum(math.prod(s) for s in network.delay_shapes if s)
        self.delays = np.zeros(held, np.int64)

    def take(self, weights: Sequence[Floats | None], delays: Sequence[Floats | None]) -> None:
        """Lay out these weights, one array a layer, and delays in ms."""
        ts_ms = self.network.neuron.ts_ms
        for i, row in enumerate(self.table):
            weight, delay = weights[i], delays[i]
            if weight is not None and weight.size:
                lo = row[layout.FIRST_WEIGHT]
                places = self.orders[i]
                self.weights[lo : lo + len(places)] = layout.lay(weight, places)
            if delay is not None and delay.size:
                lo = row[layout.FIRST_DELAY]
                self.delays[lo : lo + delay.size] = layout.whole_bins(delay, ts_ms)

    def inputs(self, recording: Bins) -> Train:
        """Return a recording in the kernels' order."""
        offsets, index, count = recording
        size = math.prod(self.network.input_shape)
        if len(index) and int(index.max()) >= size:
            raise ValueError(
                f"input {int(index.max())} lies outside {self.network.input_shape}, "
                f"expected below {size}"
            )
        out = np.empty(len(index), np.int32)
        value = np.empty(len(index), np.float32)
        layer_kernels.arrange(
            np.ascontiguousarray(index, np.uint32),
            np.ascontiguousarray(count, np.uint8),
            self.network.input_shape,
            out,
            value,
        )
        return Train(offsets.astype(np.int64), out, value)

    def forward(
        self, i: int, train: Train, room: Room, surrogate: Floats | None, rows: tuple[int, int]
    ) -> tuple[Train, Near | None, int]:
        """Return layer ``i``'s spikes, what its gradient needs, and the synapses gone through."""
        steps = len(train.offsets) - 1
        out_offsets = np.zeros(steps + 1, np.int64)
        kept_offsets = np.zeros(steps + 1, np.int64)
        row = self.table[i]
        blocks, held = row[layout.NEURONS] // layout.BLOCK, row[layout.NEURONS] * row[layout.SLOTS]
        nothing = surrogate is None
        while True:
            found, near, operations = layer_kernels.forward(
                row,
                self.reach,
                self.constants,
                self.weights,
                self.delays,
                train.offsets,
                train.index,
                train.value,
                room.state[: 4 * row[layout.NEURONS]],
                room.acc[:held],
                room.touched[: held // layout.BLOCK],
                room.fresh[:blocks],
                self.rhythm,
                *rows,
                np.zeros(4, np.float32) if surrogate is None else surrogate,
                room.u,
                room.fired,
                out_offsets,
                room.spikes,
                kept_offsets,
                room.kept[:0] if nothing else room.kept,
                room.rho[:0] if nothing else room.rho,
            )
            # The kernel wants a block's room to spare.
            if found + layout.BLOCK > len(room.spikes):
                room.spikes = np.zeros(2 * (found + layout.BLOCK), np.int32)
            elif not nothing and near + layout.BLOCK > len(room.kept):
                room.kept = np.zeros(2 * (near + layout.BLOCK), np.int32)
                room.rho = np.zeros(len(room.kept), np.float32)
            else:
                break
        index = room.spikes[:found].copy()
        spikes = Train(out_offsets, index, np.ones(found, np.float32))
        if nothing:
            return spikes, None, operations
        kept = Near(kept_offsets, room.kept[:near].copy(), room.rho[:near].copy())
        return spikes, kept, operations

    def whole(self, i: int) -> tuple[int, int]:
        """Return all output rows of layer ``i``."""
        return 0, int(self.table[i, layout.H_OUT])


class EventModule(SpikingModule):
    """A network with learnable weights and delays, trained event by event on the CPU.

    ``respond`` is ``SpikingModule``'s with the same result; all else is inherited, dense.
    ``threads`` share a batch's recordings.
    """

    def __init__(
        self,
        network: Network,
        surrogate: Surrogate = Surrogate(),
        *,
        last: Surrogate | None = None,
        threads: int = 2,
    ) -> None:
        super().__init__(network, surrogate, last=last)
        self.threads = threads
        self._layers = Layers(network)
        self._pool = ThreadPoolExecutor(threads, "retina-train")
        self._rooms = [Room(self._layers.table) for _ in range(threads)]

    def respond(self, batch: Sequence[Bins], masks: Sequence[Tensor] | None = None) -> Response:
        """Return the answer to recordings of equally many bins (``pipeline.binning.Bins`` each).

        ``masks`` [B, C, H, W], one for each layer but the last, scale what a layer passes on.
        """
        steps = len(batch[0][0])
        for b, (offsets, _, _) in enumerate(batch):
            if len(offsets) != steps:
                raise ValueError(
                    f"recording {b} has {len(offsets) - 1} bins, the first has {steps - 1}"
                )
        factors = [m.detach().permute(0, 2, 3, 1).flatten(1).numpy() for m in masks or ()]
        parameters = [*self.weights, *self.delays]
        # Asked within the function, it would always say no.
        learns = torch.is_grad_enabled()
        surrogates = self.constants if learns else [None] * len(self.surrogates)
        out, spikes = _Run.apply(self, batch, factors, surrogates, *parameters)  # type: ignore[no-untyped-call]
        return Response(out, spikes)

    def share(self, work: Callable[[int, Room, int], None], batch: int) -> None:
        """Call ``work(recording, room, thread)`` for every recording, in a fixed order a thread."""

        def run(thread: int) -> None:
            for b in range(thread, batch, self.threads):
                work(b, self._rooms[thread], thread)

        for done in [self._pool.submit(run, i) for i in range(min(self.threads, batch))]:
            done.result()

    @property
    def layers(self) -> Layers:
        """The layers with the parameters' present values."""
        self._layers.take(_arrays(self.weights), _arrays(self.delays))
        return self._layers

    @property
    def constants(self) -> list[Floats]:
        """Kind, support, width and scale of each layer's surrogate as the kernels take them."""
        theta = float(self._layers.constants[THETA])
        return [
            np.array(
                [s.code, s.support(theta), s.width * theta, s.scale / (s.width * theta)], np.float32
            )
            for s in self.surrogates
        ]


class _Run(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        module: EventModule,
        batch: Sequence[Bins],
        factors: list[Floats],
        surrogates: list[Floats | None],
        *_: Tensor,
    ) -> tuple[Tensor, Tensor]:
        layers = module.layers
        network = layers.network
        count = len(network.layers)
        steps = len(batch[0][0]) - 1
        size = math.prod(network.shapes[-1])
        out = np.zeros((steps, len(batch), size), np.float32)
        spikes = np.zeros((len(batch), count), np.float32)
        trains: list[list[Train]] = [[] for _ in batch]
        nears: list[list[Near | None]] = [[] for _ in batch]

        def work(b: int, room: Room, _thread: int) -> None:
            train = layers.inputs(batch[b])
            for i in range(count):
                trains[b].append(train)
                train, near, _ = layers.forward(i, train, room, surrogates[i], layers.whole(i))
                nears[b].append(near)
                spikes[b, i] = len(train.index)
                if i < len(factors):
                    train.value = factors[i][b][train.index]
            layer_kernels.spread(train.offsets, train.index, layers.table[-1], out[:, b])

        module.share(work, len(batch))
        ctx.kept = module, trains, nears, factors
        return torch.from_numpy(out).view(steps, len(batch), *network.shapes[-1]), torch.from_numpy(
            spikes
        )

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        module, trains, nears, factors = ctx.kept
        layers: Layers = module.layers
        grad_out = grads[0].flatten(2).contiguous().numpy()
        grad_spikes = grads[1].numpy()
        count = len(layers.network.layers)
        threads = module.threads
        grad = np.zeros((threads, len(layers.weights)), np.float32)
        delay_grad = np.zeros((threads, len(layers.delays)), np.float32)
        held = int((layers.table[:, layout.NEURONS] * layers.table[:, layout.SLOTS]).max())
        errors = np.zeros((threads, held), np.float32)
        none = Near(np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))

        def work(b: int, room: Room, thread: int) -> None:
            near = nears[b][-1]
            error = np.empty(len(near.index), np.float32)
            layer_kernels.pick(near.offsets, near.index, layers.table[-1], grad_out[:, b], error)
            error += grad_spikes[b, count - 1]
            for i in range(count - 1, -1, -1):
                row, train, near = layers.table[i], trains[b][i], nears[b][i]
                below = nears[b][i - 1] if i else none
                offsets = below.offsets if i else np.zeros(len(train.offsets), np.int64)
                low_error = np.zeros(len(below.index), np.float32)
                n = row[layout.NEURONS]
                layer_kernels.backward(
                    row,
                    layers.reach,
                    layers.constants,
                    layers.weights,
                    layers.delays,
                    train.offsets,
                    train.index,
                    train.value,
                    offsets,
                    below.index,
                    near.offsets,
                    near.index,
                    near.rho,
                    error,
                    room.x[:n],
                    room.y[:n],
                    room.delta[:n],
                    errors[thread][: n * row[layout.SLOTS]],
                    room.awake[: n // layout.BLOCK],
                    grad[thread],
                    delay_grad[thread],
                    low_error,
                )
                if i:
                    if i <= len(factors):
                        low_error *= factors[i - 1][b][below.index]
                    low_error += grad_spikes[b, i - 1]
                    error = low_error

        module.share(work, len(trains))
        weights, delays = grad.sum(0), delay_grad.sum(0)
        found: list[Tensor | None] = []
        for i, weight in enumerate(module.weights):
            if isinstance(layers.network.layers[i], Pool):
                found.append(None)
                continue
            back = np.zeros(weight.shape, np.float32)
            lo = layers.table[i, layout.FIRST_WEIGHT]
            layout.unlay(weights[lo : lo + len(layers.orders[i])], layers.orders[i], back)
            found.append(torch.from_numpy(back))
        for i, delay in enumerate(module.delays):
            lo = layers.table[i, layout.FIRST_DELAY]
            # A delay is in ms, its gradient was found per bin.
            part = delays[lo : lo + delay.numel()] / layers.network.neuron.ts_ms
            found.append(
                torch.from_numpy(part.astype(np.float32)).view(delay.shape)
                if delay.numel()
                else None
            )
        return None, None, None, None, *found


def _arrays(parameters: torch.nn.ParameterList) -> list[Floats | None]:
    return [
        cast("Tensor", p).detach().numpy() if cast("Tensor", p).numel() else None
        for p in parameters
    ]
