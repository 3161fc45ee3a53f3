"""The viewer's window: picture, answer, class scores and rates, repainted only when they change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6 import QtCore, QtGui, QtWidgets

from nodes.view.scene import OFF, ON, Opinion, Scene
from pipeline.errors import RetinaError

_GROUND, _PANEL, _TEXT, _DIM = "#101218", "#191c25", "#e8eaf0", "#8a90a2"
_RIGHT, _WRONG, _BAR, _BEST = "#5dd39e", "#ff6b6b", "#3a4258", "#5ac8fa"
_RATES_EVERY = 15


def _rgb(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


class Picture(QtWidgets.QWidget):
    """An RGB image, as large as fits, every pixel a sharp square."""

    def __init__(self) -> None:
        super().__init__()
        self.setMinimumSize(320, 320)
        self._pixels: NDArray[np.uint8] = np.zeros((1, 1, 3), np.uint8)

    def show_pixels(self, pixels: NDArray[np.uint8]) -> None:
        """Show ``pixels`` [H, W, 3] u1."""
        self._pixels = np.ascontiguousarray(pixels)
        self.update()

    def paintEvent(self, _: QtGui.QPaintEvent) -> None:
        """Paint the image in the middle, its aspect kept."""
        height, width = self._pixels.shape[:2]
        image = QtGui.QImage(
            self._pixels.data, width, height, 3 * width, QtGui.QImage.Format.Format_RGB888
        )
        scale = min(self.width() / width, self.height() / height)
        target = QtCore.QRectF(0, 0, width * scale, height * scale)
        target.moveCenter(QtCore.QRectF(self.rect()).center())
        painter = QtGui.QPainter(self)
        painter.drawImage(target, image)
        painter.end()


class Bars(QtWidgets.QWidget):
    """One bar a class: output spikes since the window began."""

    def __init__(self) -> None:
        super().__init__()
        self.setMinimumHeight(170)
        self._opinion: Opinion | None = None

    def show_opinion(self, opinion: Opinion | None) -> None:
        """Show an opinion's counts."""
        self._opinion = opinion
        self.update()

    def paintEvent(self, _: QtGui.QPaintEvent) -> None:
        """Paint the bars, the answer's in the bright colour."""
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        opinion = self._opinion
        classes = opinion.classes if opinion else tuple(range(10))
        counts = opinion.counts if opinion else np.zeros(len(classes), np.int64)
        top = max(int(counts.max(initial=0)), 1)
        cell = self.width() / len(classes)
        room = self.height() - 44
        painter.setFont(QtGui.QFont(self.font().family(), 10))
        for i, (name, count) in enumerate(zip(classes, counts, strict=True)):
            best = opinion is not None and name == opinion.answer and count > 0
            tall = room * int(count) / top
            bar = QtCore.QRectF(i * cell + 3, 20 + room - tall, cell - 6, tall + 1)
            painter.setPen(QtCore.Qt.PenStyle.NoPen)
            painter.setBrush(QtGui.QColor(_BEST if best else _BAR))
            painter.drawRoundedRect(bar, 2, 2)
            painter.setPen(QtGui.QColor(_TEXT if best else _DIM))
            below = QtCore.QRectF(i * cell, self.height() - 22, cell, 20)
            painter.drawText(below, QtCore.Qt.AlignmentFlag.AlignCenter, str(name))
            if count:
                above = QtCore.QRectF(i * cell - 6, bar.top() - 18, cell + 12, 16)
                painter.drawText(above, QtCore.Qt.AlignmentFlag.AlignCenter, str(int(count)))
        painter.end()


def _label(size: int, colour: str = _TEXT, *, bold: bool = False) -> QtWidgets.QLabel:
    label = QtWidgets.QLabel()
    weight = "600" if bold else "400"
    label.setStyleSheet(f"color: {colour}; font-size: {size}px; font-weight: {weight};")
    return label


