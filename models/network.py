"""What a network is made of: layers, their shapes and the neuron's constants; no weights.

A network reads like its diagram, ``2-16c5-2a-32c3-2a-64c3-10``:

    2       input channels (0 OFF, 1 ON); only at the front
    16c5    convolution to 16 features, kernel 5×5; ``s2`` after it strides, ``p0`` pads
            (``16c5s2p2``); without them stride 1 and padding 1
    2a      sum-pooling over 2×2 (every weight 1.1 θ), followed by the neuron like any layer
    10      dense layer to 10 neurons

A convolution or dense layer may learn delays: ``d`` after it (``16c5d``) gives every input
channel a delay, ``D`` (``10D``) every group of synapses from one input channel to one feature.

Every layer's neurons have the same constants (``models.neuron``). Notation: Shrestha and Orchard,
"SLAYER: Spike Layer Error Reassignment in Time", NeurIPS 2018.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import msgspec

from models.neuron import SRM, Neuron

Shape = tuple[int, int, int]
Delays = Literal["none", "channel", "group"]

MAX_DELAY_MS = 64
"""No synapse is slower than this."""

POOL_WEIGHT = 1.1
"""Weight of a sum-pooling synapse in units of the threshold."""


@dataclass(frozen=True, slots=True)
class Conv:
    """Convolution (cross-correlation) to ``features`` channels."""

    features: int
    kernel: int
    stride: int = 1
    padding: int = 1
    delays: Delays = "none"

    def out_shape(self, shape: Shape) -> Shape:
        """Return the output's (C, H, W)."""
        _, height, width = shape
        span = 2 * self.padding - self.kernel
        return (
            self.features,
            (height + span) // self.stride + 1,
            (width + span) // self.stride + 1,
        )

    def weight_shape(self, shape: Shape) -> tuple[int, ...] | None:
        """Return (features, C, kernel, kernel)."""
        return (self.features, shape[0], self.kernel, self.kernel)

    def delay_shape(self, shape: Shape) -> tuple[int, ...] | None:
        """Return (C,) or (features, C), None without delays."""
        return _delay_shape(self, shape)


@dataclass(frozen=True, slots=True)
class Pool:
    """Sum-pooling over ``size``×``size``; rows and columns that do not fill a square are cut."""

    size: int

    def out_shape(self, shape: Shape) -> Shape:
        """Return the output's (C, H, W)."""
        return (shape[0], shape[1] // self.size, shape[2] // self.size)

    def weight_shape(self, shape: Shape) -> tuple[int, ...] | None:
        """Return None: nothing is learned."""
        return None

    def delay_shape(self, shape: Shape) -> tuple[int, ...] | None:
        """Return None: nothing is learned."""
        return None


@dataclass(frozen=True, slots=True)
class Dense:
    """Every input to each of ``features`` neurons."""

    features: int
    delays: Delays = "none"

    def out_shape(self, shape: Shape) -> Shape:
        """Return the output's (features, 1, 1)."""
        return (self.features, 1, 1)

    def weight_shape(self, shape: Shape) -> tuple[int, ...] | None:
        """Return (features, C·H·W), the inputs in the order of (C, H, W)."""
        return (self.features, math.prod(shape))

    def delay_shape(self, shape: Shape) -> tuple[int, ...] | None:
        """Return (C,) or (features, C), None without delays."""
        return _delay_shape(self, shape)


Layer = Conv | Pool | Dense


def _delay_shape(layer: Conv | Dense, shape: Shape) -> tuple[int, ...] | None:
    if layer.delays == "none":
        return None
    return (shape[0],) if layer.delays == "channel" else (layer.features, shape[0])


_TOKEN = re.compile(
    r"(?P<features>[1-9]\d*)c(?P<kernel>[1-9]\d*)(?:s(?P<stride>[1-9]\d*))?(?:p(?P<padding>\d+))?"
    r"(?P<conv_delays>[dD])?|(?P<pool>[1-9]\d*)a|(?P<dense>[1-9]\d*)(?P<dense_delays>[dD])?"
)

_DELAYS: dict[str | None, Delays] = {None: "none", "d": "channel", "D": "group"}


@dataclass(frozen=True, slots=True)
class Network:
    """Layers on an input of (C, H, W), all with the same neuron."""

    spec: str
    input_shape: Shape
    layers: tuple[Layer, ...]
    neuron: Neuron = SRM()

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """(C, H, W) of the input and of every layer's output."""
        shapes = [self.input_shape]
        for layer in self.layers:
            shapes.append(layer.out_shape(shapes[-1]))
        return tuple(shapes)

    @property
    def weight_shapes(self) -> tuple[tuple[int, ...] | None, ...]:
        """Shape of every layer's weights, None for a layer without."""
        return tuple(
            layer.weight_shape(shape)
            for layer, shape in zip(self.layers, self.shapes, strict=False)
        )

    @property
    def delay_shapes(self) -> tuple[tuple[int, ...] | None, ...]:
        """Shape of every layer's delays, None for a layer without."""
        return tuple(
            layer.delay_shape(shape) for layer, shape in zip(self.layers, self.shapes, strict=False)
        )

    @property
    def pooling(self) -> float:
        """The weight of a sum-pooling synapse."""
        return POOL_WEIGHT * self.neuron.theta

    @property
    def names(self) -> tuple[str, ...]:
        """What the input and the layers are called: ``input``, ``16c5``, ``2a``, ..."""
        return ("input", *self.spec.split("-")[1:])

    def with_threshold(self, times: float) -> Network:
        """Return the network whose neurons have ``times`` their threshold θ.

        Raises ValueError where that is no neuron.
        """
        neuron = msgspec.structs.replace(self.neuron, theta=self.neuron.theta * times)
        return replace(self, neuron=neuron)

    @property
    def neurons(self) -> int:
        """How many neurons all layers have together."""
        return sum(math.prod(shape) for shape in self.shapes[1:])


def parse(spec: str, height: int, width: int, neuron: Neuron | None = None) -> Network:
    """Build the network that ``spec`` describes on an input of ``height``×``width`` pixels.

    Raises ValueError naming the part of ``spec`` that cannot be read or does not fit.
    """
    first, *rest = spec.split("-")
    if not re.fullmatch(r"[1-9]\d*", first) or not rest:
        raise ValueError(f"network {spec!r} must begin with input channels and have a layer")
    network = Network(spec, (int(first), height, width), tuple(map(_layer, rest)), neuron or SRM())
    for part, (before, after) in zip(rest, pairwise(network.shapes), strict=True):
        if min(after) < 1:
            raise ValueError(f"network {spec!r}: {part!r} does not fit an input of {before}")
    return network


def _layer(token: str) -> Layer:
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise ValueError(f"{token!r} is no layer, expected 16c5, 16c5s2p2, 16c5d, 2a or 10")
    if match["pool"]:
        return Pool(int(match["pool"]))
    if match["dense"]:
        return Dense(int(match["dense"]), _DELAYS[match["dense_delays"]])
    padding = 1 if match["padding"] is None else int(match["padding"])
    return Conv(
        int(match["features"]),
        int(match["kernel"]),
        int(match["stride"] or 1),
        padding,
        _DELAYS[match["conv_delays"]],
    )
