"""A node process: runs one node, or the nodes of one group, for a launcher.

Started as ``python -m pipeline.process``; its first line of standard input is the Assignment as
JSON, further lines are the launcher's orders (``go``, ``drain``, ``alone``, ``stop``). When
standard input ends, the launcher is gone: the process then stops and removes the run's directory.
Kinds named as arguments are imported before an Assignment comes (``pipeline.spares``).
"""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import msgspec
import zmq

from pipeline import lean
from pipeline.board import Board
from pipeline.channel.endpoints import Security
from pipeline.channel.inlet import Inlet
from pipeline.channel.outlet import Outlet
from pipeline.channel.protocol import Policy
from pipeline.errors import RetinaError
from pipeline.kinds import find
from pipeline.memory import keep_freed_memory
from pipeline.node import Node
from pipeline.packets import KINDS
from pipeline.priority import give_way
from pipeline.runtime import Control, Runner
from pipeline.settings import settings_from
from pipeline.tuned import Tuned

EXIT_CRASH = 70
EXIT_REFUSED = 71
_PATIENCE_S = 3.0


class Input(msgspec.Struct):
    """One input of a node."""

    producer: str
    endpoint: str
    policy: Policy
    window: int
    capacity: int
    kinds: list[int]


class Output(msgspec.Struct):
    """One consumer that the graph gives a node."""

    consumer: str
    policy: Policy
    capacity: int
    kinds: list[int]


class Part(msgspec.Struct):
    """One node of the process."""

    name: str
    kind: str
    values: dict[str, Any]
    endpoints: list[str]
    inputs: list[Input]
    outputs: list[Output]
    control: bool = True
    leisure_ms: int = 0


class Assignment(msgspec.Struct):
    """What a node process has to do."""

    process: str
    directory: str
    parts: list[Part]
    security: Security
    debug: bool = False


class Failure(msgspec.Struct):
    """Why a node process ended; ``refused``: trying again would end the same way."""

    message: str
    status: int
    refused: bool


def board_path(directory: Path, node: str) -> Path:
    """Return where a node keeps its counters."""
    return directory / f"{node}.board"


def journal_path(directory: Path, node: str) -> Path:
    """Return where a node writes its entries for the report."""
    return directory / f"{node}.jsonl"


def failure_path(directory: Path, process: str) -> Path:
    """Return where a process leaves word of why it failed."""
    return directory / f"{process}.failure"


