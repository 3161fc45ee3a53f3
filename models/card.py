"""A model's card: what it is and how it came to be, in words; and whose it is, checked.

A card is ``NAME.md`` beside ``NAME.safetensors``. It ends in a block that a program reads:

    ```toml
    # identity
    sha256 = "…"        of the weights' file
    task = "…"
    network = "…"
    ```
"""

from __future__ import annotations

import hashlib
import math
import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
from safetensors import SafetensorError, safe_open

from models.network import Conv, Dense, Network, Pool
from models.neuron import Neuron
from pipeline.errors import ModelError

_IDENTITY = re.compile(r"^```toml\n# identity\n(.*?)^```", re.M | re.S)


def identity(path: Path) -> dict[str, str]:
    """Return what ties a card to the model file ``path``; raises ModelError."""
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        with safe_open(path, framework="numpy") as file:
            described = msgspec.json.decode((file.metadata() or {})["model"])
        return {
            "sha256": digest,
            "task": str(described["task"]),
            "network": str(described["network"]),
        }
    except (OSError, SafetensorError, KeyError, msgspec.DecodeError) as error:
        raise ModelError(f"{path}: is no model of ours ({error})") from None


def block(path: Path) -> str:
    """Return the block that ends the card of the model file ``path``."""
    lines = [f'{key} = "{value}"' for key, value in identity(path).items()]
    return "\n".join(["```toml", "# identity", *lines, "```"])


def check_card(path: str | Path, *, needed: bool = False) -> None:
    """Raise ModelError where the card beside the model file ``path`` is of another model.

    A text beside it that is no card is passed over, unless a card is ``needed``.
    """
    path = Path(path)
    card = path.with_suffix(".md")
    try:
        text = card.read_text("utf-8") if card.is_file() else ""
    except (OSError, UnicodeDecodeError):
        text = ""
    found = _IDENTITY.search(text)
    if found is None:
        if needed:
            raise ModelError(f"{card}: is missing or has no identity, expected the card of {path}")
        return
    try:
        said: dict[str, Any] = tomllib.loads(found[1])
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"{card}: its identity is not TOML: {error}") from None
    for key, true in identity(path).items():
        if said.get(key) != true:
            raise ModelError(
                f"{card}: disagrees with its weights: {key} {said.get(key)!r}, {path.name} has "
                f"{true!r}"
            )


def renew(path: str | Path) -> None:
    """Bring the identity in the card of ``path`` up to date, or add it; keep all else."""
    path = Path(path)
    card = path.with_suffix(".md")
    text = card.read_text("utf-8") if card.is_file() else f"# {path.stem}\n"
    fresh = block(path)
    if _IDENTITY.search(text):
        text = _IDENTITY.sub(lambda _: fresh, text)
    else:
        text = f"{text.rstrip()}\n\n## Identity\n\n{fresh}\n"
    card.write_text(text, "utf-8")


def diagram(network: Network) -> str:
    """Return a network's layers as a Markdown table."""
    rows = ["| layer | | neurons | weights |", "| --- | --- | --- | --- |"]
    c, h, w = network.input_shape
    tokens = network.spec.split("-")
    each = "" if c == 2 else " of each saccade"
    rows.append(f"| `{tokens[0]}` | input, OFF and ON{each} | {c}@{h}×{w} | |")
    shapes = zip(network.layers, network.shapes[1:], network.weight_shapes, strict=False)
    for token, (layer, (c, h, w), weights) in zip(tokens[1:], shapes, strict=True):
        count = f"{math.prod(weights):,}" if weights else "fixed"
        rows.append(f"| `{token}` | {_describe(layer)} | {c}@{h}×{w} = {c * h * w:,} | {count} |")
    return "\n".join(rows)


def neuron_text(neuron: Neuron) -> str:
    """Return a neuron's constants in one line."""
    kind = type(neuron).__name__
    fields = ", ".join(f"{k} {getattr(neuron, k):g}" for k in neuron.__struct_fields__)
    return f"{kind}: {fields}"


def _describe(layer: Conv | Pool | Dense) -> str:
    if isinstance(layer, Pool):
        return f"sum-pooling {layer.size}×{layer.size}"
    delays = {"none": "", "channel": ", a delay a channel", "group": ", a delay a synapse group"}
    if isinstance(layer, Dense):
        return "dense" + delays[layer.delays]
    return (
        f"convolution {layer.kernel}×{layer.kernel}, stride {layer.stride}, "
        f"padding {layer.padding}{delays[layer.delays]}"
    )
