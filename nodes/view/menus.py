"""The View menu: which panels there are, how events are shown, colours and type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast

from PySide6 import QtGui, QtWidgets

from nodes.view import theme
from nodes.view.palette import PALETTES
from nodes.view.tracks.show import MODES, Mode

if TYPE_CHECKING:
    from nodes.view.window import Window

_THEMES = {"system": "As the system", "dark": "Dark", "light": "Light"}


def fill_view_menu(window: Window, menu: QtWidgets.QMenu) -> None:
    """Fill the View menu; what it shows is brought up to date whenever it opens."""
    panels = menu.addMenu("&Panels")
    # Panels may be added later on: the menu is made when it opens.
    panels.aboutToShow.connect(lambda: _list_panels(window, panels))

    def show_mode(name: str) -> None:
        window.set_show(window.scene.show._replace(mode=cast(Mode, name)))

    words = {name: meaning[0].upper() + meaning[1:] for name, meaning in MODES.items()}
    _choice(menu, "&Events", words, lambda: window.scene.show.mode, show_mode)
    _choice(menu, "&Theme", _THEMES, lambda: window.theme, lambda name: window.set_look(name=name))
    _choice(
        menu,
        "&Colours",
        {name: palette.title.capitalize() for name, palette in PALETTES.items()},
        lambda: theme.look().palette,
        lambda name: window.set_look(palette=name),
    )
    menu.addSeparator()
    key = QtGui.QKeySequence.StandardKey
    for title, keys, factor in (
        ("&Larger text", key.ZoomIn, 1.1),
        ("&Smaller text", key.ZoomOut, 1 / 1.1),
    ):
        action = menu.addAction(title)
        action.setShortcut(keys)
        action.triggered.connect(lambda _=False, f=factor: window.set_look(zoom=window.zoom * f))
    menu.addSeparator()
    menu.addAction("&Reset layout").triggered.connect(lambda _=False: window.reset_layout())
    full = menu.addAction("&Full screen")
    full.setShortcut(QtGui.QKeySequence("F11"))
    full.triggered.connect(
        lambda _=False: window.showNormal() if window.isFullScreen() else window.showFullScreen()
    )


def _list_panels(window: Window, menu: QtWidgets.QMenu) -> None:
    menu.clear()
    for dock in window.docks.values():
        dock.action.setChecked(not dock.isHidden())
        menu.addAction(dock.action)


def _choice(
    menu: QtWidgets.QMenu,
    title: str,
    names: Mapping[str, str],
    now: Callable[[], str],
    choose: Callable[[str], None],
) -> None:
    """Add a menu of which one thing is chosen at a time."""
    inner = menu.addMenu(title)
    group = QtGui.QActionGroup(inner)
    actions = {}
    for name, words in names.items():
        action = inner.addAction(words)
        action.setCheckable(True)
        group.addAction(action)
        action.triggered.connect(lambda _=False, name=name: choose(name))
        actions[name] = action
    inner.aboutToShow.connect(lambda: actions[now()].setChecked(True))
