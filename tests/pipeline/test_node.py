"""The node contract: numbers, reset marks, and offline composition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
import pytest

from pipeline import (
    EventPacket,
    Meta,
    Node,
    Packet,
    PredictionPacket,
    Settings,
    SourceNode,
    SpikePacket,
    header_of,
)
from pipeline.errors import SettingError
from tests.pipeline.ends import numbered
from tests.strategies import event_packet, random_events


class SplitSettings(Settings):
    every: Annotated[int, Meta(ge=1)] = 1


class Split(Node):
    """Gives events on at once, and spikes and a prediction where it is asked to."""

    settings_type = SplitSettings
    accepts = (EventPacket,)
    emits = (EventPacket, SpikePacket, PredictionPacket)

    def open(self) -> None:
        self.calls = ["open"]

    def reset(self) -> None:
        self.calls.append("reset")

    def close(self) -> None:
        self.calls.append("close")

    def process(self, packet: Packet) -> Iterator[Packet]:
        self.calls.append("process")
        assert isinstance(packet, EventPacket)
        seq = packet.header.seq
        head = packet.header
        yield EventPacket(header_of(packet, EventPacket, width=34, height=34, n=head.n), b"")
        if seq % self.settings.every == 0:
            yield spikes(packet)

    def finish(self) -> Iterator[Packet]:
        self.calls.append("finish")
        classes = (0, 1)
        yield PredictionPacket.of(
            np.zeros(2, np.int64),
            np.zeros(2, np.float32),
            PredictionPacket.header_type(classes=classes, answer=0, final=True, window_us=1),
        )


def spikes(packet: Packet) -> SpikePacket:
    head = header_of(packet, SpikePacket, channels=2, height=1, width=1, bin_us=1000, n_bins=0, n=0)
    empty = np.zeros(0, np.uint32)
    return SpikePacket.of(np.zeros(2, np.uint32), empty, empty.astype(np.uint8), head)


def shown(packets: Any) -> list[tuple[str, int, bool]]:
    return [(p.header.stream, p.header.seq, p.header.reset) for p in packets]


def test_every_stream_is_numbered_from_0() -> None:
    node = Split(every=2)
    out = list(node(numbered(i) for i in range(4)))
    assert shown(out) == [
        ("split/events", 0, False),
        ("split/spikes", 0, False),
        ("split/events", 1, False),
        ("split/events", 2, False),
        ("split/spikes", 1, False),
        ("split/events", 3, False),
        ("split/prediction", 0, False),
    ]


def test_a_reset_is_obeyed_once_and_told_to_every_stream() -> None:
    node = Split(every=3)
    packets = [numbered(i, reset=i == 1) for i in range(8)]
    out = [(p.kind, p.header.reset, p.header.t_begin // 1000) for p in node(packets)]
    assert [t for kind, reset, t in out if kind == "events" and reset] == [1]
    # The mark waits for the next packet of its stream, however late that comes.
    assert [t for kind, reset, t in out if kind == "spikes" and reset] == [3]
    assert [reset for kind, reset, _ in out if kind == "prediction"] == [True]
    assert node.calls[:5] == ["open", "process", "reset", "process", "process"]
    assert node.calls.count("reset") == 1


def test_the_name_of_a_node_names_its_streams() -> None:
    node = Split()
    node.name = "left"
    assert next(iter(node([numbered(0)]))).header.stream == "left/events"


def test_offline_composition_closes_every_node_however_it_ends() -> None:
    first, second = Split(), Split()
    run = second(first(numbered(i) for i in range(10)))
    next(run)
    run.close()
    assert first.calls[-1] == second.calls[-1] == "close"
    assert "finish" not in second.calls
    list(first([numbered(0)]))
    assert first.calls == ["open", "process", "finish", "close"], "and opens them anew"


def test_a_fault_closes_the_node_too() -> None:
    class Faulty(Split):
        def process(self, packet: Packet) -> Iterator[Packet]:
            raise RuntimeError("a fault")

    node = Faulty()
    with pytest.raises(RuntimeError, match="a fault"):
        list(node([numbered(0)]))
    assert node.calls == ["open", "close"]


def test_packets_of_other_kinds_pass_a_node_by() -> None:
    node = Split()
    assert len(list(node([spikes(numbered(0)), numbered(1)]))) == 2 + 1
    assert node.calls.count("process") == 1


class Count(SourceNode):
    emits = (EventPacket,)

    def produce(self) -> Iterator[Packet]:
        events = random_events(10, 34, 34, 1000)
        while self.cursor < 5:
            yield event_packet(events, 0, 1000, reset=self.cursor == 2)
            self.cursor += 1


def test_a_source_runs_offline_and_from_its_cursor() -> None:
    assert shown(Count()) == [("count/events", i, i == 2) for i in range(5)]
    source = Count()
    source.cursor = 3
    assert shown(source) == [("count/events", 0, False), ("count/events", 1, False)]


def test_settings_are_given_by_name_or_whole() -> None:
    assert Split(every=5).settings.every == 5
    assert Split(SplitSettings(every=6)).settings.every == 6
    with pytest.raises(SettingError, match=r"^Split: every = 0 is not a whole number at least 1$"):
        Split(every=0)
    with pytest.raises(SettingError, match="Split: unknown setting 'evry'; did you mean 'every'"):
        Split(evry=1)


def test_what_a_node_does_not_do_it_says() -> None:
    with pytest.raises(NotImplementedError, match="Node takes no packets"):
        next(iter(Node().process(numbered(0))))
    with pytest.raises(NotImplementedError, match="SourceNode produces no packets"):
        next(iter(SourceNode().produce()))


def test_a_header_goes_on() -> None:
    packet = numbered(3, born_ns=7, label=5, sample="a", reset=True)
    head = header_of(packet, SpikePacket, channels=1, height=2, width=3, bin_us=4, n_bins=5, n=6)
    assert (head.t_begin, head.t_end, head.born_ns) == (3000, 4000, 7)
    assert (head.label, head.sample) == (5, "a")
    assert (head.reset, head.seq, head.stream) == (False, 0, "")
    assert header_of(packet, EventPacket, width=1, height=1, n=0, t_end=9).t_end == 9
