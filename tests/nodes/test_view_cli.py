"""retina view: the graph that it makes of a source, how it attaches, and what it says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import zmq

from nodes.view_cli import _running, graph_of
from pipeline.channel.endpoints import base_directory
from pipeline.errors import RetinaError, UsageError
from pipeline.graph import Graph, build
from pipeline.runs import note_run, runs
from recordings.folder import SAMPLES_DIR
from tests.waiting import until

SHIPPED = ("nmnist-classifier", "nmnist-reconstructor")


def made(source: str, *models: str, **options: object) -> Graph:
    """Return the graph of a viewer on ``source``, checked as a graph file is."""
    changes = options.pop("changes", ())
    assert isinstance(changes, tuple)
    data = graph_of(source, list(models), None, None, **options)  # type: ignore[arg-type]
    return build(data, "retina view", changes)


def edges(graph: Graph) -> set[tuple[str, str, str]]:
    """Return the edges of a graph."""
    return {(edge.source, edge.target, edge.policy) for edge in graph.edges}


# The graph.


def test_a_recording_is_watched_and_waits_at_its_end() -> None:
    graph = made("samples")
    assert edges(graph) == {("source", "view", "latest")}
    assert graph.nodes["source"].values["hold"] is True
    assert graph.nodes["view"].values["targets"] == "samples"
    assert "samples" in graph.nodes["view"].values["title"]


@pytest.mark.parametrize("source", ["camera:", "dv://127.0.0.1:7777", "aer-udp://127.0.0.1:9000"])
def test_a_live_source_has_no_end_to_wait_at(source: str) -> None:
    data = graph_of(source, [], "count", "keys", insecure=True)
    assert data["nodes"]["source"] == {"path": source}
    assert data["nodes"]["view"]["mode"] == "count"
    assert (data["keys"], data["insecure"]) == ("keys", True)


@pytest.mark.parametrize(
    ("models", "kinds"),
    [
        (SHIPPED[:1], {"infer"}),
        (SHIPPED[1:], {"reconstruct"}),
        (SHIPPED, {"infer", "reconstruct"}),
    ],
)
def test_models_see_the_same_events_as_the_viewer(models: tuple[str, ...], kinds: set[str]) -> None:
    graph = made("samples", *models)
    assert set(graph.nodes) == {"source", "filter", "bins", "view"} | kinds
    expected = {("source", "filter", "lossless"), ("filter", "bins", "lossless")}
    expected |= {(name, "view", "latest") for name in ("filter", "bins")}
    for kind in kinds:
        expected |= {("bins", kind, "lossless"), (kind, "view", "latest")}
    assert edges(graph) == expected


def test_a_filter_and_a_recorder_stand_where_they_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "out.aedat4"
    assert ("source", "record", "lossless") in edges(made("samples", record=path))
    graph = made("samples", record=path, cleaned=True)
    assert ("filter", "record", "lossless") in edges(graph)
    assert graph.nodes["record"].values["recording"] is False


def test_settings_are_changed_as_in_a_graph_file() -> None:
    graph = made("samples", changes=("source.pace=fast", "view.fps=30"))
    assert graph.nodes["source"].values["pace"] == "fast"
    assert graph.nodes["view"].values["fps"] == 30


def test_two_models_of_one_kind_are_refused() -> None:
    with pytest.raises(UsageError, match="one classifier at a time"):
        made("samples", SHIPPED[0], SHIPPED[0])
    with pytest.raises(RetinaError, match="no-such-model"):
        made("samples", "no-such-model")


# What it says.


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory for runs of this test's own; its name is short, as sockets' must be."""
    base = tmp_path / "r"
    base.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(base))
    return base


def retina(*words: str, runtime: Path, timeout: float = 100) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *words],
        capture_output=True, text=True, timeout=timeout, check=False, env=environment(runtime),
    )  # fmt: skip


