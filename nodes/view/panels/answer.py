"""What the network says: its answer now, its output spikes, its last answers."""

from __future__ import annotations

from PySide6 import QtCore, QtGui

from nodes.view import theme
from nodes.view.card import Card
from nodes.view.scene import Moment, Opinion, Scene, Verdict

_MOST_BARS = 12
_DIGIT = 46
_WORDS_MS = 40
"""Words and bars change no more often than they can be read."""


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


def has_opinions(scene: Scene) -> bool:
    """Whether a network has said anything."""
    return scene.words_seen > 0


class Answer(Card):
    """The class that leads, right or wrong, and how far the window has come."""

    every_ms = _WORDS_MS
    has_data = staticmethod(has_opinions)

    def __init__(self) -> None:
        super().__init__(
            "ANSWER",
            "The class with most output spikes in this window, and the moment (event time since"
            " the window began, ms) from which it has been in the lead",
        )
        self._opinion: Opinion | None = None
        self._version = -1

    def minimumSizeHint(self) -> QtCore.QSize:
        """Room for the answer in large type."""
        digit = QtGui.QFontMetrics(theme.font(_DIGIT, bold=True)).capHeight()
        return QtCore.QSize(theme.em(14), self.head_height + digit + theme.em(2.2) + self.pad)

    def sizeHint(self) -> QtCore.QSize:
        """Room for the answer in large type."""
        return self.minimumSizeHint()

    def refresh(self, scene: Scene, now_ns: int) -> bool:
        """Show the opinion where it is new; return whether it was."""
        if scene.words_seen == self._version:
            return False
        self._version = scene.words_seen
        self.tell(scene.moment(now_ns).opinion)
        return True

    def tell(self, opinion: Opinion | None) -> None:
        """Show an opinion."""
        self._opinion = opinion
        self.note = "" if opinion is None else f"{opinion.ms:.0f} of {opinion.window_ms:.0f} ms"
        self.update()

    def draw(self, painter: QtGui.QPainter, room: QtCore.QRectF) -> None:
        """Paint answer, verdict and the window's progress."""
        self.layer(painter, "|".join(answer_words(self._opinion)), self._words)
        thick = theme.em(0.25)
        bar = QtCore.QRectF(room.left(), room.bottom() - 1.5 * thick, room.width(), thick)
        _progress(painter, bar, self._opinion)

    def _words(self, painter: QtGui.QPainter) -> None:
        opinion, look = self._opinion, theme.look()
        answer, verdict, timing = answer_words(opinion)
        silent = opinion is None or opinion.since_ms is None
        painter.setFont(theme.font(_DIGIT, bold=True))
        painter.setPen(look.dim if silent else look.text)
        room = self.width() - 2 * self.pad
        wide = max(painter.fontMetrics().horizontalAdvance(answer), room * 0.22)
        tall = painter.fontMetrics().capHeight()
        digit = QtCore.QRectF(self.pad, self.head_height + theme.em(0.6), wide, tall)
        painter.drawText(QtCore.QPointF(digit.left(), digit.bottom()), answer)
        x = digit.right() + theme.em(1.2)
        beside = QtCore.QRectF(x, digit.top(), self.pad + room - x, tall / 2)
        right = opinion is not None and opinion.answer == opinion.label
        if verdict:
            colour = look.dim if silent else look.right if right else look.wrong
            _badge(painter, beside, verdict, colour)
        painter.setFont(theme.font(theme.BODY))
        painter.setPen(look.dim)
        painter.drawText(beside.translated(0, tall / 2), theme.LEFT, timing)


def _badge(painter: QtGui.QPainter, room: QtCore.QRectF, words: str, colour: QtGui.QColor) -> None:
    painter.setFont(theme.font(13, bold=True))
    metrics = painter.fontMetrics()
    wide, tall = metrics.horizontalAdvance(words) + theme.em(1.4), metrics.height() + theme.em(0.5)
    box = QtCore.QRectF(room.left(), 0, wide, tall)
    box.moveTop(room.center().y() - box.height() / 2)
    painter.setPen(QtCore.Qt.PenStyle.NoPen)
    painter.setBrush(theme.tinted(colour, 40))
    painter.drawRoundedRect(box, box.height() / 2, box.height() / 2)
    painter.setPen(colour)
    painter.drawText(box, theme.CENTRE, words)


def _progress(painter: QtGui.QPainter, bar: QtCore.QRectF, opinion: Opinion | None) -> None:
    """Paint how far the window has come, and where the answer was found."""
    look, round_ = theme.look(), bar.height() / 2
    painter.setPen(QtCore.Qt.PenStyle.NoPen)
    painter.setBrush(look.faint)
    painter.drawRoundedRect(bar, round_, round_)
    if opinion is None or opinion.window_ms <= 0:
        return
    share = min(1.0, opinion.ms / opinion.window_ms)
    painter.setBrush(look.dim)
    done = QtCore.QRectF(bar.topLeft(), QtCore.QSizeF(bar.width() * share, bar.height()))
    painter.drawRoundedRect(done, round_, round_)
    if opinion.since_ms is not None:
        begin = min(1.0, opinion.since_ms / opinion.window_ms) * bar.width()
        painter.setBrush(look.accent)
        rest = QtCore.QRectF(done)
        rest.setLeft(bar.left() + begin)
        painter.drawRoundedRect(rest, round_, round_)


