"""The help under ``?``: every key and what it does, read off the window's actions."""

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtWidgets

from nodes.view import theme

_BY_HAND = (
    ("Drag on the picture", "See only that region: the source is asked for it"),
    ("Click or drag on the time line", "Go there in the recording"),
    ("Left, Right, Home, End", "On the time line: go by 2 %, to its beginning or end"),
    ("Tab, Shift+Tab", "Go to the next control, or the one before"),
    ("Drop a file or folder", "Watch it instead"),
)


def listed(window: QtWidgets.QMainWindow) -> list[tuple[str, str]]:
    """Return (keys, what they do) of every action of the window that has a key."""
    found: dict[str, str] = {}
    menus = [entry.menu() for entry in window.menuBar().actions()]
    in_order = [a for menu in menus if isinstance(menu, QtWidgets.QMenu) for a in menu.actions()]
    for action in (*in_order, *window.findChildren(QtGui.QAction)):
        keys = ", ".join(
            shortcut.toString(QtGui.QKeySequence.SequenceFormat.NativeText)
            for shortcut in action.shortcuts()
        )
        if keys and keys not in found:
            hint = str(action.property("hint") or "") or action.text().replace("&", "")
            found[keys] = hint.splitlines()[0]
    return list(found.items())


class Keys(QtWidgets.QDialog):
    """A table of keys; closed with Escape."""

    def __init__(self, window: QtWidgets.QMainWindow) -> None:
        super().__init__(window)
        self.setWindowTitle("Keys")
        self.setAttribute(QtCore.Qt.WidgetAttribute.WA_DeleteOnClose)
        rows = [*listed(window), *_BY_HAND]
        table = QtWidgets.QTableWidget(len(rows), 2)
        table.setHorizontalHeaderLabels(["Key", "What it does"])
        table.verticalHeader().hide()
        table.setEditTriggers(QtWidgets.QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setTabKeyNavigation(False)
        table.setSelectionMode(QtWidgets.QAbstractItemView.SelectionMode.NoSelection)
        table.setAccessibleName("keys and what they do")
        for row, cells in enumerate(rows):
            for column, text in enumerate(cells):
                table.setItem(row, column, QtWidgets.QTableWidgetItem(text))
        table.resizeColumnToContents(0)
        table.horizontalHeader().setStretchLastSection(True)
        self.table = table
        layout = QtWidgets.QVBoxLayout(self)
        layout.addWidget(table)
        self.resize(theme.em(38), theme.em(32))
