"""Models on disk: there and back, and every way in which a file can be wrong."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from models.network import Neuron, parse
from models.store import FORMAT, SHIPPED, WEIGHTS_DIR, Model, load, save
from pipeline.errors import ModelError


def made() -> Model:
    network = parse("2-3c3s2-2a-4", 9, 8, Neuron(tau_s_ms=7.5))
    rng = np.random.default_rng(0)
    weights = tuple(
        None if shape is None else rng.normal(0, 1, shape).astype(np.float32)
        for shape in network.weight_shapes
    )
    return Model(network, weights, (1, 3, 5, 7), 1_000, 50_000)


def test_there_and_back(tmp_path: Path) -> None:
    model = made()
    path = tmp_path / "new" / "mine.safetensors"
    save(model, path)
    back = load(path)
    assert back.name == "mine"
    assert back.network == model.network
    assert (back.classes, back.bin_us, back.window_us) == ((1, 3, 5, 7), 1_000, 50_000)
    for a, b in zip(model.weights, back.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    assert [p.name for p in path.parent.iterdir()] == ["mine.safetensors"]


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_loads_and_has_its_card(name: str) -> None:
    model = load(name)
    assert model.name == name
    assert model.classes == tuple(range(10))
    assert model.network.spec in (WEIGHTS_DIR / f"{name}.md").read_text()


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no such model, expected a file .* or nmnist-classifier"):
        load("nmnist-clasifier")
    with pytest.raises(ModelError, match="is a folder"):
        load(tmp_path)


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=50)
def test_arbitrary_bytes_are_no_model(data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.safetensors"
        path.write_bytes(data)
        with pytest.raises(ModelError, match=r"x\.safetensors") as raised:
            load(path)
        assert "\n" not in str(raised.value)


def test_foreign_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"w": np.zeros(3, np.float32)}, path)
    with pytest.raises(ModelError, match="is no model of ours: format None"):
        load(path)
    save_file({"w": np.zeros(3, np.float32)}, path, {"format": FORMAT, "version": "99"})
    with pytest.raises(ModelError, match="version '99', this program reads '1'"):
        load(path)
    save_file({"w": np.zeros(3, np.float32)}, path, {"format": FORMAT, "version": "1"})
    with pytest.raises(ModelError, match="description cannot be read"):
        load(path)


GOOD: dict[str, object] = {
    "network": "2-3c3s2-2a-4",
    "input_shape": [2, 9, 8],
    "neuron": {},
    "classes": [1, 3, 5, 7],
    "bin_us": 1000,
    "window_us": 50_000,
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": "2-3x3"}, "'3x3' is no layer"),
        ({"network": "2-3c3s2-4"}, "layers.2.weight"),
        ({"network": "2-5c3s2-2a-4"}, r"'layers.0.weight' is float32 \(3, 2, 3, 3\), expected"),
        ({"input_shape": [2, 9]}, "description cannot be read"),
        ({"input_shape": [3, 9, 8]}, "disagrees"),
        ({"neuron": {"theta": -1}}, "theta is -1"),
        ({"neuron": {"ts_ms": 2.0}}, "disagrees with the neuron's step of 2.0 ms"),
        ({"classes": [1, 2, 3]}, "not one for each of 4 output neurons"),
        ({"classes": [1, 1, 2, 3]}, "not one for each of 4 output neurons"),
        ({"input_shape": [2, 99999, 99999]}, "neurons, expected at most"),
        ({"window_us": 10}, "window of at least one bin"),
        ({"surprise": 1}, "description cannot be read"),
    ],
)
def test_descriptions_that_disagree(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    path = tmp_path / "m.safetensors"
    description = msgspec.json.encode(GOOD | change).decode()
    tensors = {f"layers.{i}.weight": w for i, w in enumerate(made().weights) if w is not None}
    save_file(tensors, path, {"format": FORMAT, "version": "1", "model": description})
    with pytest.raises(ModelError, match=message):
        load(path)


def test_weights_that_are_wrong(tmp_path: Path) -> None:
    model = made()
    first, *rest = model.weights
    assert first is not None
    bad = np.full_like(first, np.nan)
    with pytest.raises(ModelError, match="not finite"):
        save(dataclasses.replace(model, weights=(bad, *rest)), tmp_path / "m.safetensors")
    with pytest.raises(ModelError, match="is missing"):
        save(dataclasses.replace(model, weights=(None, *rest)), tmp_path / "m.safetensors")
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="cannot be written"):
        save(model, tmp_path / "file" / "m.safetensors")
