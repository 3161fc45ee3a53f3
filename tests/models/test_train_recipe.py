"""Recipes: what they may say, what is said of a wrong one, and that they come back from TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.network import parse
from models.neuron import CUBA, LIF, SRM
from models.surrogate import Surrogate
from models.training import recipe
from models.training.config import (
    AnyConfig,
    ClassifierConfig,
    Optimiser,
    ReconstructorConfig,
    Schedule,
    Validation,
)
from pipeline.errors import SettingError

KINDS: dict[str, Any] = {"classifier": ClassifierConfig, "reconstructor": ReconstructorConfig}

CONFIGS = st.builds(
    ClassifierConfig,
    network=st.sampled_from(["2-10", 'odd "name"']),
    epochs=st.integers(1, 1000),
    dropout=st.floats(0, 0.99),
    seed=st.integers(0, 2**62),
    neuron=st.one_of(
        st.builds(SRM, theta=st.floats(1e-3, 1e3)),
        st.builds(CUBA, tau_syn_ms=st.floats(1e-3, 1e3)),
        st.builds(LIF, gain=st.floats(1e-3, 1e3)),
    ),
    last_surrogate=st.none() | st.builds(Surrogate, kind=st.sampled_from(["exponential"])),
    optimiser=st.builds(Optimiser, kind=st.sampled_from(["adam", "nadam"])),
    schedule=st.builds(Schedule, warm=st.floats(0, 0.5)),
    validation=st.builds(Validation, patience=st.integers(0, 9)),
)


@given(CONFIGS)
def test_a_config_comes_back_from_its_toml(config: ClassifierConfig) -> None:
    text = recipe.to_toml(config)
    assert recipe.build(ClassifierConfig, tomllib.loads(text), "here") == config


@pytest.mark.parametrize("name", recipe.shipped())
def test_a_shipped_recipe_is_one_of_a_network(name: str) -> None:
    task = tomllib.loads((recipe.RECIPES_DIR / f"{name}.toml").read_text())["task"]
    config: AnyConfig = recipe.read(KINDS[task], name)
    assert config.task == task
    parse(config.network, 34, 34, config.neuron)


def test_changes_are_read_from_text_in_their_order(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('epochs = 7\n[optimiser]\nrate = 1\n[neuron]\nkind = "srm"\ntheta = 5.0\n')
    changes = ["optimiser.kind=nadam", "epochs=8", "last_surrogate.kind=exponential"]
    config = recipe.read(ClassifierConfig, str(file), changes)
    assert config.epochs == 8
    assert config.optimiser == Optimiser(kind="nadam", rate=1.0)
    assert config.neuron == SRM(theta=5.0)
    assert config.last_surrogate == Surrogate("exponential")
    other = recipe.read(ClassifierConfig, str(file), ["neuron.kind=lif", "neuron.gain=2"])
    assert other.neuron == LIF(gain=2.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epoch = 3", "unknown setting 'epoch'; did you mean 'epochs'? (known: "),
        ("epochs = 0", "epochs = 0 is not a whole number at least 1"),
        ('epochs = "3"', 'epochs = "3" is not a whole number at least 1'),
        ('task = "reconstructor"', 'task = "reconstructor" is not one of "classifier"'),
        ("[optimiser]\nrat = 1", "'optimiser.rat'; did you mean 'optimiser.rate'?"),
        ("[optimiser]\nrate = -1", "optimiser.rate = -1 is not a number above 0"),
        ("optimiser = 3", "optimiser = 3 is not a table of settings"),
        ('[neuron]\nkind = "izhikevich"', 'neuron.kind = "izhikevich" is not one of "srm", "cuba"'),
        ("[neuron]\ntau_s_ms = -1", "neuron: neuron's tau_s_ms is -1"),
        ("saccade_ms = 400", "saccade_ms = 400 is longer than window_ms = 300"),
        ("epochs = ", "is not TOML"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(text)
    with pytest.raises(SettingError) as error:
        recipe.read(ClassifierConfig, str(file))
    assert said in str(error.value)
    assert str(error.value).startswith(str(file))
    assert "\n" not in str(error.value)


def test_what_is_wrong_on_the_command_line() -> None:
    for change, said in [
        ("epochs", "--set epochs: expected KEY=VALUE"),
        ("epochs=many", '--set epochs=many: epochs = "many" is not a whole number at least 1'),
        ("epochs.x=1", "--set epochs.x=1: 'epochs' has no parts"),
        ("loss.gian=1", "did you mean 'loss.gain'?"),
    ]:
        with pytest.raises(SettingError) as error:
            recipe.read(ClassifierConfig, None, [change])
        assert said in str(error.value)
    with pytest.raises(SettingError, match=r"no such recipe, expected a file .* or classifier, "):
        recipe.read(ClassifierConfig, "nothing")
