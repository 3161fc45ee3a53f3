"""Address events over real sockets: ours to ours, and beside faery and aestream."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nodes.aer.forms import FORMS, encode
from nodes.aer.receiver import AerReceiver
from nodes.aer.sender import AerSender
from pipeline.errors import ChannelError, DeviceError, SettingError
from pipeline.events import Events
from tests.nodes.streams import SENSOR, Running, until
from tests.strategies import event_packet, events_of, random_events

LOOPBACK = "aer-udp://127.0.0.1:0"
SIZE = {"width": SENSOR[0], "height": SENSOR[1]}


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def receiving(**settings: object) -> Iterator[tuple[Running, str]]:
    """Give a running receiver at a free port, and its address."""
    node = AerReceiver(**{"address": LOOPBACK, **SIZE, **settings})
    node.start()
    with Running(node) as run:
        yield run, node.address


@contextlib.contextmanager
def sending(address: str, **settings: object) -> Iterator[AerSender]:
    node = AerSender(address=address, **settings)
    node.start()
    try:
        yield node
    finally:
        node.stop()


def feed(node: AerSender, events: Events, step: int = 1000) -> None:
    end = int(events["t"][-1]) + 1
    for a in range(int(events["t"][0]) // step * step, end, step):
        assert list(node.feed(event_packet(events, a, a + step, *SENSOR))) == []


def knock(address: str, data: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.sendto(data, ("127.0.0.1", int(address.rpartition(":")[2])))


@pytest.mark.parametrize("form", [form for form in FORMS if form != "spif-untimed"])
def test_what_is_sent_is_received(form: str) -> None:
    events = random_events(5000, *SENSOR, 50_000)
    events["t"] += 123_000
    with receiving(form=form, zero=False) as (run, address), sending(address, form=form) as node:
        feed(node, events)
        until(lambda: run.n == len(events), "all events")
        facts = run.node.facts()
        assert node.facts()["sent_events"] == len(events)
        assert not run.node.words()
    np.testing.assert_array_equal(run.events, events)
    assert facts["received_datagrams"] == node.facts()["sent_datagrams"]
    assert facts["kernel_drops"] == facts["skipped_bytes"] == 0
    assert run.resets() == [0]
    assert {(p.header.width, p.header.height) for p in run.packets} == {SENSOR}


def test_without_times_an_event_has_that_of_its_arrival_and_time_goes_on() -> None:
    events = random_events(500, *SENSOR, 5000)
    with receiving() as (run, address), sending(address, form="spif-untimed") as node:
        feed(node, events)
        until(lambda: run.n == len(events), "all events")
        n = len(run.packets)
        until(lambda: len(run.packets) > n + 20, "silence that is told")
        assert run.node.facts()["untimed_events"] == len(events)
    found = run.events
    for name in "xyp":
        np.testing.assert_array_equal(found[name], events[name])
    assert (np.diff(found["t"]) >= 0).all()
    begins = [p.header.t_begin for p in run.packets]
    assert begins == [1000 * k for k in range(len(begins))]


def test_datagrams_are_full_and_short_enough() -> None:
    events = random_events(1000, *SENSOR, 1000)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.bind(("127.0.0.1", 0))
        link.settimeout(5)
        address = f"aer-udp://127.0.0.1:{link.getsockname()[1]}"
        with sending(address, form="t64_x16_y16_on8") as node:
            feed(node, events)
            sizes = []
            while sum(sizes) < 13 * len(events):
                sizes.append(len(link.recv(1 << 16)))
    assert set(sizes[:-1]) == {1472 // 13 * 13}
    assert sum(sizes) == 13 * len(events)


def test_what_is_no_event_is_skipped_counted_and_said() -> None:
    good = encode(random_events(10, *SENSOR, 100), "spif").tobytes()
    with receiving() as (run, address):
        for data in (b"", b"abc", good + b"12", good[:-4]):
            knock(address, data)
        until(lambda: run.n == 19, "the good events")
        assert run.node.facts()["skipped_bytes"] == 3 + 2 + 4
        assert any("9 bytes" in line for line in run.node.words())


def test_events_outside_the_sensor_are_dropped_and_said() -> None:
    with receiving(width=10, height=10) as (run, address):
        knock(address, encode(events_of([1, 2], [10, 9], [0, 9], [1, 1]), "spif").tobytes())
        until(lambda: run.n == 1, "the event inside")
        assert any("set width and height" in line for line in run.node.words())


def test_what_the_kernel_drops_is_counted_and_said() -> None:
    node = AerReceiver(address=LOOPBACK, buffer_kb=4, **SIZE)
    node.start()
    try:
        data = encode(random_events(180, *SENSOR, 1000), "spif").tobytes()
        for _ in range(200):
            knock(node.address, data)
        drops = int(node.facts()["kernel_drops"])
        assert 100 < drops < 200
        assert any(f"dropped {drops} datagrams" in line for line in node.words())
        assert node.actual()["buffer_kb"] == 4
        run = Running(node)
        with run:
            until(lambda: run.n == (200 - drops) * 180, "what the kernel kept")
    finally:
        node.stop()


def test_a_sender_that_begins_again_goes_on_in_time() -> None:
    events = random_events(500, *SENSOR, 20_000)
    with receiving() as (run, address):
        for k in range(3):
            with sending(address) as node:
                feed(node, events)
            until(lambda n=k + 1: run.n == n * len(events), "all events")
        assert run.node.facts()["clock_jumps"] == 2
    assert (np.diff(run.events["t"]) >= 0).all()
    assert len(run.resets()) == 3


def test_nobody_there_is_counted_and_said() -> None:
    events = random_events(5000, *SENSOR, 20_000)
    with sending(f"aer-udp://127.0.0.1:{free_udp_port()}") as node:
        feed(node, events)
        until(lambda: bool(node.words()) or feed(node, events), "a word that nobody listens")
        assert "nobody listens" in node.words()[0]


def test_ipv6() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    events = random_events(100, *SENSOR, 1000)
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 loopback here")
    with receiving(address="aer-udp://[::1]:0") as (run, address), sending(address) as node:
        assert address.startswith("aer-udp://[::1]:")
        feed(node, events)
        until(lambda: run.n == len(events), "all events")
        assert run.node.facts()["kernel_drops"] == 0


@pytest.mark.parametrize("kind", [AerReceiver, AerSender])
def test_beyond_this_host_must_be_asked_for(kind: type[AerReceiver]) -> None:
    with pytest.raises(SettingError, match="insecure = true"):
        kind(address="aer-udp://192.0.2.1:3333").start()


def test_addresses_that_are_none_get_one_clear_line() -> None:
    for address in ("", "udp://a:1", "aer-udp://", "aer-udp://h:0", "aer-udp://h:x"):
        with pytest.raises(SettingError, match="expected aer-udp://HOST:PORT"):
            AerSender(address=address).start()
    with pytest.raises(DeviceError, match="cannot find the host"):
        AerSender(address="aer-udp://no.such.host.invalid:1", insecure=True).start()


def test_a_port_in_use_gets_one_clear_line() -> None:
    with receiving() as (_, address), pytest.raises(ChannelError, match="cannot listen at"):
        AerReceiver(address=address).start()


def test_settings_at_a_source() -> None:
    settings = AerReceiver.settings_at("aer-udp://127.0.0.1:3333", 500)
    assert (settings.address, settings.packet_us) == ("aer-udp://127.0.0.1:3333", 500)


FAERY_SENDS = """
import sys, faery, numpy as np
port, form, file = int(sys.argv[1]), sys.argv[2], sys.argv[3]
rows = np.load(file)
events = np.zeros(len(rows), faery.EVENTS_DTYPE)
for k, name in enumerate(("t", "x", "y", "on")):
    events[name] = rows[:, k]
