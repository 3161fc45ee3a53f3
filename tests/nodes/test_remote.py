"""A remote node as a source: its packets come as they are, its end is the end."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zmq

from nodes.query import settings_at
from nodes.remote import Remote, RemoteSettings
from nodes.source import Source
from pipeline import EventPacket, Node, PredictionPacket, SourceNode
from pipeline.board import OUT, Board, EdgeSlot
from pipeline.channel import Inlet, Outlet, Security
from pipeline.channel.endpoints import make_keys
from pipeline.errors import ChannelError, SettingError
from pipeline.packets import Packet, PredictionHeader
from pipeline.runtime import Control, Runner
from tests.nodes.streams import Running, until


class Giving:
    """A source that runs in a thread of this process, as ``retina node --out`` would."""

    def __init__(self, node: SourceNode, endpoint: str, security: Security | None = None) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.board = Board()
        self.control = Control()
        self.control.go.set()
        self.outlet = Outlet(
            node.name, self.context, board=self.board, security=security,
            stop=self.control.stop.is_set,
        )  # fmt: skip
        self.endpoint = self.outlet.bind(endpoint)
        runner = Runner(node, [], self.outlet, self.board, self.control, wait_for_consumer=True)
        self.thread = threading.Thread(target=runner.run)

    def __enter__(self) -> Giving:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.control.stop.set()
        self.thread.join(10)
        self.context.term()
        assert not self.thread.is_alive()

    def accounts(self) -> tuple[int, int, int]:
        """Return packets (sent, delivered, dropped) of all edges."""
        edges = [edge for edge in self.board.edges() if edge.direction == OUT]
        return (
            sum(edge[EdgeSlot.SENT_PACKETS] for edge in edges),
            sum(edge[EdgeSlot.DELIVERED_PACKETS] for edge in edges),
            sum(edge[EdgeSlot.DROPPED_PACKETS] for edge in edges),
        )


def samples(**settings: object) -> Source:
    return Source(**{"path": "samples", "limit": 3, "pace": "fast", **settings})


def told(packets: list[Packet]) -> list[tuple[object, ...]]:
    heads = [p.header for p in packets]
    return [(h.t_begin, h.t_end, h.reset, h.label, h.sample) for h in heads]


def same(ours: list[EventPacket], theirs: list[EventPacket]) -> None:
    assert told(list(ours)) == told(list(theirs))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a.events, b.events)


@pytest.mark.parametrize("endpoint", ["ipc", "tcp"])
def test_packets_come_as_they_are_and_its_end_is_the_end(endpoint: str, tmp_path: Path) -> None:
    place = f"ipc://{tmp_path}/s" if endpoint == "ipc" else "tcp://127.0.0.1:*"
    with Giving(samples(), place) as giving:
        relayed = list(Remote(address=giving.endpoint))
        giving.thread.join(10)
        sent, delivered, dropped = giving.accounts()
    same(relayed, list(samples()))
    assert (sent, delivered, dropped) == (len(relayed), len(relayed), 0)
    assert [p.header.seq for p in relayed] == list(range(len(relayed)))
    assert {p.header.stream for p in relayed} == {"remote/events"}
    assert all(p.header.born_ns for p in relayed)


def test_with_keys_over_tcp(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    make_keys(keys)
    with Giving(samples(), "tcp://127.0.0.1:*", Security(keys=str(keys))) as giving:
        relayed = list(Remote(address=giving.endpoint, keys=str(keys)))
    same(relayed, list(samples()))


def test_it_is_what_a_source_reads_at_such_an_address(tmp_path: Path) -> None:
    place = f"ipc://{tmp_path}/s"
    settings = Source.settings_type(path=place)  # type: ignore[call-arg]
    with Giving(samples(), place):
        node = Source.variant(settings)(settings)
        assert isinstance(node, Remote)
        relayed = list(node)
    same(relayed, list(samples()))


class Sink(Node):
    """Takes events and remembers how many."""

    accepts = (EventPacket,)
    n = 0

    def process(self, packet: Packet) -> Iterator[Packet]:
        self.n += packet.size
        yield from ()


def test_the_nodes_beyond_are_seen_and_obey(tmp_path: Path) -> None:
    far = samples(pace="real", loop=True)
    far.name = "far"
    near = Remote(address=f"ipc://{tmp_path}/far")
    sink = Sink()
    with Giving(far, f"ipc://{tmp_path}/far"), Giving(near, f"ipc://{tmp_path}/near"):
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        inlet = Inlet("sink", "remote", f"ipc://{tmp_path}/near", context, kinds=Sink.accepts)
        control = Control()
        thread = threading.Thread(target=Runner(sink, [inlet], None, Board(), control).run)
        thread.start()
        try:
            until(lambda: sink.n, "events")
            until(lambda: {"far", "remote", "sink"} <= set(sink.statuses()), "all statuses")
            sink.ask("far", "paused", "true")
            until(lambda: far.settings.paused, "the node beyond obeys")
            until(lambda: sink.statuses()["far"].state == "paused", "its status tells")
        finally:
            control.stop.set()
            thread.join(10)
            context.term()


class Two(SourceNode):
    """Gives two kinds of packets."""

    emits = (EventPacket, PredictionPacket)
    speed = float("inf")

    def produce(self) -> Iterator[Packet]:
        for packet in list(samples(limit=1)):
            yield packet
            header = PredictionHeader(
                t_begin=packet.header.t_begin, t_end=packet.header.t_end,
                classes=(0, 1), answer=1, final=False, window_us=1000,
            )  # fmt: skip
            yield PredictionPacket.of(np.zeros(2, np.int64), np.full(2, 0.5, np.float32), header)


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ("all", {"events", "prediction"}),
        ("prediction", {"prediction"}),
        ("events, image", {"events"}),
    ],
)
def test_kinds_may_be_chosen(kinds: str, expected: set[str], tmp_path: Path) -> None:
    with Giving(Two(), f"ipc://{tmp_path}/s") as giving:
        found = list(Remote(address=giving.endpoint, kinds=kinds))
    assert {p.kind for p in found} == expected


@contextlib.contextmanager
def process(endpoint: str, *changes: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``retina node source`` in a process of its own."""
    sets = [word for change in changes for word in ("--set", change)]
    child = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "node", "source", "--out", endpoint, *sets],
        stderr=subprocess.DEVNULL,
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def test_a_node_that_is_killed_is_waited_for_and_its_successor_is_a_reset(tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/s"
    with Running(Remote(address=endpoint, kinds="events")) as run:
        with process(endpoint, "loop=true", "limit=1") as child:
            until(lambda: run.n > 100, "events")
            child.kill()
            child.wait()
        n = len(run.packets)
        with process(endpoint, "limit=1", "pace=fast"):
            until(lambda: len(run.packets) > n, "events of the successor")
            run.ended()
    first = next(p for p in run.packets[n:] if p.header.t_begin == 0)
    assert first.header.reset
    assert not run.node.words()


def test_nobody_there_is_said_and_stops_nothing(tmp_path: Path) -> None:
    with Running(Remote(address=f"ipc://{tmp_path}/nobody")) as run:
        until(run.node.words, "that nobody answers")
        assert "no node of ours answers" in run.node.words()[0]
    assert not run.packets


def test_what_cannot_be_gets_one_clear_line() -> None:
    with pytest.raises(ChannelError, match="insecure = true"):
        Remote(address="tcp://192.0.2.1:5555").start()
    with pytest.raises(ChannelError, match="expected ipc://PATH or tcp://HOST:PORT"):
        Remote(address="udp://a").start()
    with pytest.raises(SettingError, match="'evnts' is no kind of packet"):
        Remote(kinds="evnts").start()


def test_settings_may_stand_behind_an_address() -> None:
    settings = Remote.settings_at("tcp://there:5555?policy=latest&insecure=true&capacity=3", 1000)
    assert settings == RemoteSettings(
        address="tcp://there:5555", policy="latest", insecure=True, capacity=3
    )
    for source in (
        "tcp://a:1?x",
        "tcp://a:1?polcy=latest",
        "tcp://a:1?capacity=0",
        "tcp://a?address=b",
    ):
        with pytest.raises(SettingError, match="tcp://a"):
            settings_at(RemoteSettings, source)
