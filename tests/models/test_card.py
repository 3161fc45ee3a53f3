"""Cards: they belong to their weights, and a trained model's says how to train it again."""

from __future__ import annotations

import shutil
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

from models import card
from models.cli import train_app
from models.store import SHIPPED, WEIGHTS_DIR, load, save
from models.training import recipe
from models.training.config import ClassifierConfig, ReconstructorConfig
from pipeline.errors import ModelError, SettingError

TINY = ["network=2-4c5s3-10", "epochs=2", "full_epochs=1", "saccade_ms=20", "window_ms=30"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "tiny.safetensors"
    words = ["classifier", "--recipe", "quick", "--device", "cpu", "--out", str(out)]
    words += [word for change in [*TINY, "threads=1"] for word in ("--set", change)]
    done = CliRunner().invoke(train_app, words)
    assert done.exit_code == 0, done.output
    return out


def copied(trained: Path, folder: Path) -> Path:
    for path in trained.parent.iterdir():
        shutil.copy(path, folder)
    return folder / trained.name


@pytest.mark.parametrize("name", SHIPPED)
def test_the_cards_that_ship_belong_to_their_weights(name: str) -> None:
    card.check_card(WEIGHTS_DIR / f"{name}.safetensors", needed=True)


def test_a_card_is_whole(trained: Path) -> None:
    text = trained.with_suffix(".md").read_text()
    for part in ("Training", "Figures", "Intended use", "Limits", "Licence", "Identity"):
        assert f"\n## {part}\n" in text
    assert "2-4c5s3-10" in text
    assert "None" not in text
    config = recipe.read(ClassifierConfig, str(trained.with_suffix(".md")))
    assert (config.network, config.epochs) == ("2-4c5s3-10", 2)
    ElementTree.fromstring(trained.with_suffix(".svg").read_text())  # noqa: S314


def test_a_card_of_other_weights_is_refused(trained: Path, tmp_path: Path) -> None:
    path = copied(trained, tmp_path)
    model = load(path)
    assert model.weights[0] is not None
    model.weights[0][:] += np.float32(1)
    save(model, path)
    with pytest.raises(
        ModelError, match=r"tiny\.md: disagrees with its weights: sha256 '"
    ) as error:
        load(path)
    assert "\n" not in str(error.value)
    card.renew(path)
    assert load(path).network.spec == "2-4c5s3-10"
    text = path.with_suffix(".md").read_text()
    assert text.count("# identity") == 1
    path.with_suffix(".md").write_text(text.replace('network = "2-4c5s3', 'network = "2-5c5s3'))
    load_text = path.with_suffix(".md").read_text()
    assert load_text.count("2-5c5s3") >= 1
    with pytest.raises(ModelError, match="disagrees with its weights: network '2-5c5s3-10'"):
        load(path)


def test_a_text_beside_a_model_need_not_be_its_card(trained: Path, tmp_path: Path) -> None:
    path = copied(trained, tmp_path)
    path.with_suffix(".md").write_text("# my notes\n")
    load(path)
    with pytest.raises(ModelError, match="has no identity, expected the card of"):
        card.check_card(path, needed=True)
    card.renew(path)
    assert path.with_suffix(".md").read_text().startswith("# my notes\n\n## Identity\n")
    card.check_card(path, needed=True)
    path.with_suffix(".md").write_text("```toml\n# identity\nsha256 = \n```\n")
    with pytest.raises(ModelError, match="its identity is not TOML"):
        load(path)


def test_a_card_is_written_anew_from_the_history(trained: Path, tmp_path: Path) -> None:
    path = copied(trained, tmp_path)
    before = path.with_suffix(".md").read_text()
    path.with_suffix(".md").write_text("```toml\n# identity\nsha256 = 'of another'\n```\n")
    done = CliRunner().invoke(train_app, ["card", str(path)])
    assert done.exit_code == 0, done.output
    assert path.with_suffix(".md").read_text() == before
    path.with_suffix(".json").write_text("{}")
    done = CliRunner().invoke(train_app, ["card", str(path)])
    assert "is no history of a training" in str(done.exception)


def test_a_recipe_is_of_its_task_and_in_its_card(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match='task = "classifier" is not one of "reconstructor"'):
        recipe.read(ReconstructorConfig, str(trained.with_suffix(".md")))
    (tmp_path / "a.md").write_text("# nothing\n")
    with pytest.raises(SettingError, match="holds no recipe, expected a model's card"):
        recipe.read(ClassifierConfig, str(tmp_path / "a.md"))
