"""Changing a node while it runs: what may be asked for, how it is checked, what is refused."""

from __future__ import annotations

import types
import typing
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

import msgspec

from pipeline.errors import RetinaError, SettingError
from pipeline.settings import Settings, checked

if TYPE_CHECKING:
    from pipeline.node import Node


def tune(node: Node, key: str, value: str) -> None:
    """Change a live setting of a node, or have it act; to be called in the node's own thread.

    Raises RetinaError, one line, where that is refused; the node's settings are then as before.
    """
    if key in node.actions:
        node.act(key, value)
        return
    if key not in node.live:
        raise SettingError(_unknown(node, key))
    before = node.settings
    field = checked(type(before), {key: _read(type(before), key, value)}, node.name, text=True)
    try:
        after = msgspec.structs.replace(before, **field)
    except ValueError as error:
        raise SettingError(f"{node.name}: {error}") from None
    node.settings = after
    try:
        node.retuned({key})
    except RetinaError:
        node.settings = before
        node.retuned({key})
        raise


def text_of(value: Any) -> str:
    """Return a setting's value as the text by which it can be asked for."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        return repr(value)
    return msgspec.json.encode(value).decode()


def _read(kind: type[Settings], key: str, value: str) -> Any:
    """Return what a text means where it is no plain value: nothing, or a list."""
    hint = typing.get_type_hints(kind, include_extras=True).get(key)
    if value == "" and _takes_none(hint):
        return None
    if value.startswith("["):
        try:
            return msgspec.json.decode(value.encode())
        except msgspec.DecodeError:
            return value
    return value


def _takes_none(hint: Any) -> bool:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return any(_takes_none(part) for part in get_args(hint))
    if origin is typing.Annotated:
        return _takes_none(get_args(hint)[0])
    return hint is type(None)


def _unknown(node: Node, key: str) -> str:
    can = ", ".join(sorted({*node.live, *node.actions})) or "nothing"
    if key in {field.name for field in msgspec.structs.fields(type(node.settings))}:
        what = "cannot be changed while it runs"
    else:
        what = "is nothing that it can be asked for"
    return f"{node.name}: '{key}' {what} (can be: {can})"
