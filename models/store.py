"""Models on disk: weights as safetensors, everything else as JSON in the file's metadata.

    metadata  format = "silicon-retina-classifier", version = "1", and ``model``, JSON with the
              network's diagram, input shape, neuron constants, classes, bin and window
    tensors   layers.<i>.weight, float32, one for each layer that has weights

Nothing here needs torch: a stream can start without it.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from models.network import Network, Neuron, parse
from pipeline.errors import ModelError

FORMAT = "silicon-retina-classifier"
VERSION = "1"

MAX_NEURONS = 2**27
"""The largest network that is loaded: its state takes 20 bytes a neuron."""

WEIGHTS_DIR = Path(__file__).parent / "weights"
"""Where the shipped models lie."""

SHIPPED = ("nmnist-classifier",)
"""Names of the models that ship with the project."""


@dataclass(frozen=True, slots=True)
class Model:
    """A network with its weights: one float32 array a layer in ``Network.weight_shapes``' shape.

    ``classes`` are the labels of the output neurons in order; ``bin_us`` is the length of a
    step, ``window_us`` the time after which an answer is due.
    """

    network: Network
    weights: tuple[NDArray[np.float32] | None, ...]
    classes: tuple[int, ...]
    bin_us: int = 1_000
    window_us: int = 300_000
    name: str = ""

    @property
    def n_bins(self) -> int:
        """Bins in a window."""
        return self.window_us // self.bin_us


class _Description(msgspec.Struct, forbid_unknown_fields=True):
    network: str
    input_shape: tuple[int, int, int]
    neuron: Neuron
    classes: tuple[int, ...]
    bin_us: int
    window_us: int


def save(model: Model, path: str | Path) -> None:
    """Write a model to ``path`` (``.safetensors``), whole or not at all.

    Raises ModelError where the model is not one (see ``load``) or the file cannot be written.
    """
    path = Path(path)
    check(model, str(path))
    network = model.network
    described = _Description(
        network.spec,
        network.input_shape,
        network.neuron,
        model.classes,
        model.bin_us,
        model.window_us,
    )
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "model": msgspec.json.encode(described).decode(),
    }
    tensors = {
        f"layers.{i}.weight": np.ascontiguousarray(weight, np.float32)
        for i, weight in enumerate(model.weights)
        if weight is not None
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
    another version, or where its weights do not fit its network or are not finite.
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
    names = [f"layers.{i}.weight" if s else None for i, s in enumerate(network.weight_shapes)]
    extra = sorted(set(tensors) - set(names))
    if extra:
        raise ModelError(f"{path}: has {extra[0]!r}, which {network.spec} has no place for")
    weights = tuple(tensors.get(name) if name else None for name in names)
    model = Model(
        network,
        weights,
        described.classes,
        described.bin_us,
        described.window_us,
        str(name_or_path) if shipped else path.stem,
    )
    check(model, str(path), described.input_shape)
    return model


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
    if len(model.weights) != len(network.layers):
        raise ModelError(
            f"{where}: {len(model.weights)} layers of weights, {network.spec} has "
            f"{len(network.layers)}"
        )
    for i, (shape, weight) in enumerate(zip(network.weight_shapes, model.weights, strict=True)):
        name = f"layers.{i}.weight"
        if shape is None:
            if weight is not None:
                raise ModelError(f"{where}: has {name!r}, which {network.spec} has no place for")
            continue
        if weight is None:
            raise ModelError(f"{where}: {name!r} is missing, expected shape {shape}")
        if weight.shape != shape or weight.dtype != np.float32:
            raise ModelError(
                f"{where}: {name!r} is {weight.dtype} {weight.shape}, expected float32 {shape}"
            )
        if not np.isfinite(weight).all():
            raise ModelError(f"{where}: {name!r} holds values that are not finite")
    outputs = math.prod(network.shapes[-1])
    if len(model.classes) != outputs or len(set(model.classes)) != outputs:
        raise ModelError(
            f"{where}: classes {model.classes} are not one for each of {outputs} output neurons"
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
