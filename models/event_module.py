"""A network as a torch module on lists of spikes: event-driven training on the CPU.

The same network and gradient as ``models.module.SpikingModule``, but what is computed and kept
follows the spikes, not neurons × bins (``models.layer_kernels``). Threads take recordings as they
come free, the longest first; their gradients are summed in that order whoever is done when, so
that any number of threads gives the same gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Lock
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from models import layer_kernels, layout
from models.event_layers import Floats, Layers, Near, Room, Train, masked
from models.lanes import zeros
from models.module import Response, SpikingModule
from models.network import Network, Pool
from models.step_kernels import THETA
from models.surrogate import Surrogate
from pipeline.binning import Bins


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

    def share(self, work: Callable[[int, Room], None], costs: Sequence[int]) -> None:
        """Call ``work(recording, room)`` for every recording, the costliest first."""
        waiting = iter(dearest(costs))

        def run(room: Room) -> None:
            for b in waiting:
                work(b, room)

        # All are done before an error leaves here: their rooms are free then.
        done = [self._pool.submit(run, room) for room in self._rooms[: len(costs)]]
        wait(done)
        for each in done:
            each.result()

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


class InOrder:
    """Sums arrays in the order of ``order``, whatever the order and the thread they come in."""

    def __init__(self, order: Sequence[int]) -> None:
        self.total: Floats = np.zeros(0, np.float32)
        self._order = list(order)
        self._next = 0
        self._early: dict[int, Floats] = {}
        self._lock = Lock()

    def add(self, who: int, part: Floats) -> None:
        """Take ``who``'s array, float32 of equal length for all; it is kept and changed."""
        with self._lock:
            self._early[who] = part
            while self._next < len(self._order) and self._order[self._next] in self._early:
                part = self._early.pop(self._order[self._next])
                self.total = np.add(self.total, part, out=part) if self._next else part
                self._next += 1


def dearest(costs: Sequence[int]) -> list[int]:
    """Return the places of ``costs``, the highest first, equal ones as they are."""
    return sorted(range(len(costs)), key=lambda b: -costs[b])


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

        def work(b: int, room: Room) -> None:
            train = layers.inputs(batch[b])
            for i in range(count):
                trains[b].append(train)
                train, near, _ = layers.forward(i, train, room, surrogates[i], layers.whole(i))
                nears[b].append(near)
                spikes[b, i] = len(train.index)
                if i < len(factors):
                    train = masked(train, factors[i][b])
            layer_kernels.spread(train.offsets, train.index, layers.table[-1], out[:, b])

        module.share(work, [len(recording.index) for recording in batch])
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
        costs = [sum(len(x.index) for x in (*trains[b], *nears[b])) for b in range(len(trains))]
        weights = InOrder(dearest(costs))
        delays = InOrder(dearest(costs))
        none = Near(np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))

        def work(b: int, room: Room) -> None:
            grad = zeros(len(layers.weights), np.float32)
            delay_grad = np.zeros(len(layers.delays), np.float32)
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
                    layers.rhythm,
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
                    room.x[:n] if row[layout.SLOTS] > 1 else room.error[:n],
                    room.y[:n],
                    room.error[: n * row[layout.SLOTS]],
                    room.awake[: n // layout.BLOCK],
                    grad,
                    delay_grad,
                    low_error,
                )
                if i:
                    if i <= len(factors):
                        low_error *= factors[i - 1][b][below.index]
                    low_error += grad_spikes[b, i - 1]
                    error = low_error
            weights.add(b, grad)
            delays.add(b, delay_grad)

        module.share(work, costs)
        found: list[Tensor | None] = []
        for i, weight in enumerate(module.weights):
            if isinstance(layers.network.layers[i], Pool):
                found.append(None)
                continue
            back = np.zeros(weight.shape, np.float32)
            lo = layers.table[i, layout.FIRST_WEIGHT]
            layout.unlay(weights.total[lo : lo + len(layers.orders[i])], layers.orders[i], back)
            found.append(torch.from_numpy(back))
        for i, delay in enumerate(module.delays):
            lo = layers.table[i, layout.FIRST_DELAY]
            # A delay is in ms, its gradient was found per bin.
            part = delays.total[lo : lo + delay.numel()] / layers.network.neuron.ts_ms
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
