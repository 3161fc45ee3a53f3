"""One process to another, lossless: our channel, bare pyzmq and dv-processing in the same run.

Ours is the whole way of a packet through the runtime: a source node's process, header, credits,
counters, a consuming node's process. Bare pyzmq is PUSH/PULL over ipc with the payload alone, the
better of copying and not copying taken for each size. Rates are from the first packet's arrival
to the last's. Every run of ours must account for every packet and event.
"""

from __future__ import annotations

import statistics
import time

import numpy as np
import zmq

from benchmarks.ends import Stuck, endpoint, together
from benchmarks.harness import Row, in_turn, row
from benchmarks.nodes import Count, FeedSettings, check_sums, give, take
from pipeline.latency import quantile_ms
from pipeline.memory import keep_freed_memory

_SIZES = (256, 4096, 16384, 65536)
_LATENCY_EVENTS = 10_000
_GO = b"go"
_END = b"end"
_KEPT: list[object] = []
"""A dv writer may hang when it is deleted while a reader is connected; its process just ends."""


def rows(*, quick: bool = False) -> list[Row]:
    """Measure throughput at four sizes of packet, then one hop at 1,000 packets/s."""
    runs = 3 if quick else 7
    found: list[Row] = []
    for size in _SIZES:
        total = (20_000_000 if size == 256 else 200_000_000) // (10 if quick else 1)
        packets = max(100, total // size)
        contestants = {
            "ours": lambda n=size, k=packets: ours(n, k),
            "copy": lambda n=size, k=packets: bare(n, k, copy=True),
            "no copy": lambda n=size, k=packets: bare(n, k, copy=False),
        }
        if size == 16384:
            contestants["dv"] = lambda n=size, k=packets // 8: dv(n, k)
        values = in_turn(contestants, runs)
        better = max(("copy", "no copy"), key=lambda c: statistics.median(values[c]))
        unit = "Mev/s"
        found.append(row(f"{size} events/packet: ours", unit, values["ours"]))
        found.append(
            row(f"{size} events/packet: bare pyzmq ({better})", unit, values[better], peer=True)
        )
        if "dv" in values:
            found.append(row(f"{size} events/packet: dv-processing", unit, values["dv"], peer=True))
    return found + _latency_rows(runs, packets=500 if quick else 3000)


# Ours.


def _count(address: str) -> tuple[float, tuple[int, int, list[int]]]:
    node = Count()
    taken = take(address, node)
    seconds = max(node.last_ns - node.first_ns, 1) / 1e9
    return seconds, taken


def ours(size: int, packets: int) -> float:
    """Return million events a second through our channel."""
    with endpoint() as address:
        given, (seconds, taken) = together(
            (give, (address, FeedSettings(packets=packets, events=size))), (_count, (address,))
        )
    check_sums(given, taken)
    return float((packets - 1) * size / seconds / 1e6)


# Bare pyzmq.


def _push(address: str, size: int, packets: int, copy: bool, pace_s: float) -> None:
    keep_freed_memory()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.PUSH)
    socket.sndhwm = 64
    socket.bind(address)
    rng = np.random.default_rng(0)
    payloads = [rng.integers(0, 2**62, size).tobytes() for _ in range(16)]
    # Blocks until the other end is there: its start is no part of the hop.
    socket.send(_GO)
    due = time.monotonic()
    for k in range(packets):
        if pace_s:
            due += pace_s
            while (left := due - time.monotonic()) > 0:
                time.sleep(left)
            # Born when due, like ours: a late start is part of the hop.
            socket.send(round(due * 1e9).to_bytes(8, "little"), zmq.SNDMORE)
        if copy:
            socket.send(payloads[k % 16])
        else:
            socket.send(payloads[k % 16], copy=False)
    socket.send(_END)
    socket.close(linger=10_000)
    context.term()


def _pull(address: str, size: int, copy: bool, paced: bool) -> tuple[float, int, list[int]]:
    keep_freed_memory()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.PULL)
    socket.rcvhwm = 64
    socket.connect(address)
    assert socket.recv() == _GO
    first = last = 0
    packets = 0
    ages: list[int] = []
    while True:
        head = socket.recv() if paced else None
        if head == _END:
            break
        frame = socket.recv(copy=copy)
        if not paced and len(frame) == len(_END):
            break
        last = time.monotonic_ns()
        first = first or last
        packets += 1
        if head is not None:
            ages.append(last - int.from_bytes(head, "little"))
    socket.close(linger=0)
    context.term()
    return (last - first) / 1e9, packets, ages


