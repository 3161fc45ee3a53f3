"""What a panel stands on: a caption with a note at its right, above a rounded card."""

from __future__ import annotations

from collections.abc import Callable

from PySide6 import QtCore, QtGui, QtWidgets

from nodes.view import theme


class Card(QtWidgets.QWidget):
    """A card with a caption; kinds of card override ``draw``.

    ``note`` is said at the caption's right. A card that stands in a dock leaves its caption to the
    dock's title bar (``docked``).
    """

    noted = QtCore.Signal(str)

    def __init__(self, caption: str, hint: str = "") -> None:
        super().__init__()
        self.caption = caption
        self.docked = False
        self._note = ""
        self._below = 0
        self._layers: dict[object, tuple[object, QtGui.QPixmap]] = {}
        self.setToolTip(hint)
        self.setAccessibleName(caption)
        # Every pixel is painted here: Qt need not prepare the ground.
        self.setAttribute(QtCore.Qt.WidgetAttribute.WA_OpaquePaintEvent)

    @property
    def note(self) -> str:
        """What is said at the caption's right."""
        return self._note

    @note.setter
    def note(self, words: str) -> None:
        if words != self._note:
            self._note = words
            self.noted.emit(words)
            if not self.docked:
                self.update(self._head().toAlignedRect())

    @property
    def pad(self) -> int:
        """Pixels between the card's edge and what stands on it."""
        return theme.em(0.8)

    @property
    def head_height(self) -> int:
        """Pixels that the caption takes."""
        if self.docked:
            return theme.em(0.3)
        return self.pad + theme.line_height(theme.CAPTION) + theme.em(0.4)

    def hold(self, widget: QtWidgets.QWidget, below: int = 0) -> None:
        """Let ``widget`` fill the card, but for ``below`` pixels at its foot."""
        self._below = below
        QtWidgets.QVBoxLayout(self).addWidget(widget)
        self._settle()

    def dock(self) -> None:
        """Leave the caption to a title bar."""
        self.docked = True
        self._settle()

    def restyle(self) -> None:
        """Take on a new look."""
        self._settle()
        self.updateGeometry()
        self.update()

    def _settle(self) -> None:
        layout = self.layout()
        if layout is not None:
            pad = self.pad
            layout.setContentsMargins(pad, self.head_height, pad, pad + self._below)

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """Paint the card, its caption and note and what stands on it."""
        painter = QtGui.QPainter(self)
        self.layer(painter, "", self._panel)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        if self._note and not self.docked:
            painter.setPen(theme.look().dim)
            painter.setFont(theme.font(theme.CAPTION))
            painter.drawText(self._head(), theme.RIGHTWARDS, self._note)
        pad = self.pad
        inside = QtCore.QRectF(self.rect()).adjusted(pad, pad, -pad, -pad)
        inside.setTop(self.head_height)
        self.draw(painter, inside)
        painter.end()

    def layer(
        self, painter: QtGui.QPainter, key: str, draw: Callable[[QtGui.QPainter], None]
    ) -> None:
        """Paint what ``draw`` draws; it is drawn anew only where ``key``, size or look are new.

        Layers are told apart by ``draw``. Rounded shapes and large type cost ten times a copy.
        """
        look = theme.look()
        now = (key, self.size(), self.devicePixelRatioF(), look, theme.line_height(theme.BODY))
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
        wide = self.width() - 2 * self.pad
        return QtCore.QRectF(self.pad, self.pad, wide, theme.line_height(theme.CAPTION))

    def _panel(self, painter: QtGui.QPainter) -> None:
        frame = QtCore.QRectF(self.rect())
        paint_frame(painter, frame, open_above=self.docked)
        if not self.docked:
            painter.setPen(theme.look().dim)
            painter.setFont(theme.font(theme.CAPTION, bold=True, spaced=True))
            painter.drawText(self._head(), theme.LEFT, self.caption)

    def draw(self, painter: QtGui.QPainter, room: QtCore.QRectF) -> None:
        """Paint what the card shows into ``room``."""


