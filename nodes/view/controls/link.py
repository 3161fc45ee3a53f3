"""The controls' word with the nodes: what they are, what they are asked, what they answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple, Protocol

from PySide6 import QtCore

from nodes.view.tracks.state import sources
from pipeline.status import NodeStatus, SettingStatus

_PATIENCE_NS = 3_000_000_000
_SOURCES = ("source", "camera", "dvreader", "aerreceiver", "saccade", "remote")


class Asker(Protocol):
    """What can be asked and watched: a node."""

    name: str

    def ask(self, node: str, key: str, value: str) -> int:
        """Ask a node for a setting or an action."""
        ...

    def statuses(self) -> Mapping[str, NodeStatus]:
        """Return the latest status of every node."""
        ...


class Wish(NamedTuple):
    """Something that a node was asked for and has not answered."""

    number: int
    key: str
    value: str
    since_ns: int


class Link(QtCore.QObject):
    """Keeps what was asked for until it is answered.

    A control shows what was asked for at once (``value``): a status is up to a quarter of a second
    old. ``answered`` is emitted with node, key and why not, empty where it was granted.
    """

    answered = QtCore.Signal(str, str, str)

    def __init__(
        self, node: Asker, *, clock: Callable[[], int] = time.monotonic_ns, parent: QtCore.QObject
    ) -> None:
        super().__init__(parent)
        self._node, self._clock = node, clock
        self.statuses: Mapping[str, NodeStatus] = {}
        self._open: dict[str, list[Wish]] = {}

    @property
    def own(self) -> str:
        """The viewer's own name."""
        return self._node.name

    def hear(self, statuses: Mapping[str, NodeStatus]) -> None:
        """Take new statuses, and see which wishes they answer."""
        self.statuses = statuses
        now = self._clock()
        for name, wishes in list(self._open.items()):
            status = statuses.get(name)
            answers = {} if status is None else {a.number: a.refused for a in status.answers}
            left = []
            for wish in wishes:
                if wish.number in answers:
                    self.answered.emit(name, wish.key, answers[wish.number])
                elif now - wish.since_ns > _PATIENCE_NS:
                    self.answered.emit(name, wish.key, f"{name} does not answer")
                else:
                    left.append(wish)
            self._open[name] = left

    def ask(self, node: str, key: str, value: str) -> None:
        """Ask a node for a setting or an action."""
        number = self._node.ask(node, key, value)
        wishes = self._open.setdefault(node, [])
        # A newer wish for the same thing makes the older one's answer idle.
        wishes[:] = [wish for wish in wishes if wish.key != key]
        wishes.append(Wish(number, key, value, self._clock()))

    def waits(self, node: str, key: str) -> bool:
        """Whether a node has not yet answered a wish for ``key``."""
        return any(wish.key == key for wish in self._open.get(node, ()))

    def value(self, node: str, key: str) -> str | None:
        """Return a setting's value as text: what was asked for, else what is in force."""
        for wish in self._open.get(node, ()):
            if wish.key == key:
                return wish.value
        setting = self.setting(node, key)
        return None if setting is None else setting.actual

    def setting(self, node: str, key: str) -> SettingStatus | None:
        """Return a node's setting, None where it has none of that name."""
        status = self.statuses.get(node)
        return None if status is None else status.setting(key)

    def source(self) -> NodeStatus | None:
        """Return the node where the stream begins; one that replays goes before one that is live.

        None where no node is known to be one.
        """
        others = [status for name, status in self.statuses.items() if name != self.own]
        found = [s for s in others if s.kind in _SOURCES] or sources(others)
        return max(found, key=lambda s: (can(s, "paused"), can(s, "roi")), default=None)

    def of_kind(self, *kinds: str, key: str | None = None) -> list[NodeStatus]:
        """Return the nodes of these kinds, by name; those with a live setting ``key`` alone."""
        found = [s for _, s in sorted(self.statuses.items()) if s.kind in kinds]
        return [s for s in found if key is None or can(s, key)]


def can(status: NodeStatus | None, key: str) -> bool:
    """Whether a node can be asked for ``key``: a live setting or an action."""
    if status is None or not status.control:
        return False
    setting = status.setting(key)
    return (setting is not None and setting.live) or key in {a.name for a in status.actions}


def why_not(status: NodeStatus | None, key: str, applies_to: str) -> str:
    """Say why a node cannot be asked for ``key``, empty where it can; ``applies_to`` who could."""
    if can(status, key):
        return ""
    if status is None:
        return "no source has been heard of yet"
    if not status.control:
        return f"{status.name} may not be changed from here (control = false)"
    return f"applies to {applies_to}; {status.name} is a {status.kind or 'node'}"


def number(facts: Mapping[str, object], name: str, default: float = 0.0) -> float:
    """Return a fact that is a number, ``default`` where it is none."""
    value = facts.get(name)
    return float(value) if isinstance(value, (int, float)) else default


def names(statuses: Collection[NodeStatus]) -> str:
    """Return nodes' names in words."""
    return ", ".join(status.name for status in statuses)
