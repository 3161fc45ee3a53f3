"""view: panels that dock, close and are remembered; the look; small screens."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6 import QtCore, QtGui, QtWidgets
from pytestqt.qtbot import QtBot

from nodes.view import theme
from nodes.view.memory import VERSION, Memory
from nodes.view.node import View
from nodes.view.palette import PALETTES
from nodes.view.tracks.show import MODES, Show
from nodes.view.window import Window
from pipeline import ReconstructionPacket
from pipeline.network_packets import ReconstructionHeader
from tests.nodes.test_view import events, offscreen, opinion
from tests.nodes.test_view_tracks import bins

__all__ = ["offscreen"]

MS = 1_000_000


class Desk:
    """Opens windows on one memory, and closes them in the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.open: list[Window] = []

    def window(self, **settings: object) -> Window:
        window = Window(View(**settings), Memory(self.path))
        window.show()
        self.open.append(window)
        return window

    def close(self, window: Window) -> None:
        self.open.remove(window)
        window.dispose()


@pytest.fixture
def desk(qtbot: QtBot, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "viewer.ini")
    yield desk
    for window in list(desk.open):
        desk.close(window)
    theme.use("dark", "blue-orange")


def say(window: Window, now_ms: int = 1) -> None:
    """Let a network say something, and the window show it."""
    window.scene.add_events(events(), now_ms * MS)
    window.scene.add_prediction(opinion(3, 3), now_ms * MS)
    window.refresh(now_ms * MS)


def shades(window: Window) -> set[tuple[int, int, int]]:
    """Return the colours in a picture of the window."""
    image = window.grab().toImage().convertToFormat(QtGui.QImage.Format.Format_RGB32)
    pixels = np.frombuffer(image.constBits(), np.uint32)
    colours = np.unique(pixels)
    return {(int(c) >> 16 & 255, int(c) >> 8 & 255, int(c) & 255) for c in colours}


def test_a_panel_comes_with_what_it_shows(desk: Desk) -> None:
    window = desk.window()
    window.refresh(0)
    assert window.docks["rate"].isVisible()
    assert not window.docks["answer"].isVisible()
    say(window, 100)
    assert window.docks["answer"].isVisible()
    assert not window.docks["image"].isVisible()


def test_a_panel_that_is_closed_stays_away_in_the_next_run(desk: Desk) -> None:
    window = desk.window()
    say(window)
    window.docks["answer"].action.trigger()
    assert not window.docks["answer"].isVisible()
    window.docks["bars"].setFloating(True)
    window.docks["image"].action.trigger()
    assert window.docks["image"].isVisible()
    # Not more than the screen of the offscreen platform.
    window.resize(window.width(), 740)
    desk.close(window)
    window = desk.window()
    say(window)
    assert not window.docks["answer"].isVisible()
    assert window.docks["recent"].isVisible()
    assert window.docks["bars"].isFloating()
    assert window.height() == 740
    window.reset_layout()
    assert window.docks["answer"].isVisible()
    assert not window.docks["bars"].isFloating()


def test_a_cross_and_a_menu(desk: Desk, qtbot: QtBot) -> None:
    window = desk.window()
    dock = window.docks["rate"]
    (cross,) = dock.titleBarWidget().findChildren(QtWidgets.QToolButton)
    qtbot.mouseClick(cross, QtCore.Qt.MouseButton.LeftButton)
    assert not dock.isVisible()
    assert not window.memory.value("panels/rate", True) or not dock.wanted
    panels = window.view_menu.actions()[0].menu()
    assert isinstance(panels, QtWidgets.QMenu)
    panels.aboutToShow.emit()
    titles = [action.text() for action in panels.actions()]
    assert titles == [dock.action.text() for dock in window.docks.values()]
    action = panels.actions()[titles.index("Event rate")]
    assert not action.isChecked()
    action.trigger()
    assert dock.isVisible()


def test_a_panel_of_ones_own(desk: Desk) -> None:
    class Own(QtWidgets.QLabel):
        every_ms = 100
        refreshed = styled = told = 0

        def refresh(self, scene: object, now_ns: int) -> bool:
            self.refreshed += 1
            return False

        def statuses(self, statuses: object, now_ns: int) -> None:
            self.told += 1

        def restyle(self) -> None:
            self.styled += 1

    window = desk.window()
    own = Own("mine")
    dock = window.add_panel("own", "My own", own, QtCore.Qt.DockWidgetArea.BottomDockWidgetArea)
    for ms in range(0, 1000, 10):
        window.refresh(ms * MS)
    assert own.refreshed == 10
    assert own.told == 4
    window.set_look(palette="blue-red")
    assert own.styled == 1
    dock.action.trigger()
    before = own.refreshed
    for ms in range(1000, 2000, 10):
        window.refresh(ms * MS)
    assert own.refreshed == before, "a panel that nobody sees costs nothing"


