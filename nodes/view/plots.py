"""Plots in the viewer's look, as cheap as pyqtgraph can draw them."""

from __future__ import annotations

import pyqtgraph as pg
from PySide6 import QtGui

from nodes.view import theme


def plot_widget() -> pg.PlotWidget:
    """Return a plot that nobody can drag away, without menus, buttons and a bottom axis."""
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
