"""Events in space and time: columns, rows and age, to be turned with the mouse."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PySide6 import QtCore, QtGui

from nodes.view import theme
from nodes.view.card import Card
from nodes.view.panels import opengl
from nodes.view.scene import Scene
from nodes.view.tracks import space
from nodes.view.tracks.ring import Recent
from nodes.view.tracks.space import Pose

SPAN_US = 300_000
_MOST = 30_000
_MOST_GL = 100_000


class Space(Card):
    """The last events in a box; drawn with OpenGL where it is there, else on the processor.

    Where it is not, ``why`` says so and what would mend it. OpenGL is first asked for when the
    panel is first seen.
    """

    every_ms = 30

    def __init__(self) -> None:
        super().__init__(
            "SPACE AND TIME",
            f"The events of the last {SPAN_US // 1000} ms of event time: the sensor's columns and"
            " rows, and age into the depth. Drag to turn, wheel to come nearer",
        )
        self.why: str | None = None
        self.cloud: opengl.Cloud | None = None
        self._asked = False
        self._version = -1
        self._scene: Scene | None = None
        self._recent: Recent | None = None
        self._shape = (1, 1)
        self._pose = Pose()
        self._drag: QtCore.QPointF | None = None
        self._pixels: NDArray[np.uint32] = np.zeros((1, 1), np.uint32)
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)

    def minimumSizeHint(self) -> QtCore.QSize:
        """Room for a box in which something is seen."""
        return QtCore.QSize(theme.em(10), theme.em(8))

    def _ask(self) -> None:
        """See once whether OpenGL is there."""
        self._asked = True
        self.why = opengl.problem()
        if self.why is not None:
            self.setToolTip(f"{self.toolTip()}\nDrawn on the processor: {self.why}")
            return
        try:
            self.cloud = opengl.Cloud()
        except Exception as error:
            self.why = f"OpenGL fails: {error}"
            return
        self.hold(self.cloud.widget)

    def refresh(self, scene: Scene, now_ns: int) -> bool:
        """Show the last events where there are new ones; return whether there were."""
        if not self._asked:
            self._ask()
        self._scene = scene
        if scene.events_seen == self._version:
            return False
        self._version = scene.events_seen
        scene.want_recent(SPAN_US)
        recent = scene.recent(_MOST if self.cloud is None else _MOST_GL)
        if recent is None:
            return False
        self._recent, self._shape = recent, scene.shape
        self.note = f"{len(recent.x):,} events, {SPAN_US // 1000} ms"
        if self.cloud is not None:
            self.cloud.show(recent, self._shape, SPAN_US)
        else:
            self.update()
        return True

    def hideEvent(self, event: QtGui.QHideEvent) -> None:
        """Nobody looks: events need not be kept one by one."""
        super().hideEvent(event)
        self.rest()

    def rest(self) -> None:
        """Ask for no events until the panel is seen again."""
        if self._scene is not None:
            self._scene.want_recent(0)
            self._version = -1

    def draw(self, painter: QtGui.QPainter, room: QtCore.QRectF) -> None:
        """Paint the events and the edges of their box, and below why it is not OpenGL."""
        if self.cloud is not None:
            return
        look = theme.look()
        painter.setFont(theme.font(theme.CAPTION))
        foot = QtCore.QRectF(room)
        words = "" if self.why is None else f"drawn without OpenGL: {self.why}"
        wrap = QtCore.Qt.TextFlag.TextWordWrap
        tall = painter.boundingRect(room, wrap, words).height()
        foot.setTop(room.bottom() - tall)
        place = QtCore.QRectF(room)
        place.setBottom(foot.top() - theme.em(0.3))
        ratio = self.devicePixelRatioF()
        width, height = int(place.width() * ratio), int(place.height() * ratio)
        if self._recent is not None and min(width, height) > 8:
            if self._pixels.shape != (height, width):
                self._pixels = np.empty((height, width), np.uint32)
            space.paint(self._recent, self._shape, SPAN_US, self._pose, look.inks, self._pixels)
            image = QtGui.QImage(
                self._pixels.data, width, height, 4 * width, QtGui.QImage.Format.Format_RGB32
            )
            painter.drawImage(place, image)
            painter.setPen(QtGui.QPen(theme.tinted(look.dim, 120), 1))
            for (x0, y0), (x1, y1) in space.frame(self._shape, self._pose, width, height):
                painter.drawLine(
                    place.topLeft() + QtCore.QPointF(x0, y0) / ratio,
                    place.topLeft() + QtCore.QPointF(x1, y1) / ratio,
                )
        painter.setPen(look.dim)
        painter.drawText(foot, wrap, words)

    @property
    def pose(self) -> Pose:
        """From where the box is seen."""
        return self._pose

    def turn(self, turn: float, tip: float, zoom: float = 1.0) -> None:
        """Turn and tip the box by radians, and come nearer by the factor ``zoom``."""
        tipped = min(max(self._pose.tip + tip, -math.pi / 2), math.pi / 2)
        near = min(max(self._pose.zoom * zoom, 0.3), 5.0)
        self._pose = Pose(self._pose.turn + turn, tipped, near)
        self.update()

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:
        """Begin to turn the box."""
        self._drag = event.position()

    def mouseMoveEvent(self, event: QtGui.QMouseEvent) -> None:
        """Turn the box."""
        if self._drag is not None:
            moved = event.position() - self._drag
            self._drag = event.position()
            side = max(1, min(self.width(), self.height()))
            self.turn(math.pi * moved.x() / side, math.pi * moved.y() / side)

    def mouseReleaseEvent(self, event: QtGui.QMouseEvent) -> None:
        """Let go of the box."""
        self._drag = None

    def wheelEvent(self, event: QtGui.QWheelEvent) -> None:
        """Come nearer, or go away."""
        self.turn(0, 0, 1.1 ** (event.angleDelta().y() / 120))

    def keyPressEvent(self, event: QtGui.QKeyEvent) -> None:
        """Turn the box with the arrows, come nearer with + and -."""
        key, step = QtCore.Qt.Key, math.radians(5)
        moves = {
            key.Key_Left: (-step, 0.0, 1.0),
            key.Key_Right: (step, 0.0, 1.0),
            key.Key_Up: (0.0, -step, 1.0),
            key.Key_Down: (0.0, step, 1.0),
            key.Key_Plus: (0.0, 0.0, 1.1),
            key.Key_Minus: (0.0, 0.0, 1 / 1.1),
        }
        move = moves.get(QtCore.Qt.Key(event.key()))
        if move is None:
            super().keyPressEvent(event)
        else:
            self.turn(*move)