def test_a_panel_behind_anothers_tab_costs_nothing(desk: Desk, qtbot: QtBot) -> None:
    window = desk.window()
    behind = QtWidgets.QLabel("behind")
    seen: list[int] = []
    behind.refresh = lambda scene, now_ns: seen.append(now_ns)  # type: ignore[attr-defined]
    dock = window.add_panel("behind", "Behind", behind, behind="rate")
    window.docks["rate"].raise_()
    qtbot.waitUntil(lambda: not dock.seen)
    window.refresh(10 * MS)
    assert not seen
    dock.raise_()
    qtbot.waitUntil(lambda: dock.seen)
    window.refresh(20 * MS)
    assert seen


def test_what_belongs_before_its_neighbours_is_seen_though_it_comes_later(
    desk: Desk, qtbot: QtBot
) -> None:
    window = desk.window()
    window.scene.add_events(events(), MS)
    window.scene.add_spikes(bins([[(5, 9)]]), MS)
    window.refresh(100 * MS)
    qtbot.waitUntil(lambda: window.docks["binned"].seen)
    header = ReconstructionHeader(
        t_begin=0, t_end=1000, height=2, width=2, final=False, window_us=1000
    )
    image = ReconstructionPacket.of(np.ones((2, 2), np.float32), header)
    window.scene.add_reconstruction(image, None, 2 * MS)
    window.refresh(200 * MS)
    qtbot.waitUntil(lambda: window.docks["image"].seen and not window.docks["binned"].seen)


def test_tabs_stand_where_they_belong(desk: Desk) -> None:
    window = desk.window()
    for ms in (100, 200):
        say(window, ms)
        bars = [bar for bar in window.findChildren(QtWidgets.QTabBar) if bar.isVisible()]
        shown = [bar.geometry() for bar in bars if bar.x() >= 0]
        assert shown
        for i, one in enumerate(shown):
            assert not any(one.intersects(other) for other in shown[i + 1 :])
            assert not one.intersects(window.picture.geometry())
    assert window.docks["rate"].seen
    assert not window.docks["health"].seen
    assert window.docks["bars"].seen
    assert window.picture.width() > window.width() / 2


def test_settings_of_another_version_are_dropped_with_sense(desk: Desk) -> None:
    window = desk.window()
    window.set_look(name="light", palette="white-black")
    window.docks["rate"].action.trigger()
    desk.close(window)
    store = QtCore.QSettings(str(desk.path), QtCore.QSettings.Format.IniFormat)
    assert store.value("version") == str(VERSION)
    store.setValue("version", "0")
    store.setValue("look/palette", "infrared")
    store.setValue("look/zoom", "enormous")
    store.setValue("rubbish", "1")
    store.sync()
    window = desk.window()
    assert "another version" in window.statusBar().currentMessage()
    # What still makes sense is kept, what does not is as at first.
    assert window.theme == "light"
    assert theme.look().palette == "blue-orange"
    assert window.zoom == 1
    assert window.memory.layout("state") is None
    assert not window.docks["rate"].isVisible()
    assert window.memory.value("rubbish", "none") == "none"


def test_a_file_of_rubbish_is_no_reason_not_to_begin(desk: Desk) -> None:
    desk.path.write_bytes(b"[layout\nstate=@ByteArray(\x00\xff\n=\n[[[")
    window = desk.window()
    assert window.docks["rate"].isVisible()
    desk.close(window)
    store = QtCore.QSettings(str(desk.path), QtCore.QSettings.Format.IniFormat)
    store.setValue("layout/state", QtCore.QByteArray(b"no layout at all"))
    store.setValue("layout/geometry", "nor this")
    store.sync()
    assert desk.window().docks["rate"].isVisible()


def test_without_a_memory_nothing_is_written(qtbot: QtBot, tmp_path: Path) -> None:
    memory = Memory(None)
    memory.keep("look/zoom", 1.5)
    memory.flush()
    assert memory.value("look/zoom", 1.0) == 1.5
    assert Memory(None).value("look/zoom", 1.0) == 1.0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "palette"), list(zip(itertools.cycle(["dark", "light"]), PALETTES, strict=False))
)
def test_the_look_can_be_changed_while_it_runs(desk: Desk, name: str, palette: str) -> None:
    window = desk.window()
    say(window)
    window.set_look(name=name, palette=palette)
    window.refresh(10 * MS)
    inks = PALETTES[palette].inks(name)  # type: ignore[arg-type]
    seen = shades(window)
    assert {inks.on, inks.off, inks.ground} <= seen
    other = PALETTES["blue-orange"].inks("light" if name == "dark" else "dark")
    assert other.ground not in seen
    desk.close(window)
    assert desk.window().theme == name
    assert theme.look().palette == palette


