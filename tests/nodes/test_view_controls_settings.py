"""view: every node's settings, the network's knobs, and how answers hold as noise grows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from PySide6 import QtCore, QtWidgets
from pytestqt.qtbot import QtBot

from nodes.bins import Bins
from nodes.camera.node import Camera
from nodes.filter.node import Filter
from nodes.infer import Infer
from nodes.reconstruct import Reconstruct
from nodes.record import Record
from nodes.source import Source
from nodes.view.controls.editors import Editor, Form, NumberEdit, form_of
from nodes.view.controls.holding import Holding, Level
from nodes.view.controls.network import MOST_NOISE, STEP
from pipeline import Node, PredictionPacket
from pipeline.kinds import find, known
from pipeline.reporting import describe_node
from pipeline.settings import table
from pipeline.status import SettingStatus
from tests.nodes.around import Around, Seat, seated
from tests.nodes.test_view import offscreen, opinion

__all__ = ["offscreen"]

Take = Callable[..., Seat]


@pytest.fixture
def take(qtbot: QtBot) -> Iterator[Take]:
    """Have a window among nodes, one panel of it in front."""
    with ExitStack() as stack:

        def make(panel: str, **nodes: Node) -> Seat:
            seat = stack.enter_context(seated(Around(**nodes)))
            dock = seat.window.docks[panel]
            dock.raise_()
            qtbot.waitUntil(lambda: dock.seen)
            seat.tell()
            return seat

        yield make


def type_in(qtbot: QtBot, editor: Editor, text: str) -> None:
    """Type a value and press Enter."""
    inner = editor.inner
    line = inner if isinstance(inner, QtWidgets.QLineEdit) else inner.lineEdit()  # type: ignore[attr-defined]
    line.selectAll()
    if text:
        qtbot.keyClicks(line, text)
    else:
        qtbot.keyClick(line, QtCore.Qt.Key.Key_Delete)
    qtbot.keyClick(inner, QtCore.Qt.Key.Key_Return)


# Editors.


@pytest.mark.parametrize(
    ("may_be", "form"),
    [
        ("true or false", Form("box")),
        ('one of "on", "off", "both"', Form("choice", ("on", "off", "both"))),
        ("one of 0, 90, 180, 270", Form("choice", ("0", "90", "180", "270"))),
        (
            'one of "real", "fast" or a number at least 1e-06 and at most 1000000.0',
            Form("choice", ("real", "fast"), open=True),
        ),
        (
            "a whole number at least 1 and at most 600",
            Form("number", whole=True, low=1, high=600),
        ),
        ("a number above 0 and at most 1000", Form("number", low=0, high=1000)),
        ("a number", Form("number")),
        ("text", Form("text")),
        ("a list of a number", Form("text")),
        ("something of a later version", Form("text")),
    ],
)
def test_the_editor_follows_from_what_a_setting_may_be(may_be: str, form: Form) -> None:
    assert form_of(may_be) == form


def test_every_setting_of_every_kind_has_an_editor_that_shows_it(qtbot: QtBot) -> None:
    seen = set()
    for kind in sorted(known()):
        for name, may_be, default, meaning in table(find(kind, "test").settings_type):
            text = "" if default in ("None", "needed") else default.strip('"')
            text = text.lower() if may_be == "true or false" else text
            editor = Editor(SettingStatus(name, text, text, meaning, may_be, True), name)
            qtbot.addWidget(editor)
            wished: list[str] = []
            editor.wished.connect(wished.append)
            seen.add(editor.form.kind)
            inner = editor.inner
            if isinstance(inner, QtWidgets.QCheckBox):
                shown = "true" if inner.isChecked() else "false"
                text = text or "false"
            elif isinstance(inner, QtWidgets.QComboBox):
                shown = inner.currentText()
            elif isinstance(inner, QtWidgets.QLineEdit):
                shown = inner.text()
            else:
                assert isinstance(inner, NumberEdit)
                shown = inner.lineEdit().text()
            if not text.startswith("["):
                assert shown == text, f"{kind}.{name}: {may_be}"
            assert not wished, "to show a value is no wish"
    assert seen == {"box", "choice", "number", "text"}


def test_a_number_by_the_arrow_keys(qtbot: QtBot) -> None:
    limits = "a whole number at least 0 and at most 3"
    editor = Editor(SettingStatus("n", "2", "2", "", limits, True), "n")
    qtbot.addWidget(editor)
    wished: list[str] = []
    editor.wished.connect(wished.append)
    for key in (QtCore.Qt.Key.Key_Up, QtCore.Qt.Key.Key_Up, QtCore.Qt.Key.Key_Down):
        qtbot.keyClick(editor.inner, key)
    assert wished == ["3", "2"], "no more than the most"


def test_letters_are_no_number(qtbot: QtBot) -> None:
    editor = Editor(SettingStatus("n", "2", "2", "", "a number", True), "n")
    qtbot.addWidget(editor)
    wished: list[str] = []
    editor.wished.connect(wished.append)
    type_in(qtbot, editor, "x1e-3")
    assert wished == ["1e-3"]


# The settings panel.


def test_every_live_setting_of_every_node_is_there(take: Take) -> None:
    nodes: dict[str, Node] = {
        "source": Source(path="samples"), "filter": Filter(), "bins": Bins(width=34, height=34),
        "infer": Infer(), "reconstruct": Reconstruct(),
    }  # fmt: skip
    seat = take("settings", **nodes)
    panel = seat.desk.settings
    for name, node in nodes.items():
        live = {s.name: s for s in describe_node(node).settings if s.live}
        if not live:
            assert name not in panel.sections
            continue
        section = panel.sections[name]
        assert section.rows.keys() == live.keys()
        assert section.deeds.keys() == node.actions.keys()
        for key, row in section.rows.items():
            assert row.words.text() == live[key].help
            assert row.actual.text() == f"= {live[key].actual or 'none'}"
    shown = sorted(panel.sections, key=lambda name: panel.sections[name].y())
    assert shown == ["source", "filter", "infer", "reconstruct"], "the source first"


def test_a_setting_is_changed_by_each_kind_of_editor(take: Take, qtbot: QtBot) -> None:
    node = Filter()
    seat = take("settings", filter=node)
    rows = seat.desk.settings.sections["filter"].rows
    box = rows["hot_pixels"].editor.inner
    assert isinstance(box, QtWidgets.QCheckBox)
    box.click()
    assert node.settings.hot_pixels
    choice = rows["flip"].editor.inner
    assert isinstance(choice, QtWidgets.QComboBox)
    choice.setCurrentText("both")
    choice.activated.emit(choice.currentIndex())
    assert node.settings.flip == "both"
    type_in(qtbot, rows["refractory_us"].editor, "250")
    assert node.settings.refractory_us == 250
    type_in(qtbot, rows["crop"].editor, "1,2,30,30")
    assert node.settings.crop == "1,2,30,30"
    seat.tell()
    assert rows["refractory_us"].actual.text() == "= 250"
    assert box.text() == "on"


def test_a_refusal_stands_where_it_was_asked_for(take: Take, qtbot: QtBot) -> None:
    seat = take("settings", filter=Filter())
    row = seat.desk.settings.row("filter", "crop")
    type_in(qtbot, row.editor, "everything")
    seat.tell()
    assert row.words.text().startswith("▲ filter: crop = ")
    assert row.actual.text() == "= none"
    assert "crop" in seat.window.statusBar().currentMessage()
    type_in(qtbot, row.editor, "1,2,3,4")
    seat.tell()
    assert row.words.text() == seat.desk.link.setting("filter", "crop").help  # type: ignore[union-attr]


def test_what_a_device_has_instead_stands_beside_it(take: Take) -> None:
    class Rounding(Camera):
        def actual(self) -> dict[str, object]:
            return {"rate_limit": 5e6}

    seat = take("settings", camera=Rounding(source="camera:virtual", rate_limit=4.9e6))
    row = seat.desk.settings.row("camera", "rate_limit")
    assert row.actual.text() == "≠ 5000000.0"
    assert row.actual.toolTip() == "in force: 5000000.0; asked for: 4900000.0"
    line = row.editor.inner.lineEdit()  # type: ignore[attr-defined]
    assert line.text() == "4900000.0"


def test_what_is_being_typed_is_not_overwritten(take: Take, qtbot: QtBot) -> None:
    node = Filter()
    seat = take("settings", filter=node)
    row = seat.desk.settings.row("filter", "crop")
    line = row.editor.inner
    assert isinstance(line, QtWidgets.QLineEdit)
    seat.window.activateWindow()
    line.setFocus()
    qtbot.waitUntil(line.hasFocus)
    qtbot.keyClicks(line, "1,2,")
    seat.around.ask("filter", "crop", "0,0,9,9")
    seat.tell()
    assert line.text() == "1,2,"
    qtbot.keyClicks(line, "3,4")
    qtbot.keyClick(line, QtCore.Qt.Key.Key_Return)
    seat.tell()
    assert node.settings.crop == line.text() == "1,2,3,4"


def test_another_node_changes_it_and_it_is_seen(take: Take) -> None:
    seat = take("settings", filter=Filter())
    seat.around.ask("filter", "pool", "2")
    seat.tell()
    row = seat.desk.settings.row("filter", "pool")
    assert row.actual.text() == "= 2"
    assert row.editor.inner.lineEdit().text() == "2"  # type: ignore[attr-defined]


def test_a_node_comes_goes_and_is_another(take: Take) -> None:
    seat = take("settings", filter=Filter())
    seat.around.nodes["infer"] = Infer(model="nmnist-classifier")
    seat.around._answers["infer"], seat.around._refused["infer"] = [], {}
    seat.around.nodes["infer"].start()
    seat.around.nodes["infer"].name = "infer"
    seat.tell()
    assert set(seat.desk.settings.sections) == {"filter", "infer"}
    gone = seat.around.nodes.pop("filter")
    seat.tell()
    assert set(seat.desk.settings.sections) == {"infer"}
    gone.stop()


def test_an_action_with_its_value(take: Take, qtbot: QtBot) -> None:
    source = Source(path="samples", split="Test")
    seat = take("settings", source=source)
    deed = seat.desk.settings.sections["source"].deeds["show"]
    deed.value.setText("3")
    deed.button.click()
    assert source.cursor == 3
    deed.value.setText("3000")
    qtbot.keyClick(deed.value, QtCore.Qt.Key.Key_Return)
    seat.tell()
    assert deed.words.text().startswith("▲ source: show")


def test_the_wheel_scrolls_and_changes_nothing(take: Take, qtbot: QtBot) -> None:
    seat = take("settings", filter=Filter())
    inner = seat.desk.settings.row("filter", "pool").editor.inner
    from PySide6 import QtGui

    wheel = QtGui.QWheelEvent(
        QtCore.QPointF(3, 3), QtCore.QPointF(3, 3), QtCore.QPoint(), QtCore.QPoint(0, 120),
        QtCore.Qt.MouseButton.NoButton, QtCore.Qt.KeyboardModifier.NoModifier,
        QtCore.Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QtWidgets.QApplication.sendEvent(inner, wheel)
    assert seat.asked() == []


# The network.


def test_the_networks_knobs(take: Take, qtbot: QtBot) -> None:
    infer, draw = Infer(), Reconstruct()
    seat = take("network", infer=infer, reconstruct=draw)
    knobs = seat.desk.network.knobs
    assert set(knobs) == {
        ("infer", "threshold"), ("infer", "margin"), ("infer", "window_ms"),
        ("reconstruct", "threshold"), ("reconstruct", "window_ms"),
    }  # fmt: skip
    type_in(qtbot, knobs["infer", "margin"].editor, "12")
    type_in(qtbot, knobs["infer", "threshold"].editor, "1.5")
    type_in(qtbot, knobs["reconstruct", "window_ms"].editor, "150")
    assert (infer.settings.margin, infer.settings.threshold) == (12, 1.5)
    assert draw.settings.window_ms == 150
    type_in(qtbot, knobs["infer", "margin"].editor, "")
    assert infer.settings.margin is None
    type_in(qtbot, knobs["infer", "threshold"].editor, "-1")
    seat.tell()
    assert "threshold" in knobs["infer", "threshold"].words.text()
    assert infer.settings.threshold == 1.5


def test_the_noise_slider_drives_the_filter(take: Take, qtbot: QtBot) -> None:
    node = Filter()
    seat = take("network", filter=node)
    noise = seat.desk.network.noise
    noise.slider.setValue(12)
    assert node.settings.noise_per_pixel == 12 * STEP
    qtbot.keyClick(noise.slider, QtCore.Qt.Key.Key_End)
    assert node.settings.noise_per_pixel == MOST_NOISE
    seat.tell()
    assert noise.figure.text() == "8.00 / pixel"
    seat.around.ask("filter", "noise_per_pixel", "1.5")
    seat.tell()
    assert noise.slider.value() * STEP == 1.5
    assert seat.asked()[-1][2] == "1.5", "what is shown is not asked for anew"


def test_without_a_filter_the_panel_says_how_to_have_one(take: Take) -> None:
    seat = take("network", infer=Infer())
    panel = seat.desk.network
    assert not panel.noise.isEnabled()
    assert not panel.sweep.isEnabled()
    assert "source → filter → bins" in panel.words.text()


def final(answer: int, label: int | None, born_ns: int) -> PredictionPacket:
    packet = opinion(answer, label)
    packet.header.born_ns = born_ns
    return packet


def test_only_answers_of_whole_windows_at_one_noise_count() -> None:
    holding = Holding()
    holding.add(final(3, 3, 5))
    assert holding.levels() == []
    holding.tell(0.0, 10)
    holding.add(final(3, 3, 9))  # Its successor may have begun before the noise was known.
    holding.add(final(3, 3, 12))
    assert holding.levels() == []
    holding.add(final(3, 3, 14))
    holding.add(final(4, 3, 16))
    holding.add(opinion(3, 3, ms=40))
    holding.tell(None, 0)  # Another one was asked for.
    holding.add(final(3, 3, 18))
    holding.tell(2.0, 20)
    holding.add(final(3, 3, 22))
    holding.add(final(3, None, 24))
    assert holding.levels() == [Level(0.0, 2, 2, 1, 1.0), Level(2.0, 1, 0, 0, 1.0)]
    assert holding.levels()[0].accuracy == 0.5
    assert holding.levels()[1].accuracy is None
    holding.forget()
    assert holding.levels() == []


def test_the_interval_is_wilsons() -> None:
    low, high = Level(0, 10, 10, 8, 0).interval()
    # Wilson's interval of 8 of 10, as in tables.
    assert (low, high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert Level(0, 0, 0, 0, 0).interval() == (0, 1)


def test_the_course_of_answers_is_drawn_and_said(take: Take) -> None:
    seat = take("network", filter=Filter())
    panel, view = seat.desk.network, seat.view
    told = seat.desk.link.statuses["filter"].time_ns
    for k, answer in enumerate((3, 3, 3, 5)):
        for _ in view.process(final(answer, 3, told + 10**12 + k)):
            pass
    seat.tell()
    x, y = panel.course._line.getData()
    assert (list(x), list(y)) == ([0.0], [pytest.approx(2 / 3)])
    assert panel.words.text() == "2 of 3 right at this noise"
    panel.noise.slider.setValue(4)
    seat.tell()
    assert "no answer yet at this noise" in panel.words.text()
    assert panel.course._now.value() == 1.0
    panel.afresh.click()
    seat.tell()
    assert not len(panel.course._line.getData()[0] or [])


def test_a_sweep_goes_from_level_to_level(take: Take) -> None:
    node = Filter(noise_per_pixel=5.0)
    seat = take("network", filter=node)
    panel = seat.desk.network
    panel.sweep.click()
    born, gone = 10**15, []
    for _ in range(20):
        seat.tell()
        gone.append(node.settings.noise_per_pixel)
        if not panel.sweep.isChecked():
            break
        for _ in range(25):
            born += 1
            seat.view.holding.add(final(3, 3, born))
    assert list(dict.fromkeys(gone)) == [0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0]
    assert gone[-1] == 0.0, "in the end it is quiet again"
    assert [level.noise for level in panel.holding.levels()] == [0, 1, 2, 3, 4, 6, 8]
    assert all(level.answers >= 20 for level in panel.holding.levels())


def test_a_recorder_is_a_node_with_settings_too(take: Take, tmp_path: object) -> None:
    node = Record(path=f"{tmp_path}/a.aedat4", recording=False)
    seat = take("settings", record=node)
    box = seat.desk.settings.row("record", "recording").editor.inner
    assert isinstance(box, QtWidgets.QCheckBox)
    assert not box.isChecked()
    box.click()
    assert node.settings.recording
