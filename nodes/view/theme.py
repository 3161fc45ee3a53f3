"""The viewer's look: colours, type and the card that every panel stands on."""

from __future__ import annotations

import functools
from collections.abc import Callable

from PySide6 import QtCore, QtGui, QtWidgets

from nodes.view.drawing import GROUND, OFF, ON

GROUND_COLOUR = QtGui.QColor(*GROUND)
WINDOW = QtGui.QColor("#0b0d12")
LINE = QtGui.QColor("#262b38")
FAINT = QtGui.QColor("#2a3040")
DIM = QtGui.QColor("#8d94a8")
TEXT = QtGui.QColor("#eceef4")
ACCENT = QtGui.QColor(*ON)
WARM = QtGui.QColor(*OFF)
RIGHT = QtGui.QColor("#5dd39e")
WRONG = QtGui.QColor("#ff6b6b")

_FAMILIES = ["Inter", "Noto Sans", "Segoe UI", "Helvetica Neue", "DejaVu Sans"]
LEFT = QtCore.Qt.AlignmentFlag.AlignLeft | QtCore.Qt.AlignmentFlag.AlignVCenter
RIGHTWARDS = QtCore.Qt.AlignmentFlag.AlignRight | QtCore.Qt.AlignmentFlag.AlignVCenter
CENTRE = QtCore.Qt.AlignmentFlag.AlignCenter


@functools.cache
def font(points: float, *, bold: bool = False, spaced: bool = False) -> QtGui.QFont:
    """Return the viewer's font; in points, so that it follows the screen's resolution."""
    made = QtGui.QFont(_FAMILIES)
    made.setPointSizeF(points)
    if bold:
        made.setWeight(QtGui.QFont.Weight.DemiBold)
    if spaced:
        made.setLetterSpacing(QtGui.QFont.SpacingType.PercentageSpacing, 108)
    return made


@functools.cache
def line_height(points: float) -> int:
    """Return how many pixels a line of text takes."""
    return QtGui.QFontMetrics(font(points)).height()


CAPTION = 8.5
BODY = 10.5


def tinted(colour: QtGui.QColor, alpha: int) -> QtGui.QColor:
    """Return ``colour`` as a thin layer over whatever lies below."""
    made = QtGui.QColor(colour)
    made.setAlpha(alpha)
    return made


class Card(QtWidgets.QWidget):
    """A rounded panel with a caption; kinds of card override ``draw``.

    ``note`` is said at the caption's right.
    """

    PAD = 14

    def __init__(self, caption: str, hint: str = "") -> None:
        super().__init__()
        self.caption = caption
        self.note = ""
        self._layers: dict[object, tuple[object, QtGui.QPixmap]] = {}
        self.setToolTip(hint)
        # Every pixel is painted here: Qt need not prepare the ground.
        self.setAttribute(QtCore.Qt.WidgetAttribute.WA_OpaquePaintEvent)

    @property
    def head_height(self) -> int:
        """Pixels that the caption takes."""
        return self.PAD + line_height(CAPTION) + 6

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """Paint the panel, its caption and note and what stands on it."""
        painter = QtGui.QPainter(self)
        self.layer(painter, "", self._panel)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        if self.note:
            painter.setPen(DIM)
            painter.setFont(font(CAPTION))
            painter.drawText(self._head(), RIGHTWARDS, self.note)
        inside = QtCore.QRectF(self.rect()).adjusted(self.PAD, self.PAD, -self.PAD, -self.PAD)
        inside.setTop(self.head_height)
        self.draw(painter, inside)
        painter.end()

    def layer(
        self, painter: QtGui.QPainter, key: str, draw: Callable[[QtGui.QPainter], None]
    ) -> None:
        """Paint what ``draw`` draws; it is drawn anew only where ``key`` or the size are new.

        Layers are told apart by ``draw``. Rounded shapes and large type cost ten times a copy.
        """
        now = (key, self.size(), self.devicePixelRatioF())
        before, pixmap = self._layers.get(draw, (None, QtGui.QPixmap()))
        if now != before:
            pixmap = QtGui.QPixmap(self.size() * now[2])
            pixmap.setDevicePixelRatio(now[2])
            pixmap.fill(QtCore.Qt.GlobalColor.transparent)
            fresh = QtGui.QPainter(pixmap)
            fresh.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
            draw(fresh)
            fresh.end()
            self._layers[draw] = (now, pixmap)
        painter.drawPixmap(0, 0, pixmap)

    def _head(self) -> QtCore.QRectF:
        wide = self.width() - 2 * self.PAD
        return QtCore.QRectF(self.PAD, self.PAD, wide, line_height(CAPTION))

    def _panel(self, painter: QtGui.QPainter) -> None:
        painter.fillRect(self.rect(), WINDOW)
        painter.setPen(QtGui.QPen(LINE, 1))
        painter.setBrush(GROUND_COLOUR)
        painter.drawRoundedRect(QtCore.QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 10, 10)
        painter.setPen(DIM)
        painter.setFont(font(CAPTION, bold=True, spaced=True))
        painter.drawText(self._head(), LEFT, self.caption)

    def draw(self, painter: QtGui.QPainter, room: QtCore.QRectF) -> None:
        """Paint what the card shows into ``room``."""
