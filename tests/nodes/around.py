"""Real nodes around a viewer, in this process: asked and told of as the runtime does it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nodes.view.memory import Memory
from nodes.view.node import View
from nodes.view.window import Window
from pipeline import Node, SourceNode
from pipeline.channel.inlet import Inlet
from pipeline.errors import RetinaError
from pipeline.reporting import describe_node
from pipeline.status import Answer, EdgeStatus, NodeStatus
from pipeline.tuning import tune

MS = 1_000_000


class Around:
    """Nodes by name; ``asked`` is everything that they were asked for, in its order.

    While ``mute`` is set nobody answers, and nothing is done.
    """

    def __init__(self, **nodes: Node) -> None:
        self.nodes = nodes
        self.asked: list[tuple[str, str, str]] = []
        self.mute = False
        self._number = 0
        self._answers: dict[str, list[Answer]] = {name: [] for name in nodes}
        self._refused: dict[str, dict[str, str]] = {name: {} for name in nodes}
        for name, node in nodes.items():
            node.name = name
            node.start()

    def ask(self, node: str, key: str, value: str) -> int:
        self.asked.append((node, key, value))
        self._number += 1
        number = self._number
        if self.mute:
            return number
        why = ""
        try:
            tune(self.nodes[node], key, value)
        except RetinaError as error:
            why = str(error)
        self._answers[node].append(Answer(number, key, value, why))
        self._refused[node].pop(key, None)
        if why:
            self._refused[node][key] = why
        return number

    def statuses(self) -> dict[str, NodeStatus]:
        found = {}
        for name, node in self.nodes.items():
            status = describe_node(node, self._refused[name])
            status.answers = list(self._answers[name])
            directions = ("out",) if isinstance(node, SourceNode) else ("in", "out")
            status.edges = [EdgeStatus("another", direction) for direction in directions]
            found[name] = status
        return found

    def adopt(self, inlet: Inlet) -> None:
        raise AssertionError("a viewer makes no links of its own")


class Seat:
    """A window among nodes; ``tell`` lets it hear of them."""

    def __init__(self, around: Around, **settings: object) -> None:
        self.around = around
        self.view = View(**settings)
        self.view.surroundings = around
        self.entries: list[dict[str, object]] = []
        self.view.journal = self.entries.append
        self.window = Window(self.view, Memory(None))
        self.window.show()
        self.desk = self.window.desk
        self._now_ns = 0
        self.tell()

    def tell(self) -> None:
        """Let a quarter of a second pass."""
        self._now_ns += 251 * MS
        self.window.refresh(self._now_ns)

    def asked(self) -> list[tuple[str, str, str]]:
        """Return what was asked for since the last time."""
        asked, self.around.asked = self.around.asked, []
        return asked


@contextmanager
def seated(around: Around, **settings: object) -> Iterator[Seat]:
    """Have a window among nodes, and close all in the end."""
    seat = Seat(around, **settings)
    try:
        yield seat
    finally:
        seat.window.dispose()
        for node in around.nodes.values():
            node.stop()
