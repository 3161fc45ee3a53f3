"""What a node was asked for: granted between two packets, answered, refused in words."""

from __future__ import annotations

from collections import deque
from itertools import groupby
from typing import Any

from pipeline.channel.protocol import Ask
from pipeline.errors import RetinaError
from pipeline.node import Node
from pipeline.status import Answer
from pipeline.tuned import Tuned
from pipeline.tuning import tune

_MOST_WAITING = 64
_TOLD_NS = 10_000_000_000
"""For so long an answer is told, and a refusal in words."""


class Wishes:
    """The Asks of one node; all but ``refused`` is for the node's thread alone."""

    def __init__(self, node: Node, tuned: Tuned | None = None) -> None:
        self.refused: dict[str, str] = {}
        """By setting, why the latest wish was not granted."""
        self._node = node
        self._tuned = tuned
        self._changed: dict[str, Any] = {} if tuned is None else dict(tuned.changed)
        self._waiting: list[Ask] = []
        self._answers: deque[tuple[int, Answer]] = deque(maxlen=50)
        self._flood = 0
        self._flood_ns = 0

    def add(self, ask: Ask, now_ns: int) -> None:
        """Let an Ask wait until the node is between two packets."""
        self._waiting.append(ask)
        if len(self._waiting) > _MOST_WAITING:
            oldest = self._waiting.pop(0)
            self.refuse(oldest, f"{self._node.name}: too much is asked for at once", now_ns)

    def grant(self, now_ns: int) -> bool:
        """Put into force what waits; True where there was anything."""
        if not self._waiting:
            return False
        waiting, self._waiting = self._waiting, []
        before = dict(self._changed)
        for key, group in groupby(waiting, lambda ask: ask.key):
            if key in self._node.live:
                self._set(key, list(group), now_ns)
            else:
                for ask in group:
                    self._answer(ask, self._tune(ask), now_ns)
        if self._tuned is not None and self._changed != before:
            self._tuned.remember(self._changed)
        return True

    def _set(self, key: str, asks: list[Ask], now_ns: int) -> None:
        """Of a row of wishes for one setting put only the last that can be into force."""
        self.refused.pop(key, None)
        granted = False
        answers: list[tuple[Ask, str]] = []
        for ask in reversed(asks):
            why = "" if granted else self._tune(ask)
            granted = not why
            answers.append((ask, why))
            if why:
                self.refused.setdefault(key, why)
        for ask, why in reversed(answers):
            self._answer(ask, why, now_ns)
        if granted:
            self._changed[key] = getattr(self._node.settings, key)

    def _tune(self, ask: Ask) -> str:
        """Do what is asked for; return why not, or nothing."""
        try:
            tune(self._node, ask.key, ask.value)
        except RetinaError as error:
            return str(error)
        return ""

    def refuse(self, ask: Ask, why: str, now_ns: int) -> None:
        """Answer that an Ask is not granted."""
        self._answer(ask, why, now_ns)

    def flooded(self, now_ns: int) -> None:
        """Note that an Ask came too soon after too many."""
        if now_ns - self._flood_ns > _TOLD_NS:
            self._flood = 0
        self._flood += 1
        self._flood_ns = now_ns

    def latest(self, now_ns: int) -> list[Answer]:
        """Return the answers of the last ten seconds."""
        return [answer for at, answer in self._answers if now_ns - at < _TOLD_NS]

    def words(self, now_ns: int) -> list[str]:
        """Return the refusals of the last ten seconds, each once."""
        said = dict.fromkeys(answer.refused for answer in self.latest(now_ns) if answer.refused)
        found = [f"not granted: {why}" for why in said]
        if self._flood and now_ns - self._flood_ns < _TOLD_NS:
            found.append(f"{self._flood} wishes came too fast and were not heard")
        return found[-8:]

    def _answer(self, ask: Ask, refused: str, now_ns: int) -> None:
        answer = Answer(ask.number, ask.key[:200], ask.value[:200], refused[:600])
        self._answers.append((now_ns, answer))
