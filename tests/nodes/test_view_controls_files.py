"""view: recording, pictures, clips, the clipboard, opening, the list of keys."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6 import QtCore, QtGui, QtSvg, QtWidgets
from pytestqt.qtbot import QtBot

from nodes.record import Record
from nodes.source import Source
from nodes.view.controls import clips, pictures
from nodes.view.controls.keys import Keys, listed
from nodes.view.palette import DEFAULT, PALETTES
from pipeline import Node
from pipeline.errors import RetinaError
from recordings.folder import SAMPLES_DIR
from recordings.opening import open_recording
from tests.nodes.around import Around, Seat, seated
from tests.nodes.test_view import events, offscreen
from tests.nodes.test_view_controls import press
from tests.strategies import event_packet, events_of

__all__ = ["offscreen"]

Take = Callable[..., Seat]
SAMPLE = SAMPLES_DIR / "Test" / "5" / "00009.bin"
ON, OFF, GROUND = PALETTES[DEFAULT].dark


@pytest.fixture
def take(qtbot: QtBot) -> Iterator[Take]:
    """Have a window among nodes, with two events in its picture."""
    with ExitStack() as stack:

        def make(settings: dict[str, object] | None = None, **nodes: Node) -> Seat:
            seat = stack.enter_context(seated(Around(**nodes), **(settings or {})))
            seat.window.scene.add_events(events(), 1)
            seat.tell()
            return seat

        yield make


def answer(seat: Seat, path: Path) -> None:
    """Answer the dialog that asks for a file."""
    (dialog,) = seat.window.findChildren(QtWidgets.QFileDialog)
    assert dialog.isVisible()
    assert not dialog.selectedFiles()[0].endswith("/"), "a name is proposed"
    dialog.fileSelected.emit(str(path))
    dialog.done(1)
    QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete.value)


def said(seat: Seat) -> str:
    return seat.window.statusBar().currentMessage()


def feed(seat: Seat, numbers: range, *, stream: str = "source/events") -> None:
    """Let packets of 1 ms come in, each with two events, as the runtime does it."""
    for k in numbers:
        packet = event_packet(
            events_of([1000 * k, 1000 * k + 9], [3, 4], [5, 5], [1, 0]), 1000 * k, 1000 * (k + 1)
        )
        packet.header.stream, packet.header.seq = stream, k
        for _ in seat.view.feed(packet):
            pass


# Recording.


def test_the_viewer_records_what_comes_in(take: Take, tmp_path: Path) -> None:
    seat = take()
    recorder = seat.desk.recorder
    assert "INCOMPLETE" in recorder.action.toolTip()
    feed(seat, range(5))
    recorder.action.trigger()
    assert not recorder.action.isChecked(), "not before it has a file"
    path = tmp_path / "a.aedat4"
    answer(seat, path)
    assert recorder.action.isChecked()
    feed(seat, range(5, 105))
    seat.tell()
    assert recorder.action.text() == "Stop recording"
    recorder.action.trigger()
    assert "200 events, 0.100 s" in said(seat)
    assert "INCOMPLETE" not in said(seat)
    recording = open_recording(path)
    written = recording.read()
    recording.close()
    assert len(written) == 200
    assert written["t"][0] == 5000
    assert not recorder.action.isChecked()


def test_what_was_dropped_for_the_viewer_makes_it_incomplete(take: Take, tmp_path: Path) -> None:
    seat = take()
    seat.desk.recorder.start(tmp_path / "a.aedat4")
    feed(seat, range(10))
    feed(seat, range(15, 20))
    seat.desk.recorder.stop()
    assert "INCOMPLETE: 5 packets, 0.005 s missed in 1 gap" in said(seat)


def test_the_lamp_tells_what_is_written(take: Take, tmp_path: Path, qtbot: QtBot) -> None:
    seat = take()
    recorder = seat.desk.recorder
    assert not recorder.lamp.isVisible()
    recorder.start(tmp_path / "a.aedat4")
    feed(seat, range(3))
    feed(seat, range(5, 1200))

    def lit() -> bool:
        seat.tell()
        return recorder.lamp.text().startswith("● 1.2 s")

    qtbot.waitUntil(lit)
    qtbot.waitUntil(recorder.lamp.isVisible)
    assert recorder.lamp.text().endswith("▲ INCOMPLETE")
    assert str(tmp_path / "a.aedat4") in recorder.lamp.toolTip()
    recorder.stop()
    qtbot.waitUntil(lambda: not recorder.lamp.isVisible())


def test_a_file_that_cannot_be_made(take: Take, tmp_path: Path) -> None:
    seat = take()
    for path in (tmp_path / "none" / "a.aedat4", tmp_path / "a.mp3"):
        seat.desk.recorder.start(path)
        assert path.name in said(seat)
        assert seat.desk.recorder.tap is None
        assert not seat.desk.recorder.action.isChecked()


def test_a_window_that_is_closed_closes_its_file(take: Take, tmp_path: Path) -> None:
    seat = take()
    path = tmp_path / "a.aedat4"
    seat.desk.recorder.start(path)
    feed(seat, range(10))
    seat.window.close()
    recording = open_recording(path)
    assert len(recording.read()) == 20
    recording.close()


def test_a_record_node_is_what_the_button_starts(take: Take, tmp_path: Path) -> None:
    node = Record(path=str(tmp_path / "a.aedat4"), recording=False)
    seat = take(record=node)
    action = seat.desk.recorder.action
    assert not action.isChecked()
    assert "by the node record, which misses nothing" in action.toolTip()
    action.trigger()
    assert node.settings.recording
    seat.tell()
    assert action.isChecked()
    assert not seat.window.findChildren(QtWidgets.QFileDialog)
    action.trigger()
    assert not node.settings.recording


# Pictures.


def at(image: QtGui.QImage, x: int, y: int) -> tuple[int, int, int]:
    """Return the colour of the sensor's pixel x, y."""
    side = image.width() / 34
    colour = image.pixelColor(int((x + 0.5) * side), int((y + 0.5) * side))
    return colour.red(), colour.green(), colour.blue()


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_the_events_picture_is_saved(take: Take, tmp_path: Path, ending: str) -> None:
    seat = take()
    seat.desk.save.trigger()
    path = tmp_path / f"a.{ending}"
    answer(seat, path)
    assert said(seat) == f"saved {path}"
    if ending == "png":
        image = QtGui.QImage(str(path))
    else:
        image = QtGui.QImage(340, 340, QtGui.QImage.Format.Format_RGB32)
        painter = QtGui.QPainter(image)
        QtSvg.QSvgRenderer(str(path)).render(painter)
        painter.end()
    assert image.width() >= 340, "a small sensor's pixels are squares that can be seen"
    assert at(image, 3, 5) == pytest.approx(ON, abs=2)
    assert at(image, 4, 5) == pytest.approx(OFF, abs=2)
    assert at(image, 20, 20) == GROUND


