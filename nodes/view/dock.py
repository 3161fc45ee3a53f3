"""A panel in the window: it can be moved, set afloat, put behind another's tab, and closed."""

from __future__ import annotations

from collections.abc import Callable

from PySide6 import QtCore, QtGui, QtWidgets

from nodes.view import theme
from nodes.view.card import Caption, Card
from nodes.view.scene import Scene


class Dock(QtWidgets.QDockWidget):
    """Holds one panel; ``wanted`` is what the user wants, ``seen`` whether it is on the screen.

    ``when`` says whether there is anything to show: until then the panel stays away, unless the
    user calls it. ``tab`` is a shorter title, for tabs.
    """

    chosen = QtCore.Signal(bool)
    """The user has called the panel, or sent it away."""

    def __init__(
        self,
        name: str,
        title: str,
        widget: QtWidgets.QWidget,
        *,
        shown: bool,
        tab: str | None,
        when: Callable[[Scene], bool] | None,
    ) -> None:
        super().__init__(tab or title)
        self.setObjectName(name)
        self.name, self.panel, self.when = name, widget, when
        self.wanted = self.shown_at_first = shown
        self.called = False
        self.seen = False
        self.due_ns = 0
        caption = widget.caption if isinstance(widget, Card) else title.upper()
        self._title = Caption(caption, self._dismiss)
        self.setTitleBarWidget(self._title)
        if isinstance(widget, Card):
            widget.dock()
            widget.noted.connect(self._title.say)
            self._title.say(widget.note)
            self._title.setToolTip(widget.toolTip())
        self.setWidget(widget)
        self.visibilityChanged.connect(self._mark)
        self.action = QtGui.QAction(title, self)
        self.action.setCheckable(True)
        self.action.triggered.connect(self._choose)

    def _mark(self, visible: bool) -> None:
        self.seen = visible
        self.due_ns = 0
        # A dock behind another's tab is not seen, and shown all the same.
        self.action.setChecked(not self.isHidden())

    def _choose(self, shown: bool) -> None:
        self.wanted = self.called = shown
        self.setVisible(shown)
        if shown:
            self.raise_()
        self.chosen.emit(shown)

    def _dismiss(self) -> None:
        self._choose(False)

    def closeEvent(self, event: QtGui.QCloseEvent) -> None:
        """A floating dock that is closed is one that is not wanted."""
        super().closeEvent(event)
        self.wanted = self.called = False
        self.chosen.emit(False)

    def settle(self, scene: Scene) -> bool:
        """Be there where the panel is wanted and there is something to see, else not.

        Returns whether it has come now.
        """
        due = self.wanted and (self.called or self.when is None or self.when(scene))
        if due != self.isHidden():
            return False
        self.setVisible(due)
        return due

    def refresh(self, scene: Scene, now_ns: int, *, last: bool) -> bool:
        """Let the panel show what is new, if it is on the screen and not shown too lately."""
        refresh = getattr(self.panel, "refresh", None)
        if refresh is None or not self.seen or (now_ns < self.due_ns and not last):
            return False
        self.due_ns = now_ns + getattr(self.panel, "every_ms", 0) * 1_000_000
        return bool(refresh(scene, now_ns))

    def restyle(self) -> None:
        """Take on a new look."""
        self._title.restyle()
        restyle = getattr(self.panel, "restyle", None)
        if restyle is not None:
            restyle()


def style_sheet() -> str:
    """Return the look of what lies between the docks: separators and tabs."""
    look, gap = theme.look(), theme.em(0.45)
    return (
        f"QMainWindow {{ background: {look.window.name()}; }}"
        f"QMainWindow::separator {{ background: {look.window.name()};"
        f" width: {gap}px; height: {gap}px; }}"
        f"QMainWindow::separator:hover {{ background: {look.accent.name()}; }}"
        f"QTabBar {{ background: {look.window.name()}; qproperty-drawBase: 0; }}"
        f"QTabBar::tab {{ color: {look.dim.name()}; background: {look.window.name()};"
        f" border: none; border-bottom: {theme.em(0.12)}px solid transparent;"
        f" padding: {theme.em(0.2)}px {theme.em(0.5)}px; }}"
        f"QTabBar::tab:selected {{ color: {look.text.name()};"
        f" border-bottom-color: {look.accent.name()}; }}"
        f"QTabBar::tab:hover {{ color: {look.text.name()}; }}"
        f"QToolBar {{ border: none; spacing: {theme.em(0.3)}px; }}"
    )
