"""The runs of this user on this host, and where one may attach to them."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pipeline.channel.endpoints import base_directory

_FILE = "run.json"


class Run(msgspec.Struct):
    """A run: its graph's name, its launcher's process, its nodes' addresses by name."""

    graph: str
    pid: int
    endpoints: dict[str, str]


def note_run(directory: Path, graph: str, pid: int) -> None:
    """Leave word in a run's directory of what runs there."""
    (directory / _FILE).write_bytes(msgspec.json.encode(Run(graph, pid, {})))


def runs() -> list[Run]:
    """Return the runs whose launcher is alive, the oldest first."""
    found = []
    base = base_directory()
    for directory in sorted(base.glob("run-*"), key=_age):
        try:
            run = msgspec.json.decode((directory / _FILE).read_bytes(), type=Run)
            sockets = sorted(path for path in directory.iterdir() if path.is_socket())
        except (OSError, msgspec.DecodeError):
            continue
        if Path(f"/proc/{run.pid}").exists():
            run.endpoints = {path.name: f"ipc://{path}" for path in sockets}
            found.append(run)
    return found


def _age(path: Path) -> float:
    try:
        return path.stat().st_ctime
    except OSError:
        return 0.0
