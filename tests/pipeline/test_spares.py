"""Processes that are begun before there is anything for them to do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import spares
from pipeline.graph import build
from pipeline.launcher import Launcher
from tests.test_launcher import private_tmp, quiet
from tests.waiting import until

__all__ = ["private_tmp"]


@pytest.fixture(autouse=True)
def none_left() -> Iterator[None]:
    """Leave nothing waiting."""
    yield
    spares.dismiss()


def over(process: subprocess.Popen[bytes]) -> int:
    """End a process as its launcher's end would; return its status."""
    out, said = process.communicate(b"", timeout=60)
    assert (out, said) == (b"", b"")
    return process.returncode


def test_a_spare_is_taken_by_who_has_use_for_it() -> None:
    spares.begin(["source", "source"])
    (waiting,) = spares._waiting.values()
    other = spares.take(["log"])
    assert other.pid != waiting.pid
    assert spares.take(["bins", "source"]).pid == waiting.pid
    again = spares.take(["source"])
    assert again.pid != waiting.pid
    # Without an assignment each of them ends by itself.
    assert [over(process) for process in (other, waiting, again)] == [0, 0, 0]


@pytest.mark.parametrize("kind", ["no-such-kind", "no.such.module:Node"])
def test_what_cannot_be_prepared_is_a_process_like_any_other(kind: str) -> None:
    spares.begin([kind])
    assert over(spares.take([kind])) == 0


def test_a_spare_that_died_is_not_given_out() -> None:
    spares.begin(["source"])
    (waiting,) = spares._waiting.values()
    waiting.kill()
    waiting.wait(60)
    fresh = spares.take(["source"])
    assert fresh.pid != waiting.pid
    assert over(fresh) == 0


def test_nobody_waits_for_ever() -> None:
    spares.begin(["source", "view"])
    processes = list(spares._waiting.values())
    spares.dismiss()
    assert [process.returncode for process in processes] == [-signal.SIGKILL] * 2
    assert not spares._waiting


def test_spares_end_with_the_command_that_began_them() -> None:
    code = (
        "from pipeline import spares\nspares.begin(['log'])\n"
        "import os\nprint(next(iter(spares._waiting.values())).pid, flush=True)\nos._exit(0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=True)
    pid = int(done.stdout)
    until(lambda: not Path(f"/proc/{pid}").exists() or _zombie(pid))


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_run_takes_its_spares_and_leaves_none(private_tmp: Path) -> None:
    del private_tmp
    spares.begin(["source", "view"])
    source = spares._waiting["source"].pid
    seen: set[int] = set()
    graph = build(
        {
            "edges": [{"from": "source", "to": "bins"}, {"from": "bins", "to": "sink"}],
            "nodes": {
                "source": {"pace": "fast", "limit": 1},
                "bins": {},
                "sink": {"kind": "benchmarks.view_nodes:Tally"},
            },
        },
        "spares",
    )
    launcher = Launcher(
        graph,
        say=quiet,
        tick=lambda boards, children: seen.update(c.process.pid for c in children if c.process),
    )
    report = launcher.run()
    assert source in seen
    assert not spares._waiting
    assert all(edge.dropped_packets == 0 < edge.delivered_packets for edge in report.edges)


@pytest.mark.parametrize(
    ("words", "begun"),
    [
        (["view", "samples"], ["view", "source"]),
        (["view", "--mode", "count", "camera:"], ["view", "source"]),
        (["view"], []),
        (["view", "tcp://host:5555"], []),
        (["view", "samples", "--snapshot", "out.png"], []),
        (["view", "samples", "--snapshot=out.png"], []),
        (["view", "--help"], []),
        (["info", "samples"], []),
        ([], []),
    ],
)
def test_only_who_is_to_show_a_source_begins_any(
    words: list[str], begun: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[str] = []
    monkeypatch.setattr(spares, "begin", found.extend)
    spares.foresee(words)
    assert found == begun


def test_a_window_does_not_wait_for_rooms_that_it_has_no_use_for() -> None:
    code = (
        "import sys\nfrom pipeline import cli\ncli._mount(['view', 'samples'])\n"
        "print([name for name in sys.modules if name.startswith(('models.', 'benchmarks'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )  # fmt: skip
    assert done.stdout == "[]\n"
