"""A guest that takes no packets: it watches a running pipeline, and asks its nodes."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from types import TracebackType

import zmq

from pipeline.board import Board
from pipeline.channel.endpoints import Security
from pipeline.channel.inlet import Inlet
from pipeline.clock import MonotonicClock
from pipeline.errors import ChannelError, RetinaError
from pipeline.node import Node
from pipeline.plane import Plane
from pipeline.status import Answer, NodeStatus

_HELLO_S = 3.0
_ROUND_S = 0.7
"""In so long everyone has told how it is, and been heard at the far end."""
_ANSWER_S = 3.0
_POLL_MS = 20


class Watcher:
    """Attaches to a node at ``endpoint`` and hears of all that are connected with it.

    To be used by one thread. Raises ChannelError where nobody answers.
    """

    def __init__(self, endpoint: str, security: Security | None = None) -> None:
        self.endpoint = endpoint
        self._clock = MonotonicClock()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        name = f"watch-{os.getpid()}-{secrets.token_hex(2)}"
        try:
            self._inlet = Inlet(
                name, endpoint, endpoint, self._context, kinds=(), policy="latest",
                security=security,
            )  # fmt: skip
        except RetinaError:
            self._context.term()
            raise
        node = Node()
        node.name = name
        self._plane = Plane(node, [self._inlet], None, Board(), tells=False)
        try:
            self._until(lambda: self._inlet.greeted, _HELLO_S)
            if not self._inlet.greeted:
                raise ChannelError(f"{endpoint}: nobody answers in {_HELLO_S:g} s")
        except BaseException:
            self.close()
            raise

    @property
    def ended(self) -> bool:
        """Whether the node that this is attached to has sent its last packet."""
        return self._inlet.ended

    def watch(self, seconds: float = _ROUND_S) -> dict[str, NodeStatus]:
        """Listen for so long; return the latest status of every node heard of, by name."""
        self._until(lambda: self.ended, seconds)
        return self._plane.statuses()

    def silent_s(self) -> dict[str, float]:
        """Return for how long nothing was heard of each node."""
        now = self._clock.now_ns()
        return {name: (now - at) / 1e9 for name, at in self._plane.heard_ns().items()}

    def ask(self, node: str, key: str, value: str) -> Answer:
        """Ask a node for a setting or an action; return what became of it.

        Raises ChannelError where the node is not known, or does not answer in time.
        """
        self._until(lambda: node in self._plane.statuses(), _ROUND_S)
        known = self._plane.statuses()
        if node not in known:
            names = ", ".join(sorted(known)) or "none"
            raise ChannelError(f"{self.endpoint}: knows no node '{node}' (known: {names})")
        number = self._plane.ask(node, key, value)
        self._until(lambda: self._answer(number) is not None, _ANSWER_S)
        answer = self._answer(number)
        if answer is None:
            raise ChannelError(f"{node}: did not answer in {_ANSWER_S:g} s")
        return answer

    def _answer(self, number: int) -> Answer | None:
        statuses = self._plane.statuses().values()
        return next((a for s in statuses for a in s.answers if a.number == number), None)

    def _until(self, what: Callable[[], bool], seconds: float) -> None:
        end = self._clock.now_ns() + round(seconds * 1e9)
        while not what() and self._clock.now_ns() < end:
            self._inlet.socket.poll(_POLL_MS)
            self._inlet.take()
            self._inlet.receipts.grant(idle=True)
            self._plane.gossip()

    def close(self) -> None:
        """Take leave."""
        self._plane.close()
        self._inlet.close()
        self._context.term()

    def __enter__(self) -> Watcher:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
