"""Settings: one struct, three ways to fill it, and one line for every mistake."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest

from pipeline.errors import SettingError
from pipeline.settings import Meta, Settings, describe, settings_from, table


class Demo(Settings):
    bin_us: Annotated[int, Meta(ge=1, le=1000, description="length of a bin in µs")] = 100
    gain: Annotated[float, Meta(gt=0, lt=10)] = 1.0
    mode: Literal["count", "binary"] = "count"
    on: bool = False
    limit: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="how many")] = None
    pace: Literal["real", "fast"] | Annotated[float, Meta(gt=0)] = "real"
    title: str = ""
    sizes: list[int] = msgspec.field(default_factory=list)


class Needy(Settings):
    path: str
    factor: float = 1.0


class Fussy(Settings):
    low: int = 0
    high: int = 10

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"low = {self.low} is above high = {self.high}")


def test_nothing_said_means_defaults() -> None:
    assert settings_from(Demo, {}, "here") == Demo()


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("bin_us", "7", 7),
        ("gain", "2.5", 2.5),
        ("gain", "2", 2.0),
        ("mode", "binary", "binary"),
        ("on", "true", True),
        ("on", "false", False),
        ("limit", "3", 3),
        ("pace", "fast", "fast"),
        ("pace", "2.0", 2.0),
        ("pace", "2", 2.0),
        ("title", "5", "5"),
    ],
)
def test_text_of_a_command_line_means_what_a_file_means(key: str, text: str, value: Any) -> None:
    from_text = settings_from(Demo, {key: text}, "here", text=True)
    assert from_text == settings_from(Demo, {key: value}, "here")
    assert getattr(from_text, key) == value
    assert type(getattr(from_text, key)) is type(value)


@pytest.mark.parametrize(
    ("values", "text", "message"),
    [
        (
            {"bin_uss": 1},
            False,
            "unknown setting 'bin_uss'; did you mean 'bin_us'? (known: bin_us,",
        ),
        ({"xyzzy": 1}, False, "unknown setting 'xyzzy' (known: bin_us, gain, limit, mode, on, pa"),
        ({"bin_us": 0}, False, "bin_us = 0 is not a whole number at least 1 and at most 1000"),
        ({"bin_us": 1001}, False, "bin_us = 1001 is not a whole number at least 1"),
        ({"bin_us": "7"}, False, 'bin_us = "7" is not a whole number'),
        ({"bin_us": 7.5}, False, "bin_us = 7.5 is not a whole number"),
        ({"bin_us": True}, False, "bin_us = True is not a whole number"),
        ({"bin_us": "x"}, True, 'bin_us = "x" is not a whole number'),
        ({"bin_us": "0"}, True, 'bin_us = "0" is not a whole number at least 1'),
        ({"bin_us": ""}, True, 'bin_us = "" is not a whole number'),
        ({"gain": 0.0}, False, "gain = 0.0 is not a number above 0 and below 10"),
        ({"gain": float("nan")}, False, "gain = nan is not a number above 0 and below 10"),
        ({"gain": "nan"}, True, 'gain = "nan" is not a number above 0'),
        ({"mode": "both"}, False, 'mode = "both" is not one of "count", "binary"'),
        ({"on": "perhaps"}, True, 'on = "perhaps" is not true or false'),
        ({"on": 1}, False, "on = 1 is not true or false"),
        ({"limit": 0}, False, "limit = 0 is not a whole number at least 1"),
        ({"pace": "slow"}, False, 'pace = "slow" is not one of "real", "fast" or a number above 0'),
        ({"pace": -1}, False, "pace = -1 is not one of"),
        ({"title": 5}, False, "title = 5 is not text"),
        ({"sizes": 5}, False, "sizes = 5 is not a list of a whole number"),
        ({"sizes": ["a"]}, False, "is not a list of a whole number"),
    ],
)
def test_every_mistake_is_one_line(values: dict[str, Any], text: bool, message: str) -> None:
    with pytest.raises(SettingError) as caught:
        settings_from(Demo, values, "g.toml: node 'x'", text=text)
    line = str(caught.value)
    assert line.startswith("g.toml: node 'x': ")
    assert message in line
    assert "\n" not in line
    assert caught.value.exit_status == 2


def test_a_missing_setting_is_named() -> None:
    assert settings_from(Needy, {"path": "x"}, "here") == Needy(path="x")
    with pytest.raises(SettingError, match=r"^here: missing setting 'path'$"):
        settings_from(Needy, {"factor": 2.0}, "here")


def test_settings_that_do_not_fit_each_other() -> None:
    with pytest.raises(SettingError, match=r"^here: low = 11 is above high = 10$"):
        settings_from(Fussy, {"low": 11}, "here")


def test_the_table_of_a_kind() -> None:
    rows = {row[0]: row[1:] for row in table(Demo)}
    limits = "a whole number at least 1 and at most 1000"
    assert rows["bin_us"] == (limits, "100", "length of a bin in µs")
    assert rows["limit"] == ("a whole number at least 1", "None", "how many")
    assert rows["mode"] == ('one of "count", "binary"', '"count"', "")
    assert table(Needy)[0] == ("path", "text", "needed", "")
    assert describe(list[int]) == "a list of a whole number"


def test_a_default_that_is_made_anew_is_shown() -> None:
    assert {row[0]: row[2] for row in table(Demo)}["sizes"] == "[]"
