"""The same network stepped bin by bin in torch, many streams at once: for a GPU.

On CUDA a step is recorded once as a CUDA graph and replayed: one launch a bin, whatever the number
of layers and streams.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.layout import whole_bins
from models.module import weigh
from models.network import Dense, Pool
from models.stepper import Spiked
from models.store import Model

Bin = tuple[NDArray[np.uint32], NDArray[np.uint8]]
"""One bin of a stream: inputs that are active, flat in (C, H, W), and their counts."""


class TorchStepper:
    """Streams through a model on a torch device; with one stream, ``Stepper``'s interface.

    Its weighted sums are added in another order than ``Stepper``'s, so that a potential may
    differ in its last digits and, where it lies that near the threshold, a spike may.

    streams   how many streams (cameras) share a batch, each with a state of its own
    """

    def __init__(self, model: Model, device: str = "cuda", streams: int = 1) -> None:
        network = model.network
        self.input_shape = model.input_shape
        self.output_shape = model.output_shape
        self.classes = model.classes
        self.bin_us = model.bin_us
        self.window_us = model.window_us
        self.streams = streams
        self.network = network
        self._network = network
        self._threshold = 1.0
        self._dynamics = network.neuron.dynamics
        self._device = torch.device(device)
        if self._device.type == "cuda":
            # TF32 keeps ten bits of a weight: enough to move spikes away from the CPU's.
            torch.backends.cudnn.allow_tf32 = False
        self._weights = [
            None if w is None else torch.tensor(w, device=self._device) for w in model.weights
        ]
        # A weight's synapses of an input differ at the border, so that they are counted by
        # sending the input through weights of one.
        self._fan_out = [
            _fan_out(i, model, None if w is None else torch.ones_like(w), self._device)
            for i, w in enumerate(self._weights)
        ]
        self._state = [self._zeros(4, streams, *shape) for shape in network.shapes[1:]]
        self._delays = [self._delay(i, model) for i in range(len(network.layers))]
        self._past = [
            None if d is None else self._zeros(int(d.max()) + 1, streams, *shape)
            for d, shape in zip(self._delays, network.shapes, strict=False)
        ]
        self._time = torch.zeros((), dtype=torch.int64, device=self._device)
        self._frame = self._zeros(streams, *network.input_shape)
        self._inputs = math.prod(model.input_shape)
        self._each = math.prod(network.input_shape)
        self._saccades = model.saccades
        self._bins = [0] * streams
        self._out = self._zeros(streams, math.prod(self.output_shape))
        self._totals = torch.zeros((2, streams), dtype=torch.int64, device=self._device)
        self._fired: list[Tensor] = []
        self._graph = self._record() if self._device.type == "cuda" else None

    @property
    def spikes(self) -> int:
        """Spikes of all neurons of all streams since the last reset."""
        return int(self._totals[0].sum())

    @property
    def synaptic_operations(self) -> int:
        """Weights added to neurons' inputs since the last reset, once for each spike."""
        return int(self._totals[1].sum())

    @property
    def threshold(self) -> float:
        """How many times its model's own threshold θ a neuron has."""
        return self._threshold

    @threshold.setter
    def threshold(self, times: float) -> None:
        """Let the network be one whose neurons have ``times`` their θ, as ``Stepper`` does."""
        self._network = self.network.with_threshold(times)
        self._threshold = times
        self._dynamics = self._network.neuron.dynamics
        if self._graph is not None:
            # The constants are part of what was recorded; what the neurons know stays.
            held = [(each, each.clone()) for each in self._memory()]
            self._graph = self._record()
            for each, before in held:
                each.copy_(before)

    def spiked(self) -> Spiked:
        """Return who spiked in the last bin, in every layer, as ``Stepper`` does.

        Raises ValueError where there are several streams.
        """
        if self.streams != 1:
            raise ValueError(f"{self.streams} streams spike together, expected one")
        sizes = [math.prod(shape) for shape in self._network.shapes[1:]]
        if not self._fired:
            return np.zeros(len(sizes), np.int64), np.zeros(0, np.uint32)
        flat = torch.cat([fired.flatten() for fired in self._fired])
        places = torch.nonzero(flat).flatten().cpu().numpy()
        starts = np.cumsum([0, *sizes])
        ends = np.searchsorted(places, starts[1:])
        own = places - np.repeat(starts[:-1], np.diff(ends, prepend=0))
        return ends.astype(np.int64), own.astype(np.uint32)

    @torch.no_grad()
    def reset(self, stream: int | None = None) -> None:
        """Forget everything of one stream, or of all: its next bin is the first."""
        which = slice(None) if stream is None else slice(stream, stream + 1)
        for state in (*self._state, *self._past):
            if state is not None:
                state[:, which] = 0
        self._totals[:, which] = 0
        self._bins[which] = [0] * len(self._bins[which])

    def step(self, index: NDArray[np.uint32], count: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Take one bin and return the output layer's spikes in it, ``[n_out]`` int64.

        Arguments and errors are those of ``Stepper.step``. Raises ValueError where there are
        several streams.
        """
        if self.streams != 1:
            raise ValueError(f"{self.streams} streams are stepped together, by step_many")
        out: NDArray[np.int64] = self.step_many([(index, count)])[0]
        return out

    @torch.no_grad()
    def step_many(self, bins: Sequence[Bin]) -> NDArray[np.int64]:
        """Take one bin of every stream and return their output spikes, ``[streams, n_out]`` int64.

        Raises ValueError, without taking any, where a bin's arrays differ in length, an index lies
        outside the input, or there is not one bin a stream.
        """
        if len(bins) != self.streams:
            raise ValueError(f"{len(bins)} bins, expected one for each of {self.streams} streams")
        for index, count in bins:
            if len(index) != len(count):
                raise ValueError(f"{len(index)} indices have {len(count)} counts")
            if len(index) and int(index.max()) >= self._inputs:
                raise ValueError(
                    f"input {int(index.max())} lies outside {self.input_shape}, "
                    f"expected below {self._inputs}"
                )
        flat = [
            np.asarray(index).astype(np.int64) + (s * self._each + int(self._saccades.first(k)))
            for s, ((index, _), k) in enumerate(zip(bins, self._bins, strict=True))
        ]
        self._bins = [k + 1 for k in self._bins]
        places = torch.from_numpy(np.concatenate(flat)).to(self._device)
        counts = np.concatenate([np.asarray(c).astype(np.float32) for _, c in bins])
        values = torch.from_numpy(counts).to(self._device)
        self._frame.zero_().view(-1).index_add_(0, places, values)
        if self._graph is None:
            self._advance()
        else:
            self._graph.replay()
        out: NDArray[np.int64] = self._out.to(torch.int64).cpu().numpy()
        return out

    def _memory(self) -> list[Tensor]:
        """Return all that changes from bin to bin."""
        past = [each for each in self._past if each is not None]
        return [*self._state, *past, self._time, self._totals]

    def _zeros(self, *shape: int) -> Tensor:
        return torch.zeros(shape, device=self._device)

    def _delay(self, i: int, model: Model) -> Tensor | None:
        """Return layer ``i``'s delays in bins, ``[C]`` or ``[features, C]``; None without."""
        delay = model.delay(i)
        if delay is None:
            return None
        whole = whole_bins(delay, model.network.neuron.ts_ms).reshape(delay.shape)
        return torch.from_numpy(whole).to(self._device)

    def _advance(self) -> None:
        """Take the bin in ``_frame``: on buffers that stay where they are, without the host."""
        spikes = self._frame
        fired = []
        for i in range(len(self._network.layers)):
            self._totals[1] += (spikes * self._fan_out[i]).sum((1, 2, 3)).to(torch.int64)
            spikes = self._layer(i, spikes)
            fired.append(spikes)
            self._totals[0] += spikes.sum((1, 2, 3)).to(torch.int64)
        # A recorded graph fills the same tensors again as long as they are held.
        self._fired = fired
        self._out.copy_(spikes.flatten(1))
        self._time += 1

    def _layer(self, i: int, spikes: Tensor) -> Tensor:
        d = self._dynamics
        current = self._current(i, spikes)
        x, y, q, r = self._state[i]
        y.mul_(d.decay_y).add_(x, alpha=d.late)
        x.mul_(d.decay_x).add_(current)
        if d.soon:
            y.add_(x, alpha=d.soon)
        q.mul_(d.decay_q).add_(r, alpha=d.reset)
        fired: Tensor = (y + q >= d.theta).to(x.dtype)
        r.mul_(d.decay_r).add_(fired)
        return fired

    def _current(self, i: int, spikes: Tensor) -> Tensor:
        layer, weight, delay = self._network.layers[i], self._weights[i], self._delays[i]
        past = self._past[i]
        if delay is None or past is None or isinstance(layer, Pool):
            return weigh(layer, weight, spikes, self._network.pooling)
        assert weight is not None
        slots = len(past)
        past.index_copy_(0, (self._time % slots)[None], spikes[None])
        channels = torch.arange(spikes.shape[1], device=self._device)
        # [streams, C, H, W], or [streams, features, C, H, W]: what each synapse hears now.
        due = past[(self._time - delay) % slots, :, channels].movedim(-3, 0)
        if layer.delays == "channel":
            return weigh(layer, weight, due, self._network.pooling)
        if isinstance(layer, Dense):
            summed = (due.flatten(2) * weight).sum(2)
            return summed[:, :, None, None]
        return functional.conv2d(
            due.flatten(1, 2),
            weight,
            stride=layer.stride,
            padding=layer.padding,
            groups=layer.features,
        )

    @torch.no_grad()
    def _record(self) -> Any:
        """Return a CUDA graph of ``_advance`` or None; CUDA wants a few steps before it."""
        aside = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(aside):
            for _ in range(3):
                self._advance()
        torch.cuda.current_stream(self._device).wait_stream(aside)
        graph: Any = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self._advance()
        except RuntimeError as error:
            # Slower, and the same spikes.
            graph = None
            why = str(error).splitlines()[0]
            sys.stderr.write(f"cuda: no graph could be captured, steps go one by one: {why}\n")
        self.reset()
        return graph


def _fan_out(i: int, model: Model, ones: Tensor | None, device: torch.device) -> Tensor:
    """Return how many synapses each input of layer ``i`` has, in the input's (C, H, W)."""
    network = model.network
    probe = torch.zeros((1, *network.shapes[i]), device=device, requires_grad=True)
    weighed = weigh(network.layers[i], ones, probe, network.pooling)
    (fan,) = torch.autograd.grad(weighed.sum(), probe)
    # Pooling's one synapse has a weight of its own.
    return (fan != 0).to(fan.dtype) if ones is None else fan.round()