def test_the_systems_look_is_followed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    scheme: list[theme.Scheme] = ["light"]
    monkeypatch.setattr(theme, "system_scheme", lambda: scheme[0])
    window = desk.window()
    assert theme.look().scheme == window.scene.show.scheme == "light"
    scheme[0] = "dark"
    QtGui.QGuiApplication.styleHints().colorSchemeChanged.emit(QtCore.Qt.ColorScheme.Dark)
    assert theme.look().scheme == window.scene.show.scheme == "dark"
    window.set_look(name="light")
    QtGui.QGuiApplication.styleHints().colorSchemeChanged.emit(QtCore.Qt.ColorScheme.Dark)
    assert theme.look().scheme == "light"


def test_what_is_asked_for_goes_before_what_is_remembered(desk: Desk) -> None:
    window = desk.window()
    window.set_look(name="light", palette="blue-red")
    window.set_show(Show("count", span_ms=12))
    desk.close(window)
    desk.window(theme="dark", palette="yellow-violet")
    assert (theme.look().scheme, theme.look().palette) == ("dark", "yellow-violet")


def test_every_mode_is_in_the_menu(desk: Desk) -> None:
    window = desk.window()
    menu = window.view_menu.actions()[1].menu()
    assert isinstance(menu, QtWidgets.QMenu)
    for action, mode in zip(menu.actions(), MODES, strict=True):
        action.trigger()
        assert window.scene.show.mode == mode
        menu.aboutToShow.emit()
        assert action.isChecked()


@pytest.mark.parametrize("zoom", [0.8, 1.0, 1.3])
def test_everything_fits_a_small_screen(desk: Desk, zoom: float) -> None:
    window = desk.window()
    window.set_look(zoom=zoom)
    say(window)
    least = window.minimumSizeHint()
    assert least.width() <= 1024
    assert least.height() <= 768
    window.resize(1024, 768)
    window.refresh(10 * MS)
    assert window.size() == QtCore.QSize(1024, 768)
    assert min(window.picture.pixels.width(), window.picture.pixels.height()) > 200


def test_larger_text_takes_more_room(desk: Desk, qtbot: QtBot) -> None:
    window = desk.window()
    before = window.answer.minimumSizeHint().height()
    window.set_look(zoom=1.5)
    assert window.answer.minimumSizeHint().height() > 1.3 * before
    (larger,) = (a for a in window.view_menu.actions() if a.text() == "&Larger text")
    zoom = window.zoom
    larger.trigger()
    assert window.zoom == pytest.approx(1.1 * zoom)


def test_a_held_picture_stands_while_the_stream_goes_on(desk: Desk) -> None:
    window = desk.window()
    say(window)
    window.hold(True)
    pixels = window.picture.pixels._pixels.copy()
    window.scene.add_events(events(200_000), 2 * MS)
    window.refresh(50 * MS)
    assert (window.picture.pixels._pixels == pixels).all()
    assert window.head.state == "PAUSED"
    window.hold(False)
    window.refresh(100 * MS)
    assert (window.picture.pixels._pixels != pixels).any()
    assert window.head.state == "LIVE"


def test_places_in_the_widget_are_places_of_the_sensor(desk: Desk) -> None:
    window = desk.window()
    say(window)
    pixels = window.picture.pixels
    place = pixels.widget_at(3.5, 5.5)
    assert pixels.sensor_at(place) == pytest.approx((3.5, 5.5))
    image = pixels.grab().toImage()
    assert image.pixelColor(place.toPoint()).getRgb()[:3] == PALETTES["blue-orange"].dark.on


def test_a_large_sensor_is_shrunk_before_it_is_drawn(desk: Desk) -> None:
    window = desk.window()
    window.scene.add_events(events(width=2560, height=1440), MS)
    window.refresh(MS)
    pixels = window.picture.pixels
    assert pixels.shown_size == (1440, 2560)
    assert pixels._pixels.shape[1] < 2560
    image = pixels.grab().toImage().convertToFormat(QtGui.QImage.Format.Format_RGB32)
    colours = np.unique(np.frombuffer(image.constBits(), np.uint32))
    assert len(colours) >= 2, "a single event of a large sensor is seen"
