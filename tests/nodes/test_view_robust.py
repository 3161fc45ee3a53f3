"""view: streams that end, die, begin anew, change or bring nothing, in the real window."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6 import QtCore, QtWidgets

from nodes.view.memory import Memory
from nodes.view.node import View
from nodes.view.window import Window
from pipeline import EventPacket, Packet
from pipeline.status import EdgeStatus, NodeStatus
from tests.nodes.test_view import events, offscreen, opinion, show
from tests.nodes.test_view_tracks import bins, gaze, layers
from tests.strategies import event_packet, events_of, random_events

__all__ = ["offscreen"]

SECOND = 1_000_000_000


def lit(window: Window) -> int:
    """Return how many pixels of the picture are not the ground's colour."""
    pixels = window.picture.pixels._pixels
    red, green, blue = window.scene.show.inks.ground
    return int((pixels != (0xFF000000 | red << 16 | green << 8 | blue)).sum())


def test_no_events_at_all() -> None:
    def look(window: Window) -> None:
        assert lit(window) == 0
        assert window.picture.pixels._hint == ""
        assert window.head.state == "LIVE"

    silence = [event_packet(events_of([], [], [], []), t, t + 1000) for t in range(0, 9000, 1000)]
    show(View(), silence, look, end=False)


def test_nothing_comes() -> None:
    def look(window: Window) -> None:
        assert window.head.state == "WAITING"
        assert window.picture.pixels._hint == "waiting\nwaiting for data"

    show(View(), [], look, end=False)


@pytest.mark.parametrize("p", [0, 1])
def test_one_polarity_only(p: int) -> None:
    def look(window: Window) -> None:
        assert lit(window) == 2
        colours = set(np.unique(window.picture.pixels._pixels).tolist())
        assert len(colours) == 2

    show(
        View(mode="last-t"), [event_packet(events_of([5, 6], [1, 2], [3, 3], [p, p]), 0, 10)], look
    )


def test_a_sensor_that_changes_its_size_in_mid_stream() -> None:
    sizes = [(34, 34), (640, 480), (1, 1), (2, 900), (1280, 720), (34, 34)]

    def stream() -> Iterator[Packet]:
        for k, (width, height) in enumerate(sizes * 3):
            some = random_events(200, width, height, 1000, seed=k)
            some["t"] += 1000 * k
            yield event_packet(some, 1000 * k, 1000 * (k + 1), width, height)
            yield bins([[(0, 1)]], t_begin=1000 * k, side=1 + k % 7)

    def look(window: Window) -> None:
        assert window.picture.pixels.shown_size == (34, 34)
        assert "34 × 34" in window.picture._left
        for mode in ("count", "last-n", "surface", "decay"):
            window.set_show(window.scene.show._replace(mode=mode))
            window.refresh(10 * SECOND)
            window.grab()

    show(View(), stream(), look, end=False)


def test_a_source_that_dies_and_begins_anew() -> None:
    """Its successor's time may begin at 0 again: nothing of the old picture stays."""
    old = [event_packet(events_of([900_000], [1], [1], [1]), 899_000, 901_000)]
    new = [event_packet(events_of([5], [7], [7], [0]), 0, 1000, reset=True)]

    def look(window: Window) -> None:
        assert lit(window) == 1
        assert window.scene.moment(0).t_us == 1000

    show(View(), [*old, *new], look, end=False)


