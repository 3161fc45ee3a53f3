"""Changing a node while it runs: what is granted, what is refused, and in which words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
import pytest

from pipeline import EventPacket, Meta, Node, Packet, Settings
from pipeline.errors import DeviceError, RetinaError
from pipeline.tuning import text_of, tune
from tests.pipeline.ends import numbered


class KnobSettings(Settings):
    gain: Annotated[float, Meta(ge=0, le=10, description="how loud")] = 1.0
    low: int = 0
    high: int = 10
    mode: Literal["a", "b"] = "a"
    title: str | None = None
    sizes: list[int] = []
    fixed: int = 3

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"low = {self.low} is above high = {self.high}")


class Knobs(Node):
    settings_type = KnobSettings
    accepts = (EventPacket,)
    live = frozenset({"gain", "low", "high", "mode", "title", "sizes"})
    actions = {"shoot": "take a picture"}

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        self.calls: list[object] = []
        self.most = 8.0

    def retuned(self, names: set[str]) -> None:
        self.calls.append((names, self.settings.gain))
        if self.settings.gain > self.most:
            raise DeviceError(f"{self.name}: gain = {self.settings.gain}: the device has no more")

    def act(self, name: str, value: str) -> None:
        self.calls.append((name, value))

    def actual(self) -> dict[str, object]:
        return {"gain": round(self.settings.gain), "firmware": 7}

    def facts(self) -> dict[str, str | int | float]:
        return {"serial": "x1", "drops": np.int64(5), "warm": True, "age": np.float32(0.5)}

    def words(self) -> list[str]:
        return ["the lens is dirty"]

    def process(self, packet: Packet) -> Iterator[Packet]:
        self.calls.append("packet")
        yield from ()


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("gain", "2.5", 2.5),
        ("gain", "2", 2.0),
        ("low", "-4", -4),
        ("mode", "b", "b"),
        ("title", "hello", "hello"),
        ("title", "", None),
        ("sizes", "[1, 2]", [1, 2]),
    ],
)
def test_a_live_setting_is_changed_and_told(key: str, text: str, value: object) -> None:
    node = Knobs()
    tune(node, key, text)
    assert getattr(node.settings, key) == value
    assert node.calls[-1][0] == {key}
    # What is in force is told as text that may be asked for again.
    tune(node, key, text_of(value))
    assert getattr(node.settings, key) == value


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("fixed", "4", "knobs: 'fixed' cannot be changed while it runs (can be: gain, high, low"),
        ("nothing", "4", "knobs: 'nothing' is nothing that it can be asked for (can be: gain"),
        ("settings", "4", "is nothing that it can be asked for"),
        ("gain", "11", 'knobs: gain = "11" is not a number at least 0 and at most 10'),
        ("gain", "", 'gain = "" is not a number'),
        ("gain", "nan", 'gain = "nan" is not a number'),
        ("mode", "c", 'mode = "c" is not one of "a", "b"'),
        ("sizes", "[1,", "is not a list of a whole number"),
        ("low", "11", "knobs: low = 11 is above high = 10"),
        ("gain", "9", "knobs: gain = 9.0: the device has no more"),
    ],
)
def test_what_is_refused_changes_nothing(key: str, text: str, message: str) -> None:
    node = Knobs()
    before = node.settings
    with pytest.raises(RetinaError) as caught:
        tune(node, key, text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert node.settings is before
    if text == "9":
        assert node.calls == [({"gain"}, 9.0), ({"gain"}, 1.0)], "put back into force"
    else:
        assert node.calls == []


def test_an_action_is_done_once() -> None:
    node = Knobs()
    tune(node, "shoot", "x.png")
    assert node.calls == [("shoot", "x.png")]


def test_without_a_runtime_a_node_obeys_itself_before_its_next_packet() -> None:
    node = Knobs()
    packets = node([numbered(0), numbered(1)])
    node.ask("knobs", "gain", "3")
    node.ask("knobs", "gain", "30")
    node.ask("other", "gain", "3")
    list(packets)
    assert node.calls == [({"gain"}, 3.0), "packet", "packet"]
    (status,) = node.statuses().values()
    assert any("other" in word for word in status.words)
    assert any('gain = "30"' in word for word in status.words)


def test_a_node_describes_itself_without_a_runtime() -> None:
    node = Knobs(gain=2.4)
    node.condition = "warming up"
    status = node.statuses()["knobs"]
    assert status.state == "warming up"
    gain = status.setting("gain")
    assert gain is not None
    assert (gain.requested, gain.actual, gain.live, gain.help) == ("2.4", "2", True, "how loud")
    assert gain.may_be == "a number at least 0 and at most 10"
    fixed = status.setting("fixed")
    assert fixed is not None
    assert not fixed.live
    firmware = status.setting("firmware")
    assert firmware is not None
    assert firmware.actual == "7"
    assert status.facts == {"serial": "x1", "drops": 5, "warm": "true", "age": 0.5}
    assert status.words == ["the lens is dirty"]
    assert [action.name for action in status.actions] == ["shoot"]
