"""An endless flood of messages that are no packets: the consumer still hears what else is asked."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
import zmq

from pipeline import EventPacket, Node, Packet
from pipeline.board import Board, EdgeSlot
from pipeline.channel import Inlet, protocol
from pipeline.clock import DrivenClock
from pipeline.packets import EventHeader
from pipeline.runtime import Control, Runner
from pipeline.wire import PROTOCOL_VERSION, encode
from tests.pipeline.ends import BOUND_S, Wire, numbered

BAD: dict[str, tuple[bytes, ...]] = {
    "foreign": (b"GET / HTTP/1.1\r\n",),
    "many frames": (b"SR", b"", b""),
    "words of another version": (b"SC" + bytes([PROTOCOL_VERSION + 1, 4]),),
    "words that change nothing": (protocol.encode(protocol.Welcome("p", 0, 0, "h")),),
    "a lie behind a true prefix": (b"SR" + bytes([PROTOCOL_VERSION, ord("E")]) + bytes(60),),
}


class Endless:
    """A socket that gives the same message again and again."""

    def __init__(self, frames: tuple[bytes, ...]) -> None:
        last = len(frames) - 1
        self._frames = [
            SimpleNamespace(bytes=frame, buffer=memoryview(frame), more=i < last)
            for i, frame in enumerate(frames)
        ]
        self.received = 0

    def recv(self, *_: Any, **__: Any) -> SimpleNamespace:
        frame = self._frames[self.received % len(self._frames)]
        self.received += 1
        return frame

    def send(self, *_: Any) -> None:
        """Take the consumer's words for nothing."""


@pytest.mark.parametrize("what", BAD)
def test_take_comes_back_out_of_a_flood(
    wire: Wire, ipc: str, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    taker = wire.taker(ipc)
    endless = Endless(BAD[what])
    with monkeypatch.context() as patch:
        patch.setattr(taker.inlet, "socket", endless)
        for _ in range(3):
            before = endless.received
            assert taker.inlet.take() is None
            assert 0 < endless.received - before < 10_000


def test_packets_behind_very_many_bad_ones_are_reached(wire: Wire, ipc: str) -> None:
    taker = wire.taker(ipc)
    good = encode(numbered(0))[0]
    bad = bytearray(good)
    bad[3] = ord("Z")
    taker.inlet._view, taker.inlet._at = memoryview(bytes(bad) * 1000 + bytes(good)), 0
    passes = 0
    while (packet := taker.inlet.take()) is None:
        passes += 1
    assert packet.header.seq == 0
    assert taker.inlet.rejected == 1000
    assert 1 < passes < 1000


class Sink(Node):
    accepts = (EventPacket,)

    def process(self, packet: Packet):
        yield from ()


def test_a_node_in_a_flood_stops_when_it_is_told_to(wire: Wire, ipc: str) -> None:
    producer = wire.context().socket(zmq.ROUTER)
    producer.linger = 0
    producer.bind(ipc)
    board, control, clock = Board(), Control(), DrivenClock()
    said: list[str] = []
    over = threading.Event()

    def flood() -> None:
        peer = producer.recv_multipart()[0]
        while not over.is_set():
            producer.send_multipart([peer, *BAD["foreign"]])

    inlet = Inlet("c", "p", ipc, wire.context(), board=board, clock=clock)
    wire.ends.append(inlet)
    runner = Runner(Sink(), [inlet], None, board, control, clock=clock, say=said.append)
    threads = [threading.Thread(target=work, daemon=True) for work in (flood, runner.run)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + BOUND_S
    while inlet.account[EdgeSlot.REJECTED_PACKETS] < 5000 and time.monotonic() < end:
        threading.Event().wait(0.001)
    control.stop.set()
    begun = time.monotonic()
    threads[1].join(BOUND_S)
    assert not threads[1].is_alive()
    assert time.monotonic() - begun < 2
    over.set()
    threads[0].join(BOUND_S)
    producer.close()
    assert inlet.rejected >= 5000
    # On the clock of this test no second has passed: one line is enough.
    assert len(said) <= 1


def test_what_was_amiss_is_told_at_the_end_at_the_latest(wire: Wire, ipc: str) -> None:
    outlet, at = wire.outlet(ipc)
    said: list[str] = []
    board, control = Board(), Control()
    inlet = Inlet("c", "p", at, wire.context(), board=board)
    wire.ends.append(inlet)
    runner = Runner(Sink(), [inlet], None, board, control, clock=DrivenClock(), say=said.append)
    thread = threading.Thread(target=runner.run, daemon=True)
    thread.start()
    outlet.wait_for_consumer()
    lie = EventPacket(EventHeader(stream="p/events", width=0, height=0, n=0), b"")
    outlet.send(lie)
    outlet.end()
    thread.join(BOUND_S)
    assert not thread.is_alive()
    assert said == [
        "p → c: skipped a bad packet: a sensor of 0×0 pixels is not 1 to 32768 each way"
    ]