def test_the_state_follows_what_the_source_says() -> None:
    """A source is connected, silent, pulled, back, paused, gone, and ends."""
    told: dict[str, NodeStatus] = {}
    view = View()
    view.statuses = lambda: told  # type: ignore[method-assign]
    edges = [EdgeStatus("view", "out")]

    def look(window: Window) -> None:
        now = 10**15

        def state(**how: object) -> tuple[str, str]:
            nonlocal now
            now += SECOND
            told.clear()
            if how:
                told["eye"] = NodeStatus(name="eye", kind="camera", edges=edges, time_ns=now, **how)  # type: ignore[arg-type]
            window.refresh(now)
            return window.head.state, window.head._state.words

        window.scene.heard_ns = window.scene._sensor = None
        assert state(state="waiting", words=["no camera is connected"]) == (
            "NO CAMERA", "no camera is connected",
        )  # fmt: skip
        assert window.picture.pixels._hint == "no camera\nno camera is connected"
        assert state(state="running")[0] == "WAITING"
        window.scene.heard_ns = now + SECOND
        assert state(state="running")[0] == "LIVE"
        assert state(state="reconnecting", words=["the cable was pulled"]) == (
            "RECONNECTING", "the cable was pulled",
        )  # fmt: skip
        assert state(state="paused")[0] == "PAUSED"
        assert state(state="running") == ("STALLED", "nothing has come for 3 s")
        assert state()[0] == "RECONNECTING"
        window.scene.end()
        assert state()[0] == "ENDED"

    show(view, [events()], look, end=False)


def test_statuses_that_fail_do_not_close_the_window_silently() -> None:
    """An error in a frame ends the run with that error: Qt would only print it."""
    view = View()

    def broken() -> dict[str, NodeStatus]:
        raise RuntimeError("no statuses today")

    view.statuses = broken  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="no statuses today"):
        view.main_thread(threading.Event())
    assert view.wants_stop


def test_the_window_is_closed_while_data_pours_in() -> None:
    view = View(on_close="stop", mode="count")
    closed = threading.Event()

    def pour() -> Iterator[Packet]:
        base = random_events(2000, 346, 260, 1000)
        packet = event_packet(base, 0, 1000, 346, 260)
        k = 0
        while not closed.is_set() or k % 500:
            k += 1
            head = type(packet.header)(
                t_begin=k * 1000, t_end=k * 1000 + 1000, width=346, height=260, n=2000
            )
            yield EventPacket(head, packet.payload)
            yield opinion(k % 10, 3, ms=40)
            yield layers([[[0], [k % 200]]], t_begin=1000 * k)
            yield gaze([k * 1000], [1], [2])

    _close_soon(view, closed, pour())
    assert view.closed
    assert view.wants_stop


def _close_soon(view: View, closed: threading.Event, packets: Iterable[Packet]) -> None:
    """Feed a view from a thread; close its window after some frames; go on feeding for a while."""
    QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    problems: list[BaseException] = []

    def feed() -> None:
        try:
            view.start()
            for packet in packets:
                for _ in view.feed(packet):
                    pass
        except BaseException as problem:
            problems.append(problem)

    thread = threading.Thread(target=feed)
    frames = 0

    def close() -> None:
        nonlocal frames
        (window,) = (w for w in QtWidgets.QApplication.topLevelWidgets() if isinstance(w, Window))
        frames += 1
        if frames == 1:
            for dock in window.docks.values():
                if dock.isHidden():
                    dock.action.trigger()
        if frames > 8 and window.scene.events_seen > 100:
            window.close()
            closed.set()
            timer.stop()

    timer = QtCore.QTimer()
    timer.timeout.connect(close)
    timer.start(20)
    thread.start()
    try:
        view.main_thread(threading.Event())
    finally:
        closed.set()
        timer.stop()
        thread.join()
        view.stop()
    assert not problems


def test_panels_added_late_find_their_old_places(tmp_path: Path) -> None:
    app = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    assert app is not None
    path = tmp_path / "viewer.ini"
    areas = []
    left = QtCore.Qt.DockWidgetArea.LeftDockWidgetArea
    for run in range(2):
        window = Window(View(), Memory(path))
        window.show()
        dock = window.add_panel("late", "Late", QtWidgets.QLabel("late"))
        if run == 0:
            window.addDockWidget(left, dock)
            window.docks["rate"].action.trigger()
        areas.append(window.dockWidgetArea(dock))
        window.dispose()
    assert areas == [left, left]
