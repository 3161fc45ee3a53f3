"""How a network's answers hold as noise grows, as a plot."""

from __future__ import annotations

import numpy as np
from PySide6 import QtCore

from nodes.view import plots, theme
from nodes.view.controls.holding import MOST_NOISE, Level


class Course:
    """Accuracy over noise with its 95 % interval; the lead, where no true class is known."""

    def __init__(self) -> None:
        import pyqtgraph as pg

        self.widget = plots.plot_widget()
        item = self.widget.getPlotItem()
        item.showAxis("bottom")
        item.setXRange(-0.3, MOST_NOISE + 0.3, padding=0)
        item.setYRange(-0.03, 1.05, padding=0)
        item.getAxis("left").setTickSpacing(0.5, 0.5)
        item.getAxis("left").tickStrings = lambda values, scale, spacing: [
            f"{100 * value:.0f} %" for value in values
        ]
        item.getAxis("bottom").setTickSpacing(2, 2)
        self._bars = pg.ErrorBarItem(x=np.zeros(0), y=np.zeros(0), top=np.zeros(0),
                                     bottom=np.zeros(0), beam=0.15)  # fmt: skip
        item.addItem(self._bars)
        self._line = item.plot(symbol="o")
        self._now = pg.InfiniteLine(angle=90)
        item.addItem(self._now)
        self.widget.setAccessibleName("accuracy over noise")
        self.widget.setToolTip(
            "The share of right answers over noise spikes a pixel, with its 95 % interval; where no"
            " true class is known, by which share of the output spikes the answer leads"
        )
        self.levels: list[Level] = []
        self.restyle()

    def restyle(self) -> None:
        """Take on a new look."""
        import pyqtgraph as pg

        look = theme.look()
        plots.restyle(self.widget, widest="100 %")
        self.widget.setMinimumWidth(theme.em(8))
        self.widget.setFixedHeight(theme.em(5))
        self._line.setPen(pg.mkPen(look.accent, width=2))
        self._line.setSymbolBrush(look.accent)
        self._line.setSymbolPen(None)
        self._line.setSymbolSize(theme.em(0.4))
        self._bars.setData(pen=pg.mkPen(look.dim, width=1))
        self._now.setPen(pg.mkPen(look.warm, width=1, style=QtCore.Qt.PenStyle.DashLine))

    def tell(self, levels: list[Level], noise: float | None) -> None:
        """Show the levels, and where the noise is now."""
        self._now.setVisible(noise is not None)
        if noise is not None and self._now.value() != noise:
            self._now.setValue(noise)
        if levels == self.levels:
            return
        self.levels = levels
        labelled = [level for level in levels if level.labelled]
        x = np.array([level.noise for level in labelled or levels])
        y = np.array([level.accuracy if labelled else level.lead for level in labelled or levels],
                     np.float64)  # fmt: skip
        self._line.setData(x, y)
        ends = np.array([level.interval() for level in labelled]).reshape(-1, 2)
        n = len(ends)
        self._bars.setData(x=x[:n], y=y[:n], bottom=y[:n] - ends[:, 0], top=ends[:, 1] - y[:n])
