"""The time line of a recording: its event rate, where it is, and the way to elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6 import QtCore, QtGui, QtWidgets

from nodes.view import theme
from nodes.view.controls.link import Link, can, number
from pipeline.status import NodeStatus

if TYPE_CHECKING:
    from nodes.view.window import Window

_DRAG_NS = 80_000_000
_TICK_MS = 40
_KEY_SHARE = 0.02


class TimeLine(QtWidgets.QWidget):
    """As wide as the picture; shown where the source is a recording.

    Click or drag to go there; Left, Right, Home and End do the same.
    """

    def __init__(self, window: Window, link: Link) -> None:
        super().__init__()
        self._window, self._link = window, link
        self._source: NodeStatus | None = None
        self._slices: tuple[int, ...] = ()
        self.begin_s = self.end_s = self.position_s = 0.0
        self._told: tuple[float, int] = (0.0, 0)
        self._dragged: float | None = None
        self._sent_ns, self._sent_s = 0, -1.0
        self._drawn: tuple[object, QtGui.QPixmap] = (None, QtGui.QPixmap())
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
        self.setCursor(QtCore.Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName("time line of the recording")
        self.hide()
        # Between two statuses time goes on as the events that come in say.
        self._timer = QtCore.QTimer(self)
        self._timer.timeout.connect(self._tick)
        self.restyle()

    def restyle(self) -> None:
        """Take on a new look."""
        self.setFixedHeight(2 * theme.line_height(theme.CAPTION) + theme.em(1.0))
        self._drawn = (None, QtGui.QPixmap())
        self.update()

    def minimumSizeHint(self) -> QtCore.QSize:
        """Room for the seconds at both ends."""
        return QtCore.QSize(theme.em(10), self.height())

    def refresh(self) -> None:
        """Take what the source says; be away where it has no time line."""
        self._source = source = self._link.source()
        facts = {} if source is None else source.facts
        there = "position_s" in facts and can(source, "seek_s")
        if there != (not self.isHidden()):
            self.setVisible(there)
            (self._timer.start if there else self._timer.stop)(*((_TICK_MS,) if there else ()))
        if not there or source is None:
            return
        self.begin_s, self.end_s = number(facts, "begin_s"), number(facts, "end_s")
        self._slices = tuple(source.timeline)
        self._told = number(facts, "position_s"), self._window.scene.moment(0).t_us
        whole = facts.get("timeline") == "whole"
        self.setToolTip(
            "The recording's events over its time"
            f"{'' if whole else ', as far as it has been read'}; {self.end_s - self.begin_s:g} s.\n"
            "Click or drag to go there; Left and Right by 2 %, Home and End"
        )
        self._tick()

    def _tick(self) -> None:
        position, told_us = self._told
        if self._dragged is not None:
            position = self._dragged
        elif self._source is not None and self._source.state == "running":
            gone_s = (self._window.scene.moment(0).t_us - told_us) / 1e6
            # A status may come before the events of a jump: a little is sound, much is not.
            position = min(position + min(max(gone_s, 0.0), 10.0), self.end_s)
        if self._x_of(position) != self._x_of(self.position_s):
            self.update()
        self.position_s = position
        self.setAccessibleDescription(self.words())

    def words(self) -> str:
        """Say where it is."""
        return f"{_seconds(self.position_s)} of {_seconds(self.end_s)} s"

    # Where it is sent.

    def _room(self) -> QtCore.QRectF:
        pad = theme.em(0.8)
        foot = theme.line_height(theme.CAPTION) + theme.em(0.2)
        return QtCore.QRectF(self.rect()).adjusted(pad, theme.em(0.5), -pad, -foot)

    def _x_of(self, second: float) -> int:
        room = self._room()
        span = max(self.end_s - self.begin_s, 1e-9)
        share = min(max((second - self.begin_s) / span, 0.0), 1.0)
        return round(room.left() + share * room.width())

    def second_at(self, x: float) -> float:
        """Return which second of the recording lies at ``x`` of the widget."""
        room = self._room()
        share = min(max((x - room.left()) / max(room.width(), 1.0), 0.0), 1.0)
        return self.begin_s + share * (self.end_s - self.begin_s)

    def seek(self, second: float) -> None:
        """Send the source to a second of the recording."""
        if self._source is not None:
            self._sent_ns, self._sent_s = time.monotonic_ns(), second
            self._link.ask(self._source.name, "seek_s", f"{second:.6f}")

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:
        """Go where the mouse is."""
        if event.button() == QtCore.Qt.MouseButton.LeftButton:
            self._drag(event.position().x(), now=True)

    def mouseMoveEvent(self, event: QtGui.QMouseEvent) -> None:
        """Go along with the mouse, a dozen times a second."""
        if self._dragged is not None:
            self._drag(event.position().x(), now=False)

    def mouseReleaseEvent(self, event: QtGui.QMouseEvent) -> None:
        """Stay where the mouse was let go."""
        if self._dragged is not None and event.button() == QtCore.Qt.MouseButton.LeftButton:
            last = self.second_at(event.position().x())
            self._drag(event.position().x(), now=last != self._sent_s)
            self._told = last, self._window.scene.moment(0).t_us
            self._dragged = None

    def _drag(self, x: float, *, now: bool) -> None:
        self._dragged = self.second_at(x)
        if now or time.monotonic_ns() - self._sent_ns > _DRAG_NS:
            self.seek(self._dragged)
        self._tick()

    def keyPressEvent(self, event: QtGui.QKeyEvent) -> None:
        """Go by a little with the arrows."""
        span = self.end_s - self.begin_s
        key = QtCore.Qt.Key
        target = {
            int(key.Key_Left): self.position_s - _KEY_SHARE * span,
            int(key.Key_Right): self.position_s + _KEY_SHARE * span,
            int(key.Key_Home): self.begin_s,
            int(key.Key_End): self.end_s,
        }.get(event.key())
        if target is None:
            super().keyPressEvent(event)
            return
        second = min(max(target, self.begin_s), self.end_s)
        self._told = second, self._window.scene.moment(0).t_us
        self.seek(second)
        self._tick()

    # How it looks.

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """Paint the rate, the position and the seconds."""
        painter = QtGui.QPainter(self)
        look, room = theme.look(), self._room()
        state = (self._slices, self.size(), self.devicePixelRatioF(), look, theme.zoom())
        if self._drawn[0] != state:
            self._drawn = (state, self._paint_rate(room))
        painter.drawPixmap(0, 0, self._drawn[1])
        x = self._x_of(self.position_s)
        past = QtCore.QRectF(room.left(), room.top(), x - room.left(), room.height())
        painter.fillRect(past, theme.tinted(look.accent, 40))
        painter.fillRect(
            QtCore.QRectF(x - theme.em(0.06), room.top() - theme.em(0.2),
                          max(2, theme.em(0.12)), room.height() + theme.em(0.4)),
            look.text,
        )  # fmt: skip
        foot = QtCore.QRectF(room.left(), room.bottom() + theme.em(0.2), room.width(),
                             theme.line_height(theme.CAPTION))  # fmt: skip
        painter.setFont(theme.font(theme.CAPTION))
        painter.setPen(look.dim)
        painter.drawText(foot, theme.LEFT, f"{_seconds(self.begin_s)} s")
        painter.drawText(foot, theme.RIGHTWARDS, f"{_seconds(self.end_s)} s")
        painter.setPen(look.text)
        painter.drawText(foot, theme.CENTRE, self.words())
        if self.hasFocus():
            painter.setPen(QtGui.QPen(look.accent, 1))
            painter.drawRect(QtCore.QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5))
        painter.end()

    def _paint_rate(self, room: QtCore.QRectF) -> QtGui.QPixmap:
        look = theme.look()
        pixmap = QtGui.QPixmap(self.size() * self.devicePixelRatioF())
        pixmap.setDevicePixelRatio(self.devicePixelRatioF())
        pixmap.fill(QtCore.Qt.GlobalColor.transparent)
        painter = QtGui.QPainter(pixmap)
        painter.fillRect(room, look.ground)
        n, most = len(self._slices), max(self._slices, default=0)
        if most:
            wide = room.width() / n
            for i, count in enumerate(self._slices):
                tall = room.height() * count / most
                painter.fillRect(
                    QtCore.QRectF(room.left() + i * wide, room.bottom() - tall, wide, tall),
                    theme.tinted(look.accent, 130),
                )
        painter.setPen(QtGui.QPen(look.line, 1))
        painter.drawRect(room.adjusted(0.5, 0.5, -0.5, -0.5))
        painter.end()
        return pixmap


def _seconds(second: float) -> str:
    return f"{second:.3f}" if second < 100 else f"{second:,.1f}"
