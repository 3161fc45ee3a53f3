"""How much comes in: events, packets and frames a second, and the event rate's last seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6 import QtCore, QtGui

from nodes.view import plots, theme
from nodes.view.card import Card
from nodes.view.scene import Scene
from nodes.view.tracks.meter import SLOT_MS, SLOTS, Rates

_LARGE = 12.5
_SIZES = (_LARGE, 11, 10, 9)
_SPAN_S = SLOTS * SLOT_MS // 1000


def short(rate: float, *, exact: bool = True) -> str:
    """Return a rate with its unit's prefix and three digits; not ``exact``: those it needs."""
    for size, prefix in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if rate >= 0.9995 * size:
            value = rate / size
            digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
            return (f"{value:.{digits}f}" if exact else f"{value:g}") + prefix
    return f"{rate:.0f}" if exact else f"{rate:g}"


class _Line:
    """The event rate's last seconds: a line over a filled ground."""

    def __init__(self) -> None:
        self.widget = plots.plot_widget()
        item = self.widget.getPlotItem()
        item.setXRange(0, SLOTS - 1, padding=0)
        item.getAxis("left").tickStrings = lambda values, scale, spacing: [
            short(value, exact=False) for value in values
        ]
        self._curve = item.plot()
        self.restyle()

    def restyle(self) -> None:
        """Take on a new look."""
        import pyqtgraph as pg

        accent = theme.look().accent
        plots.restyle(self.widget)
        self._curve.setPen(pg.mkPen(accent, width=2))
        self._curve.setFillLevel(0)
        self._curve.setBrush(theme.tinted(accent, 45))

    def tell(self, history: Sequence[float]) -> None:
        """Show the rates of the last slots, from zero to just over the highest, in round steps."""
        self._curve.setData(range(SLOTS - len(history), SLOTS), history)
        top = max([3.0, *history])
        # At most three lines: more would be read as a table.
        power = 10.0 ** math.floor(math.log10(top / 3))
        step = next(k * power for k in (1, 2, 5, 10) if k * power >= top / 3)
        item = self.widget.getPlotItem()
        item.setYRange(0, 1.05 * max(top, step), padding=0)
        item.getAxis("left").setTickSpacing(step, step)


class Traffic(Card):
    """Figures over the event rate's course: the newest slot is at the right."""

    def __init__(self) -> None:
        super().__init__(
            "EVENT RATE",
            "Events, packets and frames a second of wall time, means over a second; age: how long"
            " ago the newest event that is shown happened (ms)",
        )
        self.note = f"events/s, last {_SPAN_S} s"
        self._rates = Rates(0, 0, 0, [])
        self._age_ms: float | None = None
        self._version = -1
        self._plot: _Line | None = None
        self.restyle()

    def _figures(self) -> int:
        return theme.line_height(_LARGE) + theme.line_height(theme.CAPTION)

    def _settle(self) -> None:
        layout = self.layout()
        if layout is not None:
            pad, above = self.pad, self.head_height + self._figures() + theme.em(0.3)
            layout.setContentsMargins(pad - theme.em(0.25), above, pad, pad)

    def minimumSizeHint(self) -> QtCore.QSize:
        """Room for the figures and a plot that shows something."""
        return QtCore.QSize(theme.em(14), self.head_height + self._figures() + theme.em(4))

    def restyle(self) -> None:
        """Take on a new look."""
        if self._plot is not None:
            self._plot.restyle()
        super().restyle()

    def refresh(self, scene: Scene, now_ns: int) -> bool:
        """Show new rates, four times a second; return whether there were any."""
        if scene.slots == self._version:
            return False
        self._version = scene.slots
        self._age_ms = scene.moment(now_ns).age_ms
        self.tell(scene.rates())
        return True

    def tell(self, rates: Rates) -> None:
        """Show new rates."""
        self._rates = rates
        if self._plot is None and plots.loaded():
            self._plot = _Line()
            self.hold(self._plot.widget)
        if self._plot is not None:
            self._plot.tell(rates.history)
        self.update()

    def draw(self, painter: QtGui.QPainter, room: QtCore.QRectF) -> None:
        """Paint the figures."""
        age = "–" if self._age_ms is None else f"{self._age_ms:.0f}"
        figures = (
            (short(self._rates.events), "events/s"),
            (short(self._rates.packets), "packets/s"),
            (f"{self._rates.frames:.0f}", "frames/s"),
            (age, "ms age"),
        )
        wide, look = room.width() / len(figures), theme.look()
        large = theme.line_height(_LARGE)
        size = next((s for s in _SIZES if _fits(s, wide)), _SIZES[-1])
        for i, (figure, unit) in enumerate(figures):
            place = QtCore.QRectF(room.left() + i * wide, room.top(), wide, large)
            painter.setPen(look.text)
            painter.setFont(theme.font(size, bold=True))
            painter.drawText(place, theme.LEFT, figure)
            painter.setPen(look.dim)
            painter.setFont(theme.font(theme.CAPTION))
            below = QtCore.QRectF(place.left(), place.bottom(), wide, self._figures() - large)
            painter.drawText(below, theme.LEFT, unit)


def _fits(points: float, wide: float) -> bool:
    metrics = QtGui.QFontMetrics(theme.font(points, bold=True))
    return metrics.horizontalAdvance("99.9 M ") <= wide
