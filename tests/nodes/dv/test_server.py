"""The DV server: dv-processing reads exactly our events, and no client holds up the pipeline."""

from __future__ import annotations

import contextlib
import socket
import stat
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from nodes.dv.packets import Incoming
from nodes.dv.reader import DvReader
from nodes.dv.server import DvServer
from pipeline import EventPacket
from pipeline.errors import ChannelError, SettingError
from pipeline.events import Events, empty_events
from recordings.evts import decode_events
from tests.nodes.dv.conftest import Peer
from tests.nodes.streams import SENSOR, Running, free_port, until
from tests.strategies import event_packet, events_of, random_events

SIZED = {"width": SENSOR[0], "height": SENSOR[1]}


@contextlib.contextmanager
def serving(address: str, **settings: object) -> Iterator[DvServer]:
    node = DvServer(address=address, **settings)
    node.start()
    try:
        yield node
    finally:
        node.stop()


def packets_of(events: Events, step: int = 1000) -> list[EventPacket]:
    end = int(events["t"][-1]) + 1
    bounds = list(range(0, end + step, step))
    return [event_packet(events, a, b, *SENSOR) for a, b in pairwise(bounds)]


def feed(node: DvServer, packets: list[EventPacket]) -> None:
    for packet in packets:
        assert list(node.feed(packet)) == []


@pytest.mark.parametrize("compression", ["none", "lz4", "lz4_high", "zstd", "zstd_high"])
@pytest.mark.parametrize("kind", ["tcp", "path"])
def test_dv_processing_reads_our_stream_bit_for_bit(
    compression: str, kind: str, tmp_path: Path, peer: Callable[..., Peer]
) -> None:
    events = random_events(20_000, *SENSOR, 100_000)
    place = str(free_port()) if kind == "tcp" else str(tmp_path / "s.sock")
    address = f"dv://127.0.0.1:{place}" if kind == "tcp" else f"dv://{place}"
    out = tmp_path / "out.npy"
    with serving(address, compression=compression, camera="retina", **SIZED) as node:
        child = peer("read", place, str(out), str(len(events)))
        assert child.heard("ready") == "ready (346, 260) retina"
        feed(node, packets_of(events))
        assert list(node.finish()) == []
        child.heard("saved")
        facts = node.facts()
    read = np.load(out)
    for ours, theirs in (("t", "timestamp"), ("x", "x"), ("y", "y"), ("p", "polarity")):
        np.testing.assert_array_equal(read[theirs], events[ours])
    assert facts["clients"] == 1
    assert facts["sent_events"] == len(events)
    assert facts["sent_packets"] == 10
    assert facts["dropped_events"] == 0


def test_our_reader_reads_our_server_and_finds_it_again(tmp_path: Path) -> None:
    events = random_events(5000, *SENSOR, 50_000)
    address = f"dv://{tmp_path / 's.sock'}"
    with Running(DvReader(address=address)) as run:
        for k in range(3):
            with serving(address) as node:
                # Nothing is announced before the first packet, so that one goes ahead.
                feed(node, [event_packet(empty_events(0), 0, 1000, *SENSOR)])
                until(lambda: node.facts()["clients"] == 1, "a client")
                feed(node, packets_of(events))
                list(node.finish())
                until(lambda n=k + 1: run.n == n * len(events), "all events")
    assert len(run.resets()) == 3
    assert not list(tmp_path.iterdir())


def test_several_clients_get_the_same() -> None:
    events = random_events(5000, *SENSOR, 50_000)
    with contextlib.ExitStack() as stack:
        node = stack.enter_context(serving("dv://127.0.0.1:0", **SIZED))
        runs = [
            stack.enter_context(Running(DvReader(address=node.address, zero=False)))
            for _ in range(3)
        ]
        until(lambda: node.facts()["clients"] == 3, "three clients")
        feed(node, packets_of(events))
        list(node.finish())
        until(lambda: all(run.n == len(events) for run in runs), "all events at each")
        for run in runs:
            np.testing.assert_array_equal(run.events, events)


def test_a_client_that_does_not_read_holds_up_nobody() -> None:
    events = random_events(200_000, *SENSOR, 1000)
    n = 40
    with (
        serving("dv://127.0.0.1:0", queue_mb=8, packet_us=0, **SIZED) as node,
        Running(DvReader(address=node.address, zero=False)) as run,
        socket.create_connection(("127.0.0.1", int(node.address.rpartition(":")[2]))),
    ):
        until(lambda: node.facts()["clients"] == 2, "two clients")
        began = time.monotonic()
        for k in range(n):
            later = events.copy()
            later["t"] += 1000 * k
            feed(node, [event_packet(later, 1000 * k, 1000 * (k + 1), *SENSOR)])
            until(lambda k=k: run.n >= len(events) * k, "the client that reads")
        assert time.monotonic() - began < 10
        list(node.finish())
        until(lambda: run.n == n * len(events), "every event, at the client that reads")
        facts = node.facts()
        # At least what neither the queue nor the kernel's buffers hold.
        assert int(facts["dropped_events"]) > (n - 10) * len(events) // 2
        assert facts["dropped_events"] == int(facts["dropped_packets"]) * len(events)
        (word,) = node.words()
        assert "too slowly" in word
        assert str(facts["dropped_events"]) in word


