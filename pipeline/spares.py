"""Node processes that are begun before it is known what they will do.

A process that is to show a window imports for a second; meanwhile the command that begins it
imports as well. Begun at once, it does so beside it, on another core. A spare whose command ends
without an assignment for it ends by itself, as every node process does.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterable, Sequence

_waiting: dict[str, subprocess.Popen[bytes]] = {}


def foresee(words: Sequence[str]) -> None:
    """Begin the processes that show a source, where that is what a command's ``words`` ask for."""
    rest = words[1:]
    without = ("-h", "--help", "--snapshot", "tcp://", "ipc://")
    if words[:1] != ["view"] or any(word.startswith(without) for word in rest):
        return
    # Where no source is named, it is a run's that there is.
    if any(not word.startswith("-") for word in rest):
        begin(["view", "source"])


def begin(kinds: Iterable[str]) -> None:
    """Begin a process for each of ``kinds``, which imports what that kind of node needs."""
    for kind in kinds:
        if kind not in _waiting:
            _waiting[kind] = _process(kind)


def take(kinds: Iterable[str]) -> subprocess.Popen[bytes]:
    """Return a process that waits for its assignment, one that expects one of ``kinds`` if any."""
    for kind in kinds:
        spare = _waiting.pop(kind, None)
        if spare is None:
            continue
        if spare.poll() is None:
            return spare
        _let_go(spare)
    return _process()


def dismiss() -> None:
    """Let go of the processes that nobody has taken."""
    while _waiting:
        _let_go(_waiting.popitem()[1])


def _process(*kinds: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.process", *kinds],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
    )


def _let_go(spare: subprocess.Popen[bytes]) -> None:
    # It has nothing to do that would have to be ended in order.
    spare.kill()
    with contextlib.suppress(BrokenPipeError):
        spare.communicate()
