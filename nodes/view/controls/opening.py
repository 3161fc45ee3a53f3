"""Opening another recording: by a dialog, or dropped onto the window.

A source's path is no live setting, for whoever may take packets could then have any file of this
user's read. So the viewer ends its run and says what to open; ``retina view`` starts anew with it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6 import QtCore, QtGui

from nodes.view.controls.files import ask_what_to_open
from pipeline.errors import RetinaError

if TYPE_CHECKING:
    from nodes.view.window import Window

Say = Callable[[str], None]

_WHY_NOT = (
    "this viewer watches a run that others began, and whose source is theirs: "
    "retina view {} shows it in a window of its own"
)


class Opener(QtCore.QObject):
    """The actions to open a file or a folder, and the window's drops."""

    def __init__(self, window: Window, say: Say) -> None:
        super().__init__(window)
        self._window, self._say = window, say
        self.file = self._action("Open a recording …", "Ctrl+O", folder=False)
        self.folder = self._action("Open a folder …", "Ctrl+Shift+O", folder=True)
        window.setAcceptDrops(True)
        window.installEventFilter(self)

    def _action(self, title: str, keys: str, *, folder: bool) -> QtGui.QAction:
        action = QtGui.QAction(title, self)
        action.setShortcut(QtGui.QKeySequence(keys))
        can = self._window.node.settings.opens
        action.setEnabled(can)
        what = "a folder of recordings" if folder else "a recording"
        hint = f"Watch {what} instead ({keys}); it can be dropped onto the window as well"
        action.setToolTip(hint if can else f"{hint}\n{_WHY_NOT.format('FILE')}")
        title = "Open a folder of recordings" if folder else "Open a recording"
        action.triggered.connect(
            lambda _=False: ask_what_to_open(
                self._window, title, "All files (*)", self.open, folder=folder
            )
        )
        return action

    def open(self, path: Path) -> None:
        """Watch another recording, or say why not."""
        if not self._window.node.settings.opens:
            self._say(_WHY_NOT.format(path))
            return
        # Loaded here: a window that opens nothing is there the sooner.
        from recordings.folder import open_samples
        from recordings.opening import open_recording

        try:
            if path.is_dir():
                open_samples(str(path), None)
            else:
                open_recording(path).close()
        except RetinaError as error:
            # As long as that is not sound, what is watched goes on.
            self._say(str(error))
            return
        self._window.node.open_instead(str(path))

    def eventFilter(self, watched: QtCore.QObject, event: QtCore.QEvent) -> bool:
        """Take files that are dropped onto the window."""
        if isinstance(event, QtGui.QDropEvent):
            paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
            if not paths:
                return False
            event.acceptProposedAction()
            if event.type() == QtCore.QEvent.Type.Drop:
                if len(paths) > 1:
                    self._say(f"{len(paths)} files were dropped; the first is opened")
                self.open(Path(paths[0]))
            return True
        return False
