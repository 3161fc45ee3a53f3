"""An image in a widget: every pixel a sharp square, as large as fits, its aspect kept."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PySide6 import QtCore, QtGui, QtWidgets

from nodes.view import theme

_WHOLE = 6
"""From so many screen pixels for one of the sensor's on, only whole numbers: all alike."""


class Pixels(QtWidgets.QWidget):
    """An image in the middle, its aspect kept; ``scale`` is the most screen pixels for one."""

    def __init__(self, scale: float | None, least_em: float, hint: str = "") -> None:
        super().__init__()
        self._scale = scale
        self._hint = hint
        self._least_em = least_em
        self._size: tuple[int, int] | None = None
        self.overlays: list[Callable[[QtGui.QPainter], None]] = []
        """What others paint over the image."""
        self.setAttribute(QtCore.Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.clear()

    def minimumSizeHint(self) -> QtCore.QSize:
        """Room for a square that shows something."""
        side = theme.em(self._least_em)
        return QtCore.QSize(side, side)

    def sizeHint(self) -> QtCore.QSize:
        """Twice the least."""
        return self.minimumSizeHint() * 2

    def clear(self) -> None:
        """Show nothing."""
        self.show_pixels(np.full((1, 1), theme.look().ground.rgb(), np.uint32))

    def show_pixels(self, pixels: NDArray[np.uint32], size: tuple[int, int] | None = None) -> None:
        """Show ``pixels`` [H, W] u4, each 0xFFRRGGBB; they are looked at when Qt paints.

        ``size`` is height and width of what they are a picture of, where that has more pixels.
        """
        self._pixels = pixels
        self._size = size
        self.update()

    @property
    def shown_size(self) -> tuple[int, int]:
        """Height and width of what is shown, in pixels of the sensor."""
        return self._size or self._pixels.shape

    def hint(self, words: str) -> None:
        """Say ``words`` in the middle, where there is nothing to see."""
        if words != self._hint:
            self._hint = words
            self.update()

    def target(self) -> QtCore.QRectF:
        """Return where in the widget the image lies."""
        height, width = self.shown_size
        scale = self._scale_of(height, width)
        place = QtCore.QRectF(0, 0, width * scale, height * scale)
        place.moveTopLeft(
            QtCore.QPointF(
                (self.width() - round(place.width())) // 2,
                (self.height() - round(place.height())) // 2,
            )
        )
        return place

    def _scale_of(self, height: int, width: int) -> float:
        fits = min(self.width() / width, self.height() / height)
        scale = fits if self._scale is None else min(fits, self._scale)
        return int(scale) if scale >= _WHOLE else scale

    def shrink_for(self, height: int, width: int) -> int:
        """Return how many sensor pixels each way fall on one of the screen's, at least 1."""
        scale = self._scale_of(max(height, 1), max(width, 1)) * self.devicePixelRatioF()
        return max(1, int(1 / max(scale, 1e-3) + 0.01))

    def sensor_at(self, place: QtCore.QPointF) -> tuple[float, float]:
        """Return column and row of the sensor that lie at ``place`` of the widget, in pixels."""
        target = self.target()
        height, width = self.shown_size
        x = (place.x() - target.x()) * width / max(target.width(), 1e-9)
        y = (place.y() - target.y()) * height / max(target.height(), 1e-9)
        return x, y

    def widget_at(self, x: float, y: float) -> QtCore.QPointF:
        """Return where in the widget column ``x`` and row ``y`` of the sensor lie."""
        target = self.target()
        height, width = self.shown_size
        return target.topLeft() + QtCore.QPointF(
            x * target.width() / width, y * target.height() / height
        )

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
            painter.fillRect(QtCore.QRect(x, y, w, h), theme.look().ground)
        painter.drawImage(place, image)
        self.draw_over(painter)
        for overlay in self.overlays:
            overlay(painter)
        if self._hint:
            painter.setFont(theme.font(theme.BODY))
            painter.setPen(theme.look().dim)
            wrapped = theme.CENTRE | QtCore.Qt.TextFlag.TextWordWrap
            painter.drawText(QtCore.QRectF(self.rect()), wrapped, self._hint)
        painter.end()

    def draw_over(self, painter: QtGui.QPainter) -> None:
        """Paint over the image; for kinds of image that show more."""