def environment(runtime: Path) -> dict[str, str]:
    """Return an environment without a screen, with runs of its own."""
    return {**os.environ, "QT_QPA_PLATFORM": "offscreen", "XDG_RUNTIME_DIR": str(runtime)}


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        ((), 2, "nothing runs on this host; name a SOURCE"),
        (("samples", "--at", "1s"), 2, "--at: goes with --snapshot FILE.png"),
        (("--snapshot", "a.png"), 2, "--snapshot: needs a SOURCE"),
        (("ipc:///tmp/x", "--model", SHIPPED[0]), 2, "--model: the pipeline runs already"),
        (("ipc:///tmp/x", "--duration", "1"), 2, "--duration: the pipeline runs already"),
        (("ipc:///tmp/x", "--set", "source.pace=1"), 2, "expected view.KEY=VALUE"),
        (("ipc:///tmp/x", "--set", "view.fsp=1"), 2, "did you mean 'fps'?"),
        (("tcp://192.0.2.1:5555",), 1, "keys"),
        (("/no/such/file.aedat4",), 1, "/no/such/file.aedat4"),
    ],
)
def test_a_mistake_is_one_line(
    runtime: Path, words: tuple[str, ...], status: int, says: str
) -> None:
    done = retina("view", *words, runtime=runtime)
    assert done.returncode == status, done.stderr
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert not done.stdout


def test_of_several_runs_one_is_to_be_named(runtime: Path) -> None:
    del runtime
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    sockets: list[zmq.Socket[bytes]] = []
    try:
        for name in ("first", "second"):
            directory = base_directory() / f"run-{os.getpid()}-{name}"
            directory.mkdir()
            note_run(directory, name, os.getpid())
            sockets.append(context.socket(zmq.ROUTER))
            sockets[-1].bind(f"ipc://{directory}/source")
            if name == "first":
                assert _running() == [f"ipc://{directory}/source"]
        with pytest.raises(
            UsageError, match=r"2 runs, name the address of one: first \(ipc://.*second"
        ):
            _running()
    finally:
        for socket in sockets:
            socket.close(linger=0)
        context.term()


# Attached to a pipeline that runs.

GRAPH = """
edges = [ { from = "source", to = "bins" }, { from = "bins", to = "infer" },
          { from = "infer", to = "log" } ]
[nodes]
source = { loop = true }
bins = { height = 34, width = 34 }
infer = {}
log = { quiet = true }
"""


@contextmanager
def running(folder: Path, runtime: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a pipeline without a viewer; end it in order."""
    (folder / "watched.toml").write_text(GRAPH)
    command = ["run", "watched.toml", "--report", "report.json"]
    with subprocess.Popen(
        [sys.executable, "-m", "pipeline", *command],
        cwd=folder, env=environment(runtime), text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            until(lambda: any(len(run.endpoints) == 3 for run in runs()))
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)


def seen(viewer: subprocess.Popen[str], path: Path) -> bool:
    """Whether a viewer has saved its picture, or ended."""
    return viewer.poll() is not None or path.exists()


@pytest.mark.timeout(300)
def test_it_attaches_to_what_runs_and_leaves_it_running(runtime: Path, tmp_path: Path) -> None:
    picture, one = tmp_path / "all.png", tmp_path / "one.png"
    with running(tmp_path, runtime) as process:
        source = runs()[0].endpoints["source"]
        viewers = []
        for words, path in (((), picture), ((source,), one)):
            shoot = ("--set", f"view.screenshot={path}", "--set", "view.screenshot_after_s=0.5")
            viewer = subprocess.Popen(
                [sys.executable, "-m", "pipeline", "view", *words, *shoot, "--mode", "count"],
                env=environment(runtime), stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            viewers.append((viewer, path))
        for viewer, path in viewers:
            until(partial(seen, viewer, path))
            viewer.send_signal(signal.SIGTERM)
            said = viewer.communicate(timeout=60)[1]
            assert (viewer.returncode, said) == (0, "")
            assert path.stat().st_size > 10_000
        assert process.poll() is None
    assert process.returncode == 0
    report = json.loads((tmp_path / "report.json").read_text())
    guests = [edge for edge in report["edges"] if edge["policy"] == "guest"]
    # One took from every node that gives anything, the other from the source alone.
    assert sorted(edge["from"] for edge in guests) == ["bins", "infer", "source", "source"]
    for edge in guests:
        assert edge["to"].startswith("view-")
        assert edge["delivered_packets"] > 0
        assert edge["sent_packets"] == edge["delivered_packets"] + edge["dropped_packets"]
    for edge in report["edges"]:
        if edge["policy"] == "lossless":
            assert edge["dropped_packets"] == 0


@pytest.mark.timeout(300)
def test_a_recording_is_shown_by_a_run_of_its_own(runtime: Path, tmp_path: Path) -> None:
    path = tmp_path / "first.png"
    sample = next(SAMPLES_DIR.glob("Test/*/*.bin"))
    done = retina(
        "view", str(sample), "--set", f"view.screenshot={path}", "--duration", "0.5",
        runtime=runtime,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert path.exists()
    assert "source → view" in done.stdout
    assert not runs()
