"""What the layers of a network do: a raster of their spikes, and their rates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6 import QtCore, QtGui, QtWidgets

from nodes.view import theme
from nodes.view.card import Card
from nodes.view.scene import Scene
from nodes.view.tracks.activity import COLUMNS, Band, Raster
from nodes.view.tracks.canvas import packed

_SHADES = 64


class Layers(Card):
    """Time runs to the right, layers lie below each other, each as high as the others."""

    every_ms = 40

    def __init__(self) -> None:
        super().__init__(
            "LAYERS",
            "Spikes of each layer's neurons over the last bins, the newest at the right; a row of a"
            " large layer stands for several neurons. Hz: spikes of a neuron in a second of event"
            " time, on the mean",
        )
        self._version = 0
        self._raster: Raster | None = None
        self.choice = QtWidgets.QComboBox()
        self.choice.setToolTip("Whose network is shown")
        self.choice.setAccessibleName("network")
        self.choice.hide()
        self.choice.currentIndexChanged.connect(self._choose)
        layout = QtWidgets.QVBoxLayout(self)
        layout.addWidget(self.choice)
        layout.addStretch(1)
        self._settle()
        self._shades: NDArray[np.uint32] = np.zeros(_SHADES, np.uint32)
        self._shade()

    @staticmethod
    def has_data(scene: Scene) -> bool:
        """Whether a network has told of its layers."""
        return bool(scene.activity.names)

    def minimumSizeHint(self) -> QtCore.QSize:
        """Room for a few layers."""
        return QtCore.QSize(theme.em(12), theme.em(6))

    def _shade(self) -> None:
        look = theme.look()
        low, high = (
            np.array([ink.red(), ink.green(), ink.blue()], np.float64)
            for ink in (look.ground, look.accent)
        )
        # The cube root shows one spike among many neurons.
        share = np.cbrt(np.linspace(0, 1, _SHADES))[:, None]
        self._shades = packed(low + share * (high - low))

    def restyle(self) -> None:
        """Take on a new look."""
        self._shade()
        super().restyle()

    def refresh(self, scene: Scene, now_ns: int) -> bool:
        """Show what is new; return whether anything was."""
        if scene.activity.version == self._version:
            return False
        names = scene.activity.names
        if len(names) > self.choice.count():
            self.choice.addItems(names[self.choice.count() :])
            self.choice.setVisible(len(names) > 1)
        self._version = scene.activity.version
        self.tell(scene.activity.raster(self.choice.currentText()))
        return True

    def _choose(self) -> None:
        self._version = 0

    def tell(self, raster: Raster | None) -> None:
        """Show a raster; nothing yet leaves the last one standing."""
        if raster is None:
            return
        self._raster = raster
        self.note = f"last {COLUMNS * raster.bin_us / 1000:g} ms"
        self.update()

    def image(self, raster: Raster, band: Band, rows: int, columns: int) -> NDArray[np.uint32]:
        """Return a layer's picture ``[rows, columns] u4``, each 0xFFRRGGBB, as large as is seen.

        Where the screen has fewer rows or columns the strongest of each is shown: a single spike is
        not lost between two pixels.
        """
        share = raster.share[band.top : band.top + band.rows]
        for axis, most in enumerate((rows, columns)):
            if 0 < most < share.shape[axis]:
                starts = np.arange(most) * share.shape[axis] // most
                share = np.maximum.reduceat(share, starts, axis)
        level = np.ceil(share * (_SHADES - 1)).astype(np.intp)
        return np.ascontiguousarray(self._shades[level])

    def draw(self, painter: QtGui.QPainter, room: QtCore.QRectF) -> None:
        """Paint each layer's band, its name and its rate."""
        look, raster = theme.look(), self._raster
        if not self.choice.isHidden():
            room.setTop(self.choice.geometry().bottom() + theme.em(0.4))
        painter.setFont(theme.font(theme.CAPTION))
        if raster is None:
            painter.setPen(look.dim)
            painter.drawText(
                room,
                theme.CENTRE | QtCore.Qt.TextFlag.TextWordWrap,
                "no activity comes in: an edge from infer to view is wanted",
            )
            return
        metrics = painter.fontMetrics()
        names = max(metrics.horizontalAdvance(band.name) for band in raster.bands)
        names = min(names, int(room.width() / 4)) + theme.em(0.4)
        rates = metrics.horizontalAdvance("0,000 Hz") + theme.em(0.4)
        ratio = self.devicePixelRatioF()
        gap, n = theme.em(0.3), len(raster.bands)
        tall = (room.height() - gap * (n - 1)) / n
        for i, band in enumerate(raster.bands):
            top = room.top() + i * (tall + gap)
            place = QtCore.QRectF(
                room.left() + names, top, room.width() - names - rates, max(tall, 1)
            )
            pixels = self.image(
                raster, band, int(place.height() * ratio), int(place.width() * ratio)
            )
            height, width = pixels.shape
            image = QtGui.QImage(
                pixels.data, width, height, 4 * width, QtGui.QImage.Format.Format_RGB32
            )
            painter.drawImage(place, image)
            painter.setPen(QtGui.QPen(look.line, 1))
            painter.setBrush(QtCore.Qt.BrushStyle.NoBrush)
            painter.drawRect(place)
            painter.setPen(look.text)
            left = QtCore.QRectF(room.left(), top, names - theme.em(0.4), tall)
            elide = QtCore.Qt.TextElideMode.ElideRight
            painter.drawText(
                left, theme.LEFT, metrics.elidedText(band.name, elide, int(left.width()))
            )
            painter.setPen(look.dim)
            right = QtCore.QRectF(place.right(), top, rates, tall)
            painter.drawText(right, theme.RIGHTWARDS, rate_words(band.rate_hz))


def rate_words(rate_hz: float) -> str:
    """Return a neuron's rate in words."""
    return f"{rate_hz:,.0f} Hz" if rate_hz >= 10 else f"{rate_hz:.1f} Hz"
