"""What all tests share: a quiet hypothesis, and a directory for runs that is nobody else's."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import zmq
from hypothesis import HealthCheck, settings
from pytestqt.qtbot import QtBot

from pipeline.cli import main
from tests.command import ROOT, Retina, Said
from tests.waiting import BOUND_S

# The first call of a kernel compiles, and the machine may be busy: neither is a slow test.
settings.register_profile(
    "house", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
# The same examples every time: what fails there fails here, too.
settings.register_profile("ci", settings.get_profile("house"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "house")

# A shell's background jobs ignore Ctrl-C, and so would the processes that tests press it for.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of the test's own; its path is short, as that of a socket has to be."""
    return tmp_path_factory.mktemp("t")


@pytest.fixture
def qtbot(qtbot: QtBot) -> QtBot:
    """What drives the windows; it waits as long as all tests do."""
    patient = partial(qtbot.waitUntil, timeout=int(1000 * BOUND_S))
    qtbot.waitUntil = patient  # type: ignore[method-assign]
    return qtbot


@pytest.fixture
def retina_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Retina:
    """The command within this process, for what starts none: a second sooner each time."""

    def run(*words: str) -> Said:
        capsys.readouterr()
        monkeypatch.chdir(ROOT)
        monkeypatch.setattr(sys, "argv", ["retina", *words])
        with pytest.raises(SystemExit) as end:
            main()
        return Said(int(end.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def private_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let runs live in a directory of this test's own."""
    base = tmp_path / "runs"
    base.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(base))
    return base


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    """A ZeroMQ context of this test's own; whatever is left open in it is closed at the end."""
    own: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield own
    own.destroy(linger=0)
