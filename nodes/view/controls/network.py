"""The network's knobs: threshold, margin and window, and the noise that its answers must bear."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6 import QtCore, QtGui, QtWidgets

from nodes.view import plots, theme
from nodes.view.controls.course import Course
from nodes.view.controls.holding import MOST_NOISE, Holding, Level
from nodes.view.controls.link import Link, can
from nodes.view.controls.rows import Row
from pipeline.status import NodeStatus

STEP = 0.25
_KEY = "noise_per_pixel"
_KNOBS = {"threshold": "Threshold", "margin": "Margin", "window_ms": "Window, ms"}
_SWEEP = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0)
_SWEEP_ANSWERS = 20
_HOW = (
    "There is no filter node to add noise with. In a graph file: nodes.filter, and the edges"
    " source → filter → bins; retina view SOURCE --model MODEL has one."
)


class NoiseSlider(QtWidgets.QWidget):
    """0 to 8 noise spikes a pixel; drives a filter node."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link
        self.node: str | None = None
        self.slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self.slider.setRange(0, round(MOST_NOISE / STEP))
        self.slider.setPageStep(round(1 / STEP))
        self.slider.setTickInterval(round(1 / STEP))
        self.slider.setTickPosition(QtWidgets.QSlider.TickPosition.TicksBelow)
        self.slider.setAccessibleName("noise, spikes a pixel")
        self.figure = QtWidgets.QLabel()
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        title = QtWidgets.QLabel("&Noise")
        title.setBuddy(self.slider)
        layout.addWidget(title)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.figure)
        self.slider.valueChanged.connect(lambda value: self.ask(value * STEP))

    def ask(self, noise: float) -> None:
        """Ask the filter for so many noise spikes a pixel."""
        if self.node is not None:
            self._link.ask(self.node, _KEY, f"{noise:g}")
            self._say(noise)

    def refresh(self) -> None:
        """Show what the filter says."""
        found = self._link.of_kind("filter", key=_KEY)
        self.node = found[0].name if found else None
        self.setEnabled(bool(found))
        noise = self.noise()
        over = self._link.setting(self.node, "noise_over_ms") if self.node else None
        self.slider.setToolTip(
            "Noise spikes that each pixel gets on average"
            f" in {over.actual if over else 300} ms; of either polarity, at any time"
            if found
            else _HOW
        )
        if noise is not None and not self.slider.isSliderDown():
            self.slider.blockSignals(True)
            self.slider.setValue(round(noise / STEP))
            self.slider.blockSignals(False)
        self._say(noise)

    def noise(self) -> float | None:
        """Return the noise that is asked for, else the one that is in force; None: no filter."""
        text = None if self.node is None else self._link.value(self.node, _KEY)
        try:
            return None if text is None else float(text)
        except ValueError:
            return None

    def settled(self) -> tuple[float, int] | None:
        """Return the noise in force and when that was said; None where it is about to change."""
        if self.node is None or self._link.waits(self.node, _KEY):
            return None
        noise = self.noise()
        return None if noise is None else (noise, self._link.statuses[self.node].time_ns)

    def _say(self, noise: float | None) -> None:
        self.figure.setText("–" if noise is None else f"{noise:.2f} / pixel")


