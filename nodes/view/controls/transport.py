"""How a recording is played: go, step, speed, the one before and after, again and again."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6 import QtCore, QtGui, QtWidgets

from nodes.view.controls.link import Link, can, number, why_not
from pipeline.status import NodeStatus

if TYPE_CHECKING:
    from nodes.view.window import Window

PACES = ("0.01", "0.03", "0.1", "0.25", "0.5", "real", "2", "5", "10", "fast")
"""What can be chosen; 'real' is 1."""

_LEAP = 0.1
_RECORDINGS = "recordings"


def pace_words(pace: str) -> str:
    """Return a pace in the user's words."""
    if pace == "fast":
        return "as fast as can be"
    return "1×" if pace == "real" else f"{_factor(pace):g}×"


def _factor(pace: str) -> float:
    """Return event time over wall time; infinite for 'fast', NaN where it is none."""
    if pace in ("real", "fast"):
        return 1.0 if pace == "real" else math.inf
    try:
        return float(pace)
    except ValueError:
        return math.nan


class Transport(QtCore.QObject):
    """The tool bar's actions on the source; ``refresh`` brings them up to date."""

    def __init__(self, window: Window, link: Link) -> None:
        super().__init__(window)
        self._window, self._link = window, link
        self._source: NodeStatus | None = None
        self.play = self._action("Pause", "Space", self._toggle, "Hold the stream, or let it go on")
        self.step = self._action("Step", ".", self._step, "Pause, and let one bin go")
        self.slower = self._action("Slower", "S", lambda: self._shift(-1), "Play slower")
        self.faster = self._action("Faster", "F", lambda: self._shift(1), "Play faster")
        self.real = self._action("Real time", "R", lambda: self._pace("real"),
                                 "Play as fast as it happened")  # fmt: skip
        self.previous = self._action("Previous", "P", lambda: self._show("previous"),
                                     "Go to the recording before this one")  # fmt: skip
        self.next = self._action("Next", "N", lambda: self._show("next"),
                                 "Go to the recording after this one")  # fmt: skip
        self.begin = self._action("To the beginning", "B", lambda: self._seek(0.0),
                                  "Go to the recording's beginning")  # fmt: skip
        self.back = self._action("Back", "Alt+Left", lambda: self._leap(-_LEAP),
                                 "Go back by a tenth of the recording")  # fmt: skip
        self.ahead = self._action("Ahead", "Alt+Right", lambda: self._leap(_LEAP),
                                  "Go ahead by a tenth of the recording")  # fmt: skip
        self.loop = self._action("Loop", "O", self._loop, "Begin again when all are shown")
        self.loop.setCheckable(True)
        self.speed = QtWidgets.QComboBox()
        self.speed.setAccessibleName("speed, event time over wall time")
        for pace in PACES:
            self.speed.addItem(pace_words(pace), pace)
        # What is one's own, from a graph file, is shown before all others.
        self.speed.setPlaceholderText("speed")
        self.speed.activated.connect(lambda i: self._pace(self.speed.itemData(i)))
        self.asks = {
            self.play: "paused", self.step: "step", self.slower: "pace", self.faster: "pace",
            self.real: "pace", self.previous: "show", self.next: "show", self.begin: "seek_s",
            self.back: "seek_s", self.ahead: "seek_s", self.loop: "loop",
        }  # fmt: skip
        """Each action with what it asks the source for."""
        self.refresh()

    def _action(self, title: str, keys: str, do: Callable[[], object], hint: str) -> QtGui.QAction:
        action = QtGui.QAction(title, self)
        action.setShortcut(QtGui.QKeySequence(keys))
        action.setProperty("hint", hint)
        action.triggered.connect(lambda _=False: do())
        return action

    def tools(self) -> list[QtGui.QAction | QtWidgets.QWidget]:
        """Return what stands in the tool bar, in its order."""
        return [self.previous, self.play, self.step, self.next, self.speed, self.loop]

    @property
    def actions(self) -> list[QtGui.QAction]:
        """All actions, also those that stand in a menu alone."""
        return list(self.asks)

    # What they ask for.

    def paused(self) -> bool:
        """Whether the source is paused, or the picture held where the source cannot be."""
        if not can(self._source, "paused"):
            return self._window.held
        assert self._source is not None
        # A step pauses as well: what the node is at counts unless it was just asked.
        if self._link.waits(self._source.name, "paused"):
            return self._link.value(self._source.name, "paused") == "true"
        return self._source.state in ("paused", "at the end") or (
            self._link.value(self._source.name, "paused") == "true"
        )

    def _toggle(self) -> None:
        if can(self._source, "paused"):
            self._ask("paused", "false" if self.paused() else "true")
        else:
            # A live stream goes on; a recorder behind it misses nothing.
            self._window.hold(not self._window.held)
        self.refresh()

    def _step(self) -> None:
        self._ask("step", str(self.packets_a_step()))

    def packets_a_step(self) -> int:
        """Return how many of the source's packets make one bin; 1 where there are no bins."""
        source = self._source
        packet = None if source is None else source.setting("packet_us")
        bins = [s.setting("bin_us") for s in self._link.of_kind("bins")]
        if packet is None or not bins or bins[0] is None:
            return 1
        return max(1, round(_count(bins[0].actual) / max(1, _count(packet.actual))))

    def _pace(self, pace: str) -> None:
        self._ask("pace", pace)
        self.refresh()

    def _shift(self, steps: int) -> None:
        """Go to the next speed that can be chosen, slower or faster."""
        now = _factor(self._pace_now())
        factors = [_factor(pace) for pace in PACES]
        others = [f for f in factors if (f > now if steps > 0 else f < now)]
        if others:
            chosen = min(others) if steps > 0 else max(others)
            self._pace(PACES[factors.index(chosen)])

    def _pace_now(self) -> str:
        source = self._source
        return "real" if source is None else self._link.value(source.name, "pace") or "real"

    def _show(self, which: str) -> None:
        self._ask("show", which)

    def _loop(self) -> None:
        self._ask("loop", "true" if self.loop.isChecked() else "false")

    def _seek(self, at_s: float) -> None:
        self._ask("seek_s", f"{at_s:.6f}")

    def _leap(self, share: float) -> None:
        facts = {} if self._source is None else self._source.facts
        begin, end = number(facts, "begin_s"), number(facts, "end_s")
        at = number(facts, "position_s") + share * (end - begin)
        self._seek(min(max(at, begin), end))

    def _ask(self, key: str, value: str) -> None:
        if can(self._source, key):
            assert self._source is not None
            self._link.ask(self._source.name, key, value)

    # What they show.

    def refresh(self) -> None:
        """Show what the source is at, and what it can be asked for."""
        self._source = source = self._link.source()
        for action, key in self.asks.items():
            why = why_not(source, key, _RECORDINGS)
            if (
                key == "show"
                and not why
                and number(source.facts if source else {}, "recordings") == 1
            ):
                why = "there is one recording; a folder has more"
            keys = action.shortcut().toString(QtGui.QKeySequence.SequenceFormat.NativeText)
            hint = f"{action.property('hint')} ({keys})"
            if action is self.play and why:
                hint, why = f"Hold the picture; the stream goes on, for it is live ({keys})", ""
            action.setEnabled(not why)
            action.setToolTip(f"{hint}\n{why}" if why else hint)
        self.play.setText("Go on" if self.paused() else "Pause")
        self.step.setToolTip(self._step_hint(self.step.toolTip()))
        self._show_pace(why_not(source, "pace", _RECORDINGS))
        looping = source is not None and self._link.value(source.name, "loop") == "true"
        self.loop.setChecked(looping)

    def _step_hint(self, hint: str) -> str:
        source = self._source
        packet = None if source is None else source.setting("packet_us")
        if packet is None or not self.step.isEnabled():
            return hint
        ms = self.packets_a_step() * _count(packet.actual) / 1000
        return f"{hint}\n{ms:g} ms of event time"

    def _show_pace(self, why: str) -> None:
        box, now = self.speed, self._pace_now()
        box.setEnabled(not why)
        hint = "Speed: event time over wall time (S slower, F faster, R real time)"
        box.setToolTip(f"{hint}\n{why}" if why else hint)
        if box.view().isVisible():
            return
        factor = _factor(now)
        factors = [_factor(box.itemData(i)) for i in range(box.count())]
        if factor not in factors and not math.isnan(factor):
            while box.count() > len(PACES):
                box.removeItem(0)
            box.insertItem(0, pace_words(now), now)
            factors = [_factor(box.itemData(i)) for i in range(box.count())]
        index = factors.index(factor) if factor in factors else -1
        if box.currentIndex() != index:
            box.setCurrentIndex(index)


def _count(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return 1