class Window(QtWidgets.QWidget):
    """The whole window; ``closed`` turns true when the user closes it."""

    def __init__(self, scene: Scene, title: str) -> None:
        super().__init__()
        self.closed = False
        self.frames = 0
        self._scene = scene
        self._seen = -1
        self.setWindowTitle(title)
        self.resize(1000, 620)
        self.setStyleSheet(f"Window, QWidget {{ background: {_GROUND}; }}")
        self.picture = Picture()
        self.bars = Bars()
        self.state = _label(12, _DIM)
        self.sample = _label(14, _DIM)
        self.answer = _label(104, bold=True)
        self.verdict = _label(22, bold=True)
        self.elapsed = _label(14, _DIM)
        self.accuracy = _label(16)
        self.rates = _label(14)
        self.plot = pg.PlotWidget(background=_GROUND)
        self.plot.setFixedHeight(90)
        self.plot.hideAxis("bottom")
        self.plot.getAxis("left").setPen(_DIM)
        self.plot.getAxis("left").setTextPen(_DIM)
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.hideButtons()
        self._curve = self.plot.plot(pen=pg.mkPen(_BEST, width=2), fillLevel=0, brush=_PANEL)
        self._lay_out()
        self.refresh()

    def _lay_out(self) -> None:
        legend = QtWidgets.QLabel(
            f'<span style="color:{_rgb(ON)}">■ ON</span> &nbsp; '
            f'<span style="color:{_rgb(OFF)}">■ OFF</span>'
        )
        legend.setStyleSheet("font-size: 13px;")
        under = QtWidgets.QHBoxLayout()
        under.addWidget(legend)
        under.addStretch(1)
        under.addWidget(self.state)
        left = QtWidgets.QVBoxLayout()
        left.addWidget(self.picture, 1)
        left.addLayout(under)
        head = QtWidgets.QHBoxLayout()
        head.addWidget(self.answer)
        beside = QtWidgets.QVBoxLayout()
        beside.addStretch(1)
        for widget in (self.verdict, self.elapsed, self.accuracy):
            beside.addWidget(widget)
        beside.addStretch(1)
        head.addLayout(beside, 1)
        right = QtWidgets.QVBoxLayout()
        right.addWidget(self.sample)
        right.addLayout(head)
        caption = _label(12, _DIM)
        caption.setText("output spikes of each class in this window")
        right.addWidget(caption)
        right.addWidget(self.bars, 1)
        right.addWidget(self.rates)
        right.addWidget(self.plot)
        self._right = QtWidgets.QWidget()
        self._right.setLayout(right)
        self._right.setFixedWidth(380)
        both = QtWidgets.QHBoxLayout(self)
        both.addLayout(left, 1)
        both.addWidget(self._right)

    def refresh(self) -> None:
        """Show what is new, if anything is."""
        scene = self._scene
        if scene.version == self._seen:
            return
        self._seen = scene.version
        self.frames += 1
        self.state.setText("LIVE" if scene.version else "WAITING")
        self.picture.show_pixels(scene.picture())
        self._tell(scene.opinion)
        if self.frames % _RATES_EVERY == 1:
            rates = scene.rates()
            self.rates.setText(f"{rates.events:,.0f} events/s   {rates.packets:,.0f} packets/s")
            self._curve.setData(rates.history)

    def _tell(self, opinion: Opinion | None) -> None:
        self.bars.show_opinion(opinion)
        scene = self._scene
        if scene.answered:
            share = 100 * scene.right / scene.answered
            self.accuracy.setText(f"{scene.right} of {scene.answered} right = {share:.1f} %")
        if opinion is None or not opinion.counts.any():
            self.answer.setText("·")
            self.verdict.setText("")
            self.elapsed.setText("" if opinion is None else f"{opinion.ms:.0f} ms")
            return
        self.answer.setText(str(opinion.answer))
        self.sample.setText(opinion.sample or "")
        self.elapsed.setText(f"after {opinion.ms:.0f} of {opinion.window_ms:.0f} ms")
        if opinion.label is None:
            self.verdict.setText("")
            return
        right = opinion.answer == opinion.label
        colour = _RIGHT if right else _WRONG
        self.verdict.setText(f"{'✓' if right else '✗'}  shown {opinion.label}")
        self.verdict.setStyleSheet(f"color: {colour}; font-size: 22px; font-weight: 600;")

    def end(self) -> None:
        """Say that nothing more will come."""
        self.state.setText("ENDED")

    def save(self, path: str) -> None:
        """Save a picture of the window; raises RetinaError where that cannot be."""
        if not self.grab().save(path):
            raise RetinaError(f"{Path(path)}: cannot write a screenshot (folder and .png ending?)")

    def closeEvent(self, event: QtGui.QCloseEvent) -> None:
        """Note that the user closed the window."""
        self.closed = True
        super().closeEvent(event)
