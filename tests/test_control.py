"""Whole graphs as real processes, watched and changed while they run."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.channel.endpoints import Security, make_keys
from pipeline.errors import ChannelError, RetinaError
from pipeline.graph import build
from pipeline.launcher import Launcher
from pipeline.report import Report
from pipeline.runs import runs
from pipeline.watch_commands import ask_nodes, show_status
from pipeline.watcher import Watcher
from tests.test_launcher import exact, private_tmp, quiet
from tests.waiting import BOUND_S, until

__all__ = ["private_tmp"]

NODES = '''
import os, time
from pipeline import EventPacket, Node, header_of

class Pass(Node):
    accepts = (EventPacket,)
    emits = (EventPacket,)
    def process(self, packet):
        head = header_of(packet, EventPacket, width=34, height=34, n=packet.header.n)
        yield EventPacket(head, bytes(packet.payload))

class Look(Node):
    """Asks the source to slow down, and notes what it has seen of the others and when."""
    accepts = (EventPacket,)
    def open(self):
        self.first_ns, self.seen, self.asked = 0, {}, 0
    def process(self, packet):
        now = time.monotonic_ns()
        self.first_ns = self.first_ns or now
        statuses = self.statuses()
        for name in statuses:
            self.seen.setdefault(name, (now - self.first_ns) / 1e9)
        source = statuses.get("source")
        if source is not None and not self.asked:
            self.asked = self.ask("source", "pace", "3.5")
        answered = source is not None and any(a.number == self.asked for a in source.answers)
        if answered and len(self.seen) == 5:
            self.journal({"seen": self.seen, "pace": source.setting("pace").actual,
                          "peers": sorted(e.peer for e in source.edges)})
            self.wants_stop = True
        yield from ()
'''


def graph(folder: Path, **nodes: dict[str, Any]) -> Any:
    path = folder / "own_nodes.py"
    path.write_text(NODES)
    kinds = {"a": "Pass", "b": "Pass", "look": "Look", "beside": "Pass"}
    tables = {name: {"kind": f"{path}:{kind}"} for name, kind in kinds.items()}
    tables["source"] = {"loop": True}
    for name, table in nodes.items():
        tables[name] = {**tables.get(name, {}), **table}
    edges = [("source", "a"), ("a", "b"), ("b", "look"), ("source", "beside")]
    return build(
        {"nodes": tables, "edges": [{"from": a, "to": b} for a, b in edges]},
        str(folder / "g.toml"),
    )


class Running:
    """A run in a thread of this process, its nodes real processes."""

    def __init__(self, made: Any) -> None:
        self.launcher = Launcher(made, say=self.say)
        self.said: list[str] = []
        self.report: Report | None = None
        self.error: BaseException | None = None
        self.launcher._signals = _no_signals  # type: ignore[method-assign]
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def say(self, node: str, line: str) -> None:
        self.said.append(f"{node}: {line}")

    def _run(self) -> None:
        try:
            self.report = self.launcher.run()
        except BaseException as error:
            self.error = error

    def attach(self, node: str = "b") -> Watcher:
        """Return a guest of a node, as soon as it lets anyone in."""
        until(lambda: self.launcher.directory != Path() and self.launcher._went)
        return Watcher(f"ipc://{self.launcher.directory}/{node}")

    def end(self) -> Report:
        self.launcher._interrupts += 1
        self.thread.join(BOUND_S)
        assert not self.thread.is_alive()
        if self.error is not None:
            raise self.error
        assert self.report is not None
        exact(self.report)
        return self.report


class _no_signals:
    def __enter__(self) -> None:
        """Signals belong to the main thread."""

    def __exit__(self, *_: object) -> None:
        """Nothing to put back."""


@pytest.fixture
def running(private_tmp: Path, tmp_path: Path) -> Iterator[Callable[..., Running]]:
    made: list[Running] = []

    def run(**nodes: dict[str, Any]) -> Running:
        made.append(
            Running(graph(tmp_path, look={"kind": f"{tmp_path}/own_nodes.py:Pass"}, **nodes))
        )
        return made[-1]

    yield run
    for each in made:
        if each.thread.is_alive():
            each.end()


def test_the_last_of_four_sees_all_within_a_second_and_reaches_the_first(
    private_tmp: Path, tmp_path: Path
) -> None:
    report = Launcher(graph(tmp_path), duration_s=30, say=quiet).run()
    exact(report)
    seen = report.predictions[0]
    assert seen["pace"] == "3.5"
    assert set(seen["seen"]) == {"source", "a", "b", "look", "beside"}
    assert max(seen["seen"].values()) < 1.0
    assert seen["peers"] == ["a", "beside"]
    assert all(edge.dropped_packets == 0 for edge in report.edges)


def test_a_successor_goes_on_with_what_was_changed(running: Callable[..., Running]) -> None:
    run = running()
    with run.attach() as watcher:
        assert watcher.ask("source", "pace", "0.5").refused == ""
        before = watcher.watch(0.3)["source"]
        child = next(child for child in run.launcher.children if child.name == "source")
        assert child.process is not None
        child.process.kill()
        until(
            lambda: watcher.watch(0.05).get("source", before).incarnation > before.incarnation,
        )
        after = watcher.watch(0.5)["source"]
        assert after.pid != before.pid
        pace = after.setting("pace")
        assert pace is not None
        assert pace.actual == "0.5"
        assert after.words == ["started again with what was changed: pace = 0.5"]
    report = run.end()
    assert report.nodes["source"].restarts == 1


def test_a_node_that_hangs_is_told_as_silent_and_then_not_at_all(
    running: Callable[..., Running],
) -> None:
    import os
    import signal

    run = running()
    with run.attach("source") as watcher:
        until(lambda: len(watcher.watch(0.1)) == 5)
        child = next(child for child in run.launcher.children if child.name == "beside")
        assert child.process is not None
        os.kill(child.process.pid, signal.SIGSTOP)
        until(lambda: watcher.watch(0.1) and watcher.silent_s()["beside"] > 1.5)
        assert "beside" in watcher.watch(0.0)
        until(lambda: "beside" not in watcher.watch(0.1))
        os.kill(child.process.pid, signal.SIGCONT)
        until(lambda: "beside" in watcher.watch(0.1))
    run.end()


def test_a_paused_source_still_serves(running: Callable[..., Running]) -> None:
    run = running()
    with run.attach() as watcher:
        assert not watcher.ask("source", "paused", "true").refused
        until(lambda: watcher.watch(0.1)["source"].state == "paused")
        held = watcher.watch(0.5)["source"].packets_out
        # Four heartbeats later nothing has left, and it still answers.
        assert watcher.watch(1.0)["source"].packets_out == held
        assert not watcher.ask("source", "step", "5").refused
        until(lambda: watcher.watch(0.1)["source"].packets_out == held + 5)
        assert not watcher.ask("source", "paused", "false").refused
        until(lambda: watcher.watch(0.1)["source"].packets_out > held + 50)
    run.end()


def test_the_commands_find_the_run_and_change_it(
    running: Callable[..., Running], capsys: pytest.CaptureFixture[str]
) -> None:
    run = running()
    run.attach().close()
    (found,) = runs()
    assert (found.graph, sorted(found.endpoints)) == ("g", ["a", "b", "beside", "look", "source"])
    ask_nodes(["source.pace=0.25", "source.loop=false"], Security())
    assert capsys.readouterr().out == "source.pace: 0.25\nsource.loop: false\n"
    with pytest.raises(RetinaError, match=r'^source: pace = "x" is not one of'):
        ask_nodes([found.endpoints["look"], "source.pace=x"], Security())
    with pytest.raises(ChannelError, match=r"knows no node 'nobody' \(known: a, b, beside"):
        ask_nodes(["nobody.pace=x"], Security())
    capsys.readouterr()
    show_status(None, None, False, "-", Security())
    (shown,) = json.loads(capsys.readouterr().out)
    assert {node: status["state"] for node, status in shown["nodes"].items()} == dict.fromkeys(
        ("source", "a", "b", "look", "beside"), "running"
    )
    show_status(found.endpoints["a"], None, False, None, Security())
    table = capsys.readouterr().out
    assert all(word in table for word in ("beside", "running", "events/s"))
    show_status(None, "source", False, None, Security())
    assert "position_s: " in capsys.readouterr().out
    run.end()


def test_nobody_there_is_one_line(private_tmp: Path, tmp_path: Path) -> None:
    with pytest.raises(RetinaError, match=r"^no run of this user's on this host"):
        show_status(None, None, False, None, Security())
    with pytest.raises(ChannelError, match=rf"^ipc://{tmp_path}/none: nobody answers in 3 s$"):
        Watcher(f"ipc://{tmp_path}/none")
    for path in private_tmp.iterdir():
        path.rmdir()


@pytest.mark.parametrize("wish", ["source", "pace=1", ".pace=1", "source.=1", ""])
def test_a_wish_that_is_none_is_one_line(wish: str) -> None:
    with pytest.raises(RetinaError, match=r"^retina ask: .*expected NODE.KEY=VALUE"):
        ask_nodes(["ipc:///x", wish], Security())


def test_only_who_has_a_key_is_heard_over_tcp(private_tmp: Path, tmp_path: Path) -> None:
    """The link itself is the guard: without a key nobody gets as far as to ask."""
    make_keys(tmp_path / "keys")
    command = [
        sys.executable, "-m", "pipeline", "node", "source", "--set", "loop=true",
        "--out", "tcp://127.0.0.1:*", "--keys", str(tmp_path / "keys"),
    ]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            address = process.stderr.readline().strip().rpartition(" ")[2]
            with pytest.raises(ChannelError, match="nobody answers"):
                Watcher(address)
            with Watcher(address, Security(keys=str(tmp_path / "keys"))) as watcher:
                assert not watcher.ask("source", "pace", "2").refused
        finally:
            process.terminate()
            process.wait(BOUND_S)


def test_control_may_be_forbidden_on_the_command_line(private_tmp: Path, tmp_path: Path) -> None:
    at = f"ipc://{tmp_path}/s"
    command = [sys.executable, "-m", "pipeline", "node", "source", "--out", at, "--no-control"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            process.stderr.readline()
            with Watcher(at) as watcher:
                answer = watcher.ask("source", "pace", "2")
                assert answer.refused == "source: control = false: nothing is granted"
        finally:
            process.terminate()
            process.wait(BOUND_S)
