"""The node camera on a driven clock: packets, silence, plugs, settings."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nodes.camera.keeper import FIRST_US, MOST_US
from nodes.camera.node import Camera
from nodes.camera.wishes import CameraSettings
from pipeline import EventPacket
from pipeline.errors import DeviceError, SettingError
from pipeline.events import empty_events
from recordings.folder import open_samples
from recordings.nmnist import read
from tests.nodes.camera.conftest import Desk

Make = Callable[..., Desk]


def take(packets: Any, n: int) -> list[EventPacket]:
    return list(itertools.islice(packets, n))


def test_packets_of_a_millisecond_that_hold_what_the_camera_saw(desk: Make) -> None:
    packets = take(desk().node, 300)
    heads = [packet.header for packet in packets]
    assert [(h.t_begin, h.t_end) for h in heads] == [
        (k * 1000, k * 1000 + 1000) for k in range(300)
    ]
    assert [h.reset for h in heads] == [True] + [False] * 299
    assert {(h.width, h.height) for h in heads} == {(34, 34)}
    got = np.concatenate([packet.events[["t", "x", "y", "p"]] for packet in packets])
    seen = read(open_samples("samples")[0].path)
    # Event time begins with the camera's first word: its first event, or an earlier silence.
    shift = int(seen["t"][0]) - int(got["t"][0])
    assert 0 <= shift < 10_000
    for name, by in (("t", shift), ("x", 0), ("y", 0), ("p", 0)):
        assert np.array_equal(got[name].astype(np.int64) + by, seen[name][: len(got)]), name


def test_packets_as_long_as_asked(desk: Make) -> None:
    packets = take(desk(packet_us=2500).node, 40)
    assert {p.header.t_end - p.header.t_begin for p in packets} == {2500}


def test_every_packet_names_its_camera(desk: Make, kind: str) -> None:
    (packet,) = take(desk().node, 1)
    assert packet.header.sample is not None
    assert packet.header.sample.endswith(kind)


def test_time_goes_on_in_silence(desk: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = desk()
    stream = iter(one.node)
    last = take(stream, 100)[-1].header.t_end
    scene = one.port.plugged._scene
    monkeypatch.setattr(scene, "until", lambda t: empty_events(0))
    begin = one.now_us()
    packets = take(stream, 500)
    silent = packets[20:]
    assert sum(p.size for p in silent) == 0
    assert packets[-1].header.t_end == last + 500_000
    assert one.now_us() - begin < 525_000, "silence is believed after 20 ms"


def test_an_unplugged_camera_is_said_sought_and_taken_up_again(
    desk: Make, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    one = desk()
    journal: list[dict[str, Any]] = []
    one.node.journal = journal.append
    stream = iter(one.node)
    before = take(stream, 200)
    one.port.unplug()
    begin = one.now_us()

    def back_after_a_second(ms: int) -> None:
        one.clock.advance(ms * 1_000_000)
        if one.node.condition == "reconnecting":
            assert one.node.words()[0].endswith("is plugged in") or "is gone" in str(
                one.node.words()
            )
            assert one.node.facts()["state"] == "away"
        if one.now_us() - begin > 1_000_000:
            one.port.plug()

    one.node.wait = back_after_a_second
    after = take(stream, 200)
    heads = [p.header for p in before + after]
    assert all(a.t_end <= b.t_begin for a, b in itertools.pairwise(heads))
    resets = [k for k, head in enumerate(heads) if head.reset]
    assert len(resets) == 2
    gap = heads[resets[1]].t_begin - heads[resets[1] - 1].t_end
    assert 1_000_000 <= gap <= 1_000_000 + MOST_US
    assert gap % 1000 == 0
    times = np.concatenate([p.events["t"] for p in before + after])
    assert (np.diff(times) >= 0).all()
    assert one.node.facts()["replugs"] == 1
    assert (one.node.condition, one.node.words()) == ("", [])
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert said[0].startswith("camera: ")
    assert "is gone (" in said[0]
    assert said[0].endswith("looking for it")
    assert f"{kind} is back after 1." in said[1] or f"{kind} is back after 2." in said[1]
    assert ["gone" in journal[0], "back_after_s" in journal[1]] == [True, True]


def test_nothing_that_came_before_the_plug_is_lost(desk: Make) -> None:
    one = desk()
    stream = iter(one.node)
    take(stream, 250)
    pending = sum(len(part) for part in one.node._cutter._pending)
    given = one.node.facts()["events"]
    one.port.unplug()
    one.node.settings.give_up_s = 1.0
    with pytest.raises(DeviceError, match="not back after 1 s"):
        take(stream, 1000)
    assert pending
    assert one.node.facts()["events"] >= given + pending


def test_it_looks_less_and_less_often(desk: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = desk(give_up_s=20)
    stream = iter(one.node)
    take(stream, 10)
    looks: list[int] = []
    discover = one.driver.discover

    def look() -> Any:
        looks.append(one.now_us())
        return discover()

    monkeypatch.setattr(one.driver, "discover", look)
    one.port.unplug()
    with pytest.raises(DeviceError, match="not back after 20 s"):
        take(stream, 1000)
    waits = np.diff(looks)
    assert FIRST_US <= waits[0] <= 2 * FIRST_US + 20_000
    assert (np.diff(waits[:4]) > 0).all()
    assert MOST_US <= waits[-1] <= MOST_US + 20_000


def test_a_stop_is_heard_while_the_camera_is_away(desk: Make) -> None:
    one = desk()
    stream = iter(one.node)
    take(stream, 10)
    one.port.unplug()
    waited: list[int] = []

    def wait(ms: int) -> None:
        waited.append(ms)
        one.clock.advance(ms * 1_000_000)

    one.node.wait = wait
    one.node.stopping = lambda: len(waited) > 50
    assert list(stream)[20:] == []
    assert max(waited) <= 20


def test_no_camera_is_one_line_that_says_where_to_look(desk: Make) -> None:
    one = desk()
    one.port.unplug()
    with pytest.raises(
        DeviceError, match=r"^camera:: no camera is plugged in; 'retina devices' .* 'retina doctor'"
    ):
        one.node.start()


def test_a_camera_may_be_waited_for(desk: Make, capsys: pytest.CaptureFixture[str]) -> None:
    one = desk(wait_s=10)
    one.port.unplug()
    stream = iter(one.node)
    one.node.wait = lambda ms: (one.clock.advance(ms * 1_000_000), one.port.plug())[0]
    assert take(stream, 1)[0].header.t_begin == 0
    assert capsys.readouterr().err == "camera: no camera is plugged in; waiting for it\n"


def test_waiting_has_an_end(desk: Make) -> None:
    one = desk(wait_s=3)
    one.port.unplug()
    with pytest.raises(DeviceError, match=r"no camera is plugged in \(waited 3 s\)"):
        take(one.node, 1)


def test_another_serial_number_is_not_taken(desk: Make, kind: str) -> None:
    one = desk(source="camera:XYZ")
    with pytest.raises(DeviceError, match=rf"no camera 'XYZ' is plugged in \(found: .*{kind}\)"):
        one.node.start()


def test_a_successor_waits_for_its_camera_and_goes_on_in_time(desk: Make) -> None:
    one = desk()
    one.node.cursor = 5_000_000
    one.port.unplug()
    one.node.wait = lambda ms: (one.clock.advance(ms * 1_000_000), one.port.plug())[0]
    packets = take(one.node, 3)
    assert [p.header.t_begin for p in packets] == [5_000_000, 5_001_000, 5_002_000]
    assert packets[0].header.reset
    assert one.node.cursor == 5_003_000


def test_settings_change_between_two_packets(desk: Make, kind: str) -> None:
    one = desk()
    stream = iter(one.node)
    take(stream, 50)
    first = one.node.actual()["biases"]
    one.node.ask("camera", "sensitivity", "very-low")
    one.node.ask("camera", "roi", "4,6,10,12")
    one.node.ask("camera", "flip_vertical", "true")
    take(stream, 50)
    actual = one.node.actual()
    assert actual["biases"] != first
    assert (actual["roi"], actual["flip_vertical"]) == ("4,6,10,12", True)
    events = np.concatenate([p.events[["x", "y"]] for p in take(stream, 200)])
    assert len(events)
    assert events["x"].min() >= 4
    assert events["x"].max() < 14
    # The region holds on the sensor, the mirror comes after it.
    assert events["y"].min() >= 34 - 18
    assert events["y"].max() < 34 - 6


def test_a_wish_that_is_none_is_refused(desk: Make) -> None:
    one = desk()
    take(one.node, 1)
    one.node.start()
    one.node.settings.roi = "1,2"
    with pytest.raises(SettingError, match='roi = "1,2" is not'):
        one.node.retuned({"roi"})


def test_settings_outlive_a_plug(desk: Make) -> None:
    one = desk(sensitivity="high", roi="0,0,20,20")
    stream = iter(one.node)
    take(stream, 20)
    before = one.node.actual()
    one.port.unplug()
    one.node.wait = lambda ms: (one.clock.advance(ms * 1_000_000), one.port.plug())[0]
    take(stream, 100)
    assert one.node.facts()["replugs"] == 1
    assert one.node.actual() == before


def test_a_setting_that_meets_a_pulled_plug_is_kept_for_later(desk: Make) -> None:
    one = desk()
    stream = iter(one.node)
    take(stream, 20)
    before = one.node.actual()["biases"]
    one.port.unplug()
    one.node.settings.sensitivity = "low"
    one.node.retuned({"sensitivity"})
    one.node.wait = lambda ms: (one.clock.advance(ms * 1_000_000), one.port.plug())[0]
    take(stream, 100)
    assert one.node.condition == ""
    assert one.node.actual()["biases"] != before


def test_the_devices_own_drops_are_published() -> None:
    one = Desk("evk4")
    stream = iter(one.node)
    take(stream, 10)
    one.port.dropped = 7
    one.port.overflows = np.array([3, 9])
    take(stream, 1000)
    facts = one.node.facts()
    assert (facts["dropped_usb_packets"], facts["overflows"]) == (7, 2)
    # A camera that was plugged in again counts anew; what was lost before stays lost.
    one.port.unplug()
    one.node.wait = lambda ms: (one.clock.advance(ms * 1_000_000), one.port.plug())[0]
    one.port.dropped = 0
    take(stream, 100)
    one.port.dropped = 2
    take(stream, 1000)
    assert one.node.facts()["dropped_usb_packets"] == 9
    one.node.stop()


def test_settings_at_a_source() -> None:
    settings = Camera.settings_at("camera:DXA00093", 500)
    assert isinstance(settings, CameraSettings)
    assert (settings.source, settings.packet_us) == ("camera:DXA00093", 500)


def test_the_stand_ins_are_sources_for_everybody() -> None:
    for serial in ("virtual", "virtual-davis", "virtual-dvs128", "virtual-evk4"):
        packets = take(Camera(source=f"camera:{serial}"), 20)
        assert [p.header.t_begin for p in packets] == list(range(0, 20_000, 1000))
    with pytest.raises(DeviceError, match="no such virtual camera \\(there are: virtual, "):
        take(Camera(source="camera:virtual-x"), 1)