class _Process:
    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment
        self.directory = Path(assignment.directory)
        self.control = Control()
        self.orphaned = False
        self.failure: Failure | None = None
        self._tuned: dict[str, Tuned] = {}
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.done = threading.Event()

    def listen(self) -> None:
        """Follow the launcher's orders (in a thread of its own)."""
        while order := sys.stdin.buffer.readline():
            match order.strip():
                case b"go":
                    self.control.go.set()
                case b"drain":
                    self.control.drain.set()
                case b"alone":
                    self.control.alone.set()
                case b"stop":
                    break
        else:
            self.orphaned = True
        self.halt()

    def halt(self) -> None:
        """Stop everything; where something does not stop in time, end the process all the same."""
        self.control.stop.set()
        if not self.done.wait(_PATIENCE_S):
            self.sweep()
            os._exit(EXIT_CRASH)

    def sweep(self) -> None:
        """Remove the run's directory where nobody is left to do it."""
        if self.orphaned:
            shutil.rmtree(self.directory, ignore_errors=True)
            with contextlib.suppress(OSError):
                self.directory.parent.rmdir()

    def run(self) -> int:
        """Run the nodes; return the exit status."""
        if not any(find(part.kind, part.name).blas for part in self.assignment.parts):
            lean.without_scipy()
        parts = [self._build(part) for part in self.assignment.parts]
        gui = next((node for node, _ in parts if node.main_thread is not None), None)
        give_way(node for node, _ in parts)
        if len(parts) == 1 and gui is None:
            self._guard(*parts[0])
        else:
            self._run_threads(parts, gui)
        self.context.term()
        return 0 if self.failure is None else EXIT_REFUSED if self.failure.refused else EXIT_CRASH

    def _run_threads(self, parts: list[tuple[Node, Part]], gui: Node | None) -> None:
        gui_stop = threading.Event()

        def work(node: Node, part: Part) -> None:
            self._guard(node, part)
            if node is gui:
                gui_stop.set()

        threads = [
            threading.Thread(target=work, args=pair, name=pair[1].name, daemon=True)
            for pair in parts
        ]
        for thread in threads:
            thread.start()
        if gui is not None and gui.main_thread is not None:
            try:
                gui.main_thread(gui_stop)
            except Exception as error:
                self._fail(gui.name, error)
        for thread in threads:
            thread.join()

    def _guard(self, node: Node, part: Part) -> None:
        try:
            self._runner(node, part).run()
        except Exception as error:
            self._fail(part.name, error)

    def _fail(self, name: str, error: BaseException) -> None:
        if self.assignment.debug:
            traceback.print_exception(error)
        refused = isinstance(error, RetinaError)
        text = str(error)
        if not isinstance(error, RetinaError):
            frames = traceback.extract_tb(error.__traceback__)
            place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
            text = f"{type(error).__name__}: {error}{place}"
        message = text if text.startswith(f"{name}:") else f"{name}: {text}"
        status = error.exit_status if isinstance(error, RetinaError) else 1
        if self.failure is None:
            self.failure = Failure(message, status, refused)
            failure_path(self.directory, self.assignment.process).write_bytes(
                msgspec.json.encode(self.failure)
            )
        self.control.stop.set()

    def _build(self, part: Part) -> tuple[Node, Part]:
        cls = find(part.kind, part.name)
        tuned = self._tuned[part.name] = Tuned(self.directory, part.name)
        settings = settings_from(cls.settings_type, part.values, part.name)
        node = tuned.restored(cls.variant(settings)(settings))
        node.name = part.name
        journal = journal_path(self.directory, part.name)

        def write(entry: dict[str, Any]) -> None:
            with journal.open("ab") as file:
                file.write(msgspec.json.encode(entry) + b"\n")

        node.journal = write
        return node, part

    def _runner(self, node: Node, part: Part) -> Runner:
        board = Board(board_path(self.directory, part.name))
        security = self.assignment.security
        outlet = None
        if part.endpoints:
            outlet = Outlet(
                part.name,
                self.context,
                board=board,
                stop=self.control.stop.is_set,
                security=security,
            )
            for out in part.outputs:
                outlet.expect(out.consumer, out.policy, out.capacity, out.kinds)
            for endpoint in part.endpoints:
                outlet.bind(endpoint)
        by_code = {kind.code: kind for kind in KINDS}
        inlets = [
            Inlet(
                part.name,
                i.producer,
                i.endpoint,
                self.context,
                board=board,
                kinds=[by_code[code] for code in i.kinds],
                policy=i.policy,
                window=i.window,
                capacity=i.capacity,
                security=security,
            )
            for i in part.inputs
        ]
        return Runner(
            node,
            inlets,
            outlet,
            board,
            self.control,
            alone=len(self.assignment.parts) == 1,
            say=lambda line: print(line, file=sys.stderr, flush=True),
            obeys=part.control,
            directory=self.directory,
            tuned=self._tuned[part.name],
            leisure_ms=part.leisure_ms,
        )


def main() -> None:
    """Run the assignment that comes on standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_freed_memory()
    # Modules are here to stay: to look for garbage among them, now or later, costs for nothing.
    gc.disable()
    for kind in sys.argv[1:]:
        # What is amiss is told when it is asked for.
        with contextlib.suppress(ImportError, RetinaError):
            cls = find(kind, "")
            if not cls.blas:
                lean.without_scipy()
            cls.prepare()
    gc.freeze()
    gc.enable()
    line = sys.stdin.buffer.readline()
    if not line:
        return
    process = _Process(msgspec.json.decode(line, type=Assignment))
    signal.signal(
        signal.SIGTERM,
        lambda *_: threading.Thread(target=process.halt, daemon=True).start(),
    )
    threading.Thread(target=process.listen, daemon=True).start()
    status = EXIT_CRASH
    try:
        status = process.run()
    except RetinaError as error:
        process._fail(process.assignment.process, error)
        status = EXIT_REFUSED
    finally:
        process.done.set()
        process.sweep()
    sys.stdout.flush()
    # Interpreter shutdown would wait for threads that only the launcher's end would wake.
    os._exit(status)


if __name__ == "__main__":
    main()
