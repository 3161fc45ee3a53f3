"""The launcher: a process for each node, watched, restarted, drained and cleaned up after."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

import msgspec

from pipeline import spares
from pipeline.board import Board, NodeSlot, State
from pipeline.channel.endpoints import run_directory
from pipeline.errors import NodeFailed, RetinaError
from pipeline.graph import Graph, NodeSpec
from pipeline.process import (
    Assignment,
    Failure,
    Input,
    Output,
    Part,
    board_path,
    failure_path,
)
from pipeline.report import Report, make_report
from pipeline.runs import note_run

MAX_RESTARTS = 5
"""How often one process may die before the run is given up."""

_BACK_OFF_S = 0.1
_HEALTHY_S = 30.0
_READY_S = 30.0
_DRAIN_S = 15.0
_STOP_S = 5.0
_TICK_S = 0.1
_SHORT_TICK_S = 0.01
"""As long as nodes start: whoever looks at a window waits for them."""


@dataclass
class Child:
    """One node process and its history."""

    name: str
    parts: list[NodeSpec]
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    failures: int = 0
    started_s: float = 0.0
    due_s: float | None = None
    ended: bool = False
    buffers: dict[int, bytearray] = field(default_factory=dict)


class Launcher:
    """Runs a graph to its end.

    ``say(node, line)`` gets every line that a node prints; ``tick(boards, children)`` is called
    about ten times a second with the live counters.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        duration_s: float | None = None,
        say: Callable[[str, str], None] | None = None,
        tick: Callable[[dict[str, Board], list[Child]], None] | None = None,
        debug: bool = False,
    ) -> None:
        self.graph = graph
        self.directory = Path()
        self.boards: dict[str, Board] = {}
        self.children = [Child(name, parts) for name, parts in graph.processes().items()]
        self._duration_s = duration_s
        self._say = say or (lambda node, line: print(line, flush=True))
        self._tick = tick or (lambda boards, children: None)
        self._debug = debug
        self._selector = selectors.DefaultSelector()
        self._interrupts = 0
        self._went = False
        self._draining_since: float | None = None
        self._last_progress = -1
        self._error: RetinaError | None = None

    def run(self) -> Report:
        """Run until every node has ended; raise what made the run fail, after cleaning up.

        The report of a run that failed hangs on the exception as ``report``.
        """
        self.directory = run_directory()
        note_run(self.directory, self.graph.name, os.getpid())
        try:
            with self._signals():
                for name in self.graph.nodes:
                    self.boards[name] = Board(board_path(self.directory, name))
                for child in self.children:
                    self._spawn(child)
                spares.dismiss()
                self._watch()
            report = make_report(self.graph, self.directory, self.boards, self._restarts())
        finally:
            for child in self.children:
                self._kill(child)
            self._selector.close()
            for board in self.boards.values():
                board.close()
            shutil.rmtree(self.directory, ignore_errors=True)
            with contextlib.suppress(OSError):
                self.directory.parent.rmdir()
        if self._error is not None:
            self._error.report = report  # type: ignore[attr-defined]
            raise self._error
        return report

    def drain(self) -> None:
        """Let sources end, and everyone else when they have dealt with what is under way."""
        if self._draining_since is None:
            self._draining_since = time.monotonic()
            self._order(b"drain")

    # Watching.

    def _watch(self) -> None:
        begun = time.monotonic()
        while not all(child.ended for child in self.children):
            self._listen(_TICK_S if self._went else _SHORT_TICK_S)
            now = time.monotonic()
            for child in self.children:
                self._look_at(child, now)
            self._let_go(now - begun)
            self._tick(self.boards, self.children)
            if (
                self._duration_s is not None
                and self._went
                and now - self._went_s > self._duration_s
            ):
                self.drain()
            over = any(board[NodeSlot.WANTS_STOP] for board in self.boards.values())
            if over or self._interrupts:
                self.drain()
            if (
                self._interrupts > 1
                or self._error is not None
                or self._drain_stuck(now)
                # Nothing is under way before the sources were let go: nothing to wait for.
                or (self._interrupts and not self._went)
            ):
                self._stop_all()
                return

    def _look_at(self, child: Child, now: float) -> None:
        if child.ended:
            return
        if child.process is None:
            if child.due_s is not None and now >= child.due_s:
                self._spawn(child)
            return
        status = child.process.poll()
        if status is None:
            return
        self._hang_up(child)
        child.process = None
        if status == 0:
            child.ended = True
            for other in self.children:
                if self._alone(other):
                    self._tell(other, b"alone")
            return
        self._died(child, status, now)

    def _died(self, child: Child, status: int, now: float) -> None:
        failure = self._failure(child)
        why = failure.message if failure else f"{child.name}: ended by {_signal_name(status)}"
        if failure is not None and failure.refused:
            child.ended = True
            error = NodeFailed(failure.message)
            error.exit_status = failure.status
            self._error = error
            return
        child.failures = 1 if now - child.started_s > _HEALTHY_S else child.failures + 1
        if self._draining_since is not None and all(part.is_source for part in child.parts):
            child.ended = True
            return
        if child.failures > MAX_RESTARTS:
            child.ended = True
            self._error = NodeFailed(f"{why}; given up after {MAX_RESTARTS} restarts")
            return
        delay = min(5.0, _BACK_OFF_S * 2 ** (child.failures - 1))
        child.due_s = now + delay
        child.restarts += 1
        self._say(child.name, f"{why}; restart {child.restarts} in {delay:.1f} s")

    def _alone(self, child: Child) -> bool:
        """Whether every producer of a child, and there is one, has ended."""
        inside = {part.name for part in child.parts}
        producers = {edge.source for name in inside for edge in self.graph.inputs(name)} - inside
        ended = {part.name for other in self.children if other.ended for part in other.parts}
        return bool(producers) and producers <= ended

    def _failure(self, child: Child) -> Failure | None:
        path = failure_path(self.directory, child.name)
        try:
            failure = msgspec.json.decode(path.read_bytes(), type=Failure)
            path.unlink()
        except (OSError, msgspec.DecodeError):
            return None
        return failure

    def _let_go(self, waited_s: float) -> None:
        """Let sources begin once every node is up, so that no start-up counts as latency."""
        if self._went:
            return
        up = all(board[NodeSlot.STATE] != State.STARTING for board in self.boards.values())
        if up or waited_s > _READY_S:
            self._went = True
            self._went_s = time.monotonic()
            self._order(b"go")

    def _drain_stuck(self, now: float) -> bool:
        if self._draining_since is None:
            return False
        progress = sum(
            edge[slot]
            for board in self.boards.values()
            for edge in board.edges()
            for slot in range(17, 25)
        )
        if progress != self._last_progress:
            self._last_progress = progress
            self._draining_since = now
        return now - self._draining_since > _DRAIN_S

    # Processes.

    def _spawn(self, child: Child) -> None:
        child.due_s = None
        child.started_s = time.monotonic()
        child.process = process = spares.take(part.kind for part in child.parts)
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
            child.buffers[stream.fileno()] = bytearray()
            self._selector.register(stream, selectors.EVENT_READ, child)
        self._tell(child, msgspec.json.encode(self._assignment(child)))
        if self._went:
            self._tell(child, b"go")
        if self._draining_since is not None:
            self._tell(child, b"drain")
        if self._alone(child):
            self._tell(child, b"alone")

    def _assignment(self, child: Child) -> Assignment:
        inside = {part.name for part in child.parts}
        parts = []
        for spec in child.parts:
            outputs = self.graph.outputs(spec.name)
            endpoints = list(spec.listen)
            if any(edge.target in inside for edge in outputs):
                endpoints.append(f"inproc://{spec.name}")
            if spec.cls.emits:
                # Also where the graph has no use for it: a guest may have.
                endpoints.append(f"ipc://{self.directory}/{spec.name}")
            parts.append(
                Part(
                    spec.name,
                    spec.kind,
                    dict(spec.values),
                    endpoints,
                    [
                        Input(
                            edge.source,
                            f"inproc://{edge.source}"
                            if edge.source in inside
                            else f"ipc://{self.directory}/{edge.source}",
                            edge.policy,
                            edge.window,
                            edge.capacity,
                            list(edge.kinds),
                        )
                        for edge in self.graph.inputs(spec.name)
                    ],
                    [
                        Output(edge.target, edge.policy, edge.capacity, list(edge.kinds))
                        for edge in outputs
                    ],
                    spec.control,
                    self.graph.leisure_ms(spec.name),
                )
            )
        return Assignment(
            child.name, str(self.directory), parts, self.graph.security, debug=self._debug
        )

    def _order(self, order: bytes) -> None:
        for child in self.children:
            self._tell(child, order)

    def _tell(self, child: Child, line: bytes) -> None:
        if child.process is not None and child.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                child.process.stdin.write(line + b"\n")
                child.process.stdin.flush()

    def _stop_all(self) -> None:
        self._order(b"stop")
        until = time.monotonic() + _STOP_S
        while time.monotonic() < until:
            self._listen(_TICK_S)
            running = [c for c in self.children if c.process and c.process.poll() is None]
            if not running:
                break
        for child in self.children:
            self._kill(child)

    def _kill(self, child: Child) -> None:
        if child.process is None:
            return
        if child.process.poll() is None:
            child.process.kill()
        child.process.wait()
        self._hang_up(child)
        child.process = None

    # What nodes print.

    def _listen(self, timeout_s: float) -> None:
        for key, _ in self._selector.select(timeout_s):
            self._read(key.data, key.fileobj)  # type: ignore[arg-type]

    def _read(self, child: Child, stream: IO[bytes]) -> bool:
        """Relay whole lines; False where the stream has ended or has nothing more for now."""
        try:
            data = os.read(stream.fileno(), 1 << 16)
        except BlockingIOError:
            return False
        buffer = child.buffers[stream.fileno()]
        buffer += data
        *lines, rest = bytes(buffer).split(b"\n")
        buffer[:] = rest
        for line in lines:
            self._say(child.name, line.decode(errors="replace"))
        if not data:
            with contextlib.suppress(KeyError):
                self._selector.unregister(stream)
        return bool(data)

    def _hang_up(self, child: Child) -> None:
        """Relay the last words of a process that has ended and close its pipes."""
        process = child.process
        if process is None:
            return
        for stream in (process.stdout, process.stderr):
            if stream is None or stream.closed:
                continue
            while self._read(child, stream):
                pass
            rest = child.buffers.pop(stream.fileno())
            if rest:
                self._say(child.name, rest.decode(errors="replace"))
            with contextlib.suppress(KeyError):
                self._selector.unregister(stream)
            stream.close()
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()

    # Signals and sums.

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        def interrupt(signum: int, frame: FrameType | None) -> None:
            self._interrupts += 1

        before = {s: signal.signal(s, interrupt) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _restarts(self) -> dict[str, int]:
        return {part.name: child.restarts for child in self.children for part in child.parts}


def _signal_name(status: int) -> str:
    if status < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-status).name
    return f"exit status {status}"
