"""Settings: typed structs that a graph file, the command line and Python fill alike.

A settings struct is declared once; ranges stand in the type::

    class BinsSettings(Settings):
        bin_us: Annotated[int, Meta(ge=1, description="length of a bin in µs")] = 1000

An unknown key or a value out of range gives one line that names where, the key, the value and
what would be right.
"""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Meta

from pipeline.errors import SettingError


class Settings(msgspec.Struct, kw_only=True):
    """Base of every settings struct."""


S = TypeVar("S", bound=Settings)


def checked(
    kind: type[Settings], values: Mapping[str, Any], where: str, *, text: bool = False
) -> dict[str, Any]:
    """Return some settings of ``kind``, each checked alone; else as ``settings_from``."""
    hints = typing.get_type_hints(kind, include_extras=True)
    fields: dict[str, Any] = {}
    for key, value in values.items():
        if key not in hints:
            close = difflib.get_close_matches(key, hints, 1)
            hint = f"; did you mean '{close[0]}'?" if close else ""
            known = ", ".join(sorted(hints)) or "none"
            raise SettingError(f"{where}: unknown setting '{key}'{hint} (known: {known})")
        try:
            fields[key] = msgspec.convert(value, hints[key], strict=not text)
        except msgspec.ValidationError:
            raise SettingError(
                f"{where}: {key} = {_show(value)} is not {describe(hints[key])}"
            ) from None
    return fields


def settings_from(kind: type[S], values: Mapping[str, Any], where: str, *, text: bool = False) -> S:
    """Build settings of ``kind`` from ``values``; ``text`` also reads numbers from strings.

    Raises SettingError; ``where`` opens its message (a file and node, or a command).
    """
    fields = checked(kind, values, where, text=text)
    try:
        return kind(**fields)
    except TypeError:
        missing = [
            field.name
            for field in msgspec.structs.fields(kind)
            if field.required and field.name not in fields
        ]
        raise SettingError(f"{where}: missing setting '{missing[0]}'") from None
    except ValueError as error:
        raise SettingError(f"{where}: {error}") from None


def _show(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


_PLAIN = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    type(None): "nothing",
}


def describe(hint: Any) -> str:
    """Say in words what a setting of this type may be."""
    origin = get_origin(hint)
    if origin is Annotated:
        base, *metas = get_args(hint)
        limits = [
            f"{word} {limit}"
            for meta in metas
            if isinstance(meta, Meta)
            for word, limit in (
                ("at least", meta.ge),
                ("above", meta.gt),
                ("at most", meta.le),
                ("below", meta.lt),
            )
            if limit is not None
        ]
        return " ".join([describe(base), " and ".join(limits)]).strip()
    if origin is Literal:
        return "one of " + ", ".join(_show(choice) for choice in get_args(hint))
    if origin in (Union, types.UnionType):
        return " or ".join(describe(part) for part in get_args(hint) if part is not type(None))
    if origin is not None:
        return f"a list of {describe(get_args(hint)[0])}"
    return _PLAIN.get(hint, str(hint))


def table(kind: type[Settings]) -> list[tuple[str, str, str, str]]:
    """Return (name, what it may be, default, description) of every setting of a struct."""
    hints = typing.get_type_hints(kind, include_extras=True)
    rows = []
    for field in msgspec.structs.fields(kind):
        hint = hints[field.name]
        text = ""
        if get_origin(hint) is Annotated:
            text = next(
                (
                    m.description
                    for m in get_args(hint)[1:]
                    if isinstance(m, Meta) and m.description
                ),
                "",
            )
        default = field.default
        if default is msgspec.NODEFAULT and not field.required:
            default = field.default_factory()
        shown = "needed" if field.required else _show(default)
        rows.append((field.name, describe(hint), shown, text or ""))
    return rows
