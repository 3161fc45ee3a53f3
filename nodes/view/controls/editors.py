"""Editors of settings, made from what a status says of them: a box, a choice, a number, a text."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from PySide6 import QtCore, QtGui, QtWidgets

from pipeline.status import SettingStatus

_NUMBER = re.compile(r"a (whole )?number")
_LIMIT = re.compile(r"(at least|above|at most|below) (-?[\d.]+(?:e[+-]?\d+)?)")
_CHOICES = re.compile(r"one of ((?:\"[^\"]*\"|[-\w.]+)(?:, (?:\"[^\"]*\"|[-\w.]+))*)")


class Form(NamedTuple):
    """What a setting takes, read from the words of its status (``may_be``).

    kind     ``box``, ``choice``, ``number`` or ``text``
    choices  of a choice; ``open``: other values than these are possible, too
    whole    of a number, with its limits where it has any
    """

    kind: str
    choices: tuple[str, ...] = ()
    open: bool = False
    whole: bool = False
    low: float | None = None
    high: float | None = None


def form_of(may_be: str) -> Form:
    """Return what a setting takes; whatever is not understood is text, and checked by its node."""
    if may_be == "true or false":
        return Form("box")
    choices = _CHOICES.match(may_be)
    if choices is not None:
        found = re.findall(r"\"[^\"]*\"|[-\w.]+", choices[1])
        names = tuple(json.loads(c) if c.startswith('"') else c for c in found)
        # "one of 1, 2 or text": the last word of a list is its own.
        return Form("choice", names, open=choices.end() < len(may_be))
    if _NUMBER.match(may_be) and " or " not in may_be:
        limits = {word: float(value) for word, value in _LIMIT.findall(may_be)}
        low = limits.get("at least", limits.get("above"))
        high = limits.get("at most", limits.get("below"))
        return Form("number", whole="whole" in may_be, low=low, high=high)
    return Form("text")


class NumberEdit(QtWidgets.QAbstractSpinBox):
    """A number, or nothing; Up and Down go by 1, or by a tenth of what it is."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        self._form = form

    def validate(self, text: str, place: int) -> tuple[QtGui.QValidator.State, str, int]:
        """Let pass what may become a number; its node says whether it is one that it takes."""
        state = QtGui.QValidator.State
        if re.fullmatch(r"\s*[-+]?[\d.,]*(e[-+]?\d*)?\s*", text, re.IGNORECASE):
            return state.Acceptable, text, place
        return state.Invalid, text, place

    def stepEnabled(self) -> QtWidgets.QAbstractSpinBox.StepEnabledFlag:
        """Both ways, within the limits."""
        flag = QtWidgets.QAbstractSpinBox.StepEnabledFlag
        return flag.StepUpEnabled | flag.StepDownEnabled

    def stepBy(self, steps: int) -> None:
        """Go by so many steps and be done with it, as with Enter."""
        form = self._form
        try:
            now = float(self.lineEdit().text())
        except ValueError:
            # What is nothing yet begins at its least.
            now, steps = (form.low or 0.0), 0
        size = 1.0 if form.whole else max(abs(now) / 10, 0.01)
        if form.whole and abs(now) >= 100:
            size = 10.0 ** (len(str(int(abs(now)))) - 2)
        now += steps * size
        now = max(now, form.low) if form.low is not None else now
        now = min(now, form.high) if form.high is not None else now
        self.lineEdit().setText(f"{round(now)}" if form.whole else f"{now:.6g}")
        self.editingFinished.emit()


class Editor(QtWidgets.QWidget):
    """One setting's value, to be changed; ``wished`` is emitted with what the user wants."""

    wished = QtCore.Signal(str)

    def __init__(self, setting: SettingStatus, name: str) -> None:
        super().__init__()
        self.form = form_of(setting.may_be)
        self._known = ""
        self.inner = self._make()
        self.inner.setAccessibleName(name)
        self.inner.setAccessibleDescription(setting.help)
        self.inner.setToolTip(f"{setting.help}\n{setting.may_be}".strip())
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.inner)
        self.setFocusProxy(self.inner)
        self.show_value(setting.requested)

    def _make(self) -> QtWidgets.QWidget:
        form = self.form
        if form.kind == "box":
            box = QtWidgets.QCheckBox("off")
            box.toggled.connect(lambda on: box.setText("on" if on else "off"))
            box.clicked.connect(lambda on: self.wished.emit("true" if on else "false"))
            return box
        if form.kind == "choice":
            choice = QtWidgets.QComboBox()
            choice.addItems(list(form.choices))
            choice.setEditable(form.open)
            choice.setSizeAdjustPolicy(
                QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
            choice.setMinimumContentsLength(6)
            choice.setInsertPolicy(QtWidgets.QComboBox.InsertPolicy.NoInsert)
            choice.activated.connect(lambda i: self._chosen(choice.itemText(i)))
            line = choice.lineEdit()
            if line is not None:
                self._listen(line, line.editingFinished)
            # The wheel scrolls the panel; it would change what it passes over.
            choice.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
            choice.installEventFilter(self)
            return choice
        if form.kind == "number":
            number = NumberEdit(form)
            self._listen(number.lineEdit(), number.editingFinished)
            number.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
            number.installEventFilter(self)
            return number
        text = QtWidgets.QLineEdit()
        self._listen(text, text.editingFinished)
        return text

    def _chosen(self, text: str) -> None:
        self._known = text
        self.wished.emit(text)

    def _listen(self, line: QtWidgets.QLineEdit, finished: QtCore.SignalInstance) -> None:
        line.setPlaceholderText("none")

        def done() -> None:
            # Also when the focus goes: only what is new is a wish.
            text = line.text().strip()
            if text != self._known:
                self._known = text
                self.wished.emit(text)

        finished.connect(done)

    def eventFilter(self, watched: QtCore.QObject, event: QtCore.QEvent) -> bool:
        """Leave the wheel to the panel, unless the editor has the focus."""
        if event.type() == QtCore.QEvent.Type.Wheel and not self.inner.hasFocus():
            event.ignore()
            return True
        return False

    def _line(self) -> QtWidgets.QLineEdit | None:
        inner = self.inner
        if isinstance(inner, QtWidgets.QLineEdit):
            return inner
        if isinstance(inner, (NumberEdit, QtWidgets.QComboBox)):
            return inner.lineEdit()
        return None

    @property
    def busy(self) -> bool:
        """Whether the user is at it: a value that comes in must not overwrite what is typed."""
        line = self._line()
        if isinstance(self.inner, QtWidgets.QComboBox) and self.inner.view().isVisible():
            return True
        return line is not None and line.hasFocus() and line.text() != self._known

    def show_value(self, text: str) -> None:
        """Show a value, unless the user is at it."""
        inner, line = self.inner, self._line()
        if self.busy:
            return
        self._known = text
        if isinstance(inner, QtWidgets.QCheckBox):
            inner.setChecked(text == "true")
        elif isinstance(inner, QtWidgets.QComboBox):
            index = inner.findText(text)
            if index != inner.currentIndex():
                inner.setCurrentIndex(index)
            if line is not None and line.text() != text:
                line.setText(text)
        elif line is not None and line.text() != text:
            line.setText(text)
