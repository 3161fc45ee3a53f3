"""The viewer's look: its colours, dark or light, and its type."""

from __future__ import annotations

import functools
from typing import NamedTuple

from PySide6 import QtCore, QtGui, QtWidgets

from nodes.view.palette import DEFAULT, PALETTES, Inks, Scheme

LEFT = QtCore.Qt.AlignmentFlag.AlignLeft | QtCore.Qt.AlignmentFlag.AlignVCenter
RIGHTWARDS = QtCore.Qt.AlignmentFlag.AlignRight | QtCore.Qt.AlignmentFlag.AlignVCenter
CENTRE = QtCore.Qt.AlignmentFlag.AlignCenter

CAPTION = 9.0
BODY = 10.5
_FAMILIES = ["Inter", "Noto Sans", "Segoe UI", "Helvetica Neue", "DejaVu Sans"]


class Look(NamedTuple):
    """The colours of everything but the picture's, whose names are in ``inks``.

    ``right`` and ``wrong`` always stand beside a mark that says the same.
    """

    scheme: Scheme
    palette: str
    window: QtGui.QColor
    ground: QtGui.QColor
    line: QtGui.QColor
    faint: QtGui.QColor
    dim: QtGui.QColor
    text: QtGui.QColor
    right: QtGui.QColor
    wrong: QtGui.QColor
    inks: Inks

    @property
    def accent(self) -> QtGui.QColor:
        """What stands out, in the colour of ON events where that is seen on the ground."""
        return QtGui.QColor(*_shown(self.inks, self.scheme).on)

    @property
    def warm(self) -> QtGui.QColor:
        """The other colour of the pair."""
        return QtGui.QColor(*_shown(self.inks, self.scheme).off)


def _shown(inks: Inks, scheme: Scheme) -> Inks:
    """Return colours that are seen on the window's ground, not only on the picture's."""
    own = PALETTES[DEFAULT].inks(scheme)
    return inks if inks.ground == own.ground else own


def _look(scheme: Scheme, palette: str) -> Look:
    names = (
        ("#0b0d12", "#101218", "#262b38", "#2a3040", "#a0a7b8", "#eceef4", "#5dd3b0", "#ff8a6b")
        if scheme == "dark"
        else (
            "#eef0f4",
            "#fcfcfd",
            "#cfd4de",
            "#d8dce5",
            "#565e70",
            "#161a22",
            "#007a5e",
            "#b8400c",
        )
    )
    window, ground, line, faint, dim, text, right, wrong = (QtGui.QColor(name) for name in names)
    inks = PALETTES[palette].inks(scheme)
    return Look(scheme, palette, window, ground, line, faint, dim, text, right, wrong, inks)


_now = _look("dark", DEFAULT)
_zoom = 1.0


def look() -> Look:
    """Return the look of this moment."""
    return _now


def zoom() -> float:
    """Return how much larger than usual all type is."""
    return _zoom


def use(scheme: Scheme, palette: str, enlarged: float = 1.0) -> None:
    """Change the look; ``enlarged`` is by how much all type is. The window tells its panels."""
    global _now, _zoom  # noqa: PLW0603
    _now = _look(scheme, palette)
    if enlarged != _zoom:
        _zoom = enlarged
        font.cache_clear()
        line_height.cache_clear()


def system_scheme() -> Scheme:
    """Return what the system prefers; dark where it does not say."""
    light = QtGui.QGuiApplication.styleHints().colorScheme() == QtCore.Qt.ColorScheme.Light
    return "light" if light else "dark"


@functools.cache
def font(points: float, *, bold: bool = False, spaced: bool = False) -> QtGui.QFont:
    """Return the viewer's font; in points, so that it follows the screen's resolution."""
    made = QtGui.QFont(_FAMILIES)
    made.setPointSizeF(points * _zoom)
    if bold:
        made.setWeight(QtGui.QFont.Weight.DemiBold)
    if spaced:
        made.setLetterSpacing(QtGui.QFont.SpacingType.PercentageSpacing, 108)
    return made


@functools.cache
def line_height(points: float) -> int:
    """Return how many pixels a line of text takes."""
    return QtGui.QFontMetrics(font(points)).height()


def em(lines: float) -> int:
    """Return a length in pixels, given in lines of body text: so sizes follow the type."""
    return round(lines * line_height(BODY))


def tinted(colour: QtGui.QColor, alpha: int) -> QtGui.QColor:
    """Return ``colour`` as a thin layer over whatever lies below."""
    made = QtGui.QColor(colour)
    made.setAlpha(alpha)
    return made


def dress(app: QtWidgets.QApplication) -> None:
    """Give Qt's own widgets the look of this moment."""
    role, now = QtGui.QPalette.ColorRole, _now
    palette = QtGui.QPalette()
    for names, colour in (
        ((role.Window, role.Button, role.ToolTipBase), now.window),
        ((role.Base, role.AlternateBase), now.ground),
        ((role.WindowText, role.Text, role.ButtonText, role.ToolTipText), now.text),
        ((role.PlaceholderText, role.BrightText), now.dim),
        ((role.Highlight, role.Link, role.Accent), now.accent),
        ((role.HighlightedText,), now.window),
        ((role.Mid, role.Midlight), now.line),
    ):
        for name in names:
            palette.setColor(name, colour)
    for name in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QtGui.QPalette.ColorGroup.Disabled, name, tinted(now.dim, 150))
    app.setStyle("Fusion")
    app.setPalette(palette)
    app.setFont(font(BODY))
