"""How the pipeline is doing: what is wrong in words, and every node's figures."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import NamedTuple

from PySide6 import QtCore, QtGui, QtWidgets

from nodes.view import theme
from nodes.view.card import Card
from nodes.view.panels.rates import short
from nodes.view.tracks.health import Report, Row

_WELL = "✓  All is well."


class Column(NamedTuple):
    """A column: its title, what it means, how a row's figure is written, how soon it gives way.

    The larger ``yields``, the sooner it is left out where there is no room.
    """

    title: str
    hint: str
    words: Callable[[Row], str]
    yields: int


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


COLUMNS = (
    Column("node", "The node's name in the graph", lambda row: row.name, 0),
    Column("state", "What it says it is at", lambda row: row.state, 8),
    Column("packets/s", "Packets a second that it gives out, or takes where it gives none",
           lambda row: short(row.packets), 5),
    Column("events/s", "Events a second that it gives out, or takes where it gives none",
           lambda row: short(row.events), 4),
    Column("behind ms", "Event time that waits to be taken by it, ms",
           lambda row: _ms(row.backlog_ms), 1),
    Column("drops %", "Share of its packets that were left out over the last 2 s, %",
           lambda row: f"{100 * row.dropped:.1f}", 2),
    Column("p50 ms", "Birth at the source to the taking up here: half are faster, ms",
           lambda row: _ms(row.p50_ms), 6),
    Column("p99 ms", "Birth at the source to the taking up here: 99 of 100 are faster, ms",
           lambda row: _ms(row.p99_ms), 3),
    Column("CPU %", "Processor time, % of one core", lambda row: f"{100 * row.cpu:.0f}", 3),
    Column("MB", "Memory that it holds, MB", lambda row: f"{row.memory_mb:.0f}", 7),
)  # fmt: skip
"""The table's columns."""


class HealthPanel(Card):
    """Sentences above a table; columns give way where there is no room for all."""

    def __init__(self) -> None:
        super().__init__("HEALTH", "How every node is doing: means over the last 2 s")
        self.words = QtWidgets.QLabel("waiting for the nodes' statuses")
        self.words.setWordWrap(True)
        self.words.setTextFormat(QtCore.Qt.TextFormat.RichText)
        self.words.setTextInteractionFlags(
            QtCore.Qt.TextInteractionFlag.TextSelectableByMouse
            | QtCore.Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.words.setToolTip("What is wrong in the pipeline, the worst first")
        self.table = QtWidgets.QTableWidget(0, len(COLUMNS))
        for i, column in enumerate(COLUMNS):
            head = QtWidgets.QTableWidgetItem(column.title)
            head.setToolTip(column.hint)
            head.setTextAlignment(theme.LEFT if i < 2 else theme.RIGHTWARDS)
            self.table.setHorizontalHeaderItem(i, head)
        table = self.table
        table.setAccessibleName("figures of every node")
        table.verticalHeader().hide()
        table.setShowGrid(False)
        table.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        table.setEditTriggers(QtWidgets.QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setTabKeyNavigation(False)
        table.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        table.horizontalHeader().setStretchLastSection(True)
        table.setSizePolicy(
            QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Ignored
        )
        inside = QtWidgets.QWidget()
        layout = QtWidgets.QVBoxLayout(inside)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.words)
        layout.addWidget(self.table, 1)
        self._report: Report | None = None
        self.hold(inside)
        self.restyle()

    def minimumSizeHint(self) -> QtCore.QSize:
        """Room for a sentence and a few nodes."""
        return QtCore.QSize(theme.em(14), theme.em(6))

    def restyle(self) -> None:
        """Take on a new look."""
        super().restyle()
        look = theme.look()
        caption = theme.font(theme.CAPTION)
        self.words.setFont(theme.font(theme.BODY))
        self.table.setFont(caption)
        self.table.horizontalHeader().setFont(caption)
        self.table.verticalHeader().setDefaultSectionSize(theme.line_height(theme.CAPTION) + 4)
        self.table.setStyleSheet(
            f"QTableWidget {{ background: {look.ground.name()}; color: {look.text.name()}; }}"
            f"QHeaderView::section {{ background: {look.ground.name()}; color: {look.dim.name()};"
            f" border: none; padding: 0 {theme.em(0.3)}px; }}"
        )
        self._fit()
        if self._report is not None:
            self._say(self._report)

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        """Show as many columns as there is room for."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        metrics = QtGui.QFontMetrics(theme.font(theme.CAPTION))
        gap = theme.em(0.8)
        wide = [metrics.horizontalAdvance(column.title) + gap for column in COLUMNS]
        wide[0] = max(wide[0], metrics.horizontalAdvance("reconstruct") + gap)
        bar = self.style().pixelMetric(QtWidgets.QStyle.PixelMetric.PM_ScrollBarExtent)
        room = self.width() - 2 * self.pad - bar
        for i in sorted(range(len(COLUMNS)), key=lambda i: COLUMNS[i].yields):
            fits = COLUMNS[i].yields == 0 or wide[i] <= room
            self.table.setColumnHidden(i, not fits)
            self.table.setColumnWidth(i, wide[i])
            room = room - wide[i] if fits else 0

    def tell(self, report: Report) -> None:
        """Show a report."""
        if report == self._report:
            return
        self._report = report
        self._say(report)
        table = self.table
        if table.rowCount() != len(report.rows):
            table.setRowCount(len(report.rows))
        for r, row in enumerate(report.rows):
            for c, column in enumerate(COLUMNS):
                self._write(r, c, column.words(row), f"{row.name}: {column.hint}")

    def _write(self, r: int, c: int, words: str, hint: str) -> None:
        item = self.table.item(r, c)
        if item is None:
            item = QtWidgets.QTableWidgetItem()
            item.setTextAlignment(theme.LEFT if c < 2 else theme.RIGHTWARDS)
            self.table.setItem(r, c, item)
        if item.text() != words:
            item.setText(words)
        item.setToolTip(hint)

    def _say(self, report: Report) -> None:
        look = theme.look()
        lines = [(look.wrong, f"▲  {word}.") for word in report.words]
        if not lines:
            lines = [(look.right, _WELL)]
        lines += [(look.dim, f"·  {note}.") for note in report.notes]
        # What nodes say comes from outside: it is shown, never obeyed.
        self.words.setText(
            "<br>".join(
                f'<span style="color: {colour.name()}">{html.escape(line)}</span>'
                for colour, line in lines
            )
        )