def test_an_svg_says_every_pixel() -> None:
    rng = np.random.default_rng(3)
    shades = np.array([0xFF000000, 0xFF11AAFF, 0xFFEE7711], np.uint32)
    pixels = shades[rng.choice(3, (13, 17), p=(0.7, 0.15, 0.15))]
    image = QtGui.QImage(17, 13, QtGui.QImage.Format.Format_RGB32)
    painter = QtGui.QPainter(image)
    QtSvg.QSvgRenderer(QtCore.QByteArray(pictures.svg_of(pixels).encode())).render(painter)
    painter.end()
    got = np.frombuffer(image.constBits(), np.uint32).reshape(13, 17)
    assert (got == pixels).all()


def test_an_svg_of_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_MOST_RUNS", 5)
    pixels = np.arange(36, dtype=np.uint32).reshape(6, 6)
    with pytest.raises(RetinaError, match="save it as PNG"):
        pictures.svg_of(pixels)


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_the_window_is_saved(take: Take, tmp_path: Path, ending: str) -> None:
    seat = take()
    seat.desk.save_window.trigger()
    path = tmp_path / f"w.{ending}"
    answer(seat, path)
    assert said(seat) == f"saved {path}"
    if ending == "png":
        assert QtGui.QImage(str(path)).size() == seat.window.size()
    else:
        assert QtSvg.QSvgRenderer(str(path)).viewBox().size() == seat.window.size()
        assert ">Pause<" in path.read_text(), "words stay words"


