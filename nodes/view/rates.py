"""How much comes in: events, packets and frames a second, and the event rate's last seconds."""

from __future__ import annotations

import math

import pyqtgraph as pg
from PySide6 import QtCore, QtGui, QtWidgets

from nodes.view import theme
from nodes.view.meter import SLOT_MS, SLOTS, Rates

_LARGE = 15


def short(rate: float, *, exact: bool = True) -> str:
    """Return a rate with its unit's prefix and three digits; not ``exact``: those it needs."""
    for size, prefix in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if rate >= 0.9995 * size:
            value = rate / size
            digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
            return (f"{value:.{digits}f}" if exact else f"{value:g}") + prefix
    return f"{rate:.0f}" if exact else f"{rate:g}"


class Traffic(theme.Card):
    """Three figures over the event rate's course."""

    def __init__(self) -> None:
        super().__init__("TRAFFIC", "In wall time; figures are means over a second")
        self.note = f"events/s, last {SLOTS * SLOT_MS // 1000} s"
        self._rates = Rates(0, 0, 0, [])
        self.plot = pg.PlotWidget(background=theme.GROUND_COLOUR, enableMenu=False)
        self._figures = theme.line_height(_LARGE) + theme.line_height(theme.CAPTION)
        item = self.plot.getPlotItem()
        item.hideAxis("bottom")
        item.hideButtons()
        item.setMouseEnabled(x=False, y=False)
        item.setXRange(0, SLOTS - 1, padding=0)
        item.disableAutoRange()
        axis = item.getAxis("left")
        axis.setPen(pg.mkPen(None))
        axis.setTextPen(theme.DIM)
        axis.setStyle(tickLength=0, tickFont=theme.font(theme.CAPTION), maxTickLevel=0)
        axis.setWidth(QtGui.QFontMetrics(theme.font(theme.CAPTION)).horizontalAdvance("000 k") + 12)
        axis.tickStrings = lambda values, scale, spacing: [
            short(value, exact=False) for value in values
        ]
        item.showGrid(x=False, y=True, alpha=0.12)
        self._curve = item.plot(
            pen=pg.mkPen(theme.ACCENT, width=2), fillLevel=0, brush=theme.tinted(theme.ACCENT, 45)
        )
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(
            self.PAD - 4, self.head_height + self._figures + 6, self.PAD, self.PAD
        )
        layout.addWidget(self.plot)
        self.setMinimumHeight(self.head_height + self._figures + 90)
        self._scale()

    def tell(self, rates: Rates) -> None:
        """Show new rates."""
        self._rates = rates
        begin = SLOTS - len(rates.history)
        self._curve.setData(range(begin, SLOTS), rates.history)
        self._scale()
        self.update()

    def _scale(self) -> None:
        """Let the plot reach from zero to just over the highest rate, in round steps."""
        top = max([3.0, *self._rates.history])
        # At most three lines: more would be read as a table.
        power = 10.0 ** math.floor(math.log10(top / 3))
        step = next(k * power for k in (1, 2, 5, 10) if k * power >= top / 3)
        item = self.plot.getPlotItem()
        item.setYRange(0, 1.05 * max(top, step), padding=0)
        item.getAxis("left").setTickSpacing(step, step)

    def draw(self, painter: QtGui.QPainter, room: QtCore.QRectF) -> None:
        """Paint the figures."""
        figures = (
            (short(self._rates.events), "events/s"),
            (short(self._rates.packets), "packets/s"),
            (f"{self._rates.frames:.0f}", "frames/s"),
        )
        wide = room.width() / len(figures)
        large = theme.line_height(_LARGE)
        for i, (figure, unit) in enumerate(figures):
            place = QtCore.QRectF(room.left() + i * wide, room.top(), wide, large)
            painter.setPen(theme.TEXT)
            painter.setFont(theme.font(_LARGE, bold=True))
            painter.drawText(place, theme.LEFT, figure)
            painter.setPen(theme.DIM)
            painter.setFont(theme.font(theme.CAPTION))
            below = QtCore.QRectF(place.left(), place.bottom(), wide, self._figures - large)
            painter.drawText(below, theme.LEFT, unit)