def test_what_a_slow_client_gets_is_whole_packets() -> None:
    events = random_events(50_000, *SENSOR, 1000)
    with (
        serving("dv://127.0.0.1:0", queue_mb=4, packet_us=0, **SIZED) as node,
        socket.create_connection(("127.0.0.1", int(node.address.rpartition(":")[2]))) as link,
    ):
        until(lambda: node.facts()["clients"] == 1, "a client")
        for k in range(40):
            later = events.copy()
            later["t"] += 1000 * k
            feed(node, [event_packet(later, 1000 * k, 1000 * (k + 1), *SENSOR)])
        dropped = int(node.facts()["dropped_packets"])
        assert dropped
        incoming = Incoming()
        link.settimeout(5)
        times: list[int] = []
        while len(times) < 40 - dropped:
            incoming.receive(link)
            if incoming.read_header() is None:
                continue
            while (found := incoming.next()) is not None:
                times.append(int(decode_events(found[1])["t"][0]) // 1000)
    assert times == sorted(set(times))
    assert times[-1] == 39


def test_clients_come_and_go() -> None:
    with serving("dv://127.0.0.1:0", max_clients=2, **SIZED) as node:
        port = int(node.address.rpartition(":")[2])
        first, second = (socket.create_connection(("127.0.0.1", port)) for _ in range(2))
        until(lambda: node.facts()["clients"] == 2, "two clients")
        with socket.create_connection(("127.0.0.1", port)) as third:
            third.settimeout(5)
            assert third.recv(1) == b""
        assert node.facts()["turned_away"] == 1
        first.sendall(b"what DV never says")
        first.close()
        until(lambda: node.facts()["clients"] == 1, "one has left")
        with socket.create_connection(("127.0.0.1", port)):
            until(lambda: node.facts()["clients"] == 2, "another")
        second.close()


def test_a_larger_sensor_is_a_new_header() -> None:
    with (
        serving("dv://127.0.0.1:0", packet_us=0) as node,
        Running(DvReader(address=node.address)) as run,
    ):
        feed(node, [event_packet(empty_events(0), 0, 1, 34, 34)])
        until(lambda: run.node.facts().get("width") == 34, "the small sensor")
        feed(node, [event_packet(empty_events(0), 1, 2, 346, 260)])
        until(lambda: run.node.facts().get("width") == 346, "the large sensor")
        feed(node, [event_packet(events_of([3], [33], [33], [1]), 2, 4, 34, 34)])
        until(lambda: run.n == 1, "an event of a small sensor again")
    assert run.node.facts()["connections"] == 2


def test_time_that_steps_back_goes_on() -> None:
    with (
        serving("dv://127.0.0.1:0", **SIZED) as node,
        Running(DvReader(address=node.address, zero=False)) as run,
    ):
        until(lambda: node.facts()["clients"] == 1, "a client")
        events = random_events(100, *SENSOR, 20_000)
        for _ in range(3):
            feed(node, packets_of(events))
        list(node.finish())
        until(lambda: run.n == 300, "all events")
        assert node.facts()["set_back"] == 2
    assert (np.diff(run.events["t"]) >= 0).all()
    assert run.node.facts()["clock_jumps"] == 0


def test_a_socket_file_is_private_and_never_another_servers(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    with serving(f"dv://{path}"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with pytest.raises(ChannelError, match="in use"):
            DvServer(address=f"dv://{path}").start()
    assert not path.exists()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with serving(f"dv://{path}"):
        assert path.is_socket()
    path.write_text("a file")
    with pytest.raises(ChannelError, match="a file is in the way"):
        DvServer(address=f"dv://{path}").start()


def test_an_address_that_others_reach_must_be_asked_for() -> None:
    with pytest.raises(SettingError, match="insecure = true"):
        DvServer(address="dv://0.0.0.0:0").start()
    with serving("dv://0.0.0.0:0", insecure=True) as node:
        assert node.address.startswith("dv://0.0.0.0:")


def test_a_port_in_use_gets_one_clear_line() -> None:
    with (
        serving("dv://127.0.0.1:0") as node,
        pytest.raises(ChannelError, match=r"cannot serve at dv://127.0.0.1:\d+: address"),
    ):
        DvServer(address=node.address).start()
