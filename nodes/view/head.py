"""What the viewer is at, in a word with a coloured dot and a sentence."""

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtWidgets

from nodes.view import theme
from nodes.view.tracks.state import STATES, State


class Head(QtWidgets.QWidget):
    """The state: dot and word at the right, what there is to say about it before them."""

    def __init__(self) -> None:
        super().__init__()
        self._state = State("WAITING", "")
        self.setToolTip("\n".join(f"{name}: {meaning}" for name, meaning in STATES.items()))
        policy = QtWidgets.QSizePolicy.Policy
        self.setSizePolicy(policy.Expanding, policy.Preferred)

    @property
    def state(self) -> str:
        """The state's name."""
        return self._state.name

    def sizeHint(self) -> QtCore.QSize:
        """Room for the word, and for some of the sentence."""
        return QtCore.QSize(theme.em(30), theme.line_height(theme.BODY) + theme.em(0.4))

    def minimumSizeHint(self) -> QtCore.QSize:
        """Room for the word."""
        return QtCore.QSize(theme.em(8), theme.line_height(theme.BODY) + theme.em(0.4))

    def tell(self, state: State) -> None:
        """Show a state."""
        if state != self._state:
            self._state = state
            self.setAccessibleName(f"{state.name} {state.words}")
            self.update()

    def colour(self) -> QtGui.QColor:
        """The state's colour: all well, mind this, or nothing to mind."""
        look = theme.look()
        if self.state == "LIVE":
            return look.right
        if self.state in ("STALLED", "RECONNECTING", "NO CAMERA"):
            return look.wrong
        return look.dim

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """Paint the sentence, the dot and the word."""
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        room = QtCore.QRectF(self.rect()).adjusted(theme.em(0.3), 0, -theme.em(0.6), 0)
        painter.setFont(theme.font(theme.CAPTION, bold=True, spaced=True))
        painter.setPen(self.colour())
        painter.drawText(room, theme.RIGHTWARDS, self.state)
        dot = theme.em(0.25)
        room.setRight(room.right() - painter.fontMetrics().horizontalAdvance(self.state) - 3 * dot)
        painter.setPen(QtCore.Qt.PenStyle.NoPen)
        painter.setBrush(self.colour())
        painter.drawEllipse(QtCore.QPointF(room.right(), room.center().y()), dot, dot)
        room.setRight(room.right() - 3 * dot)
        painter.setFont(theme.font(theme.BODY))
        painter.setPen(theme.look().dim)
        elide = QtCore.Qt.TextElideMode.ElideRight
        words = painter.fontMetrics().elidedText(self._state.words, elide, int(room.width()))
        painter.drawText(room, theme.RIGHTWARDS, words)
        painter.end()
