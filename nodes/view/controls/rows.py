"""One setting of one node in a line: its name, what is asked for, what is in force, its meaning."""

from __future__ import annotations

from PySide6 import QtCore, QtWidgets

from nodes.view import theme
from nodes.view.controls.editors import Editor
from nodes.view.controls.link import Link
from pipeline.status import SettingStatus


class Row(QtWidgets.QWidget):
    """Editor and value in force side by side; below them a line of explanation, or a refusal."""

    def __init__(self, link: Link, node: str, setting: SettingStatus, title: str = "") -> None:
        super().__init__()
        self._link, self.node, self.key = link, node, setting.name
        self._help = setting.help
        self._last: tuple[object, ...] = ()
        self.title = QtWidgets.QLabel(title or setting.name)
        self.editor = Editor(setting, f"{node} {title or setting.name}")
        self.actual = QtWidgets.QLabel()
        self.actual.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        self.words = QtWidgets.QLabel()
        self.words.setWordWrap(True)
        self.words.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        self.title.setToolTip(f"{node}.{setting.name}")
        self.title.setBuddy(self.editor.inner)
        for label in (self.title, self.actual, self.words):
            label.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored,
                                QtWidgets.QSizePolicy.Policy.Preferred)  # fmt: skip
        grid = QtWidgets.QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self.title, 0, 0)
        grid.addWidget(self.editor, 0, 1)
        grid.addWidget(self.actual, 0, 2)
        grid.addWidget(self.words, 1, 0, 1, 3)
        for column, share in enumerate((5, 4, 4)):
            grid.setColumnStretch(column, share)
        self.editor.wished.connect(self._wish)
        self.restyle()

    def _wish(self, value: str) -> None:
        self._link.ask(self.node, self.key, value)

    def restyle(self) -> None:
        """Take on a new look."""
        grid = self.layout()
        assert isinstance(grid, QtWidgets.QGridLayout)
        grid.setHorizontalSpacing(theme.em(0.4))
        grid.setVerticalSpacing(theme.em(0.1))
        self.words.setFont(theme.font(theme.CAPTION))
        look, side = theme.look(), theme.em(0.7)
        self.editor.setStyleSheet(
            f"QCheckBox::indicator {{ width: {side}px; height: {side}px;"
            f" border: 1px solid {look.dim.name()}; background: {look.window.name()}; }}"
            f"QCheckBox::indicator:checked {{ background: {look.accent.name()}; }}"
            f"QCheckBox::indicator:focus {{ border: 2px solid {look.accent.name()}; }}"
        )
        self._last = ()

    def refresh(self) -> None:
        """Show the setting as the node's latest status has it."""
        setting = self._link.setting(self.node, self.key)
        if setting is None:
            return
        waits = self._link.waits(self.node, self.key)
        now = (setting.requested, setting.actual, setting.refused, waits)
        if now == self._last:
            return
        self._last = now
        look = theme.look()
        if not waits:
            self.editor.show_value(setting.requested)
        # Who asks for nothing leaves it to the node.
        differs = setting.requested != "" and not same(setting.requested, setting.actual)
        shown = setting.actual or "none"
        self.actual.setText("asked …" if waits else f"{'≠' if differs else '='} {shown}")
        self.actual.setStyleSheet(f"color: {(look.warm if differs else look.dim).name()}")
        self.actual.setToolTip(
            f"in force: {shown}"
            + (f"; asked for: {setting.requested or 'none'}" if differs else "")
        )
        refused = setting.refused
        self.words.setText(f"▲ {refused}" if refused else self._help)
        self.words.setStyleSheet(f"color: {(look.wrong if refused else look.dim).name()}")
        self.words.setVisible(bool(refused or self._help))


def same(one: str, other: str) -> bool:
    """Whether two texts mean one value: 10 is 10.0."""
    try:
        return one == other or float(one) == float(other)
    except ValueError:
        return False
