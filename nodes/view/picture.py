"""The picture of the events in the window: every pixel a sharp square, as large as fits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6 import QtCore, QtGui, QtWidgets

from nodes.view import theme
from nodes.view.drawing import MAX_PIXELS
from nodes.view.scene import Moment

_WHOLE = 6
"""From so many screen pixels for one of the sensor's on, only whole numbers: all alike."""


class Pixels(QtWidgets.QWidget):
    """An image in the middle, its aspect kept."""

    def __init__(self, scale: float | None, least: int, hint: str = "") -> None:
        super().__init__()
        self._scale = scale
        self._hint = hint
        self.setMinimumSize(least, least)
        self.setAttribute(QtCore.Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.show_pixels(np.full((1, 1), theme.GROUND_COLOUR.rgb(), np.uint32))

    def show_pixels(self, pixels: NDArray[np.uint32]) -> None:
        """Show ``pixels`` [H, W] u4, each 0xFFRRGGBB; they are looked at when Qt paints."""
        self._pixels = pixels
        self.update()

    def hint(self, words: str) -> None:
        """Say ``words`` in the middle, where there is nothing to see."""
        if words != self._hint:
            self._hint = words
            self.update()

    def target(self) -> QtCore.QRectF:
        """Return where in the widget the image lies."""
        height, width = self._pixels.shape
        fits = min(self.width() / width, self.height() / height)
        scale = fits if self._scale is None else min(fits, self._scale)
        if scale >= _WHOLE:
            scale = int(scale)
        place = QtCore.QRectF(0, 0, width * scale, height * scale)
        place.moveTopLeft(
            QtCore.QPointF(
                (self.width() - round(place.width())) // 2,
                (self.height() - round(place.height())) // 2,
            )
        )
        return place

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """Paint the image and the ground around it."""
        height, width = self._pixels.shape
        # 32 bits a pixel are what the screen's buffer has: RGB888 takes three times as long.
        image = QtGui.QImage(
            self._pixels.data, width, height, 4 * width, QtGui.QImage.Format.Format_RGB32
        )
        place = self.target()
        painter = QtGui.QPainter(self)
        # Four strips: to fill what the image covers would cost as much again.
        image_at = place.toRect()
        wide, tall = self.width(), self.height()
        below, beyond = image_at.bottom() + 1, image_at.right() + 1
        for x, y, w, h in (
            (0, 0, wide, image_at.top()),
            (0, below, wide, tall - below),
            (0, image_at.top(), image_at.left(), image_at.height()),
            (beyond, image_at.top(), wide - beyond, image_at.height()),
        ):
            painter.fillRect(QtCore.QRect(x, y, w, h), theme.GROUND_COLOUR)
        painter.drawImage(place, image)
        if self._hint:
            painter.setFont(theme.font(theme.BODY))
            painter.setPen(theme.DIM)
            painter.drawText(QtCore.QRectF(self.rect()), theme.CENTRE, self._hint)
        painter.end()


class Picture(theme.Card):
    """The image with its frame, the colours' meaning and what is shown."""

    def __init__(self, scale: float | None, fade_ms: float) -> None:
        super().__init__("EVENTS", "Each pixel's last event, fading with its age in event time")
        self.pixels = Pixels(scale, 240, "waiting for events")
        self._fade_ms = fade_ms
        self._left = self._right = ""
        foot = theme.line_height(theme.CAPTION) + self.PAD + 8
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(self.PAD, self.head_height, self.PAD, foot)
        layout.addWidget(self.pixels)

    def tell(self, moment: Moment) -> None:
        """Say below and above the image what it shows."""
        note = moment.sample or ""
        left = right = ""
        if moment.sensor is not None:
            width, height = moment.sensor
            large = width * height > MAX_PIXELS
            self.pixels.hint("a sensor of this size is too large to be shown" if large else "")
            left = f"{width} × {height}"
            right = f"t = {moment.t_us / 1e6:,.1f} s"
        if (note, left, right) != (self.note, self._left, self._right):
            self.note, self._left, self._right = note, left, right
            frame = self.rect()
            self.update(frame.adjusted(0, 0, 0, self.pixels.y() - frame.height()))
            self.update(frame.adjusted(0, self.pixels.geometry().bottom() + 1, 0, 0))

    def draw(self, painter: QtGui.QPainter, room: QtCore.QRectF) -> None:
        """Paint the line below the image."""
        foot = QtCore.QRectF(room)
        foot.setTop(room.bottom() - theme.line_height(theme.CAPTION))
        painter.setFont(theme.font(theme.CAPTION))
        x = foot.left()
        metrics = painter.fontMetrics()
        for colour, name in ((theme.ACCENT, "ON"), (theme.WARM, "OFF")):
            side = metrics.ascent() * 0.8
            painter.fillRect(QtCore.QRectF(x, foot.center().y() - side / 2, side, side), colour)
            painter.setPen(theme.TEXT)
            rest = QtCore.QRectF(x + side + 6, foot.top(), 200, foot.height())
            painter.drawText(rest, theme.LEFT, name)
            x = rest.left() + metrics.horizontalAdvance(name) + 16
        painter.setPen(theme.DIM)
        words = "     ".join(filter(None, [self._left, f"fade {self._fade_ms:g} ms"]))
        painter.drawText(QtCore.QRectF(x, foot.top(), foot.right() - x, foot.height()),
                         theme.LEFT, words)  # fmt: skip
        painter.drawText(foot, theme.RIGHTWARDS, self._right)
