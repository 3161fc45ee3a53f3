"""How the network makes up its mind: each class's score over the window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6 import QtCore

from nodes.view import plots, theme
from nodes.view.card import Card
from nodes.view.scene import Course, Opinion, Scene

_MOST = 12


class Scores(Card):
    """A line for each class, the leader's thick; upright, the moment from which it has led."""

    every_ms = 40

    def __init__(self) -> None:
        super().__init__(
            "SCORES",
            "Each class's share of the output spikes, 0 to 1, over the window (ms of event time);"
            " the upright line is the moment from which the answer has stood. Dashed: the true"
            " class",
        )
        self._version = 0
        self._lines: _Lines | None = None
        self.restyle()

    @staticmethod
    def has_data(scene: Scene) -> bool:
        """Whether a network has said anything."""
        return scene.words_seen > 0

    def minimumSizeHint(self) -> QtCore.QSize:
        """Room for lines that can be told apart."""
        return QtCore.QSize(theme.em(12), theme.em(6))

    def restyle(self) -> None:
        """Take on a new look."""
        if self._lines is not None:
            self._lines.restyle()
        super().restyle()

    def refresh(self, scene: Scene, now_ns: int) -> bool:
        """Show what is new; return whether anything was."""
        if scene.words_seen == self._version or not plots.loaded():
            return False
        self._version = scene.words_seen
        course = scene.course()
        if course is None:
            return False
        self.tell(*course)
        return True

    def tell(self, opinion: Opinion, course: Course) -> None:
        """Show how a window's scores went."""
        if self._lines is None:
            self._lines = _Lines()
            self.hold(self._lines.widget)
        self._lines.tell(opinion, course)
        if opinion.since_ms is None:
            self.note = "no output spike yet"
            return
        since = f"{opinion.since_ms:.0f} ms"
        self.note = f"{opinion.answer} " + (
            f"decided at {since}" if opinion.final else f"leads since {since}"
        )


class _Lines:
    """The plot: the leader, the true class, the others, and the moment."""

    def __init__(self) -> None:
        import pyqtgraph as pg

        self.widget = plots.plot_widget()
        item = self.widget.getPlotItem()
        item.showAxis("bottom")
        item.setYRange(0, 1, padding=0.02)
        item.getAxis("left").setTickSpacing(0.5, 0.5)
        self._others, self._label, self._leader = (item.plot() for _ in range(3))
        self._moment = pg.InfiniteLine(angle=90)
        item.addItem(self._moment, ignoreBounds=True)
        self.restyle()

    def restyle(self) -> None:
        """Take on a new look."""
        import pyqtgraph as pg

        look = theme.look()
        plots.restyle(self.widget, widest="0.5")
        dash = QtCore.Qt.PenStyle.DashLine
        self._others.setPen(pg.mkPen(theme.tinted(look.dim, 130), width=1))
        self._label.setPen(pg.mkPen(look.right, width=2, style=dash))
        self._leader.setPen(pg.mkPen(look.accent, width=3))
        self._moment.setPen(pg.mkPen(look.text, width=1))

    def tell(self, opinion: Opinion, course: Course) -> None:
        """Show how a window's scores went."""
        classes, ms = list(opinion.classes), course.ms
        leader = classes.index(opinion.answer)
        label = classes.index(opinion.label) if opinion.label in classes else leader
        self.widget.getPlotItem().setXRange(0, max(opinion.window_ms, 1), padding=0)
        most = np.argsort(course.score[-1])[::-1][:_MOST]
        rest = [k for k in most.tolist() if k not in (leader, label)]
        self._others.setData(*_joined(ms, course.score[:, rest]), connect="finite")
        self._leader.setData(ms, course.score[:, leader])
        self._label.setData(ms, course.score[:, label])
        self._label.setVisible(label != leader)
        self._moment.setVisible(opinion.since_ms is not None)
        if opinion.since_ms is not None:
            self._moment.setValue(opinion.since_ms)


def _joined(
    x: NDArray[np.float64], y: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the columns of ``y`` [n, k] over ``x`` [n] as one line with gaps: it is drawn at
    once."""
    gap = np.full((1, y.shape[1]), np.nan)
    xs = np.tile(np.append(x, np.nan), y.shape[1])
    return xs, np.concatenate([y.astype(np.float64), gap]).T.reshape(-1)
