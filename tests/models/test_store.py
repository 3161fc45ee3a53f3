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

from models.network import parse
from models.neuron import CUBA, SRM
from models.store import FORMAT, SHIPPED, WEIGHTS_DIR, Intensity, Model, load, save
from pipeline.errors import ModelError


def made() -> Model:
    network = parse("2-3c3s2-2a-4", 9, 8, SRM(tau_s_ms=7.5))
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
    assert model.classes == (tuple(range(10)) if model.task == "classifier" else ())
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
    with pytest.raises(ModelError, match="version '99', this program reads '2'"):
        load(path)
    save_file({"w": np.zeros(3, np.float32)}, path, {"format": FORMAT, "version": "2"})
    with pytest.raises(ModelError, match="description cannot be read"):
        load(path)


GOOD: dict[str, object] = {
    "task": "classifier",
    "network": "2-3c3s2-2a-4",
    "input_shape": [2, 9, 8],
    "neuron": {"kind": "srm"},
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
        ({"neuron": {"kind": "srm", "theta": -1}}, "theta is -1"),
        ({"neuron": {"kind": "lif", "ts_ms": 2.0}}, "disagrees with the neuron's step of 2.0 ms"),
        ({"classes": [1, 2, 3]}, "not one for each of 4 output neurons"),
        ({"classes": [1, 1, 2, 3]}, "not one for each of 4 output neurons"),
        ({"input_shape": [2, 99999, 99999]}, "neurons, expected at most"),
        ({"task": "reconstructor"}, "one output channel and no classes, this one 4 and 4"),
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
    save_file(tensors, path, {"format": FORMAT, "version": "2", "model": description})
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


def test_delays_and_intensity_there_and_back(tmp_path: Path) -> None:
    network = parse("2-3c3d-1c3D", 9, 8, CUBA())
    rng = np.random.default_rng(0)

    def drawn(shapes: tuple[tuple[int, ...] | None, ...]) -> tuple[np.ndarray | None, ...]:
        return tuple(None if s is None else rng.uniform(0, 9, s).astype(np.float32) for s in shapes)

    model = Model(
        network,
        drawn(network.weight_shapes),
        task="reconstructor",
        delays=drawn(network.delay_shapes),
        intensity=Intensity(40, 0, "linear"),
    )
    save(model, tmp_path / "m.safetensors")
    back = load(tmp_path / "m.safetensors")
    assert (back.network, back.intensity, back.task) == (network, model.intensity, model.task)
    for a, b in zip(model.delays, back.delays, strict=True):
        np.testing.assert_array_equal(a, b)
    late = (np.full((2,), 65, np.float32), model.delays[1])
    with pytest.raises(ModelError, match=r"'layers\.0\.delay' has 65 to 65 ms, expected 0 to 64"):
        save(dataclasses.replace(model, delays=late), tmp_path / "m.safetensors")


def test_a_network_without_dense_layers_fits_any_sensor() -> None:
    network = parse("2-3c3-1c3p0", 9, 8)
    weights = tuple(np.zeros(s, np.float32) for s in network.weight_shapes if s)
    model = Model(network, weights, task="reconstructor")
    assert model.at(260, 346).output_shape == (1, 258, 344)
    with pytest.raises(ModelError, match="does not fit"):
        model.at(1, 1)
    with pytest.raises(ModelError, match="dense layer, takes 8×9 pixels alone, not 10×10"):
        dataclasses.replace(made(), name="mine").at(10, 10)


def test_intensity() -> None:
    spikes = np.array([0, 35, 70], np.int64)
    np.testing.assert_allclose(Intensity().of(spikes), [0.0293, 0.5, 0.9707], atol=1e-4)
    np.testing.assert_array_equal(Intensity(40, 0, "linear").of(spikes), [0, 0.875, 1])
    with pytest.raises(ValueError, match="scale"):
        Intensity(scale=0)
