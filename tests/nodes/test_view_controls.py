"""view: playing a recording, its time line, the region of interest; against real sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from PySide6 import QtCore, QtGui, QtWidgets
from pytestqt.qtbot import QtBot

from nodes.bins import Bins
from nodes.camera.node import Camera
from nodes.filter.node import Filter
from nodes.source import Source
from nodes.view.controls.region import box_of
from nodes.view.controls.transport import PACES, pace_words
from pipeline import Node
from tests.nodes.around import Around, Seat, seated
from tests.nodes.test_view import events, offscreen

__all__ = ["offscreen"]

Take = Callable[..., Seat]
LEFT = QtCore.Qt.MouseButton.LeftButton


@pytest.fixture
def take(qtbot: QtBot) -> Iterator[Take]:
    """Have a window among the nodes given."""
    with ExitStack() as stack:

        def make(settings: dict[str, object] | None = None, **nodes: Node) -> Seat:
            return stack.enter_context(seated(Around(**nodes), **(settings or {})))

        yield make


def recording(**more: object) -> Source:
    return Source(path="samples", split="Test", hold=True, **more)


def press(seat: Seat, keys: str) -> None:
    """Press keys on the window, as its user does."""
    window = seat.window
    window.activateWindow()
    window.setFocus()
    sequence = QtGui.QKeySequence(keys)[0]
    QtWidgets.QApplication.processEvents()
    from PySide6.QtTest import QTest

    QTest.keyClick(window, sequence.key(), sequence.keyboardModifiers())


def test_space_pauses_and_goes_on(take: Take) -> None:
    source = recording()
    seat = take(source=source)
    press(seat, "Space")
    assert seat.asked() == [("source", "paused", "true")]
    assert source.paused
    assert seat.desk.transport.play.text() == "Go on"
    seat.tell()
    assert seat.window.head.state == "PAUSED"
    press(seat, "Space")
    assert not source.paused
    seat.tell()
    assert seat.desk.transport.play.text() == "Pause"


def test_two_presses_before_any_answer_are_two_wishes(take: Take) -> None:
    seat = take(source=recording())
    seat.around.mute = True
    press(seat, "Space")
    press(seat, "Space")
    assert [value for _, _, value in seat.asked()] == ["true", "false"]


def test_a_wish_that_nobody_answers_is_told(take: Take, qtbot: QtBot) -> None:
    now = [0]
    seat = take(source=recording())
    seat.desk.link._clock = lambda: now[0]
    seat.around.mute = True
    press(seat, "Space")
    assert seat.desk.transport.paused()
    now[0] += 4_000_000_000
    seat.tell()
    assert not seat.desk.transport.paused()
    assert "source does not answer" in seat.window.statusBar().currentMessage()


@pytest.mark.parametrize("bin_us", [1000, 5000])
def test_a_step_is_a_bin(take: Take, bin_us: int) -> None:
    source = recording()
    seat = take(source=source, bins=Bins(bin_us=bin_us, width=34, height=34))
    press(seat, ".")
    assert seat.asked() == [("source", "step", str(bin_us // 1000))]
    assert source.steps == bin_us // 1000
    assert source.paused
    seat.tell()
    assert f"{bin_us // 1000} ms of event time" in seat.desk.transport.step.toolTip()


def test_speed_by_keys_and_by_choice(take: Take) -> None:
    source = recording()
    seat = take(source=source)
    box = seat.desk.transport.speed
    assert box.currentText() == "1×"
    for keys, speed in (("S", 0.5), ("S", 0.25), ("F", 0.5), ("R", 1.0), ("F", 2.0)):
        press(seat, keys)
        assert source.speed == speed
        assert box.currentText() == f"{speed:g}×"
    for index, pace in enumerate(PACES):
        box.setCurrentIndex(index)
        box.activated.emit(index)
        seat.tell()
        assert source.settings.pace == (pace if pace in ("real", "fast") else float(pace))
        assert box.currentText() == pace_words(pace)
    press(seat, "F")
    assert seat.asked()[-1] == ("source", "pace", "fast"), "there is nothing faster"


def test_a_speed_of_ones_own_is_shown(take: Take) -> None:
    seat = take(source=recording(pace=0.7))
    box = seat.desk.transport.speed
    assert box.currentText() == "0.7×"
    press(seat, "F")
    assert box.currentText() == "1×"
    press(seat, "S")
    assert box.currentText() == "0.5×", "steps are those that can be chosen"


def test_the_recordings_before_and_after(take: Take) -> None:
    source = recording()
    seat = take(source=source)
    press(seat, "N")
    assert source.cursor == 1
    press(seat, "P")
    assert source.cursor == 0
    seat.tell()
    press(seat, "P")
    seat.tell()
    assert "there are 50 recordings" in seat.window.statusBar().currentMessage()
    press(seat, "O")
    assert source.settings.loop
    seat.tell()
    assert seat.desk.transport.loop.isChecked()


def test_one_recording_has_none_beside_it(take: Take) -> None:
    seat = take(source=recording(limit=1))
    transport = seat.desk.transport
    assert not transport.next.isEnabled()
    assert "there is one recording" in transport.next.toolTip()
    assert transport.play.isEnabled()


def test_a_live_source_cannot_be_sent_about_and_says_why(take: Take) -> None:
    camera = Camera(source="camera:virtual")
    seat = take(camera=camera)
    transport = seat.desk.transport
    for action in transport.actions:
        if action is not transport.play:
            assert not action.isEnabled()
            assert "applies to recordings; camera is a camera" in action.toolTip()
    assert not transport.speed.isEnabled()
    assert not seat.desk.timeline.isVisible()
    press(seat, "Space")
    assert seat.window.held, "the picture is held, the stream goes on"
    assert seat.asked() == []
    assert transport.play.text() == "Go on"


def test_nobody_there(take: Take) -> None:
    seat = take()
    transport = seat.desk.transport
    assert "no source has been heard of yet" in transport.step.toolTip()
    for keys in ("Space", ".", "N", "W", "S"):
        press(seat, keys)
    assert seat.asked() == []


def test_a_button_in_focus_keeps_its_space_bar(take: Take, qtbot: QtBot) -> None:
    seat = take(source=recording())
    box = QtWidgets.QCheckBox("mine")
    seat.window.add_below(box)
    box.show()
    seat.window.activateWindow()
    box.setFocus()
    qtbot.waitUntil(box.hasFocus)
    qtbot.keyClick(box, QtCore.Qt.Key.Key_Space)
    assert box.isChecked()
    assert seat.asked() == []


# The time line.


def survey(seat: Seat, source: Source, qtbot: QtBot) -> None:
    """Wait until the source has read the whole recording: its end is known from then on."""

    def whole() -> bool:
        seat.tell()
        return source.facts()["timeline"] == "whole"

    qtbot.waitUntil(whole)
    seat.tell()


def test_the_time_line_shows_the_rate_and_the_place(take: Take, qtbot: QtBot) -> None:
    source = recording()
    seat = take(source=source)
    line = seat.desk.timeline
    survey(seat, source, qtbot)
    assert line.isVisible()
    assert line.end_s == pytest.approx(float(source.facts()["end_s"]))
    assert len(line._slices) > 10
    assert sum(line._slices) > 1000
    assert line.words().startswith("0.000 of 0.3")
    room = line._room()
    ink = seat.window.desk.timeline.grab().toImage()
    columns = [
        sum(
            ink.pixelColor(x, y) != ink.pixelColor(x, int(room.top()) + 1)
            for y in range(int(room.top()) + 2, int(room.bottom()) - 1)
        )
        for x in range(int(room.left()) + 2, int(room.right()) - 2)
    ]
    assert max(columns) > 5, "a busy moment stands high"
    assert min(columns) < max(columns) / 2


def test_click_and_drag_on_the_time_line(take: Take, qtbot: QtBot) -> None:
    source = recording()
    seat = take(source=source)
    line = seat.desk.timeline
    survey(seat, source, qtbot)
    room = line._room()
    end = line.end_s

    def at(share: float) -> QtCore.QPoint:
        return QtCore.QPoint(round(room.left() + share * room.width()), round(room.center().y()))

    qtbot.mouseClick(line, LEFT, pos=at(0.5))
    (asked,) = seat.asked()
    assert asked[:2] == ("source", "seek_s")
    assert float(asked[2]) == pytest.approx(end / 2, abs=end / 100)
    seat.tell()
    assert line.position_s == pytest.approx(end / 2, abs=end / 50)
    qtbot.mousePress(line, LEFT, pos=at(0.6))
    for share in (0.65, 0.7, 0.75, 0.8):
        qtbot.mouseMove(line, at(share))
    assert line.position_s == pytest.approx(0.8 * end, abs=end / 100)
    qtbot.mouseRelease(line, LEFT, pos=at(0.9))
    asked_s = [float(value) for _, _, value in seat.asked()]
    assert asked_s[-1] == pytest.approx(0.9 * end, abs=end / 100)
    assert len(asked_s) <= 3, "a drag does not flood the source"
    qtbot.mouseClick(line, LEFT, pos=QtCore.QPoint(0, 5))
    assert float(seat.asked()[-1][2]) == 0


def test_the_time_line_by_keys(take: Take, qtbot: QtBot) -> None:
    source = recording()
    seat = take(source=source)
    line, key = seat.desk.timeline, QtCore.Qt.Key
    survey(seat, source, qtbot)
    end = line.end_s
    for pressed, second in (
        (key.Key_End, end),
        (key.Key_Home, 0),
        (key.Key_Right, 0.02 * end),
        (key.Key_Right, 0.04 * end),
        (key.Key_Left, 0.02 * end),
    ):
        qtbot.keyClick(line, pressed)
        assert float(seat.asked()[-1][2]) == pytest.approx(second, abs=1e-6)
        seat.tell()
    for keys, second in (("Alt+Right", 0.12 * end), ("Alt+Left", 0.02 * end), ("B", 0.0)):
        press(seat, keys)
        assert float(seat.asked()[-1][2]) == pytest.approx(second, abs=1e-5)
        seat.tell()


def test_the_place_goes_on_between_two_statuses(take: Take) -> None:
    seat = take(source=recording())
    line = seat.desk.timeline
    seat.window.scene.add_events(events(50_000), 1)
    line._tick()
    assert line.position_s == pytest.approx(0.05)
    seat.tell()
    assert line.position_s == 0, "what the source says counts"


# The region of interest.


def drag(seat: Seat, qtbot: QtBot, begin: tuple[float, float], end: tuple[float, float]) -> None:
    pixels = seat.window.picture.pixels
    a, b = (pixels.widget_at(*place).toPoint() for place in (begin, end))
    qtbot.mousePress(pixels, LEFT, pos=a)
    qtbot.mouseMove(pixels, (a + b) / 2)
    qtbot.mouseMove(pixels, b)
    qtbot.mouseRelease(pixels, LEFT, pos=b)


def test_a_region_is_drawn_sent_shown_and_cleared(take: Take, qtbot: QtBot) -> None:
    source = recording()
    seat = take(source=source)
    seat.window.scene.add_events(events(), 1)
    seat.tell()
    plain = seat.window.picture.pixels.grab().toImage()
    drag(seat, qtbot, (5.5, 6.5), (20.5, 16.5))
    assert seat.asked() == [("source", "roi", "5,6,16,11")]
    assert source.settings.region() == (5, 6, 16, 11)
    seat.tell()
    assert seat.desk.region.box == (5, 6, 16, 11)
    assert seat.window.picture.pixels.grab().toImage() != plain
    assert seat.desk.region.clear.isEnabled()
    press(seat, "W")
    assert source.settings.region() is None
    seat.tell()
    assert seat.desk.region.box is None
    assert not seat.desk.region.clear.isEnabled()
    assert seat.window.picture.pixels.grab().toImage() == plain


def test_a_region_is_cut_at_the_sensors_edge(take: Take, qtbot: QtBot) -> None:
    seat = take(source=recording())
    seat.window.scene.add_events(events(), 1)
    seat.tell()
    drag(seat, qtbot, (30.5, 30.5), (-3, 60))
    assert seat.asked() == [("source", "roi", "0,30,31,4")]


def test_a_click_is_no_region(take: Take, qtbot: QtBot) -> None:
    seat = take(source=recording())
    seat.window.scene.add_events(events(), 1)
    seat.tell()
    drag(seat, qtbot, (5.5, 6.5), (5.6, 6.5))
    drag(seat, qtbot, (-5, -5), (-2, -2))
    assert seat.asked() == []


def test_a_region_of_a_camera(take: Take, qtbot: QtBot) -> None:
    camera = Camera(source="camera:virtual")
    seat = take(camera=camera)
    seat.window.scene.add_events(events(), 1)
    seat.tell()
    drag(seat, qtbot, (2.5, 2.5), (9.5, 9.5))
    assert seat.asked() == [("camera", "roi", "2,2,8,8")]
    assert camera.settings.roi == "2,2,8,8"


def test_a_turned_picture_is_not_the_sources(take: Take, qtbot: QtBot) -> None:
    seat = take(source=recording(), filter=Filter(rotate=90))
    seat.window.scene.add_events(events(), 1)
    seat.tell()
    drag(seat, qtbot, (5.5, 6.5), (20.5, 16.5))
    assert seat.asked() == []
    assert "filter.rotate = 90 makes the picture another" in seat.desk.region.clear.toolTip()


@pytest.mark.parametrize(
    ("text", "box"),
    [("1,2,3,4", (1, 2, 3, 4)), ("", None), ("1,2,3", None), ("a,b,c,d", None), ("1,1,0,2", None)],
)
def test_what_is_no_region_is_none(text: str, box: tuple[int, int, int, int] | None) -> None:
    assert box_of(text) == box
