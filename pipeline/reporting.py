"""Building a node's status from its hooks and, where it runs, from its board."""

from __future__ import annotations

import functools
import os
import socket
import time
from collections.abc import Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import msgspec

from pipeline.settings import Settings, table
from pipeline.status import SLICES, ActionStatus, NodeStatus, SettingStatus
from pipeline.tuning import text_of

if TYPE_CHECKING:
    from pipeline.node import Node

_WORD, _TEXT = 200, 600


def describe_node(node: Node, refused: Mapping[str, str] | None = None) -> NodeStatus:
    """Return what a node says of itself, its counters left at 0.

    ``refused`` holds, by setting, why the latest wish was not granted. What a node says too long
    is cut, so that its status travels.
    """
    facts = {key[:_WORD]: _fact(value) for key, value in list(node.facts().items())[:100]}
    return NodeStatus(
        name=node.name,
        kind=type(node).__name__.lower(),
        state=(node.condition or "running")[:_WORD],
        host=_host(),
        pid=os.getpid(),
        time_ns=time.monotonic_ns(),
        settings=_settings(node, refused or {}),
        actions=[ActionStatus(name, meaning[:_TEXT]) for name, meaning in node.actions.items()],
        facts=facts,
        words=[word[:_TEXT] for word in node.words()[:40]],
        timeline=[int(n) for n in node.timeline()[: 2 * SLICES]],
    )


def _fact(value: object) -> str | int | float:
    """Return a fact as it travels: numbers of any library, and text."""
    if isinstance(value, bool):
        return text_of(value)
    if isinstance(value, Integral):
        return max(-(2**62), min(2**62, int(value)))
    if isinstance(value, Real):
        return float(value)
    return str(value)[:_TEXT]


def _settings(node: Node, refused: Mapping[str, str]) -> list[SettingStatus]:
    values: dict[str, Any] = msgspec.structs.asdict(node.settings)
    actual = node.actual()
    kind: type[Settings] = type(node.settings)
    found = [
        SettingStatus(
            name,
            text_of(values[name])[:_TEXT],
            text_of(actual.get(name, values[name]))[:_TEXT],
            help=meaning,
            may_be=may_be,
            live=name in node.live,
            refused=refused.get(name, "")[:_TEXT],
        )
        for name, may_be, meaning in _described(kind)
    ]
    found += [
        SettingStatus(name[:_WORD], "", text_of(value)[:_TEXT])
        for name, value in actual.items()
        if name not in values
    ]
    return found[:100]


@functools.cache
def _described(kind: type[Settings]) -> list[tuple[str, str, str]]:
    """Return (name, what it may be, its meaning) of every setting."""
    return [(name, may_be[:_TEXT], meaning[:_TEXT]) for name, may_be, _, meaning in table(kind)]


@functools.cache
def _host() -> str:
    return socket.gethostname()[:_WORD]
