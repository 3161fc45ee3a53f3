"""Nodes on real sockets, each run by a thread, for the tests of what goes beside packets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

from pipeline import EventPacket, Meta, Node, Packet, Settings, SourceNode
from pipeline.board import Board
from pipeline.packets import EventHeader
from pipeline.runtime import Control, Runner
from tests.pipeline.ends import BOUND_S, Wire, numbered


class DialSettings(Settings):
    dial: Annotated[int, Meta(ge=0, le=100, description="how far it is turned")] = 0
    fixed: int = 1


class Dialled(Node):
    """Passes packets on; can be turned."""

    settings_type = DialSettings
    accepts = (EventPacket,)
    emits = (EventPacket,)
    live = frozenset({"dial"})
    actions = {"ring": "ring once"}

    def __init__(self, settings: Settings | None = None, **values: object) -> None:
        super().__init__(settings, **values)
        self.rung: list[str] = []
        self.turned: list[int] = []
        self.count = 0

    def retuned(self, names: set[str]) -> None:
        self.turned.append(self.settings.dial)

    def act(self, name: str, value: str) -> None:
        self.rung.append(value)

    def process(self, packet: Packet) -> Iterator[Packet]:
        assert isinstance(packet, EventPacket)
        self.count += 1
        head = packet.header
        yield EventPacket(
            EventHeader(
                t_begin=head.t_begin, t_end=head.t_end, width=34, height=34, n=head.n
            ),
            bytes(packet.payload),
        )  # fmt: skip


class Ticking(SourceNode):
    """Gives packets for ever, as they are wanted."""

    settings_type = DialSettings
    emits = (EventPacket,)
    live = frozenset({"dial"})

    def produce(self) -> Iterator[Packet]:
        i = 0
        while not self.stopping():
            yield numbered(i)
            i += 1
            self.wait(1)


class Sink(Dialled):
    emits = ()

    def process(self, packet: Packet) -> Iterator[Packet]:
        self.count += 1
        yield from ()


@dataclass
class Nodes:
    """Runs nodes; ``stop`` ends all of them."""

    wire: Wire
    control: Control = field(default_factory=Control)
    threads: list[threading.Thread] = field(default_factory=list)
    failed: list[BaseException] = field(default_factory=list)
    boards: dict[str, Board] = field(default_factory=dict)

    def run(
        self, node: Node, endpoint: str | None = None, inputs: tuple[str, ...] = (), **options: Any
    ) -> Runner:
        """Start a node that gives at ``endpoint`` and takes from ``inputs`` (``NAME@ENDPOINT``)."""
        board = self.boards[node.name] = Board()
        stop = self.control.stop.is_set
        outlet = None
        if endpoint is not None:
            outlet = self.wire.outlet(endpoint, node.name, board=board, stop=stop)[0]
        inlets = []
        for text in inputs:
            name, _, at = text.partition("@")
            taker = self.wire.taker(at, node.name, name, board=board, kinds=node.accepts)
            inlets.append(taker.inlet)
        runner = Runner(node, inlets, outlet, board, self.control, alone=False, **options)

        def work() -> None:
            try:
                runner.run()
            except BaseException as error:
                self.failed.append(error)

        thread = threading.Thread(target=work, daemon=True)
        self.threads.append(thread)
        thread.start()
        self.control.go.set()
        return runner

    def stop(self) -> None:
        """End all nodes, and raise what any of them raised."""
        self.control.stop.set()
        for thread in self.threads:
            thread.join(BOUND_S)
            assert not thread.is_alive()
        if self.failed:
            raise self.failed[0]


def named(node: Node, name: str) -> Any:
    """Give a node its name."""
    node.name = name
    return node
