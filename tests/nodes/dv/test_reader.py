"""The DV reader: what dv-processing serves comes whole, and nothing that a server does stops it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from nodes.dv.reader import DvReader
from pipeline.errors import DeviceError, SettingError
from pipeline.events import Events
from recordings.evts import (
    LZ4,
    NONE,
    PREFIX,
    ZSTD_HIGH,
    IOHeader,
    Stream,
    encode_events,
    encode_header,
)
from tests.nodes.dv.conftest import Peer
from tests.nodes.streams import SENSOR, Running, free_port, save, until
from tests.strategies import events_of, random_events

START = 1_700_000_000_000_000


def some(n: int = 5000, seed: int = 0, start: int = START) -> Events:
    events = random_events(n, *SENSOR, 50_000, seed)
    events["t"] += start
    return events


def header(compression: int = NONE, **stream: object) -> bytes:
    given = {"width": SENSOR[0], "height": SENSOR[1], **stream}
    return encode_header(IOHeader(compression, (Stream(**given),)))  # type: ignore[arg-type]


def packet(events: Events, stream: int = 0, compression: int = NONE) -> bytes:
    return b"".join(encode_events(events, stream, compression))


class Server:
    """A server that sends what the test says, byte by byte if need be."""

    def __init__(self, port: int) -> None:
        self.listener = socket.create_server(("127.0.0.1", port))
        self.listener.settimeout(10)

    def accept(self) -> socket.socket:
        return self.listener.accept()[0]


@contextlib.contextmanager
def serving(port: int) -> Iterator[Server]:
    server = Server(port)
    with server.listener:
        yield server


@contextlib.contextmanager
def meeting(**settings: object) -> Iterator[tuple[Running, socket.socket, Server]]:
    """Give a running reader, the connection that it has made, and the server."""
    port = free_port()
    run = Running(DvReader(address=f"dv://127.0.0.1:{port}", **settings))
    with serving(port) as server, run, server.accept() as link:
        yield run, link, server


@pytest.mark.parametrize("compression", ["NONE", "LZ4", "LZ4_HIGH", "ZSTD", "ZSTD_HIGH"])
def test_what_dv_processing_writes_is_read_event_for_event(
    compression: str, tmp_path: Path, peer: Callable[..., Peer]
) -> None:
    events = some()
    path = tmp_path / "s.sock"
    child = peer("serve", str(path), compression, save(tmp_path / "e.npy", events), "700")
    child.heard("ready")
    with Running(DvReader(address=f"dv://{path}", zero=False)) as run:
        until(lambda: run.n == len(events), "all events")
    np.testing.assert_array_equal(run.events, events)
    assert run.resets() == [0]
    assert all(p.header.t_begin % 1000 == 0 for p in run.packets)
    assert (run.packets[0].header.width, run.packets[0].header.height) == SENSOR
    facts = run.node.facts()
    assert facts["camera"] == "DAVIS346_1"
    assert facts["compression"] == compression.lower()
    assert facts["skipped_bytes"] == 0


def test_over_tcp_event_time_begins_at_zero(tmp_path: Path, peer: Callable[..., Peer]) -> None:
    events = some()
    port = str(free_port())
    child = peer("serve", port, "LZ4", save(tmp_path / "e.npy", events), "2000")
    child.heard("ready")
    with Running(DvReader(address=f"dv://127.0.0.1:{port}")) as run:
        until(lambda: run.n == len(events), "all events")
    offset = int(run.node.facts()["clock_offset_us"])
    assert run.packets[0].header.t_begin == 0
    np.testing.assert_array_equal(run.events["t"], events["t"] + offset)


def test_a_server_that_is_killed_is_found_again(tmp_path: Path, peer: Callable[..., Peer]) -> None:
    events = some()
    file, path = save(tmp_path / "e.npy", events), tmp_path / "s.sock"
    with Running(DvReader(address=f"dv://{path}")) as run:
        until(run.node.words, "a word that nobody answers")
        for k in range(3):
            child = peer("serve", str(path), "NONE", file, "700")
            until(lambda n=k + 1: run.n == n * len(events), f"all events of server {k}")
            child.kill()
            until(lambda: run.node.condition == "reconnecting", "the loss is said")
            path.unlink()
    assert len(run.resets()) == 3
    begins = [p.header.t_begin for p in run.packets]
    assert begins == sorted(begins)
    assert run.node.facts()["connections"] == 3


def test_unplugged_a_hundred_times_no_descriptor_or_thread_is_left() -> None:
    port = free_port()
    whole = header() + packet(some(100))
    with serving(port) as server, Running(DvReader(address=f"dv://127.0.0.1:{port}")) as run:
        for k in range(100):
            with server.accept() as link:
                link.sendall(whole)
                until(lambda n=k + 1: run.node.facts()["received_events"] == 100 * n, "events")
            if k == 2:
                descriptors, threads = _descriptors(), threading.active_count()
        until(lambda: run.n == 100 * 100, "all events")
        assert _descriptors() <= descriptors
        assert threading.active_count() == threads
    assert len(run.resets()) == 100


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_silent_server_stops_nothing() -> None:
    with meeting() as (run, _link, _):
        until(run.node.words, "that the server is silent")
        assert "said nothing" in run.node.words()[0]
    assert not run.packets


def test_bytes_may_come_one_by_one() -> None:
    events = some(20)
    with meeting() as (run, link, _):
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in header(LZ4) + packet(events, compression=LZ4):
            link.sendall(bytes([byte]))
        until(lambda: run.n == 20, "all events, after a lull")
    assert not run.node.words() or "ended" in run.node.words()[0]


def test_what_is_no_packet_is_skipped_and_counted() -> None:
    broken = PREFIX.pack(0, 100) + bytes(100)
    lying = bytearray(packet(some(50)))
    lying[36:40] = (2**31).to_bytes(4, "little")
    foreign = packet(some(30), stream=7)
    with meeting() as (run, link, _):
        link.sendall(header() + broken + bytes(lying) + foreign + packet(some(100)))
        until(lambda: run.n == 100, "the good packet")
        facts = run.node.facts()
        assert facts["skipped_packets"] == 2
        assert facts["skipped_bytes"] == 100 + len(lying) - 8
        assert facts["other_packets"] == 1
        assert any("2 packets" in line for line in run.node.words())


@pytest.mark.parametrize("size", [-1, 2**31 - 1])
def test_lost_framing_is_a_new_connection(size: int) -> None:
    with meeting() as (run, link, server):
        link.sendall(header() + packet(some(100)) + PREFIX.pack(0, size) + bytes(1000))
        until(lambda: run.n == 100, "what came before")
        with server.accept() as again:
            again.sendall(header() + packet(some(60, start=START + 1_000_000)))
            until(lambda: run.n == 160, "what came after")
    assert run.node.facts()["skipped_bytes"] == 1008
    assert len(run.resets()) == 2


def test_a_bomb_does_not_fill_the_memory() -> None:
    import zstandard

    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 28))
    with meeting() as (run, link, _):
        link.sendall(header(ZSTD_HIGH) + PREFIX.pack(0, len(bomb)) + bomb)
        until(lambda: run.node.facts()["skipped_packets"] == 1, "the bomb is skipped")


def test_clocks_that_are_set_back_and_events_outside_are_counted() -> None:
    wrong = events_of([START, START + 1], [400, 1], [1, 300], [0, 1])
    with meeting() as (run, link, _):
        link.sendall(header() + packet(some(100)) + packet(some(100)) + packet(wrong))
        until(lambda: run.n == 200, "the events")
        until(lambda: run.node.facts()["outside_events"] == 2, "events outside")
    assert run.node.facts()["clock_jumps"] == 1


def test_patience_ends_it() -> None:
    with meeting(patience_s=0) as (run, link, server):
        link.sendall(header() + packet(some(100)))
        server.listener.close()
        link.close()
        run.ended()
    assert run.n == 100


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n" * 3, "no DV server"),
        (header(type="FRME"), "gives no events"),
        (header(width=None, height=None), "set width and height"),
    ],
)
def test_a_server_of_another_kind_gets_one_clear_line(sent: bytes, said: str) -> None:
    def be_told() -> None:
        with meeting(patience_s=0) as (run, link, _):
            link.sendall(sent)
            run.ended()

    with pytest.raises(DeviceError, match=said):
        be_told()


def test_nobody_there_is_said_with_patience() -> None:
    with pytest.raises(DeviceError, match="no DV server answers"):
        list(DvReader(address=f"dv://127.0.0.1:{free_port()}", patience_s=0))


@pytest.mark.parametrize(
    "address", ["", "dv://", "dv://host", "dv://host:0", "dv://host:99999", "tcp://h:1", "dv:///"]
)
def test_an_address_that_is_none_gets_one_clear_line(address: str) -> None:
    with pytest.raises(SettingError, match=r"expected dv://HOST:PORT|names no socket"):
        DvReader(address=address).open()


def test_settings_at_a_source() -> None:
    settings = DvReader.settings_at("dv://somewhere:7777", 500)
    assert (settings.address, settings.packet_us) == ("dv://somewhere:7777", 500)
