"""The viewer's window: holds the panels and gives each what has changed, and only that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6 import QtCore, QtGui, QtWidgets

from nodes.view import theme
from nodes.view.controls.desk import Desk
from nodes.view.dock import Dock, style_sheet
from nodes.view.head import Head
from nodes.view.memory import Memory
from nodes.view.menus import fill_view_menu
from nodes.view.palette import DEFAULT, PALETTES, Scheme
from nodes.view.panels.activity import Layers
from nodes.view.panels.answer import Answer, Bars, Recent
from nodes.view.panels.gaze import GazePath
from nodes.view.panels.health import HealthPanel
from nodes.view.panels.image import Reconstruction, Truth
from nodes.view.panels.picture import Picture
from nodes.view.panels.rates import Traffic
from nodes.view.panels.scores import Scores
from nodes.view.panels.space import Space
from nodes.view.panels.spikes import Binned
from nodes.view.scene import Scene
from nodes.view.shelf import Shelf
from nodes.view.tracks.health import Health, Report
from nodes.view.tracks.show import Show
from nodes.view.tracks.state import State, state_of
from pipeline.errors import RetinaError
from pipeline.status import NodeStatus

if TYPE_CHECKING:
    from nodes.view.node import View

THEMES = ("system", "dark", "light")
Area = QtCore.Qt.DockWidgetArea

_WORDS_NS = 40_000_000
_STATUS_NS = 250_000_000
_ZOOM = (0.7, 2.0)
_COLUMNS = (
    (16, {"image": 20, "truth": 20}),
    (19, {"answer": 7, "bars": 14, "recent": 5, "rate": 12}),
)
"""What the columns hold at first: widths and heights in lines of text."""
_FRONTS = ("image", "truth", "bars", "rate")
"""What is seen at first of panels that lie behind each other."""


class Window(QtWidgets.QMainWindow):
    """The whole window.

    ``closed`` turns true when the user closes it. ``told`` is emitted four times a second, after
    ``statuses`` was brought up to date: what all nodes say of themselves, by name.
    """

    told = QtCore.Signal()
    looked = QtCore.Signal()
    """The look has changed: colours or type."""

    def __init__(self, node: View, memory: Memory) -> None:
        super().__init__()
        self.node, self.scene, self.memory = node, node.scene, memory
        self.closed = False
        self.held = False
        self.statuses: Mapping[str, NodeStatus] = {}
        self._shelf = Shelf(self, memory, _COLUMNS, _FRONTS)
        self.report = Report((), ())
        """How the pipeline is doing, brought up to date with ``statuses``."""
        self._health = Health()
        self._words_due_ns = self._status_due_ns = 0
        self._theme = "system"
        self._built = False
        self.setWindowTitle(node.settings.title)
        self._begin_look()
        self.view_menu = self.menuBar().addMenu("&View")
        self.tools = QtWidgets.QToolBar("Tools")
        self.head = Head()
        self.picture = Picture(node.settings.scale)
        self._foot = QtWidgets.QVBoxLayout()
        self._build()
        self._add_panels()
        self.desk = Desk(self)
        fill_view_menu(self, self.view_menu)
        self.restyle()
        self._shelf.restore(self.scene)
        self._built = True
        self.tools.setVisible(bool(self.tools.actions()))
        if memory.note:
            self.statusBar().showMessage(memory.note, 10_000)

    # How it is built.

    def _begin_look(self) -> None:
        asked, memory = self.node.settings, self.memory
        self._theme = asked.theme or memory.value("look/theme", "system", THEMES)
        palette = asked.palette or memory.value("look/palette", DEFAULT, PALETTES)
        zoom = min(max(memory.value("look/zoom", 1.0), _ZOOM[0]), _ZOOM[1])
        theme.use(self._scheme(), palette, zoom)
        hints = QtGui.QGuiApplication.styleHints()
        hints.colorSchemeChanged.connect(self._system_changed)
        show = self.scene.show
        self.scene.set_show(show._replace(scheme=theme.look().scheme, palette=palette))

    def _build(self) -> None:
        self.tools.setObjectName("tools")
        self.tools.setMovable(False)
        self.tools.toggleViewAction().setEnabled(False)
        self.tools.hide()
        self.addToolBar(self.tools)
        # A system's own menu bar at the top of the screen would not show it.
        self.menuBar().setNativeMenuBar(False)
        self.menuBar().setCornerWidget(self.head)
        centre = QtWidgets.QWidget()
        layout = QtWidgets.QVBoxLayout(centre)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.picture, 1)
        layout.addLayout(self._foot)
        self.setCentralWidget(centre)

    def _add_panels(self) -> None:
        self.reconstruction, self.truth = Reconstruction(), Truth()
        self.answer, self.bars, self.recent = Answer(), Bars(), Recent()
        self.traffic = Traffic()
        add = self.add_panel
        add(
            "image",
            "Reconstruction",
            self.reconstruction,
            when=Reconstruction.has_data,
            tab="Image",
        )
        add("answer", "Answer", self.answer, beside="image", when=Answer.has_data)
        add("bars", "Output spikes", self.bars, below="answer", when=Bars.has_data, tab="Spikes")
        add("recent", "Last answers", self.recent, below="bars", when=Recent.has_data)
        add("rate", "Event rate", self.traffic, below="recent", tab="Rate")
        add("truth", "True image", self.truth, below="image", when=Truth.has_data)
        self.binned, self.gaze, self.layers = Binned(), GazePath(), Layers()
        self.scores, self.space, self.health_panel = Scores(), Space(), HealthPanel()
        add(
            "binned", "Binned spikes", self.binned, behind="image", when=Binned.has_data, tab="Bins"
        )
        add("space", "Space and time, 3-D", self.space, shown=False, behind="image", tab="3-D")
        add("gaze", "Gaze", self.gaze, behind="truth", when=GazePath.has_data)
        add("scores", "Scores", self.scores, behind="bars", when=Scores.has_data)
        add("layers", "Layers", self.layers, behind="bars", when=Layers.has_data)
        add("health", "Health", self.health_panel, behind="rate")
        for name in _FRONTS:
            self.docks[name].raise_()

    @property
    def docks(self) -> dict[str, Dock]:
        """Every panel's dock under its name."""
        return self._shelf.docks

    def add_panel(
        self,
        name: str,
        title: str,
        widget: QtWidgets.QWidget,
        area: QtCore.Qt.DockWidgetArea = Area.RightDockWidgetArea,
        shown: bool = True,
        *,
        tab: str | None = None,
        when: Callable[[Scene], bool] | None = None,
        beside: str | None = None,
        below: str | None = None,
        behind: str | None = None,
    ) -> Dock:
        """Add a panel that can be moved and closed, is in the View menu and is remembered.

        ``name`` is what it is remembered by, ``title`` what the user reads, ``tab`` a shorter one
        for tabs. ``shown``: at first; ``when``: not before this says that there is something to
        see. It lies in ``area``, or ``beside``, ``below`` or ``behind`` (as a tab) the panel of
        that name.

        A widget may have ``refresh(scene, now_ns) -> bool``: called at every frame, or every
        ``every_ms``, while the panel is on the screen; returns whether it has painted anything.
        ``statuses(statuses, now_ns)``: called four times a second while it is on the screen.
        ``restyle()``: called when colours or type have changed.
        """
        dock = Dock(name, title, widget, shown=shown, when=when, tab=tab)
        self._shelf.add(dock, area, beside=beside, below=below, behind=behind)
        if self._built:
            self._shelf.settle(self.scene)
        return dock

    def add_tool(self, tool: QtGui.QAction | QtWidgets.QWidget) -> QtGui.QAction:
        """Add an action or a widget to the tool bar; return its action."""
        self.tools.show()
        if isinstance(tool, QtWidgets.QWidget):
            return self.tools.addWidget(tool)
        self.tools.addAction(tool)
        return tool

    def add_below(self, widget: QtWidgets.QWidget) -> None:
        """Put a widget below the picture, as wide as it: a time line, for one."""
        self._foot.addWidget(widget)

    def reset_layout(self) -> None:
        """Put every panel where it is at first."""
        self._shelf.reset(self.scene)

    # How it looks.

    def _scheme(self) -> Scheme:
        if self._theme == "system":
            return theme.system_scheme()
        return "dark" if self._theme == "dark" else "light"

    def _system_changed(self) -> None:
        if not self.closed and self._theme == "system":
            self.set_look()

    @property
    def theme(self) -> str:
        """``system``, ``dark`` or ``light``."""
        return self._theme

    @property
    def zoom(self) -> float:
        """How much larger than usual all type is."""
        return theme.zoom()

    def set_look(
        self, *, name: str | None = None, palette: str | None = None, zoom: float | None = None
    ) -> None:
        """Change the theme (one of ``THEMES``), the palette of ON and OFF, or the type's size."""
        self._theme = name or self._theme
        palette = palette or theme.look().palette
        zoom = min(max(zoom or theme.zoom(), _ZOOM[0]), _ZOOM[1])
        theme.use(self._scheme(), palette, zoom)
        self.memory.keep("look/theme", self._theme)
        self.memory.keep("look/palette", palette)
        self.memory.keep("look/zoom", zoom)
        self.set_show(self.scene.show._replace(scheme=theme.look().scheme, palette=palette))
        self.restyle()

    def restyle(self) -> None:
        """Put the look of this moment into force."""
        app = QtWidgets.QApplication.instance()
        if isinstance(app, QtWidgets.QApplication):
            theme.dress(app)
        self.setStyleSheet(style_sheet())
        gap = theme.em(0.45)
        self.setContentsMargins(gap, 0, gap, gap)
        self.picture.restyle()
        for dock in self.docks.values():
            dock.restyle()
        self.looked.emit()
        self.update()

    def set_show(self, show: Show) -> None:
        """Show events in another way from now on; it is remembered."""
        self.scene.set_show(show)
        for name in ("mode", "fade_ms", "span_ms", "last_n"):
            self.memory.keep(f"events/{name}", getattr(show, name))
        self.looked.emit()

    # What happens at every frame.

    def hold(self, held: bool) -> None:
        """Hold the picture at this moment, or let it go on; the stream goes on in either case."""
        self.held = held
        self._words_due_ns = 0

    def refresh(self, now_ns: int, *, last: bool = False) -> None:
        """Show what is new at ``now_ns`` of the monotonic clock, if anything is.

        ``last``: show everything now, there will be no other time.
        """
        scene = self.scene
        if now_ns >= self._status_due_ns or last:
            self._status_due_ns = now_ns + _STATUS_NS
            self._hear(now_ns)
        if now_ns >= self._words_due_ns or last:
            self._words_due_ns = now_ns + _WORDS_NS
            state = self.state(now_ns)
            self.head.tell(state)
            if scene.heard_ns is None:
                self.picture.pixels.hint(f"{state.name.lower()}\n{state.words}")
            self._shelf.settle(scene)
        painted = False
        if not self.held:
            painted = self.picture.refresh(scene, now_ns)
            for dock in self.docks.values():
                painted |= dock.refresh(scene, now_ns, last=last)
        scene.count_frame(now_ns, int(painted))

    def _hear(self, now_ns: int) -> None:
        self.statuses = statuses = self.node.statuses()
        self.report = self._health.hear(statuses, now_ns)
        # The controls first: panels ask them what was asked for.
        self.told.emit()
        if self.docks["health"].seen:
            self.health_panel.tell(self.report)
        for dock in self.docks.values():
            tell = getattr(dock.panel, "statuses", None)
            if tell is not None and dock.seen:
                tell(statuses, now_ns)

    def state(self, now_ns: int) -> State:
        """Return what the viewer is at."""
        scene, own = self.scene, self.node.name
        others = [status for name, status in self.statuses.items() if name != own]
        state = state_of(now_ns, scene.heard_ns, others, ended=scene.ended, held=self.held)
        # Where all is well with the picture, it need not be so with the rest.
        if state.name == "LIVE" and self.report.words:
            return State(state.name, self.report.words[0])
        return state

    def save(self, path: str) -> None:
        """Save a picture of the window; raises RetinaError where that cannot be."""
        if not self.grab().save(path):
            raise RetinaError(f"{Path(path)}: the picture of the window cannot be written there")

    def closeEvent(self, event: QtGui.QCloseEvent) -> None:
        """Note that the window was closed, and remember how it was."""
        if not self.closed:
            self._shelf.keep()
            self.desk.dispose()
        self.closed = True
        super().closeEvent(event)

    def dispose(self) -> None:
        """Close the window and free what it holds, here and now.

        Left to the garbage collector, it could be freed in another thread, which Qt does not bear.
        """
        QtGui.QGuiApplication.styleHints().colorSchemeChanged.disconnect(self._system_changed)
        self.close()
        self.deleteLater()
        QtCore.QCoreApplication.sendPostedEvents(self, QtCore.QEvent.Type.DeferredDelete.value)
