"""Whole graphs as real processes: sums, deaths, signals, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.board import Board, EdgeSlot
from pipeline.errors import NodeFailed
from pipeline.graph import Graph, build
from pipeline.launcher import MAX_RESTARTS, Child, Launcher
from pipeline.report import Report
from tests.command import Retina
from tests.nodes.small import reconstructor
from tests.waiting import until

CHAIN = {
    "edges": [
        {"from": "source", "to": "bins"},
        {"from": "bins", "to": "infer"},
        {"from": "infer", "to": "log"},
    ],
    "nodes": {
        "source": {"pace": "fast", "split": "Test"},
        "bins": {"width": 34, "height": 34},
        "infer": {},
        "log": {"quiet": True},
    },
}

NODES = '''
import os, time
from pipeline import EventPacket, Node, Settings

class Slow(Node):
    """Takes its time over every packet."""
    accepts = (EventPacket,)
    def process(self, packet):
        time.sleep(0.002)
        yield from ()

class Faulty(Node):
    """Fails at once."""
    accepts = (EventPacket,)
    def process(self, packet):
        raise RuntimeError("a fault of its own")
        yield

class Picky(Node):
    accepts = (EventPacket,)
    def open(self):
        from pipeline.errors import DeviceError
        raise DeviceError("no such device")

class Deaf(Node):
    """Blocks for ever in the middle of a packet."""
    accepts = (EventPacket,)
    def process(self, packet):
        time.sleep(3600)
        yield from ()

class Cold(Node):
    """Is never up."""
    accepts = (EventPacket,)
    def open(self):
        time.sleep(3600)
'''


@pytest.fixture
def private_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory for runs that must be empty again in the end."""
    base = tmp_path / "r"
    base.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(base))
    yield base
    assert list(base.iterdir()) == []


@pytest.fixture
def nodes_file(tmp_path: Path) -> Path:
    path = tmp_path / "own_nodes.py"
    path.write_text(NODES)
    return path


def chain(**source: object) -> Graph:
    data = {**CHAIN, "nodes": {**CHAIN["nodes"], "source": {**CHAIN["nodes"]["source"], **source}}}
    return build(data, "chain.toml")


def pair(kind: str, policy: str = "lossless", **source: object) -> Graph:
    return build(
        {
            "edges": [{"from": "source", "to": "sink", "policy": policy}],
            "nodes": {"source": {"pace": "fast", **source}, "sink": {"kind": kind}},
        },
        "pair.toml",
    )


def exact(report: Report) -> None:
    for edge in report.edges:
        assert edge.sent_packets == edge.delivered_packets + edge.dropped_packets, edge
        assert edge.sent_events == edge.delivered_events + edge.dropped_events, edge


def quiet(node: str, line: str) -> None:
    """Let a run print nothing."""


def test_all_test_recordings_get_the_answers_of_offline_evaluation(
    private_tmp: Path, retina_here: Retina
) -> None:
    offline = retina_here(
        "evaluate", "nmnist-classifier", "recordings/samples", "--split", "Test", "--json", "-"
    )
    expected = {p["sample"]: p["answer"] for p in json.loads(offline.stdout)["predictions"]}
    report = Launcher(chain(shuffle=True), say=quiet).run()
    exact(report)
    assert all(edge.dropped_packets == 0 for edge in report.edges)
    assert {p["sample"]: p["answer"] for p in report.predictions} == expected
    assert len(expected) == 50
    assert report.accuracy is not None
    assert report.accuracy >= 0.9


@pytest.mark.parametrize(
    "victim", ["source", "bins", pytest.param("infer", marks=pytest.mark.slow), "log"]
)
def test_a_killed_node_is_restarted_and_every_sum_stays_exact(
    private_tmp: Path, victim: str
) -> None:
    """``infer`` is a slow test: ``bins`` too is in the middle and keeps state."""
    killed: list[int] = []

    def tick(boards: dict[str, Board], children: list[Child]) -> None:
        moved = [e for e in boards["log"].edges() if e[EdgeSlot.DELIVERED_PACKETS] > 50]
        process = next(c.process for c in children if c.name == victim)
        if moved and not killed and process is not None:
            killed.append(process.pid)
            os.kill(process.pid, signal.SIGKILL)

    lines: list[str] = []
    launcher = Launcher(chain(limit=25), say=lambda n, line: lines.append(line), tick=tick)
    report = launcher.run()
    assert killed
    assert report.nodes[victim].restarts == 1
    assert any("SIGKILL; restart 1" in line for line in lines)
    exact(report)
    into_victim = [e for e in report.edges if e.target == victim]
    assert all(e.dropped_packets == 0 for e in into_victim), "redelivered, not dropped"
    assert len({p["sample"] for p in report.predictions}) >= 24


