"""Models on disk: weights as safetensors, everything else as JSON in the file's metadata.

    metadata  format = "silicon-retina-model", version = "2", and ``model``, JSON with the
              task, the network's diagram, input shape, neuron, classes, intensity, bin and window
    tensors   layers.<i>.weight, float32, one for each layer that has weights;
              layers.<i>.delay, float32 in ms, one for each layer that has delays

Nothing here needs torch: a stream can start without it.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from models.card import check_card
from models.network import MAX_DELAY_MS, Dense, Network, Shape, parse
from models.neuron import CUBA, LIF, SRM
from models.saccades import Saccades, starts
from pipeline.errors import ModelError

FORMAT = "silicon-retina-model"
VERSION = "2"

MAX_NEURONS = 2**27
"""The largest network that is loaded: its state takes 20 bytes a neuron."""

WEIGHTS_DIR = Path(__file__).parent / "weights"
"""Where the shipped models lie."""

SHIPPED = tuple(sorted(path.stem for path in WEIGHTS_DIR.glob("*.safetensors")))
"""Names of the models that ship with the project."""


Task = Literal["classifier", "reconstructor"]


class Intensity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A pixel's intensity in [0, 1] from its neuron's spikes in a window.

    With a = spikes/scale − offset: ``sigmoid`` is 1/(1 + exp(−a)), the report's and, with its
    constants, the default (half at ``scale · offset`` = 35 spikes); ``linear`` is a between 0 and
    1, so that a silent pixel is black.
    """

    scale: float = 10.0
    offset: float = 3.5
    kind: Literal["sigmoid", "linear"] = "sigmoid"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale > 0 and math.isfinite(self.offset)):
            raise ValueError(f"intensity of scale {self.scale!r} and offset {self.offset!r}")

    def of(self, spikes: NDArray[Any]) -> NDArray[np.float32]:
        """Return the intensities of spikes in a window, float32 in the same shape."""
        a = np.asarray(spikes, np.float32) / np.float32(self.scale) - np.float32(self.offset)
        found: NDArray[np.float32] = (
            np.clip(a, 0, 1) if self.kind == "linear" else 1 / (1 + np.exp(-a))
        )
        return found


@dataclass(frozen=True, slots=True)
class Model:
    """A network with its weights and delays, and what its output means.

    weights, delays   one float32 array a layer in ``Network.weight_shapes`` and ``delay_shapes``
                      (delays in ms); None for a layer without. No ``delays`` at all: none anywhere
    classes           labels of a classifier's output neurons in order, empty for a reconstructor
    bin_us            length of a step
    window_us         time after which an answer is due
    intensity         how a reconstructor's spikes become an image
    saccades_ms       when each saccade of a window begins, where each has input channels of its own
                      (``models.saccades``); none where all share the channels
    """

    network: Network
    weights: tuple[NDArray[np.float32] | None, ...]
    classes: tuple[int, ...] = ()
    bin_us: int = 1_000
    window_us: int = 300_000
    name: str = ""
    task: Task = "classifier"
    delays: tuple[NDArray[np.float32] | None, ...] = ()
    intensity: Intensity = Intensity()
    saccades_ms: tuple[float, ...] = ()

    @property
    def n_bins(self) -> int:
        """Bins in a window."""
        return self.window_us // self.bin_us

    @property
    def input_shape(self) -> Shape:
        """(C, H, W) of a bin of events: the network's input, or that of one saccade."""
        channels, height, width = self.network.input_shape
        return channels // max(1, len(self.saccades_ms)), height, width

    @property
    def saccades(self) -> Saccades:
        """What tells the network which saccade it sees."""
        begins = starts(self.saccades_ms, self.network.neuron.ts_ms)
        return Saccades(begins, self.n_bins, math.prod(self.input_shape))

    @property
    def output_shape(self) -> Shape:
        """(C, H, W) of the output layer."""
        return self.network.shapes[-1]

    def delay(self, i: int) -> NDArray[np.float32] | None:
        """Return the delays of layer ``i`` in ms, None where it has none."""
        return self.delays[i] if self.delays else None

    def at(self, height: int, width: int) -> Model:
        """Return the same model on a sensor of another size, where all its layers slide.

        Raises ModelError where a dense layer fixes the size, or the sensor is too small.
        """
        network = self.network
        if (height, width) == network.input_shape[1:]:
            return self
        if any(isinstance(layer, Dense) for layer in network.layers):
            _, h, w = network.input_shape
            raise ModelError(
                f"{self.name or network.spec}: has a dense layer, takes {w}×{h} pixels alone, "
                f"not {width}×{height}"
            )
        try:
            moved = parse(network.spec, height, width, network.neuron)
        except ValueError as error:
            raise ModelError(f"{self.name or network.spec}: {error}") from None
        return replace(self, network=moved)


