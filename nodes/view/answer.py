"""What the network says: its answer now, its output spikes, its last answers."""

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtWidgets

from nodes.view import theme
from nodes.view.scene import Moment, Opinion, Verdict

_MOST_BARS = 12
_DIGIT = 60


def answer_words(opinion: Opinion | None) -> tuple[str, str, str]:
    """Return the answer, its verdict against the label and its timing, in words."""
    if opinion is None:
        return "–", "", ""
    shown = "" if opinion.label is None else f"shown {opinion.label}"
    if opinion.since_ms is None:
        return "–", shown, "no output spike yet"
    if opinion.label is not None:
        shown = f"{'✓' if opinion.answer == opinion.label else '✗'}  {shown}"
    return str(opinion.answer), shown, f"leads since {opinion.since_ms:.0f} ms"


class Answer(theme.Card):
    """The class that leads, right or wrong, and how far the window has come."""

    def __init__(self) -> None:
        super().__init__(
            "ANSWER",
            "The class with most output spikes in this window, and the moment (event time since"
            " the window began) from which it has been in the lead",
        )
        self._opinion: Opinion | None = None
        policy = QtWidgets.QSizePolicy.Policy
        self.setSizePolicy(policy.Expanding, policy.Fixed)

    def sizeHint(self) -> QtCore.QSize:
        """Room for the answer in large type."""
        digit = QtGui.QFontMetrics(theme.font(_DIGIT, bold=True)).capHeight()
        return QtCore.QSize(360, self.head_height + digit + 38 + self.PAD)

    def tell(self, opinion: Opinion | None) -> None:
        """Show an opinion."""
        if opinion is self._opinion:
            return
        self._opinion = opinion
        self.note = "" if opinion is None else f"{opinion.ms:.0f} of {opinion.window_ms:.0f} ms"
        self.update()

    def draw(self, painter: QtGui.QPainter, room: QtCore.QRectF) -> None:
        """Paint answer, verdict and the window's progress."""
        self.layer(painter, "|".join(answer_words(self._opinion)), self._words)
        bar = QtCore.QRectF(room.left(), room.bottom() - 6, room.width(), 4)
        _progress(painter, bar, self._opinion)

    def _words(self, painter: QtGui.QPainter) -> None:
        opinion = self._opinion
        answer, verdict, timing = answer_words(opinion)
        silent = opinion is None or opinion.since_ms is None
        painter.setFont(theme.font(_DIGIT, bold=True))
        painter.setPen(theme.FAINT if silent else theme.TEXT)
        room = self.width() - 2 * self.PAD
        wide = max(painter.fontMetrics().horizontalAdvance(answer), room * 0.22)
        tall = painter.fontMetrics().capHeight()
        digit = QtCore.QRectF(self.PAD, self.head_height + 10, wide, tall)
        painter.drawText(QtCore.QPointF(digit.left(), digit.bottom()), answer)
        x = digit.right() + 20
        beside = QtCore.QRectF(x, digit.top(), self.PAD + room - x, tall / 2)
        right = opinion is not None and opinion.answer == opinion.label
        if verdict:
            colour = theme.DIM if silent else theme.RIGHT if right else theme.WRONG
            _badge(painter, beside, verdict, colour)
        painter.setFont(theme.font(theme.BODY))
        painter.setPen(theme.DIM)
        painter.drawText(beside.translated(0, tall / 2), theme.LEFT, timing)


def _badge(painter: QtGui.QPainter, room: QtCore.QRectF, words: str, colour: QtGui.QColor) -> None:
    painter.setFont(theme.font(13, bold=True))
    metrics = painter.fontMetrics()
    box = QtCore.QRectF(room.left(), 0, metrics.horizontalAdvance(words) + 22, metrics.height() + 8)
    box.moveTop(room.center().y() - box.height() / 2)
    painter.setPen(QtCore.Qt.PenStyle.NoPen)
    painter.setBrush(theme.tinted(colour, 40))
    painter.drawRoundedRect(box, box.height() / 2, box.height() / 2)
    painter.setPen(colour)
    painter.drawText(box, theme.CENTRE, words)


def _progress(painter: QtGui.QPainter, bar: QtCore.QRectF, opinion: Opinion | None) -> None:
    """Paint how far the window has come, and where the answer was found."""
    painter.setPen(QtCore.Qt.PenStyle.NoPen)
    painter.setBrush(theme.FAINT)
    painter.drawRoundedRect(bar, 2, 2)
    if opinion is None or opinion.window_ms <= 0:
        return
    share = min(1.0, opinion.ms / opinion.window_ms)
    painter.setBrush(theme.DIM)
    painter.drawRoundedRect(QtCore.QRectF(bar.topLeft(), QtCore.QSizeF(bar.width() * share, 4)),
                            2, 2)  # fmt: skip
    if opinion.since_ms is not None:
        begin = min(1.0, opinion.since_ms / opinion.window_ms) * bar.width()
        painter.setBrush(theme.ACCENT)
        rest = QtCore.QRectF(bar.left() + begin, bar.top(), bar.width() * share - begin, 4)
        painter.drawRoundedRect(rest, 2, 2)