faery.events_stream_from_array(events, (346, 260)).to_udp(("127.0.0.1", port), format=form)
"""

FAERY_READS = """
import os, sys, faery, numpy as np
port, form, file, n = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
parts = []
stream = faery.events_stream_from_udp((346, 260), ("127.0.0.1", port), format=form)
print("ready", flush=True)
for events in stream:
    parts.append(events)
    if sum(map(len, parts)) >= n:
        break
np.save(file, np.concatenate(parts))
os._exit(0)
"""

FAERY_FORMS = ["t64_x16_y16_on8", "t32_x16_y15_on1"]


@pytest.mark.parametrize("form", FAERY_FORMS)
def test_what_faery_sends_is_received(form: str, tmp_path: Path) -> None:
    pytest.importorskip("faery")
    events = random_events(2000, *SENSOR, 20_000)
    file = tmp_path / "e.npy"
    np.save(file, np.stack([events[name].astype(np.int64) for name in "txyp"], axis=1))
    with receiving(form=form, zero=False) as (run, address):
        port = address.rpartition(":")[2]
        subprocess.run(
            [sys.executable, "-c", FAERY_SENDS, port, form, str(file)], check=True, timeout=30
        )
        until(lambda: run.n == len(events), "all events")
    np.testing.assert_array_equal(run.events, events)


@pytest.mark.parametrize("form", FAERY_FORMS)
def test_what_we_send_is_received_by_faery(form: str, tmp_path: Path) -> None:
    pytest.importorskip("faery")
    events = random_events(2000, *SENSOR, 20_000)
    out, port = tmp_path / "out.npy", free_udp_port()
    child = subprocess.Popen(
        [sys.executable, "-c", FAERY_READS, str(port), form, str(out), str(len(events))]
    )
    try:
        until(lambda: child.poll() is not None or _listens(port), "faery listens")
        with sending(f"aer-udp://127.0.0.1:{port}", form=form) as node:
            feed(node, events)
        assert child.wait(20) == 0
    finally:
        child.kill()
        child.wait()
    read = np.load(out)
    for ours, theirs in (("t", "t"), ("x", "x"), ("y", "y"), ("p", "on")):
        np.testing.assert_array_equal(read[theirs], events[ours])


def _listens(port: int) -> bool:
    wanted = f":{port:04X}"
    lines = Path("/proc/net/udp").read_text().splitlines()[1:]
    return any(line.split()[1].endswith(wanted) for line in lines)


AESTREAM_READS = """
import os, sys, time, aestream, numpy as np
port, file, n = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
with aestream.UDPInput((346, 260), port=port) as stream:
    total = np.zeros((346, 260))
    end = time.monotonic() + 20
    while total.sum() < n and time.monotonic() < end:
        total += stream.read()
np.save(file, total)
os._exit(0)
"""


def test_what_we_send_is_received_by_aestream(tmp_path: Path) -> None:
    """Its Python class reads the form without times, and gives frames of counts."""
    pytest.importorskip("aestream", reason="aestream is not installed")
    events = random_events(2000, *SENSOR, 20_000)
    out, port = tmp_path / "out.npy", free_udp_port()
    child = subprocess.Popen(
        [sys.executable, "-c", AESTREAM_READS, str(port), str(out), str(len(events))]
    )
    try:
        until(lambda: child.poll() is not None or _listens(port), "aestream listens")
        with sending(
            f"aer-udp://127.0.0.1:{port}", form="spif-untimed", datagram_bytes=512
        ) as node:
            feed(node, events)
        assert child.wait(30) == 0
    finally:
        child.kill()
        child.wait()
    expected = np.zeros(SENSOR)
    np.add.at(expected, (events["x"], events["y"]), 1)
    np.testing.assert_array_equal(np.load(out), expected)


def test_a_receiver_stops_at_once_in_silence() -> None:
    with receiving() as (run, _):
        assert threading.active_count() >= 2
    assert not run.packets
