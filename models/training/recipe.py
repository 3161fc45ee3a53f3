"""Recipes: configs from TOML files and from ``KEY=VALUE``, and back to TOML.

A key of a part is written ``part.key``. An unknown key or a value out of range gives one line with
the file, the key, the value and what is right.
"""

from __future__ import annotations

import difflib
import re
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import msgspec

from models.training.config import AnyConfig, Config
from pipeline.errors import SettingError
from pipeline.settings import describe

RECIPES_DIR = Path(__file__).parents[1] / "recipes"
"""Where the shipped recipes lie."""

_IN_CARD = re.compile(r"^```toml\n# recipe\n(.*?)^```", re.M | re.S)

C = TypeVar("C", bound=Config)


def shipped() -> list[str]:
    """Return the names of the shipped recipes."""
    return sorted(path.stem for path in RECIPES_DIR.glob("*.toml"))


def read(kind: type[C], name: str | None = None, changes: Sequence[str] = ()) -> C:
    """Return the config that a recipe and ``KEY=VALUE`` describe.

    A recipe is a shipped name, a file (.toml), or a model's card (.md) with one in it. Without a
    recipe, the defaults. Raises SettingError.
    """
    values, where = _load(name) if name is not None else ({}, "recipe")
    config = build(kind, values, where)
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals:
            raise SettingError(f"--set {change}: expected KEY=VALUE, such as epochs=20")
        given = _list(value) if value.lstrip().startswith("[") else value
        values = _with(to_dict(config), key.strip().split("."), given, f"--set {change}")
        config = build(kind, values, f"--set {change}", text=True)
    return config


def build(kind: type[C], values: Mapping[str, Any], where: str, *, text: bool = False) -> C:
    """Return a config of ``kind``; ``text`` also reads numbers from strings."""
    return typing.cast("C", _fill(kind, values, where, "", text))


def to_dict(config: AnyConfig | Config) -> dict[str, Any]:
    """Return a config as plain values, as TOML knows them."""
    plain: dict[str, Any] = msgspec.to_builtins(config)
    return plain


def to_toml(config: AnyConfig | Config) -> str:
    """Return a config as the text of a recipe, every value written out."""
    values = to_dict(config)
    plain = {k: v for k, v in values.items() if not isinstance(v, dict) and v is not None}
    lines = [f"{key} = {_value(value)}" for key, value in sorted(plain.items())]
    for name, part in sorted(values.items()):
        if isinstance(part, dict):
            lines += ["", f"[{name}]", *(f"{key} = {_value(v)}" for key, v in part.items())]
    return "\n".join(lines) + "\n"


def _load(name: str) -> tuple[dict[str, Any], str]:
    path = RECIPES_DIR / f"{name}.toml" if name in shipped() else Path(name)
    try:
        text = path.read_text("utf-8")
        if path.suffix == ".md":
            found = _IN_CARD.search(text)
            if found is None:
                raise SettingError(f"--recipe {name}: holds no recipe, expected a model's card")
            text = found[1]
        return tomllib.loads(text), path.name if path.parent == RECIPES_DIR else name
    except FileNotFoundError:
        raise SettingError(
            f"--recipe {name}: no such recipe, expected a file (.toml) or {', '.join(shipped())}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SettingError(f"--recipe {name}: cannot be read: {why}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingError(f"{path}: is not TOML: {error}") from None


def _list(value: str) -> Any:
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value


def _with(values: dict[str, Any], keys: list[str], value: Any, where: str) -> dict[str, Any]:
    """Return ``values`` with one changed; a new kind of a part begins from its defaults."""
    first, *rest = keys
    if not rest:
        return {**values, first: value}
    part = values.get(first) or {}
    if not isinstance(part, dict):
        raise SettingError(f"{where}: '{first}' has no parts")
    if first == "neuron" and rest == ["kind"] and part.get("kind") != value:
        part = {}
    return {**values, first: _with(part, rest, value, where)}


def _fill(kind: Any, values: Any, where: str, prefix: str, text: bool) -> Any:
    name = prefix.rstrip(".")
    if not isinstance(values, Mapping):
        raise SettingError(f"{where}: {name} = {_value(values)} is not a table of settings")
    kind, values = _kind(kind, values, where, prefix)
    hints = typing.get_type_hints(kind, include_extras=True)
    fields: dict[str, Any] = {}
    for key, value in values.items():
        if key not in hints:
            close = difflib.get_close_matches(key, hints, 1)
            hint = f"; did you mean '{prefix}{close[0]}'?" if close else ""
            raise SettingError(
                f"{where}: unknown setting '{prefix}{key}'{hint} (known: {', '.join(hints)})"
            )
        if value is None:
            continue
        if _structs(hints[key]):
            part = _completed(kind, key, value)
            fields[key] = _fill(hints[key], part, where, f"{prefix}{key}.", text)
            continue
        try:
            fields[key] = msgspec.convert(value, hints[key], strict=not text)
        except msgspec.ValidationError:
            raise SettingError(
                f"{where}: {prefix}{key} = {_value(value)} is not {describe(hints[key])}"
            ) from None
    try:
        return kind(**fields)
    except (TypeError, ValueError) as error:
        raise SettingError(f"{where}: {f'{name}: ' if name else ''}{error}") from None


def _completed(kind: Any, key: str, value: Any) -> Any:
    """Return ``value`` with what it leaves out from the part that ``kind`` has by default."""
    default = next(f.default for f in msgspec.structs.fields(kind) if f.name == key)
    if not isinstance(value, Mapping) or not isinstance(default, msgspec.Struct):
        return value
    plain = msgspec.to_builtins(default)
    if "kind" in plain and default.__struct_config__.tag and value.get("kind") != plain["kind"]:
        return value
    return {**plain, **value}


def _structs(hint: Any) -> list[type[msgspec.Struct]]:
    parts = get_args(hint) if get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    return [p for p in parts if isinstance(p, type) and issubclass(p, msgspec.Struct)]


def _kind(hint: Any, values: Mapping[str, Any], where: str, prefix: str) -> tuple[Any, Any]:
    """Return the struct that ``values`` are for, and what is left of them without its tag."""
    kinds = _structs(hint)
    if kinds[0].__struct_config__.tag_field is None:
        return kinds[0], values
    by_tag = {kind.__struct_config__.tag: kind for kind in kinds}
    tag = values.get("kind", next(iter(by_tag)))
    if tag not in by_tag:
        known = ", ".join(f'"{t}"' for t in by_tag)
        raise SettingError(f"{where}: {prefix}kind = {_value(tag)} is not one of {known}")
    return by_tag[tag], {key: value for key, value in values.items() if key != "kind"}


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return msgspec.json.encode(value).decode()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return str(value)
