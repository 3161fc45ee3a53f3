"""The picture of the events, the colours' meaning and what is shown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6 import QtCore, QtGui

from nodes.view import theme
from nodes.view.card import Card
from nodes.view.pixels import Pixels
from nodes.view.scene import Moment, Scene
from nodes.view.tracks.show import MAX_PIXELS, MODES

_WORDS_NS = 40_000_000


class Picture(Card):
    """The image with its frame; the line below it says in which way events are shown."""

    def __init__(self, scale: float | None) -> None:
        super().__init__("EVENTS", "What the silicon retina sees. Times are event time.")
        self.pixels = Pixels(scale, 10, "waiting for events")
        self._seen = -1
        self._words_due_ns = 0
        self._left = self._right = ""
        self._image: NDArray[np.uint32] | None = None
        self.hold(self.pixels, self._foot())

    def _foot(self) -> int:
        return theme.line_height(theme.CAPTION) + theme.em(0.5)

    def restyle(self) -> None:
        """Take on a new look."""
        self._below = self._foot()
        self._seen = -1
        super().restyle()

    def refresh(self, scene: Scene, now_ns: int) -> bool:
        """Paint the events where there are new ones; return whether there were."""
        moment = None
        if now_ns >= self._words_due_ns:
            self._words_due_ns = now_ns + _WORDS_NS
            moment = scene.moment(now_ns)
            self.tell(moment, scene.show.words, MODES[scene.show.mode])
        seen = scene.events_seen
        if seen == self._seen:
            return False
        self._seen = seen
        height, width = scene.shape
        shrink = self.pixels.shrink_for(height, width)
        self._image = scene.picture(self._image, shrink)
        self.pixels.show_pixels(self._image, (height, width))
        return True

    def tell(self, moment: Moment, shown: str, meaning: str) -> None:
        """Say above and below the image what it shows."""
        self.note = moment.sample or ""
        left = right = ""
        if moment.sensor is not None:
            width, height = moment.sensor
            large = width * height > MAX_PIXELS
            self.pixels.hint("a sensor of this size is too large to be shown" if large else "")
            left = f"{width} × {height} pixels     {shown}"
            right = f"t = {moment.t_us / 1e6:,.1f} s"
        if (left, right) != (self._left, self._right):
            self._left, self._right = left, right
            self.pixels.setToolTip(meaning)
            frame = self.rect()
            self.update(frame.adjusted(0, self.pixels.geometry().bottom() + 1, 0, 0))

    def draw(self, painter: QtGui.QPainter, room: QtCore.QRectF) -> None:
        """Paint the line below the image."""
        look = theme.look()
        foot = QtCore.QRectF(room)
        foot.setTop(room.bottom() - theme.line_height(theme.CAPTION))
        painter.setFont(theme.font(theme.CAPTION))
        metrics = painter.fontMetrics()
        x = foot.left()
        side = metrics.ascent() * 0.8
        for ink, name in ((look.inks.on, "ON"), (look.inks.off, "OFF")):
            swatch = QtCore.QRectF(x, foot.center().y() - side / 2, side, side)
            painter.fillRect(swatch, QtGui.QColor(*ink))
            # White on paper, or black on night, would not be seen without its edge.
            painter.setPen(look.dim)
            painter.drawRect(swatch)
            painter.setPen(look.text)
            wide = metrics.horizontalAdvance(name)
            x += side + theme.em(0.35)
            painter.drawText(QtCore.QRectF(x, foot.top(), wide + 1, foot.height()),
                             theme.LEFT, name)  # fmt: skip
            x += wide + theme.em(1)
        painter.setPen(look.dim)
        room_right = foot.right() - metrics.horizontalAdvance(self._right) - theme.em(1)
        words = metrics.elidedText(
            self._left, QtCore.Qt.TextElideMode.ElideRight, int(max(room_right - x, 0))
        )
        painter.drawText(QtCore.QRectF(x, foot.top(), room_right - x, foot.height()),
                         theme.LEFT, words)  # fmt: skip
        painter.drawText(foot, theme.RIGHTWARDS, self._right)