def test_a_slow_latest_consumer_drops_and_counts(private_tmp: Path, nodes_file: Path) -> None:
    report = Launcher(pair(f"{nodes_file}:Slow", "latest", limit=4), say=quiet).run()
    exact(report)
    edge = report.edges[0]
    assert edge.dropped_packets > 0
    assert edge.lost_packets == 0
    assert edge.delivered_packets > 0


def test_a_slow_lossless_consumer_gets_everything(private_tmp: Path, nodes_file: Path) -> None:
    report = Launcher(pair(f"{nodes_file}:Slow", limit=2), say=quiet).run()
    exact(report)
    assert report.edges[0].dropped_packets == 0
    assert report.edges[0].delivered_packets == report.nodes["source"].packets_out


@pytest.mark.slow
def test_a_reconstructor_that_dies_is_restarted_and_every_sum_stays_exact(
    private_tmp: Path, tmp_path: Path
) -> None:
    """A slow test: a victim in the middle is quicker above, in ``bins``."""
    data = json.loads(json.dumps(CHAIN))
    data["edges"] += [{"from": "bins", "to": "draw"}, {"from": "draw", "to": "log"}]
    model = reconstructor(tmp_path / "tiny.safetensors")
    data["nodes"]["draw"] = {"kind": "reconstruct", "model": str(model)}
    data["nodes"]["source"]["limit"] = 6
    killed: list[int] = []

    def tick(boards: dict[str, Board], children: list[Child]) -> None:
        moved = [e for e in boards["draw"].edges() if e[EdgeSlot.DELIVERED_PACKETS] > 50]
        process = next(c.process for c in children if c.name == "draw")
        if moved and not killed and process is not None:
            killed.append(process.pid)
            os.kill(process.pid, signal.SIGKILL)

    report = Launcher(build(data, "drawn.toml"), say=quiet, tick=tick).run()
    assert killed
    assert report.nodes["draw"].restarts == 1
    exact(report)
    assert all(edge.dropped_packets == 0 for edge in report.edges if edge.target == "draw")
    (drawn,) = (edge for edge in report.edges if edge.source == "draw")
    # Every 20 ms for 300 ms of each sample; one sample began anew in its middle.
    assert 15 * 5 <= drawn.sent_packets <= 15 * 7
    assert len(report.predictions) == 6


def test_nodes_of_one_group_share_a_process(private_tmp: Path) -> None:
    data = json.loads(json.dumps(CHAIN))
    for name in ("bins", "infer"):
        data["nodes"][name]["group"] = "net"
    data["nodes"]["source"]["limit"] = 3
    launcher = Launcher(build(data, "grouped.toml"), say=quiet)
    assert [child.name for child in launcher.children] == ["source", "net", "log"]
    report = launcher.run()
    exact(report)
    assert len(report.predictions) == 3


