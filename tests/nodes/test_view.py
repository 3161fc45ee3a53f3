"""view: what the scene shows, and the real window in a process of its own."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.source import Source
from nodes.view.display import check_display
from nodes.view.node import View
from nodes.view.scene import GROUND, OFF, ON, Scene
from pipeline import EVENT, EventPacket, PredictionPacket
from pipeline.errors import DeviceError
from pipeline.packets import EventHeader, PredictionHeader


def events(*rows: tuple[int, int, int, int], t_end: int = 1000) -> EventPacket:
    array = np.zeros(len(rows), EVENT)
    for i, row in enumerate(rows):
        array[i] = row
    return EventPacket.of(array, EventHeader(t_begin=0, t_end=t_end, width=34, height=34, n=0))


def prediction(answer: int, label: int | None, *, final: bool = True) -> PredictionPacket:
    counts = np.zeros(10, np.int64)
    counts[answer] = 7
    header = PredictionHeader(
        t_begin=0, t_end=300_000, classes=tuple(range(10)), answer=answer, final=final,
        window_us=300_000, label=label, sample="a.bin",
    )  # fmt: skip
    return PredictionPacket.of(counts, (counts / 7).astype(np.float32), header)


def test_fresh_events_have_their_colour_and_old_ones_fade() -> None:
    scene = Scene(fade_ms=10)
    scene.add_events(events((1000, 3, 5, 1), (1000, 4, 5, 0)), 0)
    picture = scene.picture()
    assert picture.shape == (34, 34, 3)
    assert tuple(picture[5, 3]) == ON
    assert tuple(picture[5, 4]) == OFF
    assert tuple(picture[0, 0]) == GROUND
    scene.add_events(events(t_end=11_000), 0)
    faded = scene.picture()[5, 3].astype(float) - GROUND
    assert faded == pytest.approx((np.array(ON) - GROUND) * np.exp(-1), abs=2)
    scene.add_events(events(t_end=200_000), 0)
    assert tuple(scene.picture()[5, 3]) == GROUND


@given(st.binary(max_size=400), st.integers(1, 40), st.integers(1, 40))
def test_any_bytes_can_be_drawn(data: bytes, width: int, height: int) -> None:
    n = len(data) // 8
    head = EventHeader(t_begin=0, t_end=1000, width=width, height=height, n=n)
    scene = Scene()
    scene.add_events(EventPacket(head, data[: 8 * n]), 0)
    assert scene.picture().shape == (height, width, 3)


def test_the_score_counts_final_answers_with_a_label() -> None:
    scene = Scene()
    for packet in (
        prediction(3, 3), prediction(4, 3), prediction(5, None), prediction(3, 3, final=False),
    ):  # fmt: skip
        scene.add_prediction(packet)
    assert (scene.right, scene.answered) == (1, 2)
    scene.forget()
    assert scene.opinion is None
    assert (scene.right, scene.answered) == (1, 2)


def test_rates_are_of_wall_time() -> None:
    scene = Scene()
    for k in range(11):
        scene.add_events(events(*[(1, 1, 1, 1)] * 100), k * 100_000_000)
    assert scene.rates().packets == pytest.approx(10, rel=0.3)
    assert scene.rates().events == pytest.approx(1000, rel=0.3)


def test_no_display_is_said_before_qt_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(DeviceError, match="--headless"):
        check_display()
    monkeypatch.setenv("DISPLAY", ":4711")
    with pytest.raises(DeviceError, match="nobody answers at DISPLAY = :4711"):
        check_display()
    monkeypatch.setenv("DISPLAY", "nonsense")
    with pytest.raises(DeviceError, match="is no display"):
        check_display()


@pytest.fixture
def offscreen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")


def show(view: View, until: threading.Event) -> None:
    """Feed a view from a thread, as the runtime does, while its window has this thread."""

    def feed() -> None:
        view.start()
        for packet in Source(path="samples", pace="fast", limit=1):
            for _ in view.feed(packet):
                pass
        for _ in view.feed(prediction(3, 3)):
            pass
        until.set()

    thread = threading.Thread(target=feed)
    thread.start()
    view.main_thread(until)
    thread.join()
    view.stop()


def test_the_window_shows_the_stream_and_stops_when_told(offscreen: None, tmp_path: Path) -> None:
    path = tmp_path / "shot.png"
    view = View(screenshot=str(path))
    show(view, threading.Event())
    from PySide6 import QtGui

    image = QtGui.QImage(str(path))
    assert image.width() >= 600
    colours = {image.pixelColor(x, y).name() for x in range(0, 600, 7) for y in range(0, 600, 7)}
    assert len(colours) > 3
    assert not view.wants_stop


def test_closing_the_window_ends_the_run_or_not(offscreen: None) -> None:
    from PySide6 import QtCore, QtWidgets

    for on_close, wanted in (("stop", True), ("continue", False)):
        view = View(on_close=on_close)
        stop = threading.Event()
        app = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])

        def close(stop: threading.Event = stop) -> None:
            for window in QtWidgets.QApplication.topLevelWidgets():
                window.close()
            QtCore.QTimer.singleShot(100, stop.set)

        QtCore.QTimer.singleShot(0, close)
        view.main_thread(stop)
        assert view.wants_stop is wanted
        assert app is not None
