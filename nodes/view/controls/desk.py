"""All controls of a window, put where they belong and kept up to date."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6 import QtCore, QtGui, QtWidgets

from nodes.view.controls import clips, pictures
from nodes.view.controls.clips import Clip
from nodes.view.controls.files import ask_for_file, dated
from nodes.view.controls.holding import Holding
from nodes.view.controls.keys import Keys
from nodes.view.controls.link import Link
from nodes.view.controls.network import NetworkPanel
from nodes.view.controls.opening import Opener
from nodes.view.controls.recorder import Recorder
from nodes.view.controls.region import Region
from nodes.view.controls.settings import SettingsPanel
from nodes.view.controls.timeline import TimeLine
from nodes.view.controls.transport import Transport
from pipeline import EventPacket
from pipeline.errors import RetinaError

if TYPE_CHECKING:
    from nodes.view.window import Window

_SAID_MS = 12_000
_WRONG_MS = 30_000


class Desk(QtCore.QObject):
    """Holds the controls; told by the window when there are new statuses."""

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self._window = window
        self.link = Link(window.node, parent=self)
        self.holding: Holding = window.node.holding
        self.transport = Transport(window, self.link)
        self.timeline = TimeLine(window, self.link)
        self.region = Region(window, self.link)
        self.settings = SettingsPanel(self.link)
        self.network = NetworkPanel(self.link, self.holding)
        self.recorder = Recorder(window, self.link, self.say)
        self.opener = Opener(window, self.say)
        self.clip: Clip | None = None
        self._taking()
        self._lay_out()
        window.told.connect(self._hear)
        window.looked.connect(self.timeline.restyle)
        self.link.answered.connect(self._answered)
        window.node.watch_events(self._events)
        application = QtWidgets.QApplication.instance()
        assert isinstance(application, QtWidgets.QApplication)
        application.focusChanged.connect(self._focus)

    def _taking(self) -> None:
        """Make the actions that save or copy what is seen."""
        action = self._action
        self.save = action(
            "Save a picture …", "Ctrl+S", "Save the events' picture, PNG or SVG",
            lambda: self._save("Save the events' picture", pictures.save_events),
        )  # fmt: skip
        self.save_window = action(
            "Save the window …", "Ctrl+Shift+S", "Save a picture of the whole window, PNG or SVG",
            lambda: self._save("Save a picture of the window", pictures.save_window),
        )  # fmt: skip
        self.copy = action("Copy the picture", "Ctrl+C", "Copy the events' picture",
                           lambda: self._copied(pictures.copy_events))  # fmt: skip
        self.copy_window = action("Copy the window", "Ctrl+Shift+C",
                                  "Copy a picture of the whole window",
                                  lambda: self._copied(pictures.copy_window))  # fmt: skip
        self.film = action(
            "Clip …", "Ctrl+G", "Save a clip of the events' picture, GIF or MP4", self._film
        )
        self.film.setToolTip(
            f"{self.film.toolTip()}\nAt most {clips.LONGEST_S} s, {clips.FPS} pictures a second"
        )
        self.film.setCheckable(True)
        self.help = action("Keys", "?", "Show every key and what it does", self._show_keys)
        self.help.setShortcuts([QtGui.QKeySequence("?"), QtGui.QKeySequence("F1")])
        self.close = action("Close", "Ctrl+Q", "Close the viewer", self._window.close)

    def _action(self, title: str, keys: str, hint: str, do: Callable[[], object]) -> QtGui.QAction:
        made = QtGui.QAction(title, self)
        made.setShortcut(QtGui.QKeySequence(keys))
        made.setToolTip(f"{hint} ({keys})")
        made.setProperty("hint", hint)
        made.triggered.connect(lambda _=False: do())
        return made

    def _lay_out(self) -> None:
        window, transport = self._window, self.transport
        for tool in transport.tools():
            window.add_tool(tool)
        window.tools.addSeparator()
        for tool in (self.region.clear, self.recorder.action):
            window.add_tool(tool)
        # A tool bar hides widgets by their actions.
        self.recorder.lamp_place = window.add_tool(self.recorder.lamp)
        self.recorder.refresh()
        for tool in (self.save, self.film, self.help):
            window.add_tool(tool)
        window.add_below(self.timeline)
        menus = window.menuBar()
        file, play = QtWidgets.QMenu("&File", window), QtWidgets.QMenu("&Play", window)
        for menu in (file, play):
            menus.insertMenu(window.view_menu.menuAction(), menu)
            menu.setToolTipsVisible(True)
        file.addActions([self.opener.file, self.opener.folder])
        file.addSeparator()
        file.addActions([self.recorder.action, self.film, self.save, self.save_window])
        file.addSeparator()
        file.addActions([self.copy, self.copy_window])
        file.addSeparator()
        file.addActions([self.close])
        play.addActions(transport.actions)
        play.addSeparator()
        play.addActions([self.region.clear])
        help_ = menus.addMenu("&Help")
        help_.addAction(self.help)
        window.add_panel("network", "Network and noise", self.network, behind="rate",
                         tab="Network")  # fmt: skip
        window.add_panel("settings", "Settings", self.settings, behind="rate")
        bar = window.statusBar()
        bar.setSizeGripEnabled(False)
        bar.messageChanged.connect(lambda text: bar.setVisible(bool(text)))
        bar.hide()

    def _hear(self) -> None:
        self.link.hear(self._window.statuses)
        self.network.watch()
        for control in (self.transport, self.timeline, self.region, self.recorder):
            control.refresh()

    def _answered(self, node: str, key: str, refused: str) -> None:
        if refused:
            self.say(f"▲ {refused}", wrong=True)

    def _events(self, packet: EventPacket) -> None:
        """Take a packet that came to the viewer, in the node's thread."""
        tap = self.recorder.tap
        if tap is not None:
            tap.put(packet)

    def say(self, words: str, *, wrong: bool = False) -> None:
        """Say something below everything for a while."""
        self._window.statusBar().showMessage(words, _WRONG_MS if wrong else _SAID_MS)

    # What is saved.

    def _save(self, title: str, save: Callable[[Window, Path], None]) -> None:
        ask_for_file(self._window, title, dated("png"), pictures.KINDS,
                     lambda path: self._saved(save, path))  # fmt: skip

    def _saved(self, save: Callable[[Window, Path], None], path: Path) -> None:
        try:
            save(self._window, path)
        except RetinaError as error:
            self.say(f"▲ {error}", wrong=True)
        else:
            self.say(f"saved {path}")

    def _copied(self, copy: Callable[[Window], None]) -> None:
        copy(self._window)
        self.say("copied to the clipboard")

    def _film(self) -> None:
        if self.clip is not None:
            self.clip.stop()
        else:
            ask_for_file(self._window, "Save a clip of the events' picture", dated("gif"),
                         clips.KINDS, self.start_clip)  # fmt: skip
        self.film.setChecked(self.clip is not None)

    def start_clip(self, path: Path) -> None:
        """Take a clip from now on, until it is stopped."""
        try:
            self.clip = Clip(self._window, path)
        except RetinaError as error:
            self.say(f"▲ {error}", wrong=True)
            return
        self.clip.ended.connect(self._filmed)
        self.film.setText("Stop the clip")
        self.film.setChecked(True)
        self.say(f"taking a clip to {path}")

    def _filmed(self, words: str) -> None:
        clip, self.clip = self.clip, None
        if clip is not None:
            clip.deleteLater()
        self.film.setText("Clip …")
        self.film.setChecked(False)
        self.say(words)

    def _show_keys(self) -> None:
        Keys(self._window).open()

    def _focus(self, old: QtWidgets.QWidget | None, now: QtWidgets.QWidget | None) -> None:
        """Let a button, box or list that has the focus have its space bar."""
        for widget in (old, now):
            if widget is not None:
                widget.removeEventFilter(self)
        if isinstance(now, (QtWidgets.QAbstractButton, QtWidgets.QComboBox)):
            now.installEventFilter(self)

    def eventFilter(self, watched: QtCore.QObject, event: QtCore.QEvent) -> bool:
        """Keep the space bar from being taken for a key of the window's."""
        if (
            event.type() == QtCore.QEvent.Type.ShortcutOverride
            and isinstance(event, QtGui.QKeyEvent)
            and event.key() == QtCore.Qt.Key.Key_Space
        ):
            event.accept()
            return True
        return False

    def dispose(self) -> None:
        """End what is still being written: the window goes."""
        application = QtWidgets.QApplication.instance()
        if isinstance(application, QtWidgets.QApplication):
            application.focusChanged.disconnect(self._focus)
        self._window.node.watch_events(None)
        self.recorder.stop()
        if self.clip is not None:
            self.clip.finish()
