"""The record button: through a ``record`` node of the graph, else by the viewer itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6 import QtCore, QtGui, QtWidgets

from nodes.view import theme
from nodes.view.controls.files import ask_for_file, dated
from nodes.view.controls.link import Link, number
from pipeline.errors import RetinaError
from pipeline.status import NodeStatus

if TYPE_CHECKING:
    from nodes.view.controls.tap import Tap

Say = Callable[[str], None]

FILTER = "Events (*.aedat4 *.es *.csv *.npz *.h5 *.bin)"


class Recorder(QtCore.QObject):
    """Starts and stops recording; ``tap`` is the viewer's own writer while it is at work."""

    def __init__(self, window: QtWidgets.QWidget, link: Link, say: Say) -> None:
        super().__init__(window)
        self._window, self._link, self._say = window, link, say
        self.tap: Tap | None = None
        self.action = QtGui.QAction("Record", self)
        self.action.setCheckable(True)
        self.action.setShortcut(QtGui.QKeySequence("Ctrl+R"))
        self.action.triggered.connect(self._toggle)
        self.lamp = QtWidgets.QLabel()
        self.lamp.setAccessibleName("what is being recorded")
        self.lamp_place: QtGui.QAction | None = None
        """Where in the tool bar the lamp is."""
        self.refresh()

    def node(self) -> NodeStatus | None:
        """Return the ``record`` node of the graph, None where it has none that obeys."""
        return next(iter(self._link.of_kind("record", key="recording")), None)

    def recording(self) -> bool:
        """Whether something is being recorded now."""
        node = self.node()
        if node is not None:
            return self._link.value(node.name, "recording") == "true"
        return self.tap is not None

    def _toggle(self, on: bool) -> None:
        node = self.node()
        if node is not None:
            self._link.ask(node.name, "recording", "true" if on else "false")
        elif not on:
            self.stop()
        else:
            name = dated("aedat4")
            ask_for_file(self._window, "Record what is watched", name, FILTER, self.start)
        self.refresh()

    def start(self, path: Path) -> None:
        """Record what comes in to ``path`` from now on."""
        # Loaded here: a window that records nothing is there the sooner.
        from nodes.view.controls.tap import Tap

        self.stop()
        try:
            self.tap = Tap(path)
        except RetinaError as error:
            self._say(str(error))
        else:
            self._say(f"recording to {path}")
        self.refresh()

    def stop(self) -> None:
        """Close the viewer's own file, if there is one."""
        tap, self.tap = self.tap, None
        if tap is not None:
            self._say(tap.stop())
            self.refresh()

    def refresh(self) -> None:
        """Show what is being recorded."""
        node, on = self.node(), self.recording()
        if self.tap is not None and self.tap.problem:
            self.stop()
            return
        self.action.setChecked(on)
        self.action.setText("Stop recording" if on else "Record")
        if node is not None:
            path = node.setting("path")
            where = (
                f"by the node {node.name}, which misses nothing, to {path.actual if path else '?'}"
            )
        else:
            where = (
                "by the viewer: what it receives; packets that were dropped for it are missing,"
                " and the file is then said to be INCOMPLETE. retina view SOURCE --record FILE has"
                " a recorder of its own, which misses nothing"
            )
        self.action.setToolTip(f"Record events to a file, {where} (Ctrl+R)")
        facts = node.facts if node is not None else self.tap.facts() if self.tap else {}
        words = node.words if node is not None else self.tap.words() if self.tap else []
        if self.lamp_place is not None:
            self.lamp_place.setVisible(on)
        if on:
            bad = any("INCOMPLETE" in word for word in words)
            self.lamp.setText(
                f"● {number(facts, 'duration_s'):.1f} s  {number(facts, 'bytes') / 1e6:.1f} MB"
                f"{'  ▲ INCOMPLETE' if bad else ''}"
            )
            self.lamp.setToolTip("\n".join([str(facts.get("file", "")), *words]))
            self.lamp.setStyleSheet(f"color: {theme.look().wrong.name()}")
