"""Where the panels lie: added, remembered, and given their sizes as they come."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from PySide6 import QtCore, QtGui, QtWidgets

from nodes.view import theme
from nodes.view.dock import Dock
from nodes.view.memory import VERSION, Memory
from nodes.view.scene import Scene

_HORIZONTAL, _VERTICAL = QtCore.Qt.Orientation.Horizontal, QtCore.Qt.Orientation.Vertical
_SIZE = (70, 44)


class Shelf:
    """The docks of a window.

    ``columns`` are the widths of its columns at first, and in them the heights of panels, in lines
    of text. Panels that are not in it take what room there is. ``fronts`` are those before whose
    tabs others lie behind theirs at first.
    """

    def __init__(
        self,
        window: QtWidgets.QMainWindow,
        memory: Memory,
        columns: Sequence[tuple[float, Mapping[str, float]]],
        fronts: Collection[str] = (),
    ) -> None:
        self.docks: dict[str, Dock] = {}
        self._window, self._memory, self._columns = window, memory, columns
        self._fronts = fronts
        self._default: QtCore.QByteArray | None = None
        self._spreads = True
        window.setDockNestingEnabled(True)
        window.setAnimated(False)
        everywhere = QtCore.Qt.DockWidgetArea.AllDockWidgetAreas
        window.setTabPosition(everywhere, QtWidgets.QTabWidget.TabPosition.North)

    def add(
        self,
        dock: Dock,
        area: QtCore.Qt.DockWidgetArea,
        *,
        beside: str | None = None,
        below: str | None = None,
        behind: str | None = None,
    ) -> None:
        """Add a dock to ``area``, or to where another one is."""
        window = self._window
        # Qt leaves a tab bar behind where docks that are seen are moved about.
        dock.hide()
        # A panel that comes late finds its old place as well.
        if self._default is not None and window.restoreDockWidget(dock):
            dock.hide()
        else:
            self._place(dock, area, beside, below, behind)
        self.docks[dock.name] = dock
        dock.wanted = self._memory.value(f"panels/{dock.name}", dock.wanted)

    def _place(
        self,
        dock: Dock,
        area: QtCore.Qt.DockWidgetArea,
        beside: str | None,
        below: str | None,
        behind: str | None,
    ) -> None:
        window = self._window
        window.addDockWidget(area, dock)
        if beside is not None:
            window.splitDockWidget(self.docks[beside], dock, _HORIZONTAL)
        elif below is not None:
            window.splitDockWidget(self.docks[below], dock, _VERTICAL)
        elif behind is not None:
            window.tabifyDockWidget(self.docks[behind], dock)

    def restore(self, scene: Scene) -> None:
        """Put everything where it was when the viewer was last closed, else where it is at first.

        Every panel has been added by now.
        """
        window, memory = self._window, self._memory
        self._default = window.saveState(VERSION)
        size = QtCore.QSize(theme.em(_SIZE[0]), theme.em(_SIZE[1]))
        # The offscreen platform's screen is not one that a window must fit.
        if QtGui.QGuiApplication.platformName() != "offscreen":
            size = size.boundedTo(window.screen().availableGeometry().size())
        window.resize(size)
        geometry, state = memory.layout("geometry"), memory.layout("state")
        if geometry is not None:
            window.restoreGeometry(geometry)
        if state is not None:
            window.restoreState(state, VERSION)
        # Sizes that the user has chosen are kept; else every panel that comes is given its own.
        self._spreads = state is None
        self.settle(scene)

    def settle(self, scene: Scene) -> None:
        """Let panels come and go with what there is to show."""
        came = [name for name, dock in self.docks.items() if dock.settle(scene)]
        if came:
            self.tidy()
        if self._spreads:
            # Whoever comes later lies behind its neighbours' tabs, wherever it belongs.
            for name in self._fronts:
                if name in came:
                    self.docks[name].raise_()

    def tidy(self) -> None:
        """See to tabs and sizes after panels have come."""
        # Tabs give way rather than scroll out of sight; Qt makes bars as it needs them.
        for bar in self._window.findChildren(QtWidgets.QTabBar):
            bar.setUsesScrollButtons(False)
            bar.setElideMode(QtCore.Qt.TextElideMode.ElideRight)
        if not self._spreads:
            return
        firsts, widths = [], []
        for wide, column in self._columns:
            there = [self.docks[name] for name in column if not self.docks[name].isHidden()]
            if there:
                firsts.append(there[0])
                widths.append(theme.em(wide))
                heights = [theme.em(column[dock.name]) for dock in there]
                self._window.resizeDocks(there, heights, _VERTICAL)
        self._window.resizeDocks(firsts, widths, _HORIZONTAL)

    def reset(self, scene: Scene) -> None:
        """Put every panel where it is at first."""
        if self._default is not None:
            self._window.restoreState(self._default, VERSION)
        for dock in self.docks.values():
            dock.wanted, dock.called = dock.shown_at_first, False
            dock.settle(scene)
        self._spreads = True
        self.tidy()

    def keep(self) -> None:
        """Remember where everything is."""
        memory, window = self._memory, self._window
        memory.keep_layout("geometry", window.saveGeometry())
        memory.keep_layout("state", window.saveState(VERSION))
        for dock in self.docks.values():
            memory.keep(f"panels/{dock.name}", dock.wanted)
        memory.flush()
