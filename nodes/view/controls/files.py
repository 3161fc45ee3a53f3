"""Names for what is saved, and the dialogs that ask for them; the stream goes on meanwhile."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

from PySide6 import QtWidgets

_last_folder = Path()


def dated(ending: str) -> str:
    """Return a file's name with the time of day: none is overwritten unasked."""
    now = datetime.datetime.now()
    return f"retina-{now:%Y%m%d-%H%M%S}.{ending}"


def ask_for_file(
    parent: QtWidgets.QWidget, title: str, name: str, kinds: str, then: Callable[[Path], None]
) -> QtWidgets.QFileDialog:
    """Ask where to save; ``then`` is called with the path unless the user thinks better of it."""
    dialog = QtWidgets.QFileDialog(parent, title, str(_last_folder), kinds)
    dialog.setAcceptMode(QtWidgets.QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix(Path(name).suffix)
    dialog.selectFile(name)
    _open(dialog, then)
    return dialog


def ask_what_to_open(
    parent: QtWidgets.QWidget, title: str, kinds: str, then: Callable[[Path], None], *, folder: bool
) -> QtWidgets.QFileDialog:
    """Ask for a file, or a folder, that is there."""
    dialog = QtWidgets.QFileDialog(parent, title, str(_last_folder), kinds)
    mode = QtWidgets.QFileDialog.FileMode
    dialog.setFileMode(mode.Directory if folder else mode.ExistingFile)
    _open(dialog, then)
    return dialog


def _open(dialog: QtWidgets.QFileDialog, then: Callable[[Path], None]) -> None:
    def chosen(name: str) -> None:
        global _last_folder  # noqa: PLW0603
        _last_folder = Path(name).parent
        then(Path(name))

    dialog.fileSelected.connect(chosen)
    dialog.finished.connect(dialog.deleteLater)
    # Not exec: the window goes on, and can be closed, while the dialog is there.
    dialog.open()
