"""view: every panel painted, and looked at pixel by pixel."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6 import QtCore, QtGui, QtWidgets
from pytestqt.qtbot import QtBot

from nodes.view import plots, theme
from nodes.view.node import View
from nodes.view.palette import PALETTES
from nodes.view.panels import opengl
from nodes.view.panels.activity import Layers, rate_words
from nodes.view.panels.gaze import GazePath
from nodes.view.panels.health import COLUMNS, HealthPanel
from nodes.view.panels.rates import Traffic
from nodes.view.panels.scores import Scores
from nodes.view.panels.space import Space
from nodes.view.panels.spikes import Binned
from nodes.view.scene import Scene
from nodes.view.tracks import space
from nodes.view.tracks.meter import Rates
from nodes.view.tracks.ring import Recent
from nodes.view.tracks.show import Show
from nodes.view.tracks.space import Pose
from tests.nodes.test_view import offscreen
from tests.nodes.test_view_health import after
from tests.nodes.test_view_tracks import bins, gaze, layers, opinion
from tests.strategies import event_packet, random_events

__all__ = ["offscreen"]

INKS = PALETTES["blue-orange"].dark
Rgb = tuple[int, int, int]


@pytest.fixture(autouse=True)
def dark(qtbot: QtBot) -> Iterator[None]:
    plots.loaded(wait=True)
    theme.use("dark", "blue-orange")
    yield
    theme.use("dark", "blue-orange")


@pytest.fixture
def shown(qtbot: QtBot) -> Iterator[list[QtWidgets.QWidget]]:
    """Widgets that are shown in a test, and freed after it in this very thread."""
    widgets: list[QtWidgets.QWidget] = []
    yield widgets
    for widget in widgets:
        widget.close()
        widget.deleteLater()
        QtCore.QCoreApplication.sendPostedEvents(widget, QtCore.QEvent.Type.DeferredDelete.value)


def painted(
    shown: list[QtWidgets.QWidget], widget: QtWidgets.QWidget, width: int = 400, height: int = 300
) -> NDArray[np.uint8]:
    """Return a picture of a widget, ``[H, W, 3]``."""
    if widget not in shown:
        shown.append(widget)
    widget.resize(width, height)
    widget.show()
    image = widget.grab().toImage().convertToFormat(QtGui.QImage.Format.Format_RGB32)
    pixels = np.frombuffer(image.constBits(), np.uint32).reshape(image.height(), image.width())
    return np.stack([pixels >> shift & 255 for shift in (16, 8, 0)], -1).astype(np.uint8)


def near(pixels: NDArray[np.uint8], colour: Rgb, within: int = 40) -> NDArray[np.bool_]:
    """Return which pixels have about this colour."""
    return np.asarray(np.abs(pixels.astype(int) - colour).sum(-1) < within)


def test_binned_spikes(shown: list[QtWidgets.QWidget]) -> None:
    panel, scene = Binned(), Scene(Show(span_ms=5))
    assert not panel.has_data(scene)
    assert not panel.refresh(scene, 0)
    before = painted(shown, panel)
    scene.add_spikes(bins([[(5, 9)], [(16 + 6, 9)]]), 1)
    assert panel.has_data(scene)
    assert panel.refresh(scene, 0)
    assert not panel.refresh(scene, 0)
    assert panel.note == "2 bins of 1 ms"
    after = painted(shown, panel)
    assert not (before == after).all()
    off, on = (np.argwhere(near(after, ink)).mean(0) for ink in (INKS.off, INKS.on))
    # Pixel (1, 1) is OFF, (1, 2) ON: beside it at the right.
    assert on[1] - off[1] > 20
    assert abs(on[0] - off[0]) < 2


def test_the_gaze(shown: list[QtWidgets.QWidget]) -> None:
    panel, scene = GazePath(), Scene()
    painted(shown, panel)
    way = np.linspace(-3, 3, 200)
    scene.add_gaze(gaze(list(range(200)), way.tolist(), np.minimum(-way, 0).tolist()), 1)
    assert panel.refresh(scene, 0)
    assert not panel.refresh(scene, 0)
    assert panel.note == "+3.0, -3.0 pixels"
    pixels = painted(shown, panel)
    path = np.argwhere(near(pixels, theme.look().accent.getRgb()[:3], 120))  # type: ignore[arg-type]
    assert len(path) > 50
    # Right and up of the middle, and a ring at its end.
    ring = np.argwhere(near(pixels[30:], theme.look().text.getRgb()[:3], 60))  # type: ignore[arg-type]
    assert ring.mean(0)[1] > 220
    assert ring.mean(0)[0] < 120


def test_layers(shown: list[QtWidgets.QWidget]) -> None:
    panel, scene = Layers(), Scene()
    nothing = painted(shown, panel)
    for k in range(100):
        scene.add_activity(layers([[[0, 3], [k % 200]]], t_begin=1000 * k), 1)
    assert panel.refresh(scene, 0)
    assert not panel.refresh(scene, 0)
    assert panel.note == "last 300 ms"
    pixels = painted(shown, panel)
    assert not (pixels == nothing).all()
    full = near(pixels, theme.look().accent.getRgb()[:3], 30)  # type: ignore[arg-type]
    # Neurons 0 and 3 of the input fire in every bin of the last third, the others never.
    column = full[:, full.any(0)]
    rows = np.flatnonzero(full.mean(1) > 0.1)
    assert 4 < len(rows) < 100
    assert column.shape[1] > 50
    gap = np.diff(rows).max()
    assert gap > 5
    scene.forget()
    panel.refresh(scene, 0)
    assert (painted(shown, panel) == pixels).all(), "nothing yet leaves the last one standing"
    # On hardly any room a single spike is still seen.
    raster = panel._raster
    assert raster is not None
    for rows, columns in ((1, 7), (3, 299), (48, 300), (500, 500)):
        image = panel.image(raster, raster.bands[1], rows, columns)
        assert image.shape == (min(rows, raster.bands[1].rows), min(columns, 300))
        assert ((image != panel._shades[0]).sum(0) > 0)[-(min(columns, 300) // 4) :].all()
    assert panel.choice.isHidden()
    other = layers([[[0]]], shapes=((1, 1, 1),))
    other.header.stream = "reconstruct/activity"
    scene.add_activity(other, 1)
    panel.refresh(scene, 0)
    assert not panel.choice.isHidden()
    panel.choice.setCurrentIndex(1)
    assert panel.refresh(scene, 0)
    assert panel._raster is not None
    assert len(panel._raster.bands) == 1
    painted(shown, panel)
    assert rate_words(1234) == "1,234 Hz"
    assert rate_words(0.25) == "0.2 Hz"


def test_scores_and_the_moment_of_decision(shown: list[QtWidgets.QWidget]) -> None:
    panel, scene = Scores(), Scene()
    assert not panel.refresh(scene, 0)
    for ms, scores in ((50, (0.6, 0.4, 0)), (100, (0.3, 0.7, 0)), (200, (0.1, 0.9, 0))):
        scene.add_prediction(opinion(scores, ms), 1)
    assert panel.refresh(scene, 0)
    assert not panel.refresh(scene, 0)
    assert panel.note == "1 leads since 100 ms"
    pixels = painted(shown, panel)
    leader = np.argwhere(near(pixels, theme.look().accent.getRgb()[:3], 60))  # type: ignore[arg-type]
    label = np.argwhere(near(pixels, theme.look().right.getRgb()[:3], 60))  # type: ignore[arg-type]
    assert len(leader) > 50
    assert len(label) > 20
    # The leader rises, the true class falls: the picture's rows count downwards.
    for line, rises in ((leader, True), (label, False)):
        left = line[line[:, 1] < np.median(line[:, 1])][:, 0].mean()
        right = line[line[:, 1] >= np.median(line[:, 1])][:, 0].mean()
        assert (right < left) == rises
    moment = panel._lines._moment.value()
    assert moment == 100
    scene.add_prediction(opinion((0, 1, 0), 300, final=True), 1)
    panel.refresh(scene, 0)
    assert panel.note == "1 decided at 100 ms"
    scene.add_prediction(opinion((0, 0, 0), 10, sample="b"), 1)
    panel.refresh(scene, 0)
    assert panel.note == "no output spike yet"
    assert not panel._lines._moment.isVisible()


@pytest.mark.parametrize("classes", [1, 2, 101])
def test_scores_of_any_number_of_classes(shown: list[QtWidgets.QWidget], classes: int) -> None:
    panel, scene = Scores(), Scene()
    for ms in (10, 20):
        scene.add_prediction(opinion([1 / classes] * classes, ms), 1)
    assert panel.refresh(scene, 0)
    painted(shown, panel)


def test_health_in_words_and_figures(shown: list[QtWidgets.QWidget]) -> None:
    panel = HealthPanel()
    painted(shown, panel, 900, 300)
    panel.tell(after(8))
    assert "All is well" in panel.words.text()
    assert panel.table.rowCount() == 3
    row = [panel.table.item(1, c).text() for c in range(len(COLUMNS))]
    assert row == ["infer", "running", "100", "0", "0.0", "0.0", "1.0", "4.0", "20", "200"]
    assert not any(panel.table.isColumnHidden(c) for c in range(len(COLUMNS)))
    well = painted(shown, panel, 900, 300)
    panel.tell(after(8, behind=12_000, rate=50_000, behind_ms=340.4, missed=0.12))
    text = panel.words.text()
    assert "infer is 340 ms behind: 12,000 packets wait" in text
    assert "view misses 12 % of source&#x27;s packets (that is allowed)" in text
    assert "All is well" not in text
    ill = painted(shown, panel, 900, 300)
    wrong = theme.look().wrong.getRgb()[:3]
    assert near(ill, wrong).sum() > 20 > near(well, wrong).sum()  # type: ignore[arg-type]
    for column, item in enumerate(COLUMNS):
        assert item.hint == panel.table.horizontalHeaderItem(column).toolTip()


def test_health_on_little_room(shown: list[QtWidgets.QWidget]) -> None:
    panel = HealthPanel()
    panel.tell(after(8))
    painted(shown, panel, 260, 200)
    there = [c.title for i, c in enumerate(COLUMNS) if not panel.table.isColumnHidden(i)]
    assert there[:2] == ["node", "behind ms"]
    assert len(there) < 5


def test_what_nodes_say_is_shown_and_not_obeyed(shown: list[QtWidgets.QWidget]) -> None:
    panel = HealthPanel()
    panel.tell(after(8, infer={"words": ["<img src='http://x/y.png'><b>bold</b>"]}))
    assert "<img" not in panel.words.text()
    assert "&lt;b&gt;bold" in panel.words.text()


def fed(seed: int = 0, n: int = 5000) -> Scene:
    """Return a scene that keeps its last events."""
    scene = Scene()
    scene.want_recent(300_000)
    scene.add_events(event_packet(random_events(n, 34, 34, 200_000, seed), 0, 200_000), 1)
    return scene


def test_without_opengl_space_and_time_are_drawn_all_the_same(
    shown: list[QtWidgets.QWidget], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opengl, "problem", lambda: "there is none: buy some")
    panel, scene = Space(), fed()
    empty = painted(shown, panel)
    assert panel.refresh(scene, 0)
    assert panel.cloud is None
    assert panel.why == "there is none: buy some"
    assert panel.note == "5,000 events, 300 ms"
    pixels = painted(shown, panel)
    assert near(pixels, INKS.on, 250).sum() > 500
    assert near(pixels, INKS.off, 250).sum() > 500
    # Below it stands in words what is missing.
    assert not (pixels[-60:] == empty[-60:]).all()
    assert "buy some" in panel.toolTip()


def test_space_and_time_can_be_turned(
    shown: list[QtWidgets.QWidget], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opengl, "problem", lambda: "none")
    panel, scene = Space(), fed()
    panel.refresh(scene, 0)
    before, pose = painted(shown, panel), panel.pose
    left = QtCore.Qt.MouseButton.LeftButton
    qtbot.mousePress(panel, left, pos=QtCore.QPoint(100, 100))
    qtbot.mouseMove(panel, QtCore.QPoint(160, 130))
    qtbot.mouseRelease(panel, left, pos=QtCore.QPoint(160, 130))
    assert panel.pose.turn > pose.turn
    assert panel.pose.tip > pose.tip
    assert not (painted(shown, panel) == before).all()
    for key in (QtCore.Qt.Key.Key_Left, QtCore.Qt.Key.Key_Up, QtCore.Qt.Key.Key_Plus):
        before_key = panel.pose
        qtbot.keyClick(panel, key)
        assert panel.pose != before_key
    for _ in range(50):
        panel.turn(0.0, 1.0, 2.0)
    assert panel.pose.tip < 1.6
    assert panel.pose.zoom == 5


def test_events_are_kept_one_by_one_only_while_they_are_looked_at(
    shown: list[QtWidgets.QWidget], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opengl, "problem", lambda: "none")
    panel, scene = Space(), Scene()
    painted(shown, panel)
    scene.add_events(event_packet(random_events(10, 34, 34, 1000), 0, 1000), 1)
    assert scene.recent(10) is None
    panel.refresh(scene, 0)
    assert scene.recent(10) is not None
    panel.hide()
    assert scene.recent(10) is None


def test_why_there_is_no_opengl_is_said_in_words(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "OpenGL.GL", None)
    why = opengl.problem()
    assert why is not None
    assert "pip install 'silicon-retina[gl]'" in why
    assert "\n" not in why
    monkeypatch.undo()
    monkeypatch.setattr(QtGui.QOpenGLContext, "create", lambda self: False)
    why = opengl.problem()
    assert why is not None
    assert "apt-get install" in why or "pip install" in why


def test_a_driver_that_fails_does_not_break_the_viewer(
    shown: list[QtWidgets.QWidget], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("the driver says no")

    monkeypatch.setattr(opengl, "problem", lambda: None)
    monkeypatch.setattr(opengl, "Cloud", fail)
    panel, scene = Space(), fed()
    panel.refresh(scene, 0)
    assert panel.why == "OpenGL fails: the driver says no"
    assert near(painted(shown, panel), INKS.on, 250).sum() > 100


def test_a_projection_puts_events_where_they_belong() -> None:
    corner = Recent(*(np.array([v]) for v in (0, 0, 1, 0)))
    out = np.zeros((200, 300), np.uint32)
    # Seen from the front, the sensor fills the middle; now is nearest.
    space.paint(corner, (10, 10), 1000, Pose(0, 0), INKS, out)
    (place,) = {tuple(p) for p in np.argwhere(out != out[0, 0])}
    assert place == pytest.approx((100 - 0.45 * 124, 150 - 0.45 * 124), abs=1)
    red, green, blue = (int(out[place]) >> shift & 255 for shift in (16, 8, 0))
    assert (red, green, blue) == INKS.on
    edges = space.frame((10, 10), Pose(), 300, 200)
    assert len(edges) == 12
    # A quarter turn shows age from left to right.
    old = Recent(*(np.array([v, v]) for v in (5, 5, 0)), age_us=np.array([0, 999]))
    space.paint(old, (10, 10), 1000, Pose(np.pi / 2, 0), INKS, out)
    x = np.argwhere(out != out[0, 0])[:, 1]
    assert np.ptp(x) > 100


def test_the_cloud_for_opengl_lies_in_its_box(shown: list[QtWidgets.QWidget]) -> None:
    """What is handed to OpenGL, which itself needs no context for that."""
    pytest.importorskip("OpenGL.GL")
    cloud = opengl.Cloud()
    shown.append(cloud.widget)
    recent = fed().recent(1000)
    assert recent is not None
    cloud.show(recent, (34, 34), 300_000)
    place, colour = cloud._dots.pos, cloud._dots.color
    assert place.shape == (len(recent.x), 3)
    assert (np.abs(place) <= 0.5).all()
    # The newest are in front, opaque and in their polarity's colour; the first row is above.
    assert place[-1, 0] > place[0, 0]
    assert colour[-1, 3] > colour[0, 3] > 0.2
    assert (place[recent.y == 0, 2] > 0.45).all()
    assert colour[recent.p == 1][0, :3] == pytest.approx(np.array(INKS.on) / 255)


def test_the_cloud_is_drawn_with_opengl_where_it_is_there(qtbot: QtBot) -> None:
    why = opengl.problem()
    if why is not None:
        pytest.skip(why)
    panel, scene = Space(), fed()
    panel.refresh(scene, 0)
    assert panel.cloud is not None


def test_the_view_takes_every_kind() -> None:
    view = View()
    view.start()
    for packet in (bins([[(1, 1)]]), layers([[[0], []]]), gaze([1], [1], [1]), opinion((1, 0), 5)):
        assert isinstance(packet, View.accepts)
        assert list(view.feed(packet)) == []
    scene = view.scene
    assert scene.spikes_seen == scene.activity.version == scene.gaze_seen == scene.words_seen == 1
    assert scene.heard_ns is not None
    view.stop()


def test_a_panel_does_without_its_plot_until_that_can_be_made(
    monkeypatch: pytest.MonkeyPatch, qtbot: QtBot, shown: list[QtWidgets.QWidget]
) -> None:
    panel = Traffic()
    shown.append(panel)
    panel.resize(300, 200)
    panel.show()
    with monkeypatch.context() as patch:
        patch.setattr(plots, "loaded", lambda: False)
        panel.tell(Rates(1000, 10, 60, [1.0, 2.0]))
        panel.restyle()
        assert panel.layout() is None
    panel.tell(Rates(1000, 10, 60, [1.0, 2000.0]))
    layout = panel.layout()
    assert layout is not None
    assert layout.count() == 1
    qtbot.waitUntil(lambda: layout.itemAt(0).widget().isVisible())


def test_plots_are_loaded_once_by_the_thread_that_has_the_window(
    monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    loads: list[int] = []
    monkeypatch.setattr(plots, "_loading", plots.Loading())
    monkeypatch.setattr(plots, "_SOON_MS", 0)
    monkeypatch.setattr(plots, "import_module", lambda name: loads.append(threading.get_ident()))
    assert not plots.loaded()
    assert not plots.loaded()
    qtbot.waitUntil(plots.loaded)
    assert plots.loaded(wait=True)
    assert loads == [threading.get_ident()]
