"""Cameras as real processes: the ready graph, a stop while nothing is there, the commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nodes.camera.virtual import free_port
from pipeline.board import Board, NodeSlot, State
from tests.command import Retina
from tests.waiting import until

ROOT = Path(__file__).parents[3]


SHORT = """
edges = [{ from = "camera", to = "bins" }]
[nodes.camera]
[nodes.bins]
"""


@pytest.fixture
def short(tmp_path: Path) -> str:
    """A graph that starts sooner than the ready one."""
    path = tmp_path / "short.toml"
    path.write_text(SHORT)
    return str(path)


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    runs = tmp_path / "r"
    runs.mkdir()
    yield {**os.environ, "XDG_RUNTIME_DIR": str(runs), "COLUMNS": "200"}
    assert list(runs.iterdir()) == []


def retina(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *words],
        capture_output=True, text=True, timeout=100, check=False, cwd=ROOT, env=environment,
    )  # fmt: skip


def start(environment: dict[str, str], *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", *words],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=ROOT, env=environment,
    )  # fmt: skip


def states(environment: dict[str, str]) -> dict[str, State]:
    """Where the nodes of the one run are in their lives."""
    found = {}
    for path in Path(environment["XDG_RUNTIME_DIR"]).glob("*/run-*/*.board"):
        board = Board(path, create=False)
        found[path.stem] = State(board[NodeSlot.STATE])
        board.close()
    return found


def test_the_ready_graph_on_a_stand_in(environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    result = retina(
        environment, "run", "camera", "--set", "camera.source=camera:virtual", "--headless",
        "--duration", "3", "--report", str(file),
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    report: dict[str, Any] = json.loads(file.read_text())
    edges = {(e["from"], e["to"]): e for e in report["edges"]}
    assert set(edges) == {("camera", "bins"), ("bins", "infer"), ("infer", "log")}
    for edge in edges.values():
        for what in ("packets", "events"):
            delivered, dropped = edge[f"delivered_{what}"], edge[f"dropped_{what}"]
            assert edge[f"sent_{what}"] == delivered + dropped, edge
    first = edges["camera", "bins"]
    # A packet a millisecond, silent or not; how many there are is up to the machine.
    assert first["sent_packets"] > 500
    assert first["sent_events"] > 2000
    assert report["latency_ms"]["p50"] is not None


def test_no_camera_is_one_line(environment: dict[str, str], short: str) -> None:
    result = retina(environment, "run", short, "--set", "camera.source=camera:none", "--headless")
    assert result.returncode == 1
    lines = [line for line in result.stderr.splitlines() if line.startswith("retina: ")]
    assert lines == [
        "retina: camera:none: no camera 'none' is plugged in; 'retina devices' lists"
        " cameras, 'retina doctor' finds what is amiss"
    ]


def test_ctrl_c_while_the_camera_is_away(environment: dict[str, str], short: str) -> None:
    run = start(
        environment, "run", short, "--set", f"camera.source=camera:127.0.0.1:{free_port()}",
        "--set", "camera.wait_s=600", "--headless",
    )  # fmt: skip
    try:
        assert run.stdout is not None
        assert any("waiting for it" in line for line in run.stdout)
        # To import the other node's modules may take longer than the stop that is timed here.
        until(lambda: states(environment) == {"camera": State.RUNNING, "bins": State.RUNNING})
        begin = time.monotonic()
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=20)
        assert run.returncode == 0
        assert time.monotonic() - begin < 5
    finally:
        run.kill()
        run.wait()


def test_a_virtual_camera_by_its_command(
    environment: dict[str, str], tmp_path: Path, short: str
) -> None:
    port = free_port()
    server = start(environment, "virtual-camera", "--port", str(port))
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == f"dv://127.0.0.1:{port}\n"
        other = retina(environment, "virtual-camera", "--port", str(port))
        assert other.returncode == 1
        assert other.stderr == (
            f"retina: virtual camera: port {port} of 127.0.0.1 cannot be had"
            " (Address already in use), choose another with --port\n"
        )
        file = tmp_path / "report.json"
        result = retina(
            environment, "run", short, "--set", f"camera.source=camera:127.0.0.1:{port}",
            "--headless", "--duration", "2", "--report", str(file),
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        report = json.loads(file.read_text())
        edge = next(e for e in report["edges"] if e["from"] == "camera")
        assert edge["delivered_events"] > 1000
        # A client is still remembered by the writer: the end must not wait for it.
        begin = time.monotonic()
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 130
        assert time.monotonic() - begin < 2
    finally:
        server.kill()
        server.communicate()


def test_devices_says_that_there_are_none_and_what_to_check(retina_here: Retina) -> None:
    listed = json.loads(retina_here("devices", "--json", "-").stdout)
    if listed["cameras"]:
        pytest.skip("a camera is plugged in")
    result = retina_here("devices")
    assert result.returncode == 0
    assert result.stdout.splitlines() == [
        "no camera is plugged in",
        *listed["problems"],
        "check the cable and its port, then 'retina doctor'",
        "without a camera: 'retina view camera:virtual', 'retina virtual-camera'",
    ]


def test_devices_lists_what_each_can_do(
    retina_here: Retina, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    file = tmp_path / "list.json"
    assert retina_here("devices", "--virtual", "--json", str(file)).stdout == ""
    rows = {row["source"]: row for row in json.loads(file.read_text())["cameras"]}
    assert "noise_us" in rows["camera:virtual-davis"]["can"]
    assert "readout" in rows["camera:virtual"]["can"]
    assert "rate_limit" in rows["camera:virtual-evk4"]["can"]
    text = retina_here("devices", "--virtual").stdout
    assert "camera:virtual-dvs128" in text
    assert "sensitivity, biases, roi" in text
