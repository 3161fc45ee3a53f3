"""The region of interest, drawn with the mouse on the picture and kept by the source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6 import QtCore, QtGui

from nodes.view import theme
from nodes.view.controls.link import Link, can, why_not
from pipeline.status import NodeStatus

if TYPE_CHECKING:
    from nodes.view.window import Window

Box = tuple[int, int, int, int]
"""First column and row, width and height, in the sensor's pixels."""

_LEAST_EM = 0.3
_TURNED = {"crop": "", "pool": "1", "flip": "none", "rotate": "0"}
"""The settings of a filter that make the picture another than the source's; off."""


def box_of(text: str) -> Box | None:
    """Return the region that a setting's text means, None where it is the whole sensor."""
    try:
        x, y, width, height = (int(part) for part in text.split(","))
    except ValueError:
        return None
    return (x, y, width, height) if width > 0 and height > 0 else None


class Region(QtCore.QObject):
    """Draws the region and asks for it; ``clear`` asks for the whole sensor."""

    def __init__(self, window: Window, link: Link) -> None:
        super().__init__(window)
        self._window, self._link = window, link
        self._pixels = window.picture.pixels
        self._source: NodeStatus | None = None
        self._from: QtCore.QPointF | None = None
        self._to = QtCore.QPointF()
        self.box: Box | None = None
        self.clear = QtGui.QAction("Whole sensor", self)
        self.clear.setShortcut(QtGui.QKeySequence("W"))
        self.clear.triggered.connect(lambda _=False: self.ask(None))
        self._pixels.installEventFilter(self)
        self._pixels.overlays.append(self._draw)
        self.refresh()

    def ask(self, box: Box | None) -> None:
        """Ask the source for a region, None: for the whole sensor."""
        if can(self._source, "roi"):
            assert self._source is not None
            text = "" if box is None else ",".join(str(part) for part in box)
            self._link.ask(self._source.name, "roi", text)
            self.refresh()

    def refresh(self) -> None:
        """Show the region that is in force, or asked for."""
        self._source = source = self._link.source()
        text = None if source is None else self._link.value(source.name, "roi")
        box = box_of(text or "")
        why = self._why_not()
        if box != self.box:
            self.box = box
            self._pixels.update()
        self.clear.setEnabled(not why and box is not None)
        hint = "See the whole sensor again, after a region was drawn on the picture (W)"
        self.clear.setToolTip(f"{hint}\n{why}" if why else hint)
        shape = QtCore.Qt.CursorShape
        if (self._pixels.cursor().shape() == shape.CrossCursor) == bool(why):
            self._pixels.setCursor(shape.ArrowCursor if why else shape.CrossCursor)

    def _why_not(self) -> str:
        """Say why no region can be drawn; empty where one can."""
        why = why_not(self._source, "roi", "recordings and cameras")
        if why:
            return why
        for node in self._link.of_kind("filter"):
            for key, off in _TURNED.items():
                setting = node.setting(key)
                if setting is not None and setting.actual != off:
                    return (
                        f"{node.name}.{key} = {setting.actual} makes the picture another than the"
                        " source's"
                    )
        return ""

    # The mouse.

    def eventFilter(self, watched: QtCore.QObject, event: QtCore.QEvent) -> bool:
        """Follow the mouse over the picture."""
        if not isinstance(event, QtGui.QMouseEvent):
            return False
        kind = event.type()
        left = event.button() == QtCore.Qt.MouseButton.LeftButton
        if kind == QtCore.QEvent.Type.MouseButtonPress and left:
            if not self._why_not() and self._window.scene.moment(0).sensor is not None:
                self._from = self._to = event.position()
        elif kind == QtCore.QEvent.Type.MouseMove and self._from is not None:
            self._to = event.position()
            self._pixels.update()
        elif kind == QtCore.QEvent.Type.MouseButtonRelease and left and self._from is not None:
            self._to = event.position()
            box = self._drawn()
            self._from = None
            self._pixels.update()
            if box is not None:
                self.ask(box)
        return False

    def _drawn(self) -> Box | None:
        """Return the region between press and here; None: it was a click, or beside the image."""
        if self._from is None:
            return None
        reach = self._to - self._from
        if max(abs(reach.x()), abs(reach.y())) < theme.em(_LEAST_EM):
            return None
        height, width = self._pixels.shown_size
        (x0, y0), (x1, y1) = (self._pixels.sensor_at(at) for at in (self._from, self._to))
        left, right = _span(x0, x1, width)
        top, bottom = _span(y0, y1, height)
        if left >= right or top >= bottom:
            return None
        return left, top, right - left, bottom - top

    # How it looks.

    def _draw(self, painter: QtGui.QPainter) -> None:
        drawn = self._drawn()
        box = drawn or self.box
        if box is None:
            return
        x, y, width, height = box
        corner = self._pixels.widget_at(x, y)
        frame = QtCore.QRectF(corner, self._pixels.widget_at(x + width, y + height))
        look = theme.look()
        # Two strokes, one of them dashed: seen on any picture, by anyone.
        for colour, style in (
            (look.ground, QtCore.Qt.PenStyle.SolidLine),
            (look.text, QtCore.Qt.PenStyle.DashLine),
        ):
            pen = QtGui.QPen(colour, max(2.0, theme.em(0.1)), style)
            painter.setPen(pen)
            painter.setBrush(QtCore.Qt.BrushStyle.NoBrush)
            painter.drawRect(frame)
        painter.setFont(theme.font(theme.CAPTION))
        words = f"{width} × {height} at {x}, {y}"
        metrics = painter.fontMetrics()
        label = QtCore.QRectF(0, 0, metrics.horizontalAdvance(words) + theme.em(0.6),
                              metrics.height())  # fmt: skip
        label.moveBottomLeft(frame.topLeft())
        if label.top() < 0:
            label.moveTopLeft(frame.topLeft())
        painter.fillRect(label, theme.tinted(look.ground, 220))
        painter.setPen(look.text)
        painter.drawText(label, theme.CENTRE, words)


def _span(one: float, other: float, size: int) -> tuple[int, int]:
    """Return the whole pixels between two places, from the first to behind the last, cut."""
    low, high = sorted((one, other))
    return max(0, int(low // 1)), min(size, int(-(-high // 1)))