def test_a_faulty_node_is_given_up_with_one_line(
    private_tmp: Path, nodes_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.launcher._BACK_OFF_S", 0.001)
    launcher = Launcher(pair(f"{nodes_file}:Faulty"), say=quiet)
    with pytest.raises(NodeFailed) as caught:
        launcher.run()
    message = str(caught.value)
    assert "RuntimeError: a fault of its own (own_nodes.py:" in message
    assert f"given up after {MAX_RESTARTS} restarts" in message
    assert "\n" not in message
    exact(caught.value.report)


def test_a_node_that_refuses_is_not_restarted(private_tmp: Path, nodes_file: Path) -> None:
    with pytest.raises(NodeFailed, match=r"^sink: no such device$") as caught:
        Launcher(pair(f"{nodes_file}:Picky"), say=quiet).run()
    assert caught.value.report.nodes["sink"].restarts == 0


def test_duration_ends_an_endless_run_in_order(private_tmp: Path) -> None:
    report = Launcher(chain(loop=True), duration_s=0.2, say=quiet).run()
    exact(report)
    assert all(edge.dropped_packets == 0 for edge in report.edges)
    assert report.nodes["source"].packets_out > 0


# The command itself, with real signals.


def write(graph: dict[str, object], path: Path) -> Path:
    lines = ["edges = ["]
    for edge in graph["edges"]:
        fields = ", ".join(f"{key} = {json.dumps(value)}" for key, value in edge.items())
        lines.append(f"  {{ {fields} }},")
    lines.append("]")
    for name, table in graph["nodes"].items():
        lines.append(f"[nodes.{name}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    path.write_text("\n".join(lines))
    return path


def start(graph: Path, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", "run", str(graph), *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def nodes_of(base: Path) -> list[int]:
    """Process ids of nodes whose run lives under ``base`` (their boards are mapped)."""
    found = []
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            if str(base) in maps.read_text():
                found.append(int(maps.parent.name))
        except OSError:
            continue
    return found


def running(base: Path) -> bool:
    """Whether packets flow: the log node's board shows deliveries."""
    for path in base.glob("*/run-*/log.board"):
        board = Board(path, create=False)
        try:
            if any(edge[EdgeSlot.DELIVERED_PACKETS] > 0 for edge in board.edges()):
                return True
        finally:
            board.close()
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains_the_run(private_tmp: Path, tmp_path: Path, number: int) -> None:
    graph = {**CHAIN, "nodes": {**CHAIN["nodes"], "source": {"pace": "real", "loop": True}}}
    process = start(write(graph, tmp_path / "g.toml"), "--report", str(tmp_path / "out.json"))
    until(lambda: running(private_tmp))
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err.decode()
    assert err == b""
    report = json.loads((tmp_path / "out.json").read_text())
    for edge in report["edges"]:
        assert edge["sent_packets"] == edge["delivered_packets"] > 0
    until(lambda: nodes_of(private_tmp) == [])


def test_a_killed_launcher_leaves_nothing_behind(private_tmp: Path, tmp_path: Path) -> None:
    graph = {**CHAIN, "nodes": {**CHAIN["nodes"], "source": {"pace": "real", "loop": True}}}
    process = start(write(graph, tmp_path / "g.toml"))
    until(lambda: running(private_tmp))
    assert len(nodes_of(private_tmp)) == 5
    process.kill()
    process.communicate(timeout=30)
    until(lambda: nodes_of(private_tmp) == [])
    until(lambda: list(private_tmp.iterdir()) == [])


def with_sink(kind: str, runs: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Begin a run that ends in a node of ``kind``, and wait for its processes."""
    graph = {
        "edges": [{"from": "source", "to": "log"}],
        "nodes": {"source": {"pace": "fast"}, "log": {"kind": kind}},
    }
    process = start(write(graph, folder / "g.toml"))
    until(lambda: len(nodes_of(runs)) == 3)
    return process


def test_two_signals_end_a_run_that_hangs(
    private_tmp: Path, tmp_path: Path, nodes_file: Path
) -> None:
    process = with_sink(f"{nodes_file}:Deaf", private_tmp, tmp_path)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    until(lambda: nodes_of(private_tmp) == [])


def test_a_signal_while_nodes_still_come_up_waits_for_none_of_them(
    private_tmp: Path, tmp_path: Path, nodes_file: Path
) -> None:
    process = with_sink(f"{nodes_file}:Cold", private_tmp, tmp_path)
    process.send_signal(signal.SIGINT)
    # Nodes have half a minute to come up, and an end as long again: this is before either.
    _, err = process.communicate(timeout=25)
    assert process.returncode == 0, err.decode()
    until(lambda: nodes_of(private_tmp) == [])


def test_a_guest_joins_late_and_leaves_without_harm(private_tmp: Path, tmp_path: Path) -> None:
    data = json.loads(json.dumps(CHAIN))
    data["nodes"]["source"] |= {"pace": "real", "loop": True}
    data["nodes"]["infer"]["listen"] = [f"ipc://{tmp_path}/guest"]
    process = start(write(data, tmp_path / "g.toml"), "--report", str(tmp_path / "out.json"))
    until(lambda: running(private_tmp))
    guest = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "node", "log", "--in", f"ipc://{tmp_path}/guest"],
        stdout=subprocess.PIPE,
    )
    assert guest.stdout is not None
    # Of the first window it may have had the very end alone, and nobody knows of that yet.
    for _ in range(2):
        assert b"answered" in guest.stdout.readline()
    guest.send_signal(signal.SIGINT)
    guest.communicate(timeout=30)
    assert guest.returncode == 0
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err.decode()
    report = json.loads((tmp_path / "out.json").read_text())
    edges = {(e["from"], e["to"]): e for e in report["edges"]}
    joined = next(e for e in report["edges"] if e["policy"] == "guest")
    assert joined["delivered_packets"] > 0
    for edge in report["edges"]:
        assert edge["sent_packets"] == edge["delivered_packets"] + edge["dropped_packets"]
    assert edges["infer", "log"]["dropped_packets"] == 0