def paint_frame(
    painter: QtGui.QPainter,
    frame: QtCore.QRectF,
    *,
    open_above: bool = False,
    open_below: bool = False,
) -> None:
    """Paint a card's ground and edge; open where another piece of the same card joins."""
    look = theme.look()
    radius = theme.em(0.6)
    painter.fillRect(frame, look.window)
    painter.save()
    painter.setClipRect(frame)
    painter.setPen(QtGui.QPen(look.line, 1))
    painter.setBrush(look.ground)
    above, below = (2 * radius if joins else 0 for joins in (open_above, open_below))
    painter.drawRoundedRect(frame.adjusted(0.5, 0.5 - above, -0.5, below - 0.5), radius, radius)
    painter.restore()


class Caption(QtWidgets.QWidget):
    """A dock's title bar, the upper piece of its card: caption, note, and a cross that closes it.

    Dragged it moves the dock, clicked twice it sets it afloat: so Qt does with title bars.
    """

    def __init__(self, caption: str, close: Callable[[], object] | None = None) -> None:
        super().__init__()
        self._caption, self._note = caption, ""
        self._cross: QtWidgets.QToolButton | None = None
        layout = QtWidgets.QHBoxLayout(self)
        layout.addStretch(1)
        if close is not None:
            self._cross = QtWidgets.QToolButton()
            self._cross.setText("×")
            self._cross.setAutoRaise(True)
            self._cross.setToolTip(f"Close this panel; the View menu shows it again ({caption})")
            self._cross.setAccessibleName(f"close {caption}")
            self._cross.setFocusPolicy(QtCore.Qt.FocusPolicy.NoFocus)
            self._cross.clicked.connect(close)
            layout.addWidget(self._cross)
        self.setAttribute(QtCore.Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.restyle()

    def restyle(self) -> None:
        """Take on a new look."""
        layout = self.layout()
        assert layout is not None
        layout.setContentsMargins(theme.em(0.8), theme.em(0.35), theme.em(0.4), 0)
        if self._cross is not None:
            self._cross.setFont(theme.font(theme.BODY))
            colour, side = theme.look().dim.name(), theme.em(1.1)
            self._cross.setStyleSheet(
                f"QToolButton {{ border: none; color: {colour}; }}"
                f"QToolButton:hover {{ color: {theme.look().text.name()}; }}"
            )
            self._cross.setFixedSize(side, side)
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QtCore.QSize:
        """One line of caption."""
        return QtCore.QSize(theme.em(4), theme.line_height(theme.CAPTION) + theme.em(0.9))

    def minimumSizeHint(self) -> QtCore.QSize:
        """One line of caption."""
        return self.sizeHint()

    def say(self, note: str) -> None:
        """Say ``note`` at the right."""
        if note != self._note:
            self._note = note
            self.update()

    @property
    def note(self) -> str:
        """What is said at the right."""
        return self._note

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """Paint the card's upper piece, caption and note."""
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        look = theme.look()
        paint_frame(painter, QtCore.QRectF(self.rect()), open_below=True)
        pad = theme.em(0.8)
        right = self._cross.geometry().left() - theme.em(0.3) if self._cross else self.width() - pad
        room = QtCore.QRectF(pad, theme.em(0.35), right - pad, self.height() - theme.em(0.35))
        painter.setPen(look.dim)
        painter.setFont(theme.font(theme.CAPTION, bold=True, spaced=True))
        elide = QtCore.Qt.TextElideMode.ElideRight
        caption = painter.fontMetrics().elidedText(self._caption, elide, int(room.width()))
        painter.drawText(room, theme.LEFT, caption)
        room.setLeft(pad + painter.fontMetrics().horizontalAdvance(self._caption) + theme.em(0.6))
        painter.setFont(theme.font(theme.CAPTION))
        metrics = painter.fontMetrics()
        painter.drawText(
            room, theme.RIGHTWARDS, metrics.elidedText(self._note, elide, int(room.width()))
        )
        painter.end()
