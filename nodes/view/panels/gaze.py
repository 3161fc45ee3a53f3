"""Where the retina is pointed: the path of the last second."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6 import QtCore, QtGui

from nodes.view import theme
from nodes.view.card import Card
from nodes.view.scene import Scene
from nodes.view.tracks.gaze import SPAN_US

_FADES = 8


class GazePath(Card):
    """The path around the resting place, fading with age; a ring where the retina points now."""

    every_ms = 30

    def __init__(self) -> None:
        super().__init__(
            "GAZE",
            "Where the retina points: pixels of the sensor, right and down from rest, over the"
            f" last {SPAN_US / 1e6:g} s of event time",
        )
        self._version = 0
        self._path: NDArray[np.float32] = np.zeros((0, 2), np.float32)
        self._extent = 1.0

    @staticmethod
    def has_data(scene: Scene) -> bool:
        """Whether there have been gaze samples."""
        return scene.gaze_seen > 0

    def minimumSizeHint(self) -> QtCore.QSize:
        """Room for a path that can be followed."""
        return QtCore.QSize(theme.em(8), theme.em(8))

    def refresh(self, scene: Scene, now_ns: int) -> bool:
        """Show what is new; return whether anything was."""
        if scene.gaze_seen == self._version:
            return False
        self._version = scene.gaze_seen
        self.tell(scene.gaze())
        return True

    def tell(self, path: NDArray[np.float32]) -> None:
        """Show a path ``[n, 2]``, pixels right and down."""
        self._path = path
        if len(path):
            # Only ever wider: a frame that breathes with the path could not be read.
            self._extent = max(self._extent, float(np.abs(path).max()) * 1.1)
            x, y = path[-1]
            self.note = f"{x:+.1f}, {y:+.1f} pixels"
        self.update()

    def draw(self, painter: QtGui.QPainter, room: QtCore.QRectF) -> None:
        """Paint the axes, the path and where it has come to."""
        look = theme.look()
        side = min(room.width(), room.height())
        centre, scale = room.center(), side / 2 / self._extent
        painter.setPen(QtGui.QPen(look.faint, 1))
        half = side / 2
        painter.drawLine(centre - QtCore.QPointF(half, 0), centre + QtCore.QPointF(half, 0))
        painter.drawLine(centre - QtCore.QPointF(0, half), centre + QtCore.QPointF(0, half))
        painter.setPen(look.dim)
        painter.setFont(theme.font(theme.CAPTION))
        painter.drawText(room, QtCore.Qt.AlignmentFlag.AlignBottom, f"± {self._extent:.1f} pixels")
        if not len(self._path):
            painter.drawText(room, theme.CENTRE, "no gaze comes in")
            return
        points = [
            QtCore.QPointF(centre.x() + x * scale, centre.y() + y * scale)
            for x, y in self._path[:: max(1, len(self._path) // 500)].tolist()
        ]
        x, y = self._path[-1].tolist()
        points.append(QtCore.QPointF(centre.x() + x * scale, centre.y() + y * scale))
        # A piece at a time, the older the paler.
        step = max(1, -(-len(points) // _FADES))
        for begin in range(0, len(points), step):
            piece = points[begin : begin + step + 1]
            age = (len(points) - begin) / len(points)
            colour = theme.tinted(look.accent, round(255 - 190 * age))
            painter.setPen(QtGui.QPen(colour, theme.em(0.12)))
            painter.drawPolyline(piece)
        painter.setPen(QtGui.QPen(look.text, theme.em(0.1)))
        ring = theme.em(0.35)
        painter.drawEllipse(points[-1], ring, ring)
