"""Neighbours' protocols between two processes: DV's over a Unix socket, address events over UDP.

DV: packets of 16,384 events, uncompressed; each end is ours or dv-processing's. Ours is the whole
node: from EventPackets to bytes, and from bytes to EventPackets of 1 ms. Rates are from the first
packet's arrival to the last but one's (ours holds the last back for a while, for there might be
more); every event must arrive.

UDP: packets of 1 ms, flat out and at 10 million events a second; rates are of what arrived, and
what did not is told beside them. faery's own sender and receiver are the peer.
"""

from __future__ import annotations

import functools
import importlib.util
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks.ends import together
from benchmarks.harness import Row, in_turn, row
from nodes.aer.receiver import AerReceiver
from nodes.aer.sender import AerSender
from nodes.dv.reader import DvReader
from nodes.dv.server import DvServer
from pipeline import EventPacket
from pipeline.events import EVENT, Events
from pipeline.memory import keep_freed_memory
from pipeline.packets import EventHeader

SIZE = 16384
SPAN_US = 1000
SENSOR = (640, 480)
_DISTINCT = 16
_PATIENCE_S = 30.0
_LULL_S = 0.4
_KEPT: list[object] = []
"""A dv writer may hang when it is deleted while a reader is connected; its process just ends."""

End = Literal["ours", "dv"]


def rows(*, quick: bool = False) -> list[Row]:
    """Measure every pair of ends in turn."""
    runs = 3 if quick else 5
    packets = 200 if quick else 1200
    found = []
    pairs: list[tuple[End, End]] = [("ours", "ours"), ("dv", "ours"), ("ours", "dv"), ("dv", "dv")]
    values = in_turn({f"{a} → {b}": _dv_run(a, b, packets) for a, b in pairs}, runs)
    for name, each in values.items():
        found.append(row(f"DV's stream: {name}", "Mev/s", each, peer=name == "dv → dv"))
    return found + _udp_rows(runs, quick=quick)


def _events(k: int, n: int = SIZE, span_us: int = SPAN_US) -> Events:
    rng = np.random.default_rng(k % _DISTINCT)
    events = np.zeros(n, EVENT)
    events["t"] = np.sort(rng.integers(0, span_us, n))
    events["x"] = rng.integers(0, SENSOR[0], n)
    events["y"] = rng.integers(0, SENSOR[1], n)
    events["p"] = rng.integers(0, 2, n)
    return events


def _packets(n_packets: int, n: int = SIZE, span_us: int = SPAN_US) -> Iterator[EventPacket]:
    """Yield packets one after another in time; their payloads are made once and shared."""
    payloads = []
    for k in range(_DISTINCT):
        header = EventHeader(t_begin=0, t_end=span_us, width=SENSOR[0], height=SENSOR[1], n=0)
        payloads.append(EventPacket.of(_events(k, n, span_us), header).payload)
    for k in range(n_packets):
        header = EventHeader(
            t_begin=k * span_us, t_end=(k + 1) * span_us, width=SENSOR[0], height=SENSOR[1], n=n
        )
        yield EventPacket(header, payloads[k % _DISTINCT])


# DV's stream.


def _dv_run(giver: End, taker: End, packets: int) -> Any:
    give = {"ours": _give, "dv": _dv_give}[giver]
    take = {"ours": _take, "dv": _dv_take}[taker]

    def run() -> float:
        with tempfile.TemporaryDirectory(prefix="retina-bench-") as folder:
            path = f"{folder}/s"
            _, seen = together((give, (path, packets)), (take, (path, packets)))
        events = sum(n for _, n in seen)
        assert events == SIZE * packets, f"{giver} → {taker}: {events} of {SIZE * packets} events"
        seconds = seen[-2][0] - seen[0][0]
        return float(sum(n for _, n in seen[1:-1]) / seconds / 1e6)

    return run


def _give(path: str, packets: int) -> None:
    keep_freed_memory()
    node = DvServer(
        address=f"dv://{path}", packet_us=0, queue_mb=4096, width=SENSOR[0], height=SENSOR[1]
    )
    node.start()
    _until(lambda: node.facts()["clients"] == 1)
    for packet in _packets(packets):
        for _ in node.feed(packet):
            pass
    _until(lambda: node.facts()["clients"] == 0)
    node.stop()


def _take(path: str, packets: int) -> list[tuple[float, int]]:
    keep_freed_memory()
    node = DvReader(address=f"dv://{path}")
    seen = [(time.monotonic(), 0)]
    events = 0
    node.stopping = lambda: time.monotonic() - seen[-1][0] > _PATIENCE_S
    for packet in node:
        if packet.size:
            seen.append((time.monotonic(), packet.size))
            events += packet.size
            if events == SIZE * packets:
                break
    return seen[1:]


def _dv_give(path: str, packets: int) -> None:
    import dv_processing as dv

    stores = list(_stores(packets))
    writer = dv.io.NetworkWriter(
        dv.Path(path), dv.io.Stream.EventStream(0, "events", "bench", SENSOR)
    )
    _KEPT.append(writer)
    _until(lambda: writer.getClientCount() > 0)
    for store in stores:
        # Its reader drops in silence above 1,000 packets: hold back before that.
        while writer.getQueuedPacketCount() > 100:
            time.sleep(0.0001)
        writer.writeEvents(store)
    # What is queued no more may still be on its way: the reader says when it has had enough.
    _until(lambda: writer.getClientCount() == 0)