class _Description(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    task: Task
    network: str
    input_shape: tuple[int, int, int]
    neuron: SRM | CUBA | LIF
    classes: tuple[int, ...]
    bin_us: int
    window_us: int
    intensity: Intensity = Intensity()
    saccades_ms: tuple[float, ...] = ()


def save(model: Model, path: str | Path) -> None:
    """Write a model to ``path`` (``.safetensors``), whole or not at all.

    Raises ModelError where the model is not one (see ``load``) or the file cannot be written.
    """
    path = Path(path)
    check(model, str(path))
    network = model.network
    described = _Description(
        task=model.task,
        network=network.spec,
        input_shape=network.input_shape,
        neuron=network.neuron,
        classes=model.classes,
        bin_us=model.bin_us,
        window_us=model.window_us,
        intensity=model.intensity,
        saccades_ms=model.saccades_ms,
    )
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "model": msgspec.json.encode(described).decode(),
    }
    tensors = {
        f"layers.{i}.{what}": np.ascontiguousarray(array, np.float32)
        for what, arrays in (("weight", model.weights), ("delay", model.delays))
        for i, array in enumerate(arrays)
        if array is not None
    }
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(to_bytes(tensors, metadata))
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise ModelError(f"{path}: cannot be written: {error.strerror}") from None


def load(name_or_path: str | Path) -> Model:
    """Load a shipped model by its name, or any by its path.

    Raises ModelError where there is no such model, the file is not safetensors or not ours, has
    another version, where its weights do not fit its network or are not finite, or where the card
    beside it is of another model.
    """
    shipped = str(name_or_path) in SHIPPED
    path = WEIGHTS_DIR / f"{name_or_path}.safetensors" if shipped else Path(name_or_path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "no such model"
        raise ModelError(
            f"{name_or_path}: {what}, expected a file (.safetensors) or {', '.join(SHIPPED)}"
        )
    try:
        with safe_open(path, framework="numpy") as file:
            metadata: dict[str, str] = file.metadata() or {}
            described = _describe(metadata, path)
            tensors: dict[str, NDArray[Any]] = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, TypeError) as error:
        raise ModelError(f"{path}: is no safetensors file ({error})") from None
    try:
        _, height, width = described.input_shape
        network = parse(described.network, height, width, described.neuron)
    except ValueError as error:
        raise ModelError(f"{path}: {error}") from None
    weights = _take(tensors, "weight", network.weight_shapes)
    delays = _take(tensors, "delay", network.delay_shapes)
    if tensors:
        raise ModelError(f"{path}: has {min(tensors)!r}, which {network.spec} has no place for")
    model = Model(
        network,
        weights,
        described.classes,
        described.bin_us,
        described.window_us,
        str(name_or_path) if shipped else path.stem,
        described.task,
        delays,
        described.intensity,
        described.saccades_ms,
    )
    check(model, str(path), described.input_shape)
    check_card(path, needed=shipped)
    return model


def _take(
    tensors: dict[str, NDArray[Any]], what: str, shapes: tuple[tuple[int, ...] | None, ...]
) -> tuple[NDArray[Any] | None, ...]:
    return tuple(
        None if shape is None else tensors.pop(f"layers.{i}.{what}", None)
        for i, shape in enumerate(shapes)
    )