@pytest.mark.parametrize("name", ["a.bmp", "no/a.png", "no/a.svg"])
def test_a_picture_that_cannot_be_saved(take: Take, tmp_path: Path, name: str) -> None:
    seat = take()
    for action in (seat.desk.save, seat.desk.save_window):
        action.trigger()
        answer(seat, tmp_path / name)
        assert said(seat).startswith("▲")
        assert str(tmp_path / name) in said(seat)


def test_the_clipboard(take: Take) -> None:
    seat = take()
    seat.desk.copy.trigger()
    image = QtGui.QGuiApplication.clipboard().image()
    assert at(image, 3, 5) == pytest.approx(ON, abs=2)
    seat.desk.copy_window.trigger()
    assert QtGui.QGuiApplication.clipboard().image().size() == seat.window.size()
    assert "clipboard" in said(seat)


# Clips.


def filmed(seat: Seat, path: Path, qtbot: QtBot) -> None:
    """Take a clip of two pictures."""
    seat.desk.film.trigger()
    answer(seat, path)
    clip = seat.desk.clip
    assert clip is not None
    assert seat.desk.film.isChecked()
    clip._timer.setInterval(1_000_000)
    seat.window.scene.add_events(events(t_end=400_000), 2)
    clip.take()
    assert clip.taken >= 2
    seat.desk.film.trigger()
    qtbot.waitUntil(lambda: seat.desk.clip is None)
    assert not seat.desk.film.isChecked()
    assert "pictures" in said(seat)


def test_a_gif(take: Take, tmp_path: Path, qtbot: QtBot) -> None:
    seat = take()
    path = tmp_path / "a.gif"
    filmed(seat, path, qtbot)
    with Image.open(path) as film:
        assert film.n_frames == 2
        assert film.info["duration"] >= 50
        assert max(film.size) >= 300
        first = film.convert("RGB")
    side = first.width / 34
    assert first.getpixel((int(3.5 * side), int(5.5 * side))) == pytest.approx(ON, abs=12)


def test_an_mp4(take: Take, tmp_path: Path, qtbot: QtBot) -> None:
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="needs imageio[ffmpeg]")
    seat = take()
    path = tmp_path / "a.mp4"
    filmed(seat, path, qtbot)
    frames, seconds = ffmpeg.count_frames_and_secs(str(path))
    assert frames == 2
    assert seconds == pytest.approx(0.1, abs=0.06)


