"""What the viewer remembers from one run to the next: its layout, its look, its modes.

Values of an older version are kept one by one where they still make sense; its layout is not, for
panels have moved since.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TypeVar

from PySide6 import QtCore

VERSION = 1
_LAYOUT = "layout/"

T = TypeVar("T", bool, int, float, str)


def standard_path() -> Path:
    """Return where the viewer's settings of this user lie."""
    place = QtCore.QStandardPaths.StandardLocation.GenericConfigLocation
    folder = QtCore.QStandardPaths.writableLocation(place)
    return Path(folder) / "silicon-retina" / "viewer.ini"


class Memory:
    """Settings in the file ``path``; None: nothing is remembered.

    ``note`` says what was left aside, empty where nothing was.
    """

    def __init__(self, path: Path | None) -> None:
        self.note = ""
        self._store: QtCore.QSettings | None = None
        self._values: dict[str, object] = {}
        if path is None:
            return
        store = QtCore.QSettings(str(path), QtCore.QSettings.Format.IniFormat)
        self._store = store
        version = store.value("version", None)
        if store.status() != QtCore.QSettings.Status.NoError:
            self.note = f"{path} cannot be read; the viewer begins with its own settings"
            store.clear()
        elif store.allKeys() and version != str(VERSION):
            self.note = f"the layout of another version of the viewer was left aside ({path})"
            for key in store.allKeys():
                if key.startswith(_LAYOUT) or "/" not in key:
                    store.remove(key)
        store.setValue("version", str(VERSION))

    def value(self, name: str, default: T, allowed: Collection[T] | None = None) -> T:
        """Return what is remembered under ``name``; ``default`` where that is no such value.

        ``allowed`` are the values that it may have, None: any of ``default``'s type.
        """
        found = self._values.get(name)
        if found is None and self._store is not None:
            found = self._store.value(name)
        if isinstance(default, bool):
            words: dict[object, bool] = {"true": True, "false": False, True: True, False: False}
            value: object = words.get(found)
        else:
            try:
                value = None if found is None else type(default)(str(found))
            except (TypeError, ValueError):
                value = None
        if value is None or (allowed is not None and value not in allowed):
            return default
        return value  # type: ignore[return-value]

    def keep(self, name: str, value: bool | float | str) -> None:
        """Remember ``value`` under ``name`` (``topic/name``)."""
        self._values[name] = value
        if self._store is not None:
            self._store.setValue(name, str(value).lower() if isinstance(value, bool) else value)

    def layout(self, name: str) -> QtCore.QByteArray | None:
        """Return a piece of the window's layout, None where there is none."""
        found = None if self._store is None else self._store.value(_LAYOUT + name)
        return found if isinstance(found, QtCore.QByteArray) else None

    def keep_layout(self, name: str, state: QtCore.QByteArray) -> None:
        """Remember a piece of the window's layout."""
        if self._store is not None:
            self._store.setValue(_LAYOUT + name, state)

    def flush(self) -> None:
        """Write everything down now."""
        if self._store is not None:
            self._store.sync()
