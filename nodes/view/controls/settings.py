"""Every node's settings that can be changed while it runs, and what it can be asked to do."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6 import QtCore, QtWidgets

from nodes.view import theme
from nodes.view.controls.link import Link
from nodes.view.controls.rows import Row
from pipeline.status import ActionStatus, NodeStatus

_INTRO = (
    "What every node can be asked for while it runs: the editor holds what is asked for, beside it"
    " stands what is in force (≠ where that differs)."
)


class SettingsPanel(QtWidgets.QScrollArea):
    """A section a node; made from what the nodes say of themselves."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link
        self.sections: dict[str, Section] = {}
        self.setWidgetResizable(True)
        self.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("settings of the nodes")
        self.setToolTip(_INTRO)
        inside = QtWidgets.QWidget()
        self._layout = QtWidgets.QVBoxLayout(inside)
        self._nothing = QtWidgets.QLabel("waiting for the nodes' statuses")
        self._nothing.setWordWrap(True)
        self._layout.addWidget(self._nothing)
        self._layout.addStretch(1)
        self.setWidget(inside)

    def restyle(self) -> None:
        """Take on a new look."""
        for section in self.sections.values():
            section.restyle()

    def statuses(self, statuses: Mapping[str, NodeStatus], now_ns: int) -> None:
        """Show what the nodes say."""
        shapes = {
            name: shape
            for name, status in sorted(
                statuses.items(), key=lambda each: (_takes(each[1]), each[0])
            )
            if name != self._link.own and (shape := _shape(status)) != _NOTHING
        }
        for name in list(self.sections):
            if self.sections[name].shape != shapes.get(name):
                section = self.sections.pop(name)
                self._layout.removeWidget(section)
                section.deleteLater()
        for place, name in enumerate(shapes):
            if name not in self.sections:
                section = Section(self._link, statuses[name], shapes[name])
                self.sections[name] = section
                self._layout.insertWidget(place, section)
        self._nothing.setText("no node can be changed while it runs")
        self._nothing.setVisible(not shapes)
        for section in self.sections.values():
            section.refresh()

    def row(self, node: str, key: str) -> Row:
        """Return the row of a node's setting."""
        return self.sections[node].rows[key]


Shape = tuple[tuple[str, ...], tuple[str, ...]]
_NOTHING: Shape = ((), ())


def _takes(status: NodeStatus) -> bool:
    """Whether a node takes packets: those that do not come first."""
    return any(edge.direction == "in" for edge in status.edges)


def _shape(status: NodeStatus) -> Shape:
    """Return which settings and actions a node can be asked for."""
    if not status.control:
        return _NOTHING
    live = tuple(f"{s.name} {s.may_be}" for s in status.settings if s.live)
    return live, tuple(action.name for action in status.actions)


class Section(QtWidgets.QWidget):
    """One node: its name, which folds the rest away, its live settings and its actions."""

    def __init__(self, link: Link, status: NodeStatus, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.head = QtWidgets.QToolButton()
        self.head.setCheckable(True)
        self.head.setChecked(True)
        self.head.setAutoRaise(True)
        self.head.setToolButtonStyle(QtCore.Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        kind = f"  ({status.kind})" if status.kind != status.name else ""
        self.head.setText(f"{status.name}{kind}")
        self.head.setToolTip(f"Show or fold away what {status.name} can be asked for")
        self.inside = QtWidgets.QWidget()
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.head)
        layout.addWidget(self.inside)
        rows = QtWidgets.QVBoxLayout(self.inside)
        self.rows = {s.name: Row(link, status.name, s) for s in status.settings if s.live}
        for row in self.rows.values():
            rows.addWidget(row)
        self.deeds = {a.name: Deed(link, status.name, a) for a in status.actions}
        for deed in self.deeds.values():
            rows.addWidget(deed)
        self.head.toggled.connect(self._fold)
        self.restyle()
        self._fold(True)

    def _fold(self, open_: bool) -> None:
        self.inside.setVisible(open_)
        arrow = QtCore.Qt.ArrowType
        self.head.setArrowType(arrow.DownArrow if open_ else arrow.RightArrow)

    def restyle(self) -> None:
        """Take on a new look."""
        self.head.setFont(theme.font(theme.BODY, bold=True))
        layout = self.inside.layout()
        assert layout is not None
        layout.setContentsMargins(theme.em(0.6), 0, theme.em(0.3), theme.em(0.4))
        layout.setSpacing(theme.em(0.5))
        for row in self.rows.values():
            row.restyle()
        for deed in self.deeds.values():
            deed.restyle()

    def refresh(self) -> None:
        """Bring every row up to date."""
        for row in self.rows.values():
            row.refresh()


class Deed(QtWidgets.QWidget):
    """Something that a node does once: a button, a value where it takes one, its meaning."""

    def __init__(self, link: Link, node: str, action: ActionStatus) -> None:
        super().__init__()
        self._link, self._node, self._name = link, node, action.name
        self.button = QtWidgets.QPushButton(action.name)
        self.button.setToolTip(action.help)
        self.value = QtWidgets.QLineEdit()
        self.value.setPlaceholderText("value")
        self.value.setAccessibleName(f"{node} {action.name} value")
        self.value.setToolTip(action.help)
        self.words = QtWidgets.QLabel(action.help)
        self.words.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        self.words.setWordWrap(True)
        grid = QtWidgets.QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self.button, 0, 0)
        grid.addWidget(self.value, 0, 1)
        grid.addWidget(self.words, 1, 0, 1, 2)
        self.button.clicked.connect(lambda _=False: self._ask())
        self.value.returnPressed.connect(self._ask)
        link.answered.connect(self._answered)

    def _ask(self) -> None:
        self._link.ask(self._node, self._name, self.value.text().strip())

    def _answered(self, node: str, key: str, refused: str) -> None:
        if (node, key) == (self._node, self._name):
            look = theme.look()
            self.words.setText(f"▲ {refused}" if refused else self.button.toolTip())
            self.words.setStyleSheet(f"color: {(look.wrong if refused else look.dim).name()}")

    def restyle(self) -> None:
        """Take on a new look."""
        self.words.setFont(theme.font(theme.CAPTION))
        self.words.setStyleSheet(f"color: {theme.look().dim.name()}")