class Bars(Card):
    """One bar a class; of very many classes those with most spikes."""

    every_ms = _WORDS_MS
    has_data = staticmethod(has_opinions)

    def __init__(self) -> None:
        super().__init__("OUTPUT SPIKES", "Output spikes of each class since the window began")
        self._opinion: Opinion | None = None
        self._version = -1

    def minimumSizeHint(self) -> QtCore.QSize:
        """Room for bars whose heights can be told apart."""
        return QtCore.QSize(theme.em(14), self.head_height + theme.em(5))

    def refresh(self, scene: Scene, now_ns: int) -> bool:
        """Show the counts where they are new; return whether they were."""
        if scene.words_seen == self._version:
            return False
        self._version = scene.words_seen
        self.tell(scene.moment(now_ns).opinion)
        return True

    def tell(self, opinion: Opinion | None) -> None:
        """Show an opinion's counts."""
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
        return theme.line_height(theme.BODY) + theme.em(0.5)

    def draw(self, painter: QtGui.QPainter, room: QtCore.QRectF) -> None:
        """Paint the bars, the leader's in the bright colour, over their names."""
        bars, leader, look = self._counts(), self._leader(), theme.look()
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
            colour = look.accent if name == leader else theme.tinted(look.accent, 110)
            painter.setPen(QtCore.Qt.PenStyle.NoPen)
            painter.setBrush(colour)
            painter.drawRoundedRect(bar, theme.em(0.15), theme.em(0.15))
            painter.setPen(look.text if name == leader else look.dim)
            over = QtCore.QRectF(left - cell, bar.top() - above, 3 * cell, above)
            painter.drawText(over, theme.CENTRE, f"{count}")

    def _names(self, painter: QtGui.QPainter) -> None:
        """Paint what changes seldom: the ground line, the names, a line below the true class."""
        bars, leader, look = self._counts(), self._leader(), theme.look()
        cell = (self.width() - 2 * self.pad) / len(bars)
        bottom = self.height() - self.pad
        base = bottom - self._foot()
        painter.setFont(theme.font(theme.BODY))
        for i, (name, _) in enumerate(bars):
            left = self.pad + i * cell
            line = QtCore.QRectF(left + cell * 0.14, base, cell * 0.72, theme.em(0.12))
            painter.fillRect(line, look.faint)
            painter.setPen(look.text if name == leader else look.dim)
            under = QtCore.QRectF(left, base + theme.em(0.2), cell, self._foot() - theme.em(0.25))
            painter.drawText(under, theme.CENTRE, str(name))
            if self._opinion is not None and name == self._opinion.label:
                line.moveTop(bottom - theme.em(0.06))
                line.setHeight(theme.em(0.2))
                painter.fillRect(line, look.right)


class Recent(Card):
    """The last final answers, the newest at the right, and how many were right in all."""

    every_ms = _WORDS_MS
    has_data = staticmethod(has_opinions)

    def __init__(self) -> None:
        super().__init__("LAST ANSWERS", "Final answers; a wrong one above what was shown")
        self._recent: tuple[Verdict, ...] = ()
        self._version = -1

    def minimumSizeHint(self) -> QtCore.QSize:
        """Room for one row of answers."""
        return QtCore.QSize(theme.em(14), self.head_height + self._side + self.pad)

    def sizeHint(self) -> QtCore.QSize:
        """Room for one row of answers."""
        return self.minimumSizeHint()

    @property
    def _side(self) -> int:
        return 2 * theme.line_height(theme.BODY)

    def refresh(self, scene: Scene, now_ns: int) -> bool:
        """Show the answers where they are new; return whether they were."""
        if scene.words_seen == self._version:
            return False
        self._version = scene.words_seen
        return self.tell(scene.moment(now_ns))

    def tell(self, moment: Moment) -> bool:
        """Show the answers and the score; return whether they have changed."""
        # Verdicts that have scrolled out of memory count in the note.
        changed = (moment.recent, note := accuracy_words(moment)) != (self._recent, self.note)
        if changed:
            self._recent, self.note = moment.recent, note
            self.update()
        return changed

    def draw(self, painter: QtGui.QPainter, room: QtCore.QRectF) -> None:
        """Paint as many answers as fit."""
        look = theme.look()
        wide, gap = self._side * 0.74, theme.em(0.3)
        fit = max(1, int((room.width() + gap) // (wide + gap)))
        for i, verdict in enumerate(self._recent[-fit:]):
            box = QtCore.QRectF(room.left() + i * (wide + gap), room.top(), wide, self._side)
            known = verdict.label is not None
            right = verdict.answer == verdict.label
            colour = look.right if right else look.wrong if known else look.dim
            painter.setPen(QtCore.Qt.PenStyle.NoPen)
            painter.setBrush(theme.tinted(colour, 36))
            painter.drawRoundedRect(box, theme.em(0.35), theme.em(0.35))
            painter.setPen(colour)
            painter.setFont(theme.font(13, bold=True))
            if right or not known:
                painter.drawText(box, theme.CENTRE, str(verdict.answer))
                continue
            half = QtCore.QRectF(box.left(), box.top() + 1, box.width(), box.height() * 0.6)
            painter.drawText(half, theme.CENTRE, str(verdict.answer))
            painter.setFont(theme.font(theme.CAPTION))
            painter.setPen(look.text)
            half = QtCore.QRectF(box.left(), half.bottom() - 3, box.width(), box.height() * 0.4)
            painter.drawText(half, theme.CENTRE, f"≠ {verdict.label}")


def accuracy_words(moment: Moment) -> str:
    """Return the running accuracy in words; empty before the first answer with a label."""
    if not moment.answered:
        return ""
    share = 100 * moment.right / moment.answered
    return f"{moment.right} of {moment.answered} right = {share:.1f} %"