def test_an_mp4_where_ffmpeg_is_missing(
    take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    seat = take()
    seat.desk.start_clip(tmp_path / "a.mp4")
    assert "pip install 'silicon-retina[clips]'" in said(seat)
    assert seat.desk.clip is None


@pytest.mark.parametrize("name", ["a.webp", "no/a.gif"])
def test_a_clip_that_cannot_be_written(take: Take, tmp_path: Path, name: str, qtbot: QtBot) -> None:
    seat = take()
    seat.desk.start_clip(tmp_path / name)
    seat.desk.film.trigger() if seat.desk.clip is not None else None
    qtbot.waitUntil(lambda: seat.desk.clip is None)
    assert str(tmp_path / name) in said(seat)


def test_a_clip_ends_with_its_longest_time_and_with_its_sensor(
    take: Take, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    seat = take()
    monkeypatch.setattr(clips, "LONGEST_S", 0.1)
    seat.desk.start_clip(tmp_path / "a.gif")
    qtbot.waitUntil(lambda: seat.desk.clip is None)
    assert "2 pictures, 0.1 s" in said(seat)
    monkeypatch.setattr(clips, "LONGEST_S", 20)
    seat.desk.start_clip(tmp_path / "b.gif")
    seat.window.scene.add_events(events(width=50, height=40), 3)
    qtbot.waitUntil(lambda: seat.desk.clip is None)
    assert "1 pictures" in said(seat)


@pytest.mark.parametrize(
    ("shape", "size"), [((34, 34), 306), ((720, 1280), 640), ((33, 33), 298), ((260, 346), 346)]
)
def test_a_clips_frame_is_of_a_sound_size(shape: tuple[int, int], size: int) -> None:
    frame = clips.frame_of(np.full(shape, 0xFF112233, np.uint32))
    assert frame.shape[1] == size
    assert frame.shape[0] % 2 == frame.shape[1] % 2 == 0
    assert frame[0, 0].tolist() == [0x11, 0x22, 0x33]


# Opening.


def drop(seat: Seat, *paths: Path) -> bool:
    """Drop files onto the window; return whether they were taken."""
    data = QtCore.QMimeData()
    data.setUrls([QtCore.QUrl.fromLocalFile(str(path)) for path in paths])
    none = QtCore.Qt.KeyboardModifier.NoModifier
    left, action = QtCore.Qt.MouseButton.LeftButton, QtCore.Qt.DropAction.CopyAction
    enter = QtGui.QDragEnterEvent(QtCore.QPoint(50, 50), action, data, left, none)
    QtWidgets.QApplication.sendEvent(seat.window, enter)
    event = QtGui.QDropEvent(QtCore.QPointF(50, 50), action, data, left, none)
    QtWidgets.QApplication.sendEvent(seat.window, event)
    return enter.isAccepted() and event.isAccepted()


def test_a_file_or_folder_dropped_is_opened_instead(take: Take) -> None:
    for path in (SAMPLE, SAMPLES_DIR):
        seat = take({"opens": True})
        assert drop(seat, path)
        assert seat.entries == [{"instead": str(path)}]
        assert seat.view.wants_stop


def test_a_file_is_opened_by_a_dialog(take: Take, qtbot: QtBot) -> None:
    seat = take({"opens": True})
    seat.desk.opener.file.trigger()
    (dialog,) = seat.window.findChildren(QtWidgets.QFileDialog)
    dialog.fileSelected.emit(str(SAMPLE))
    dialog.done(1)
    assert seat.entries == [{"instead": str(SAMPLE)}]


def test_what_is_no_recording_leaves_all_as_it_was(take: Take, tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.aedat4"
    rubbish.write_bytes(b"no recording")
    (tmp_path / "empty").mkdir()
    seat = take({"opens": True})
    for path in (rubbish, tmp_path / "empty", tmp_path / "none.es"):
        drop(seat, path)
        assert str(path) in said(seat)
    assert seat.entries == []
    assert not seat.view.wants_stop


def test_a_run_of_others_is_not_ended_for_a_file(take: Take) -> None:
    seat = take(source=Source(path="samples"))
    drop(seat, SAMPLE)
    assert f"retina view {SAMPLE}" in said(seat)
    assert not seat.view.wants_stop
    assert not seat.desk.opener.file.isEnabled()
    assert "a run that others began" in seat.desk.opener.file.toolTip()


def test_text_that_is_dropped_is_left_alone(take: Take) -> None:
    seat = take({"opens": True})
    assert not drop(seat)
    assert seat.entries == []


# Keys.


def test_every_key_is_listed_once_and_there_are_no_two_of_one(take: Take, qtbot: QtBot) -> None:
    seat = take(source=Source(path="samples"))
    keys: list[str] = []
    for action in seat.window.findChildren(QtGui.QAction):
        keys += [shortcut.toString() for shortcut in action.shortcuts()]
    assert len(keys) == len(set(keys)), "a key of two actions does nothing"
    rows = dict(listed(seat.window))
    text = " ".join(rows)
    for key in ("Space", ".", "?", "Ctrl+R", "Ctrl+S", "Ctrl+O", "F11", "Alt+Left", "W", "O"):
        assert key in text
    assert all(rows.values())
    press(seat, "?")
    (dialog,) = seat.window.findChildren(Keys)
    assert dialog.isVisible()
    assert dialog.table.rowCount() >= len(rows)
    qtbot.keyClick(dialog, QtCore.Qt.Key.Key_Escape)
    assert not dialog.isVisible()


def test_every_control_says_what_it_is(take: Take) -> None:
    seat = take(source=Source(path="samples"))
    for action in (*seat.window.tools.actions(), *seat.desk.transport.actions):
        if action.text():
            assert len(action.toolTip()) > len(action.text()), action.text()
    for widget in (seat.desk.timeline, seat.desk.transport.speed, seat.desk.network.noise.slider):
        assert widget.accessibleName()
        assert widget.focusPolicy() & QtCore.Qt.FocusPolicy.TabFocus