def bare(size: int, packets: int, *, copy: bool) -> float:
    """Return million events a second through PUSH/PULL."""
    try:
        return _bare(size, packets, copy)
    except Stuck:
        # Sending without a copy now and then hangs in a process that ends: one more try.
        return _bare(size, packets, copy)


def _bare(size: int, packets: int, copy: bool) -> float:
    with endpoint() as address:
        _, (seconds, taken, _) = together(
            (_push, (address, size, packets, copy, 0.0)), (_pull, (address, size, copy, False))
        )
    assert taken == packets
    return float((packets - 1) * size / seconds / 1e6)


# dv-processing.


def _dv_write(path: str, size: int, packets: int) -> None:
    import dv_processing as peer

    stream = peer.io.Stream.EventStream(0, "events", "bench", (640, 480))
    writer = peer.io.NetworkWriter(peer.Path(path), stream)
    _KEPT.append(writer)
    store = peer.EventStore()
    rng = np.random.default_rng(0)
    for t, x, y, p in zip(
        np.sort(rng.integers(0, 1000, size)), rng.integers(0, 640, size),
        rng.integers(0, 480, size), rng.integers(0, 2, size), strict=True,
    ):  # fmt: skip
        store.push_back(int(t), int(x), int(y), bool(p))
    while writer.getClientCount() == 0:
        time.sleep(0.001)
    for _ in range(packets):
        # Its reader drops in silence above 1,000 packets: hold back before that.
        while writer.getQueuedPacketCount() > 100:
            time.sleep(0.0001)
        writer.writeEvents(store)
    while writer.getQueuedPacketCount() > 0:
        time.sleep(0.001)
    time.sleep(1.0)


def _dv_read(path: str, size: int, packets: int) -> tuple[float, int]:
    import dv_processing as peer

    end = time.monotonic() + 60
    while True:
        try:
            reader = peer.io.NetworkReader(peer.Path(path))
            break
        except RuntimeError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
    first = last = time.monotonic()
    events = 0
    while events < size * packets and last - first < 60:
        batch = reader.getNextEventBatch()
        if batch is None:
            if time.monotonic() - last > 10:
                break
            continue
        last = time.monotonic()
        if not events:
            first = last
        events += batch.size()
    return last - first, events


def dv(size: int, packets: int) -> float:
    """Return million events a second from NetworkWriter to NetworkReader over a UNIX socket."""
    with endpoint() as address:
        path = address.removeprefix("ipc://")
        _, (seconds, events) = together(
            (_dv_write, (path, size, packets)), (_dv_read, (path, size, packets))
        )
    return float((events - size) / seconds / 1e6)


# One hop, paced.


def _quantiles(samples: list[int]) -> tuple[float, float]:
    ms = np.array(samples) / 1e6
    return float(np.quantile(ms, 0.5)), float(np.quantile(ms, 0.99))


def _hop_ours(packets: int) -> tuple[float, float]:
    settings = FeedSettings(packets=packets, events=_LATENCY_EVENTS, pace=1.0)
    with endpoint() as address:
        given, (_, taken) = together((give, (address, settings)), (_count, (address,)))
    check_sums(given, taken)
    p50, p99 = quantile_ms(taken[2], 0.5), quantile_ms(taken[2], 0.99)
    assert p50 is not None
    assert p99 is not None
    return p50, p99


def _hop_bare(packets: int) -> tuple[float, float]:
    with endpoint() as address:
        _, (_, _, ages) = together(
            (_push, (address, _LATENCY_EVENTS, packets, False, 0.001)),
            (_pull, (address, _LATENCY_EVENTS, False, True)),
        )
    return _quantiles(ages)


def _latency_rows(runs: int, packets: int) -> list[Row]:
    pairs: dict[str, list[tuple[float, float]]] = {"ours": [], "bare pyzmq": []}
    for _ in range(runs):
        pairs["ours"].append(_hop_ours(packets))
        pairs["bare pyzmq"].append(_hop_bare(packets))
    return [
        row(f"one hop, 1,000 packets/s of 10,000 events: {who} {what}", "ms",
            [pair[i] for pair in values], peer=who != "ours")
        for i, what in enumerate(("p50", "p99"))
        for who, values in pairs.items()
    ]  # fmt: skip
