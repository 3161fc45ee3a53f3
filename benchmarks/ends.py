"""Two processes that are timed: what each does runs in a fresh process, results come by pipe."""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import os
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from pipeline.errors import RetinaError

_PATIENCE_S = 45.0


class Stuck(RetinaError):
    """A process that is timed gives no answer."""


End = Callable[..., Any]


def _call(end: End, args: tuple[Any, ...], out: Connection) -> None:
    try:
        out.send(end(*args))
    except Exception as error:
        out.send(error)
    out.close()
    # Peers' libraries may hang in their own shutdown: the figure is out, so end at once.
    os._exit(0)


def together(*ends: tuple[End, tuple[Any, ...]]) -> list[Any]:
    """Run each (function, arguments) in a process of its own; return what they return.

    Raises what any of them raised, or Stuck.
    """
    context = mp.get_context("spawn")
    processes, pipes = [], []
    for end, args in ends:
        inner, outer = context.Pipe(duplex=False)
        process = context.Process(target=_call, args=(end, args, outer))
        process.start()
        outer.close()
        processes.append(process)
        pipes.append(inner)
    results: dict[int, Any] = {}
    try:
        while len(results) < len(pipes):
            ready = wait([p for k, p in enumerate(pipes) if k not in results], _PATIENCE_S)
            if not ready:
                raise Stuck(f"a benchmark's process did not answer for {_PATIENCE_S:.0f} s")
            for k, pipe in enumerate(pipes):
                if pipe in ready:
                    result = pipe.recv()
                    if isinstance(result, Exception):
                        raise result
                    results[k] = result
    finally:
        for process in processes:
            process.join(5)
            process.kill()
    return [results[k] for k in range(len(pipes))]


@contextlib.contextmanager
def endpoint() -> Iterator[str]:
    """Give an ipc endpoint in a fresh private directory."""
    with tempfile.TemporaryDirectory(prefix="retina-bench-") as folder:
        yield f"ipc://{Path(folder) / 's'}"
