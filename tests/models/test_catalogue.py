"""What ships is listed with its card's figures; the command prints, exports and imports."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.card import block
from models.catalogue import card, entries, figures, headline
from models.models_cli import models_app
from models.network import parse
from models.store import SHIPPED, WEIGHTS_DIR, Model, load, save
from pipeline.errors import ModelError, UsageError

CARD = """# x

## Figures

| measure | figure |
| --- | --- |
| validation, 161 recordings | 96.3 % |
| the 50 test recordings | 98.0 % |
| SSIM | 0.9 |

## Limits

| a | b |
"""


def test_figures_are_those_of_the_card() -> None:
    assert figures(CARD) == [
        ("validation, 161 recordings", "96.3 %"),
        ("the 50 test recordings", "98.0 %"),
        ("SSIM", "0.9"),
    ]
    assert headline(CARD, "classifier") == ("the 50 test recordings", "98.0 %")
    assert headline(CARD, "reconstructor") == ("SSIM", "0.9")
    assert headline("# x\n", "classifier") == ("", "")


def test_every_shipped_model_is_listed_as_it_is() -> None:
    found = {entry.name: entry for entry in entries()}
    assert set(found) == set(SHIPPED)
    for name, entry in found.items():
        model = load(name)
        assert (entry.task, entry.network) == (model.task, model.network.spec)
        assert entry.size == (WEIGHTS_DIR / f"{name}.safetensors").stat().st_size


def test_a_card_of_other_weights_is_refused(tmp_path: Path) -> None:
    network = parse("2-1c3", 4, 4)
    weights = load(SHIPPED[0]).weights[0]
    assert weights is not None
    save(Model(network, (weights[:1, :2, :3, :3].copy(),), task="reconstructor"),
         tmp_path / "x.safetensors")  # fmt: skip
    written = CARD + "\n" + block(tmp_path / "x.safetensors")
    (tmp_path / "x.md").write_text(written)
    (only,) = entries(tmp_path, ("x",))
    assert (only.task, only.network, only.figure) == ("reconstructor", "2-1c3", "0.9")
    (tmp_path / "x.md").write_text(written.replace("2-1c3", "2-1c5"))
    with pytest.raises(ModelError, match="disagrees with its weights"):
        entries(tmp_path, ("x",))
    with pytest.raises(ModelError, match="no such model"):
        entries(tmp_path, ("y",))


def test_the_command_lists_and_shows() -> None:
    listed = CliRunner().invoke(models_app, [])
    assert listed.exit_code == 0
    for name in SHIPPED:
        assert name in listed.output
        assert load(name).network.spec in listed.output
    shown = CliRunner().invoke(models_app, ["card", SHIPPED[0]])
    assert shown.output.rstrip("\n") == card(SHIPPED[0]).rstrip("\n")
    with pytest.raises(UsageError, match="no model that ships is called 'x'"):
        card("x")


def test_the_command_exports_and_imports(tmp_path: Path) -> None:
    pytest.importorskip("nir", reason="NIR is optional: pip install 'silicon-retina[nir]'")
    graph, out = tmp_path / "x.nir", tmp_path / "x.safetensors"
    assert CliRunner().invoke(models_app, ["export", SHIPPED[0], str(graph)]).exit_code == 0
    assert CliRunner().invoke(models_app, ["import", str(graph), str(out)]).exit_code == 0
    assert load(out).network == load(SHIPPED[0]).network