def _stores(packets: int) -> Iterator[Any]:
    """Yield the events of ``_packets`` as dv's; by way of a file, for it has no other fast way."""
    import dv_processing as dv

    from recordings.evts import MAGIC, IOHeader, Stream, encode_events, encode_header

    with tempfile.TemporaryDirectory(prefix="retina-bench-") as folder:
        path = Path(folder) / "e.aedat4"
        with path.open("wb") as file:
            header = IOHeader(streams=(Stream(width=SENSOR[0], height=SENSOR[1]),))
            file.write(MAGIC + encode_header(header))
            for packet in _packets(packets):
                file.write(b"".join(encode_events(packet.events)))
        reader = dv.io.MonoCameraRecording(dv.Path(str(path)))
        while (store := reader.getNextEventBatch()) is not None:
            yield store


def _dv_take(path: str, packets: int) -> list[tuple[float, int]]:
    import dv_processing as dv

    _until(lambda: Path(path).is_socket())
    reader = dv.io.NetworkReader(dv.Path(path))
    _KEPT.append(reader)
    seen = [(time.monotonic(), 0)]
    events = 0
    while events < SIZE * packets and time.monotonic() - seen[-1][0] < _PATIENCE_S:
        store = reader.getNextEventBatch()
        if store is None:
            continue
        n = len(store.numpy())
        seen.append((time.monotonic(), n))
        events += n
    return seen[1:]


# Address events over UDP.


def _udp_rows(runs: int, *, quick: bool) -> list[Row]:
    packets = 150 if quick else 1000
    pairs = {
        "spif, flat out": (_udp_give, _udp_take, "spif", None),
        "t64_x16_y16_on8, flat out": (_udp_give, _udp_take, "t64_x16_y16_on8", None),
        "t64_x16_y16_on8, flat out: faery": (_faery_give, _faery_take, "t64_x16_y16_on8", None),
        "spif, 10 Mev/s": (_udp_give, _udp_take, "spif", 1.0),
    }
    if importlib.util.find_spec("faery") is None:
        del pairs["t64_x16_y16_on8, flat out: faery"]
    lost: dict[str, list[float]] = {name: [] for name in pairs}

    def measure(name: str) -> float:
        give, take, form, pace = pairs[name]
        port = _free_port()
        sent, (seconds, events) = together(
            (give, (port, packets, form, pace)), (take, (port, packets, form))
        )
        lost[name].append(100 * (1 - events / sent))
        return float(events / seconds / 1e6) if seconds else 0.0

    values = in_turn({name: functools.partial(measure, name) for name in pairs}, runs)
    found = []
    for name, each in values.items():
        peer = name.endswith("faery")
        found.append(row(f"UDP, {name}", "Mev/s", each, peer=peer))
        found.append(row(f"UDP, {name}: lost", "%", lost[name], peer=peer))
    return found


_UDP_SIZE = 10_000


def _udp_give(port: int, packets: int, form: str, pace: float | None) -> int:
    keep_freed_memory()
    node = AerSender(address=f"aer-udp://127.0.0.1:{port}", form=form)
    node.start()
    _until(lambda: _listens(port))
    began = time.monotonic()
    for packet in _packets(packets, _UDP_SIZE):
        if pace is not None:
            while time.monotonic() - began < packet.header.t_end / 1e6 / pace:
                time.sleep(0.0001)
        for _ in node.feed(packet):
            pass
    node.stop()
    return packets * _UDP_SIZE


def _udp_take(port: int, packets: int, form: str) -> tuple[float, int]:
    keep_freed_memory()
    node = AerReceiver(
        address=f"aer-udp://127.0.0.1:{port}", form=form, width=SENSOR[0], height=SENSOR[1]
    )
    began = last = 0.0
    start = time.monotonic()
    events = 0
    node.stopping = lambda: time.monotonic() - (last or start + _PATIENCE_S) > _LULL_S
    for packet in node:
        if packet.size:
            last = time.monotonic()
            began = began or last
            events += packet.size
    return last - began, events


def _faery_give(port: int, packets: int, form: str, pace: float | None) -> int:
    import faery

    parts = []
    for k in range(_DISTINCT):
        events = _events(k, _UDP_SIZE)
        part = np.zeros(len(events), faery.EVENTS_DTYPE)
        for ours, theirs in zip("txyp", ("t", "x", "y", "on"), strict=True):
            part[theirs] = events[ours]
        parts.append(part)
    whole = np.concatenate([parts[k % _DISTINCT] for k in range(packets)])
    whole["t"] += np.repeat(np.arange(packets, dtype=np.uint64) * SPAN_US, _UDP_SIZE)
    _until(lambda: _listens(port))
    stream = faery.events_stream_from_array(whole, SENSOR)
    stream.to_udp(("127.0.0.1", port), format=form)
    return packets * _UDP_SIZE


def _faery_take(port: int, packets: int, form: str) -> tuple[float, int]:
    import threading

    import faery

    seen: list[tuple[float, int]] = []

    def read() -> None:
        for events in faery.events_stream_from_udp(SENSOR, ("127.0.0.1", port), format=form):
            seen.append((time.monotonic(), len(events)))

    threading.Thread(target=read, daemon=True).start()
    start = time.monotonic()
    while time.monotonic() - (seen[-1][0] if seen else start + _PATIENCE_S) < _LULL_S:
        time.sleep(0.05)
    return seen[-1][0] - seen[0][0] if seen else 0.0, sum(n for _, n in seen)


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    wanted = f":{port:04X}"
    lines = Path("/proc/net/udp").read_text().splitlines()[1:]
    return any(line.split()[1].endswith(wanted) for line in lines)


def _until(condition: Any) -> None:
    end = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "the other end does not come"
        time.sleep(0.001)