class NetworkPanel(QtWidgets.QWidget):
    """Knobs of every network, the noise slider, and how the answers hold."""

    def __init__(self, link: Link, holding: Holding) -> None:
        super().__init__()
        self._link, self.holding = link, holding
        self.knobs: dict[tuple[str, str], Row] = {}
        self.noise = NoiseSlider(link)
        self._course: Course | None = None
        self.words = QtWidgets.QLabel()
        self.words.setWordWrap(True)
        self.words.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        self.sweep = QtWidgets.QPushButton("&Sweep")
        self.sweep.setCheckable(True)
        self.sweep.setToolTip(
            f"Go through {', '.join(f'{n:g}' for n in _SWEEP)} noise spikes a pixel, with"
            f" {_SWEEP_ANSWERS} answers at each"
        )
        self.afresh = QtWidgets.QPushButton("&Afresh")
        self.afresh.setToolTip("Forget the answers that were counted")
        inside = QtWidgets.QWidget()
        self._rows = QtWidgets.QVBoxLayout(inside)
        self._rows.setContentsMargins(0, 0, 0, 0)
        scroll = QtWidgets.QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(inside)
        # The slider is always at hand; the rest scrolls where there is not enough room.
        scroll.setMinimumHeight(1)
        said = QtWidgets.QHBoxLayout()
        said.addWidget(self.words, 1)
        said.addWidget(self.sweep)
        said.addWidget(self.afresh)
        layout = QtWidgets.QVBoxLayout(self)
        layout.addWidget(self.noise)
        layout.addLayout(said)
        layout.addWidget(scroll, 1)
        self.sweep.toggled.connect(self._begin_sweep)
        self.afresh.clicked.connect(lambda _=False: holding.forget())
        self._swept: dict[float, int] = {}
        self.restyle()

    @property
    def course(self) -> Course:
        """The plot; it is made, with what there is to show, when it is first asked for."""
        if self._course is None:
            self._course = Course()
            self._course.tell(self.holding.levels(), self.noise.noise())
            self._rows.insertWidget(0, self._course.widget)
        return self._course

    def minimumSizeHint(self) -> QtCore.QSize:
        """Room for the slider and the plot."""
        return QtCore.QSize(theme.em(12), theme.em(6))

    def restyle(self) -> None:
        """Take on a new look."""
        layout = self.layout()
        assert layout is not None
        gap = theme.em(0.5)
        layout.setContentsMargins(gap, gap, gap, gap)
        self.words.setFont(theme.font(theme.CAPTION))
        self.words.setStyleSheet(f"color: {theme.look().dim.name()}")
        self.noise.figure.setMinimumWidth(
            QtGui.QFontMetrics(theme.font(theme.BODY)).horizontalAdvance("0.00 / pixel ")
        )
        look = theme.look()
        self.noise.slider.setStyleSheet(
            f"QSlider::groove:horizontal {{ background: {look.line.name()};"
            f" height: {theme.em(0.2)}px; }}"
            f"QSlider::sub-page:horizontal {{ background: {look.accent.name()}; }}"
            f"QSlider::handle:horizontal {{ background: {look.text.name()};"
            f" width: {theme.em(0.6)}px; margin: -{theme.em(0.35)}px 0;"
            f" border-radius: {theme.em(0.3)}px; }}"
            f"QSlider::handle:horizontal:focus {{ border: 2px solid {look.accent.name()}; }}"
            f"QSlider::handle:horizontal:disabled {{ background: {look.faint.name()}; }}"
        )
        if self._course is not None:
            self._course.restyle()
        for row in self.knobs.values():
            row.restyle()

    def watch(self) -> None:
        """Note the noise in force, seen or not: answers are counted all the time."""
        self.noise.refresh()
        settled = self.noise.settled()
        self.holding.tell(*(settled if settled is not None else (None, 0)))
        if self.sweep.isChecked():
            self._go_on_sweeping()

    def statuses(self, statuses: Mapping[str, NodeStatus], now_ns: int) -> None:
        """Show what the nodes say; called while the panel is on the screen."""
        wanted = {
            (node.name, key): title
            for node in self._link.of_kind("infer", "reconstruct")
            for key, title in _KNOBS.items()
            if can(node, key)
        }
        if set(wanted) != set(self.knobs):
            self._lay(wanted)
        for row in self.knobs.values():
            row.refresh()
        levels = self.holding.levels()
        if self._course is not None or (statuses and plots.loaded()):
            self.course.tell(levels, self.noise.noise())
        self.words.setText(self._said(levels))
        self.sweep.setEnabled(self.noise.node is not None)

    def _lay(self, wanted: dict[tuple[str, str], str]) -> None:
        for row in self.knobs.values():
            self._rows.removeWidget(row)
            row.deleteLater()
        self.knobs = {}
        several = len({node for node, _ in wanted}) > 1
        for (node, key), title in wanted.items():
            setting = self._link.setting(node, key)
            assert setting is not None
            row = Row(self._link, node, setting, f"{title} ({node})" if several else title)
            self.knobs[node, key] = row
            self._rows.addWidget(row)

    def _said(self, levels: list[Level]) -> str:
        if self.noise.node is None:
            return _HOW
        now = next((level for level in levels if level.noise == self.noise.noise()), None)
        if now is None:
            return "no answer yet at this noise: the first whole window counts"
        if now.accuracy is None:
            return f"{now.answers} answers at this noise, a lead of {100 * now.lead:.0f} %"
        return f"{now.right} of {now.labelled} right at this noise"

    # A sweep.

    def _begin_sweep(self, on: bool) -> None:
        if on:
            self._swept = {level.noise: level.answers for level in self.holding.levels()}
            self.noise.ask(_SWEEP[0])

    def _go_on_sweeping(self) -> None:
        """Go to the next level once there are answers enough at this one."""
        settled = self.noise.settled()
        if settled is None or settled[0] not in _SWEEP:
            return
        noise = settled[0]
        answers = {level.noise: level.answers for level in self.holding.levels()}
        if answers.get(noise, 0) - self._swept.get(noise, 0) < _SWEEP_ANSWERS:
            return
        left = _SWEEP[_SWEEP.index(noise) + 1 :]
        if left:
            self.noise.ask(left[0])
        else:
            self.sweep.setChecked(False)
            self.noise.ask(0.0)
