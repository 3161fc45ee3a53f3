"""view: the real window, fed from a thread as the runtime does it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PySide6 import QtCore, QtGui, QtWidgets

from nodes.source import Source
from nodes.view import plots
from nodes.view.node import View
from nodes.view.palette import DEFAULT, PALETTES
from nodes.view.panels.answer import accuracy_words, answer_words
from nodes.view.panels.rates import short
from nodes.view.window import Window
from pipeline import EventPacket, Packet, PredictionPacket
from pipeline.clock import DrivenClock
from pipeline.errors import RetinaError, SettingError
from pipeline.packets import EventHeader, PredictionHeader
from tests.strategies import event_packet, events_of
from tests.waiting import BOUND_S

ON, OFF, GROUND = PALETTES[DEFAULT].dark


SECOND = 1_000_000_000


@pytest.fixture(autouse=True)
def offscreen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")


def events(t_end: int = 100, **head: object) -> EventPacket:
    """Return a packet of 34×34 with an ON event in column 3, row 5 and an OFF event beside it."""
    return event_packet(events_of([99, 99], [3, 4], [5, 5], [1, 0]), 0, t_end, **head)


def opinion(
    answer: int, label: int | None, *, ms: int = 300, spikes: int = 7, n_classes: int = 10
) -> PredictionPacket:
    counts = np.zeros(n_classes, np.int64)
    counts[answer] = spikes
    header = PredictionHeader(
        t_begin=0, t_end=ms * 1000, classes=tuple(range(n_classes)), answer=answer,
        final=ms == 300, window_us=300_000, label=label, sample="Test/3/00042.bin",
    )  # fmt: skip
    return PredictionPacket.of(counts, counts.astype(np.float32), header)


def show(
    view: View,
    packets: Iterable[Packet],
    look: Callable[[Window], None] = lambda window: None,
    *,
    end: bool = True,
) -> float:
    """Feed a view while its window has this thread; return how long it took to stop, in s.

    ``look`` is called with the window once all packets were fed, and again until it finds what it
    looks for, for at most ``BOUND_S``.
    """
    stop, fed = threading.Event(), threading.Event()
    end_s = time.monotonic() + BOUND_S
    ticks = 0
    stopped_s: list[float] = []
    problems: list[BaseException] = []

    def feed() -> None:
        try:
            view.start()
            for packet in packets:
                for _ in view.feed(packet):
                    pass
            if end:
                list(view.finish())
        finally:
            fed.set()

    def leave() -> None:
        nonlocal ticks
        ticks += fed.is_set()
        if ticks < 2:
            return
        try:
            everything = QtWidgets.QApplication.topLevelWidgets()
            (window,) = (widget for widget in everything if isinstance(widget, Window))
            look(window)
        except AssertionError as problem:
            # What was fed last may not be on the screen yet.
            if time.monotonic() < end_s:
                return
            problems.append(problem)
        except BaseException as problem:
            problems.append(problem)
        timer.stop()
        stopped_s.append(time.monotonic())
        stop.set()

    QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    # Loaded meanwhile, it would hold up frames that are counted here.
    plots.loaded(wait=True)
    timer = QtCore.QTimer()
    timer.timeout.connect(leave)
    timer.start(40)
    thread = threading.Thread(target=feed)
    thread.start()
    try:
        view.main_thread(stop)
    finally:
        timer.stop()
        thread.join()
        view.stop()
    if problems:
        raise problems[0]
    return time.monotonic() - stopped_s[0]


def test_known_events_have_their_colours_in_the_saved_picture(tmp_path: Path) -> None:
    path = tmp_path / "shot.png"
    places: dict[tuple[int, int], QtCore.QPoint] = {}

    def look(window: Window) -> None:
        pixels = window.picture.pixels
        target = pixels.target()
        side = target.width() / 34
        assert side == int(side)
        for x in (2, 3, 4):
            at = target.topLeft() + QtCore.QPointF((x + 0.5) * side, 5.5 * side)
            places[x, 5] = pixels.mapTo(window, at.toPoint())

    show(View(screenshot=str(path)), [events()], look)
    image = QtGui.QImage(str(path))
    shown = {at: image.pixelColor(place).getRgb()[:3] for at, place in places.items()}
    assert shown[2, 5] == GROUND
    assert shown[3, 5] == pytest.approx(ON, abs=2)
    assert shown[4, 5] == pytest.approx(OFF, abs=2)


def test_the_window_tells_what_the_network_says() -> None:
    def look(window: Window) -> None:
        assert window.head.state == "ENDED"
        assert window.answer.note == "300 of 300 ms"
        assert window.recent.note == "1 of 2 right = 50.0 %"
        assert window.picture.note == "Test/3/00042.bin"

    said = [opinion(8, 3), opinion(3, 3, ms=40), opinion(3, 3)]
    show(View(), [events(sample="Test/3/00042.bin", label=3), *said], look)


def test_words_of_an_answer() -> None:
    scene = View().scene
    assert answer_words(scene.moment(0).opinion) == ("–", "", "")
    assert accuracy_words(scene.moment(0)) == ""
    for packet, words in (
        (opinion(0, 3, ms=10, spikes=0), ("–", "shown 3", "no output spike yet")),
        (opinion(8, 3, ms=20), ("8", "✗  shown 3", "leads since 20 ms")),
        (opinion(3, 3, ms=40), ("3", "✓  shown 3", "leads since 40 ms")),
        (opinion(3, None), ("3", "", "leads since 40 ms")),
    ):
        scene.add_prediction(packet, 0)
        assert answer_words(scene.moment(0).opinion) == words
    assert accuracy_words(scene.moment(0)) == ""


@pytest.mark.parametrize(
    ("rate", "words"),
    [(0, "0"), (999.4, "999"), (999.6, "1.00 k"), (38_249, "38.2 k"), (99_960, "100 k"),
     (1.5e6, "1.50 M"), (2e9, "2.00 G")],
)  # fmt: skip
def test_rates_have_three_digits(rate: float, words: str) -> None:
    assert short(rate) == words


def test_a_real_recording_with_opinions_of_any_number_of_classes() -> None:
    replay = list(Source(path="samples", pace="fast", limit=1))
    opinions = [opinion(0, None, n_classes=n) for n in (1, 2, 101)]
    view = View(scale=3, title="a window")

    def look(window: Window) -> None:
        assert window.windowTitle() == "a window"
        assert window.picture.pixels.target().width() == 3 * 34
        window.resize(2000, 900)
        window.grab()

    took_s = show(view, [*replay, *opinions], look)
    assert took_s < 1
    assert not view.wants_stop


def test_a_sensor_that_is_too_large_leaves_the_window_standing() -> None:
    head = EventHeader(width=2**15, height=2**15, n=0)
    view = View()
    grabbed: list[QtGui.QPixmap] = []
    show(view, [EventPacket(head, b"")], lambda window: grabbed.append(window.grab()))
    assert not grabbed[0].isNull()


@pytest.mark.parametrize(("on_close", "wanted"), [("stop", True), ("continue", False)])
def test_a_closed_window_ends_the_run_or_is_in_nobodys_way(on_close: str, wanted: bool) -> None:
    view = View(on_close=on_close)

    def close(window: Window) -> None:
        window.close()
        view._frame(window)
        assert view.wants_stop is wanted
        seen = view.scene.events_seen
        for _ in view.feed(events()):
            pass
        assert view.scene.events_seen == seen

    show(view, [events()], close, end=False)
    assert view.closed


def test_closing_the_window_ends_the_main_thread_by_itself() -> None:
    QtWidgets.QApplication.instance() or QtWidgets.QApplication([])

    def close() -> None:
        for widget in QtWidgets.QApplication.topLevelWidgets():
            if isinstance(widget, Window):
                widget.close()

    QtCore.QTimer.singleShot(50, close)
    view = View()
    view.main_thread(threading.Event())
    assert view.wants_stop


@pytest.mark.parametrize("path", ["shot.jpg", "nowhere/shot.png"])
def test_a_screenshot_that_cannot_be_is_told_at_once(tmp_path: Path, path: str) -> None:
    with pytest.raises(SettingError, match="screenshot = "):
        View(screenshot=str(tmp_path / path)).start()


def test_a_screenshot_that_fails_is_one_error_not_a_traceback_of_qts(tmp_path: Path) -> None:
    folder = tmp_path / "taken.png"
    folder.mkdir()
    view = View(screenshot=str(folder), screenshot_after_s=0)
    with pytest.raises(RetinaError, match="cannot be written"):
        show(view, [events()], end=False)
    assert view.wants_stop


def test_a_screenshot_is_taken_when_it_is_due(tmp_path: Path) -> None:
    path = tmp_path / "shot.png"
    view = View(screenshot=str(path), screenshot_after_s=0)

    def look(window: Window) -> None:
        assert path.exists()
        path.unlink()

    show(view, [events()], look)
    assert not path.exists()


def test_how_events_are_shown_may_change_while_it_runs() -> None:
    view = View(mode="count", fade_ms=5)
    view.start()
    assert view.scene.show.mode == "count"
    view.ask("view", "mode", "last-n")
    view.ask("view", "last_n", "7")
    view.obey()
    assert (view.scene.show.mode, view.scene.show.last_n) == ("last-n", 7)
    assert view.scene.show.fade_ms == 5
    status = view.statuses()["view"]
    mode = status.setting("mode")
    assert mode is not None
    assert mode.live
    view.scene.set_show(view.scene.show._replace(mode="surface"))
    mode = view.statuses()["view"].setting("mode")
    assert mode is not None
    assert (mode.requested, mode.actual) == ("last-n", "surface")
    view.stop()


def test_age_and_frames_are_told() -> None:
    view = View(clock=DrivenClock(SECOND))
    view.start()
    assert view.facts() == {"frames_per_s": 0}
    for born_ns, age_ms in ((SECOND - 5_000_000, 5), (SECOND + 1, None), (0, None)):
        for _ in view.feed(events(born_ns=born_ns)):
            pass
        assert view.facts().get("age_ms") == age_ms
    view.stop()


def test_every_palette_can_be_asked_for() -> None:
    for name in PALETTES:
        assert View(palette=name).settings.palette == name
    with pytest.raises(SettingError, match="palette = "):
        View(palette="infrared")


def test_reset_forgets_picture_and_window_but_not_the_score() -> None:
    view = View()
    view.start()
    for packet in (events(), opinion(3, 3)):
        for _ in view.feed(packet):
            pass
    view.reset()
    moment = view.scene.moment(0)
    assert moment.opinion is None
    assert moment.answered == 1
    assert len(np.unique(view.scene.picture())) == 1
    view.stop()
