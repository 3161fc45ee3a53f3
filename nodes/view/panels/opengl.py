"""Whether OpenGL is there, asked without harm; and the events in space and time drawn with it."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from PySide6 import QtGui, QtWidgets

from nodes.view import theme
from nodes.view.tracks.ring import Recent
from nodes.view.tracks.space import cloud

_HOW_PACKAGE = "pip install 'silicon-retina[gl]'"
_HOW_DRIVER = "sudo apt-get install -y libgl1 libegl1 libgl1-mesa-dri, and a display"


def problem() -> str | None:
    """Return why there is no OpenGL, and what would mend that; None where there is."""
    try:
        importlib.import_module("OpenGL.GL")
        importlib.import_module("pyqtgraph.opengl")
    except Exception as error:
        return f"there is no OpenGL for Python ({_line(error)}): {_HOW_PACKAGE}"
    context = QtGui.QOpenGLContext()
    if not context.create():
        name = QtGui.QGuiApplication.platformName()
        return f"Qt's platform '{name}' makes no OpenGL context: {_HOW_DRIVER}"
    surface = QtGui.QOffscreenSurface()
    surface.create()
    if not surface.isValid() or not context.makeCurrent(surface):
        return f"an OpenGL context cannot be used: {_HOW_DRIVER}"
    context.doneCurrent()
    return None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


class Cloud:
    """pyqtgraph's 3-D view of events; made only where ``problem`` is None."""

    def __init__(self) -> None:
        gl: Any = importlib.import_module("pyqtgraph.opengl")
        self.widget: QtWidgets.QWidget = gl.GLViewWidget()
        self._view: Any = self.widget
        self._view.setCameraPosition(distance=1.8, elevation=20, azimuth=-60)
        self._dots = gl.GLScatterPlotItem(size=2.5, pxMode=True)
        self._dots.setGLOptions("translucent")
        self._box = gl.GLBoxItem()
        self._view.addItem(self._dots)
        self._view.addItem(self._box)
        self._shape = (0, 0)

    def show(self, recent: Recent, shape: tuple[int, int], span_us: int) -> None:
        """Show events of a sensor of ``shape``."""
        look = theme.look()
        self._view.setBackgroundColor(look.ground)
        if shape != self._shape:
            self._shape = shape
            height, width = shape
            longest = max(shape)
            self._box.setSize(1, width / longest, height / longest)
            self._box.resetTransform()
            self._box.translate(-0.5, -width / longest / 2, -height / longest / 2)
            self._box.setColor(look.line)
        place = cloud(recent, shape, span_us)
        # Time runs towards the viewer's right, rows upwards.
        position = np.stack([-place[:, 2], place[:, 0], -place[:, 1]], 1).astype(np.float32)
        inks = np.array([look.inks.off, look.inks.on], np.float32) / 255
        colour = np.ones((len(position), 4), np.float32)
        colour[:, :3] = inks[recent.p]
        colour[:, 3] = 1 - 0.75 * recent.age_us / span_us
        self._dots.setData(pos=position, color=colour)
