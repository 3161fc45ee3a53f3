"""What was changed while a node ran, kept for the successor of its process."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from pipeline.errors import SettingError
from pipeline.node import Node
from pipeline.settings import checked
from pipeline.tuning import text_of

_SOUND_S = 10.0
"""A process that ran for so long with what was changed did not die of it."""


class Tuned:
    """The changed settings of one node, in a file of the run's directory.

    A successor runs with them. Where that dies soon, it may have died of them: the next goes back
    to the graph's. ``note`` says in words which of both it was, ``changed`` holds what is in force.
    """

    def __init__(self, directory: Path, node: str) -> None:
        self.note = ""
        self.changed: dict[str, Any] = {}
        self._node = node
        self._path = directory / f"{node}.tuned"
        self._tried = directory / f"{node}.tried"

    def remember(self, changed: Mapping[str, Any]) -> None:
        """Keep everything that was changed so far."""
        part = self._path.with_suffix(".part")
        part.write_bytes(msgspec.json.encode(changed))
        part.replace(self._path)

    def restored(self, node: Node) -> Node:
        """Return ``node``, or one like it that has what a predecessor was changed to."""
        changed = self._take()
        if not changed:
            return node
        said = ", ".join(f"{key} = {text_of(value)}" for key, value in changed.items())
        kind = type(node.settings)
        try:
            fields = checked(kind, changed, self._node)
            restored = type(node)(msgspec.structs.replace(node.settings, **fields))
        except (SettingError, ValueError) as error:
            self.note = f"started again without what was changed ({said}): {error}"
            return node
        self.changed = fields
        self.note = f"started again with what was changed: {said}"
        return restored

    def _take(self) -> dict[str, Any]:
        """Return what was kept; it is set aside while a successor tries it."""
        try:
            sound = time.time() - self._tried.stat().st_mtime > _SOUND_S
        except OSError:
            sound = True
        source = self._tried if sound and not self._path.exists() else self._path
        try:
            changed = msgspec.json.decode(source.read_bytes(), type=dict[str, Any])
            source.replace(self._tried)
            self._tried.touch()
        except (OSError, msgspec.DecodeError):
            if not sound:
                self.note = (
                    "started again with the graph's settings: it died soon after a start with"
                    " those that were changed"
                )
                self._tried.unlink(missing_ok=True)
            return {}
        return changed