def check(model: Model, where: str, input_shape: Sequence[int] | None = None) -> None:
    """Raise ModelError naming ``where`` unless the model's parts agree with each other."""
    network = model.network
    if network.neurons > MAX_NEURONS:
        raise ModelError(
            f"{where}: {network.spec} has {network.neurons:,} neurons, expected at most "
            f"{MAX_NEURONS:,}"
        )
    if input_shape is not None and tuple(input_shape) != network.input_shape:
        raise ModelError(
            f"{where}: input shape {tuple(input_shape)} disagrees with {network.spec}, "
            f"expected {network.input_shape}"
        )
    _fit(where, network, "weight", model.weights, network.weight_shapes)
    without: tuple[None, ...] = (None,) * len(network.layers)
    _fit(where, network, "delay", model.delays or without, network.delay_shapes)
    for i, delay in enumerate(model.delays):
        if delay is not None and not ((delay >= 0) & (delay <= MAX_DELAY_MS)).all():
            raise ModelError(
                f"{where}: 'layers.{i}.delay' has {delay.min():g} to {delay.max():g} ms, "
                f"expected 0 to {MAX_DELAY_MS}"
            )
    _check_saccades(model, where)
    outputs = math.prod(network.shapes[-1])
    if model.task == "classifier":
        if len(model.classes) != outputs or len(set(model.classes)) != outputs:
            raise ModelError(
                f"{where}: classes {model.classes} are not one for each of {outputs} output neurons"
            )
    elif model.classes or network.shapes[-1][0] != 1:
        raise ModelError(
            f"{where}: a reconstructor has one output channel and no classes, this one "
            f"{network.shapes[-1][0]} and {len(model.classes)}"
        )
    if model.bin_us < 1 or model.window_us < model.bin_us:
        raise ModelError(
            f"{where}: window of {model.window_us} µs and bin of {model.bin_us} µs, expected a "
            "window of at least one bin"
        )
    if model.bin_us != round(network.neuron.ts_ms * 1000):
        raise ModelError(
            f"{where}: bin of {model.bin_us} µs disagrees with the neuron's step of "
            f"{network.neuron.ts_ms} ms"
        )


def _check_saccades(model: Model, where: str) -> None:
    try:
        begins = starts(model.saccades_ms, model.network.neuron.ts_ms)
    except ValueError as error:
        raise ModelError(f"{where}: {error}") from None
    channels, times = model.network.input_shape[0], len(begins)
    if begins and (channels % times or begins[-1] >= model.n_bins):
        raise ModelError(
            f"{where}: saccades at {model.saccades_ms} ms, expected within the window of "
            f"{model.window_us / 1000:g} ms and as many input channels for each, "
            f"{model.network.spec} has {channels} in all"
        )


def _fit(
    where: str,
    network: Network,
    what: str,
    arrays: Sequence[NDArray[np.float32] | None],
    shapes: Sequence[tuple[int, ...] | None],
) -> None:
    if len(arrays) != len(shapes):
        raise ModelError(
            f"{where}: {len(arrays)} layers of {what}s, {network.spec} has {len(shapes)}"
        )
    for i, (shape, array) in enumerate(zip(shapes, arrays, strict=True)):
        name = f"layers.{i}.{what}"
        if shape is None:
            if array is not None:
                raise ModelError(f"{where}: has {name!r}, which {network.spec} has no place for")
            continue
        if array is None:
            raise ModelError(f"{where}: {name!r} is missing, expected shape {shape}")
        if array.shape != shape or array.dtype != np.float32:
            raise ModelError(
                f"{where}: {name!r} is {array.dtype} {array.shape}, expected float32 {shape}"
            )
        if not np.isfinite(array).all():
            raise ModelError(f"{where}: {name!r} holds values that are not finite")


def _describe(metadata: dict[str, str], path: Path) -> _Description:
    if metadata.get("format") != FORMAT:
        raise ModelError(
            f"{path}: is no model of ours: format {metadata.get('format')!r}, expected {FORMAT!r}"
        )
    if metadata.get("version") != VERSION:
        raise ModelError(
            f"{path}: version {metadata.get('version')!r}, this program reads {VERSION!r}"
        )
    try:
        return msgspec.json.decode(metadata.get("model", ""), type=_Description)
    except (msgspec.DecodeError, ValueError) as error:
        raise ModelError(f"{path}: its description cannot be read: {error}") from None
