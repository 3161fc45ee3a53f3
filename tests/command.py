"""The command ``retina`` in a process of its own, or in this one where that tells as much."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]


class Said(NamedTuple):
    """How a command ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


Retina = Callable[..., Said]


def retina(*words: str, env: dict[str, str] | None = None) -> Said:
    """Run the command as a shell does."""
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", *words],
        capture_output=True, text=True, timeout=100, cwd=ROOT, env={**os.environ, **(env or {})},
        check=False,
    )  # fmt: skip
    return Said(done.returncode, done.stdout, done.stderr)


def one_line(said: Said, status: int, *parts: str) -> None:
    """Check that a command ended with ``status`` and one line that has all ``parts``."""
    assert said.returncode == status, said.stderr
    lines = said.stderr.strip().splitlines()
    assert len(lines) == 1, said.stderr
    assert "Traceback" not in said.stderr + said.stdout
    for part in parts:
        assert part in lines[0], lines[0]
