"""Plots in the viewer's look, as cheap as pyqtgraph can draw them.

To load pyqtgraph takes as long as to load Qt and all else that the window is made of. It is loaded
when there has been a picture; until then panels do without their plots.
"""

from __future__ import annotations

import contextlib
from importlib import import_module
from typing import TYPE_CHECKING

from PySide6 import QtCore, QtGui

from nodes.view import theme

if TYPE_CHECKING:
    import pyqtgraph as pg

_SOON_MS = 1000


class Loading:
    """Whether pyqtgraph is loaded, or about to be."""

    def __init__(self) -> None:
        self.over = self._begun = False

    def begin(self) -> None:
        """Load it soon."""
        if not self._begun:
            self._begun = True
            QtCore.QTimer.singleShot(_SOON_MS, self.finish)

    def finish(self) -> None:
        """Load it now."""
        if not self.over:
            self.over = True
            # Whoever makes a plot then is told what is amiss.
            with contextlib.suppress(ImportError):
                import_module("pyqtgraph")


_loading = Loading()


def loaded(*, wait: bool = False) -> bool:
    """Return whether plots can be made without a delay; the first call has pyqtgraph loaded soon.

    ``wait`` until it is there. Called in the window's thread, which loads it: Qt's types are made
    when they are first used, here by the import of pyqtgraph, and must not be by two threads.
    """
    if wait:
        _loading.finish()
    else:
        _loading.begin()
    return _loading.over


def plot_widget() -> pg.PlotWidget:
    """Return a plot that nobody can drag away, without menus, buttons and a bottom axis."""
    import pyqtgraph as pg

    plot = pg.PlotWidget(background=theme.look().ground, enableMenu=False)
    item = plot.getPlotItem()
    item.hideAxis("bottom")
    item.hideButtons()
    item.setMouseEnabled(x=False, y=False)
    item.disableAutoRange()
    item.showGrid(x=False, y=True, alpha=0.12)
    restyle(plot)
    return plot


def restyle(plot: pg.PlotWidget, *, widest: str = "000 k") -> None:
    """Give a plot the look of this moment; ``widest`` is the longest number at its left."""
    import pyqtgraph as pg

    look = theme.look()
    plot.setBackground(look.ground)
    item = plot.getPlotItem()
    caption = theme.font(theme.CAPTION)
    metrics = QtGui.QFontMetrics(caption)
    for name in ("left", "bottom"):
        axis = item.getAxis(name)
        axis.setPen(pg.mkPen(None))
        axis.setTextPen(look.dim)
        axis.setStyle(tickLength=0, tickFont=caption, maxTickLevel=0)
    item.getAxis("left").setWidth(metrics.horizontalAdvance(widest) + theme.em(0.7))
    item.getAxis("bottom").setHeight(metrics.height() + theme.em(0.2))
