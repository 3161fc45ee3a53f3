"""view: the controls in a real run, every node a process of its own, the window among them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nodes import view_cli
from pipeline.graph import build
from pipeline.launcher import Launcher
from recordings.folder import SAMPLES_DIR
from recordings.opening import open_recording
from tests.test_launcher import exact, private_tmp, quiet

__all__ = ["private_tmp"]

SAMPLE = SAMPLES_DIR / "Test" / "5" / "00009.bin"

USER = '''
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtTest import QTest
from nodes.view.node import View

LEFT = QtCore.Qt.MouseButton.LeftButton

class User(View):
    """A view whose user is a script: it goes on at every frame, and closes the window."""
    script = None
    def _frame(self, window):
        super()._frame(window)
        if window.closed:
            return
        if self.script is None:
            self.script = self.use(window)
        if next(self.script, "done") == "done":
            window.close()

    def press(self, window, keys):
        window.activateWindow()
        window.setFocus()
        key = QtGui.QKeySequence(keys)[0]
        QTest.keyClick(window, key.key(), key.keyboardModifiers())

class Plays(User):
    def use(self, window):
        desk, found = window.desk, {}
        source = lambda: desk.link.source()
        while source() is None or not source().facts or window.scene.moment(0).right < 1:
            yield
        yield from self.settled(window)
        self.press(window, "Space")
        while source().state != "paused":
            yield
        found["paused"] = True
        seen = source().packets_out
        self.press(window, ".")
        while source().packets_out != seen + desk.transport.packets_a_step():
            yield
        found["step"] = source().packets_out - seen
        line = desk.timeline
        while source().facts["timeline"] != "whole":
            yield
        yield from self.settled(window)
        room = line._room()
        QTest.mouseClick(line, LEFT, pos=QtCore.QPoint(round(room.center().x()), 20))
        half = line.end_s / 2
        while abs(source().facts["position_s"] - half) > 0.05:
            yield
        found["seek"] = [half, source().facts["position_s"]]
        pixels = window.picture.pixels
        a, b = (pixels.widget_at(*at).toPoint() for at in ((5.5, 6.5), (28.5, 29.5)))
        QTest.mousePress(pixels, LEFT, pos=a)
        QTest.mouseMove(pixels, b)
        QTest.mouseRelease(pixels, LEFT, pos=b)
        while source().setting("roi").actual == "":
            yield
        found["roi"] = source().setting("roi").actual
        self.press(window, "W")
        while source().setting("roi").actual != "":
            yield
        self.press(window, "O")
        desk.recorder.action.trigger()
        while not desk.recorder.recording() or desk.link.waits("record", "recording"):
            yield
        self.press(window, "Space")
        window.docks["network"].raise_()
        desk.network.noise.slider.setValue(32)
        while not any(level.noise == 8 for level in self.holding.levels()):
            yield
        # The filter tells how much noise it added a little after it tells that it adds some.
        while not desk.link.statuses["filter"].facts["noise_added"]:
            yield
        found["noise"] = desk.link.statuses["filter"].facts["noise_added"]
        desk.recorder.action.trigger()
        while desk.link.setting("record", "recording").actual == "true":
            yield
        window.grab().save(PICTURE)
        self.journal(found)

    def settled(self, window):
        """Let the layout come to rest: panels come with what they show."""
        for _ in range(10):
            yield

class Opens(User):
    def use(self, window):
        while window.scene.moment(0).sensor is None:
            yield
        if window.windowTitle().startswith("samples"):
            data = QtCore.QMimeData()
            data.setUrls([QtCore.QUrl.fromLocalFile(FILE)])
            copy, none = QtCore.Qt.DropAction.CopyAction, QtCore.Qt.KeyboardModifier.NoModifier
            for event in (
                QtGui.QDragEnterEvent(QtCore.QPoint(50, 50), copy, data, LEFT, none),
                QtGui.QDropEvent(QtCore.QPointF(50, 50), copy, data, LEFT, none),
            ):
                QtWidgets.QApplication.sendEvent(window, event)
'''


@pytest.fixture(autouse=True)
def offscreen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")


def kinds(folder: Path) -> Path:
    path = folder / "user.py"
    path.write_text(f"PICTURE = {str(folder / 'w.png')!r}\nFILE = {str(SAMPLE)!r}\n{USER}")
    return path


def test_the_controls_in_a_real_run(private_tmp: Path, tmp_path: Path) -> None:
    record = tmp_path / "a.aedat4"
    graph = view_cli.graph_of("samples", ["nmnist-classifier"], None, None, record=record)
    graph["nodes"]["view"]["kind"] = f"{kinds(tmp_path)}:Plays"
    report = Launcher(build(graph, "retina view"), duration_s=90, say=quiet).run()
    exact(report)
    (found,) = [entry for entry in report.predictions if "paused" in entry]
    assert found["step"] == 1, "a bin and a packet are both of 1 ms"
    half, position = found["seek"]
    assert position == pytest.approx(half, abs=0.05)
    assert found["roi"] == "5,6,24,24"
    assert found["noise"] > 0
    assert (tmp_path / "w.png").exists()
    (entry,) = report.recordings
    assert entry["complete"] or entry["missing"] == ["ended before the stream did"]
    recording = open_recording(record)
    assert len(recording.read()) == entry["events"] > 1000, "noise included: what was watched"
    recording.close()


def test_a_file_that_is_dropped_is_watched_in_a_new_run(
    private_tmp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, watched = view_cli.graph_of, []

    def graph_of(source: str, *args: Any, **more: Any) -> dict[str, Any]:
        graph = made(source, *args, **more)
        graph["nodes"]["view"]["kind"] = f"{kinds(tmp_path)}:Opens"
        watched.append(source)
        return graph

    monkeypatch.setattr(view_cli, "graph_of", graph_of)
    view_cli.view(
        "samples", model=None, cleaned=False, record=None, snapshot=None, at=None, mode=None,
        changes=["source.path=samples"], keys=None, insecure=False, duration=60, debug=False,
    )  # fmt: skip
    assert watched == ["samples", str(SAMPLE)]


def test_a_recorder_of_the_next_run_leaves_the_files_of_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat4"
    assert view_cli._free(path) == path
    for _ in range(3):
        view_cli._free(path).touch()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a-2.aedat4", "a-3.aedat4", "a.aedat4"]


def test_what_retina_view_builds() -> None:
    plain = view_cli.graph_of("samples", [], None, None)
    assert set(plain["nodes"]) == {"source", "view"}
    assert plain["nodes"]["view"]["opens"]
    cleaned = view_cli.graph_of("samples", [], None, None, cleaned=True)
    ways = {(edge["from"], edge["to"]) for edge in cleaned["edges"]}
    assert ways == {("source", "filter"), ("filter", "view")}
    model = view_cli.graph_of("samples", ["nmnist-classifier"], None, None)
    ways = {(edge["from"], edge["to"]) for edge in model["edges"]}
    assert {("source", "filter"), ("filter", "bins"), ("filter", "view")} <= ways
    assert ("source", "bins") not in ways
    for graph in (plain, cleaned, model):
        build(graph, "retina view")
