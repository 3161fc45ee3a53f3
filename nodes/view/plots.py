"""Plots in the viewer's look, as cheap as pyqtgraph can draw them.

To load pyqtgraph takes as long as to load Qt and all else that the window is made of. It is loaded
in a thread when a panel first has something to plot; until then panels do without their plots.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from importlib import import_module
from typing import TYPE_CHECKING

from PySide6 import QtGui

from nodes.view import theme

if TYPE_CHECKING:
    import pyqtgraph as pg


@functools.cache
def _loader() -> threading.Thread:
    loader = threading.Thread(target=_load, daemon=True)
    loader.start()
    return loader


def _load() -> None:
    # Whoever makes a plot then is told what is amiss.
    with contextlib.suppress(ImportError):
        import_module("pyqtgraph")


def loaded(*, wait: bool = False) -> bool:
    """Return whether plots can be made without a delay; the first call begins to load pyqtgraph.

    ``wait`` until it is there.
    """
    loader = _loader()
    if wait:
        loader.join()
    return not loader.is_alive()


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
