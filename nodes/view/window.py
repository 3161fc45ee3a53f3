"""The viewer's window: lays out the panels and gives each what has changed, and only that."""

from __future__ import annotations

from pathlib import Path

from PySide6 import QtCore, QtGui, QtWidgets

from nodes.view import theme
from nodes.view.answer import Answer, Bars, Recent
from nodes.view.image import Sight
from nodes.view.picture import Picture
from nodes.view.rates import Traffic
from nodes.view.scene import Moment, Scene
from pipeline.errors import RetinaError

_STATES = {"WAITING": theme.DIM, "LIVE": theme.RIGHT, "ENDED": theme.WARM}
_STATE_HINT = "WAITING: nothing comes in; LIVE: packets come in; ENDED: the stream has ended"
_MARGIN = 14
_SIZE = QtCore.QSize(1120, 700)
_WORDS_NS = 40_000_000
"""Words and bars change no more often than they can be read."""


class Head(QtWidgets.QWidget):
    """The title, and the state at its right."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title
        self.state = "WAITING"
        self.setToolTip(_STATE_HINT)
        self.setFixedHeight(theme.line_height(12) + 6)

    def tell(self, state: str) -> None:
        """Show a state."""
        if state != self.state:
            self.state = state
            self.update()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """Paint title and state."""
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        room = QtCore.QRectF(self.rect()).adjusted(2, 0, -2, 0)
        painter.setFont(theme.font(12, bold=True))
        painter.setPen(theme.TEXT)
        painter.drawText(room, theme.LEFT, self._title)
        colour = _STATES[self.state]
        painter.setFont(theme.font(theme.CAPTION, bold=True, spaced=True))
        painter.setPen(colour)
        painter.drawText(room, theme.RIGHTWARDS, self.state)
        x = room.right() - painter.fontMetrics().horizontalAdvance(self.state) - 12
        painter.setPen(QtCore.Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        painter.drawEllipse(QtCore.QPointF(x, room.center().y()), 4, 4)
        painter.end()


class Window(QtWidgets.QWidget):
    """The whole window; ``closed`` turns true when the user closes it."""

    def __init__(self, scene: Scene, title: str, fade_ms: float, scale: float | None) -> None:
        super().__init__()
        self.closed = False
        self._scene = scene
        self._events_seen = self._words_seen = -1
        self._images_seen = 0
        self._words_due_ns = 0
        self._pixels = scene.picture()
        self.setWindowTitle(title)
        palette = self.palette()
        palette.setColor(QtGui.QPalette.ColorRole.Window, theme.WINDOW)
        self.setPalette(palette)
        self.head = Head(title)
        self.picture = Picture(scale, fade_ms)
        self.sight = Sight(_MARGIN)
        self.answer = Answer()
        self.bars = Bars()
        self.recent = Recent()
        self.traffic = Traffic()
        self._lay_out()
        # The offscreen platform's screen is not one that a window must fit.
        if QtGui.QGuiApplication.platformName() == "offscreen":
            self.resize(_SIZE)
        else:
            self.resize(_SIZE.boundedTo(self.screen().availableGeometry().size()))

    def _lay_out(self) -> None:
        right = QtWidgets.QVBoxLayout()
        right.setSpacing(_MARGIN)
        right.addWidget(self.answer)
        right.addWidget(self.bars, 3)
        right.addWidget(self.recent)
        right.addWidget(self.traffic, 2)
        both = QtWidgets.QHBoxLayout()
        both.setSpacing(_MARGIN)
        both.addWidget(self.picture, 8)
        both.addWidget(self.sight, 4)
        both.addLayout(right, 5)
        everything = QtWidgets.QVBoxLayout(self)
        everything.setContentsMargins(_MARGIN, 10, _MARGIN, _MARGIN)
        everything.setSpacing(10)
        everything.addWidget(self.head)
        everything.addLayout(both, 1)

    def refresh(self, now_ns: int, *, last: bool = False) -> None:
        """Show what is new at ``now_ns`` of the monotonic clock, if anything is.

        ``last``: show everything now, there will be no other time.
        """
        scene = self._scene
        picture = scene.events_seen != self._events_seen
        words = scene.words_seen != self._words_seen and now_ns >= self._words_due_ns
        if picture:
            self._events_seen = scene.events_seen
            self._pixels = scene.picture(self._pixels)
            self.picture.pixels.show_pixels(self._pixels)
        image = scene.images_seen != self._images_seen
        if image:
            self._images_seen = scene.images_seen
            self.sight.tell(scene.seen())
        rates = scene.rates(now_ns, frames=int(picture or image or words))
        # Beside what has just come, also what comes of nothing coming: WAITING, rates of 0.
        if words or last or rates is not None:
            self._words_due_ns = now_ns + _WORDS_NS
            self._words_seen = scene.words_seen
            self._tell(scene.moment(now_ns))
        if rates is not None:
            self.traffic.tell(rates)

    def _tell(self, moment: Moment) -> None:
        self.head.tell(moment.state)
        self.picture.tell(moment)
        self.answer.tell(moment.opinion)
        self.bars.tell(moment.opinion)
        self.recent.tell(moment)

    def save(self, path: str) -> None:
        """Save a picture of the window; raises RetinaError where that cannot be."""
        if not self.grab().save(path):
            raise RetinaError(f"{Path(path)}: the picture of the window cannot be written there")

    def closeEvent(self, event: QtGui.QCloseEvent) -> None:
        """Note that the window was closed."""
        self.closed = True
        super().closeEvent(event)

    def dispose(self) -> None:
        """Close the window and free what it holds, here and now.

        Left to the garbage collector, it could be freed in another thread, which Qt does not bear.
        """
        self.close()
        self.deleteLater()
        QtCore.QCoreApplication.sendPostedEvents(self, QtCore.QEvent.Type.DeferredDelete.value)