class Bars(theme.Card):
    """One bar a class; of very many classes those with most spikes."""

    def __init__(self) -> None:
        super().__init__("OUTPUT SPIKES", "Output spikes of each class since the window began")
        self._opinion: Opinion | None = None
        self.setMinimumHeight(self.head_height + 120)

    def tell(self, opinion: Opinion | None) -> None:
        """Show an opinion's counts."""
        if opinion is self._opinion:
            return
        self._opinion = opinion
        self.update()

    def _counts(self) -> list[tuple[int, int]]:
        """Return class and spikes of each bar."""
        if self._opinion is None:
            return [(name, 0) for name in range(10)]
        bars = list(zip(self._opinion.classes, self._opinion.counts.tolist(), strict=True))
        most = sorted(bars, key=lambda bar: -bar[1])[:_MOST_BARS]
        return [bar for bar in bars if bar in most]

    def _leader(self) -> int | None:
        opinion = self._opinion
        return None if opinion is None or opinion.since_ms is None else opinion.answer

    def _foot(self) -> int:
        return theme.line_height(theme.BODY) + 8

    def draw(self, painter: QtGui.QPainter, room: QtCore.QRectF) -> None:
        """Paint the bars, the leader's in the bright colour, over their names."""
        bars, leader = self._counts(), self._leader()
        label = self._opinion and self._opinion.label
        self.layer(painter, f"{[name for name, _ in bars]} {leader} {label}", self._names)
        cell = room.width() / len(bars)
        above = theme.line_height(theme.CAPTION) + 2
        base = room.bottom() - self._foot()
        per_spike = (base - room.top() - above) / max(count for _, count in [*bars, (0, 1)])
        painter.setFont(theme.font(theme.CAPTION))
        for i, (name, count) in enumerate(bars):
            if count <= 0:
                continue
            left, tall = room.left() + i * cell, count * per_spike
            bar = QtCore.QRectF(left + cell * 0.14, base - tall, cell * 0.72, tall)
            colour = theme.ACCENT if name == leader else theme.tinted(theme.ACCENT, 90)
            painter.setPen(QtCore.Qt.PenStyle.NoPen)
            painter.setBrush(colour)
            painter.drawRoundedRect(bar, 3, 3)
            painter.setPen(theme.TEXT if name == leader else theme.DIM)
            over = QtCore.QRectF(left - cell, bar.top() - above, 3 * cell, above)
            painter.drawText(over, theme.CENTRE, f"{count}")

    def _names(self, painter: QtGui.QPainter) -> None:
        """Paint what changes seldom: the ground line, the names, a line below the true class."""
        bars, leader = self._counts(), self._leader()
        cell = (self.width() - 2 * self.PAD) / len(bars)
        bottom = self.height() - self.PAD
        base = bottom - self._foot()
        painter.setFont(theme.font(theme.BODY))
        for i, (name, _) in enumerate(bars):
            left = self.PAD + i * cell
            line = QtCore.QRectF(left + cell * 0.14, base, cell * 0.72, 2)
            painter.fillRect(line, theme.FAINT)
            painter.setPen(theme.TEXT if name == leader else theme.DIM)
            under = QtCore.QRectF(left, base + 4, cell, self._foot() - 4)
            painter.drawText(under, theme.CENTRE, str(name))
            if self._opinion is not None and name == self._opinion.label:
                line.moveTop(bottom - 1)
                line.setHeight(3)
                painter.fillRect(line, theme.RIGHT)


class Recent(theme.Card):
    """The last final answers, the newest at the right, and how many were right in all."""

    def __init__(self) -> None:
        super().__init__("LAST ANSWERS", "Final answers; a wrong one above what was shown")
        self._recent: tuple[Verdict, ...] = ()
        policy = QtWidgets.QSizePolicy.Policy
        self.setSizePolicy(policy.Expanding, policy.Fixed)

    def sizeHint(self) -> QtCore.QSize:
        """Room for one row of answers."""
        return QtCore.QSize(360, self.head_height + self._side + self.PAD)

    @property
    def _side(self) -> int:
        return 2 * theme.line_height(theme.BODY)

    def tell(self, moment: Moment) -> None:
        """Show the answers and the score."""
        # Verdicts that have scrolled out of memory count in the note.
        if (moment.recent, note := accuracy_words(moment)) != (self._recent, self.note):
            self._recent, self.note = moment.recent, note
            self.update()

    def draw(self, painter: QtGui.QPainter, room: QtCore.QRectF) -> None:
        """Paint as many answers as fit."""
        wide = self._side * 0.74
        fit = max(1, int((room.width() + 5) // (wide + 5)))
        for i, verdict in enumerate(self._recent[-fit:]):
            box = QtCore.QRectF(room.left() + i * (wide + 5), room.top(), wide, self._side)
            known = verdict.label is not None
            right = verdict.answer == verdict.label
            colour = theme.RIGHT if right else theme.WRONG if known else theme.DIM
            painter.setPen(QtCore.Qt.PenStyle.NoPen)
            painter.setBrush(theme.tinted(colour, 36))
            painter.drawRoundedRect(box, 6, 6)
            painter.setPen(colour)
            painter.setFont(theme.font(13, bold=True))
            if right or not known:
                painter.drawText(box, theme.CENTRE, str(verdict.answer))
                continue
            half = QtCore.QRectF(box.left(), box.top() + 1, box.width(), box.height() * 0.6)
            painter.drawText(half, theme.CENTRE, str(verdict.answer))
            painter.setFont(theme.font(theme.CAPTION))
            painter.setPen(theme.TEXT)
            half = QtCore.QRectF(box.left(), half.bottom() - 3, box.width(), box.height() * 0.4)
            painter.drawText(half, theme.CENTRE, f"≠ {verdict.label}")


def accuracy_words(moment: Moment) -> str:
    """Return the running accuracy in words; empty before the first answer with a label."""
    if not moment.answered:
        return ""
    share = 100 * moment.right / moment.answered
    return f"{moment.right} of {moment.answered} right = {share:.1f} %"
