"""The command line: every mistake ends in one clear line and the right exit status."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command import ROOT, Retina, Said, one_line, retina

SAMPLES = ROOT / "recordings" / "samples"
Run = Callable[[Path], Said]


FAST = ("--headless", "--set", "source.pace=fast", "--set", "source.limit=1")
ONE_PROCESS = """
edges = [
  { from = "source", to = "bins" },
  { from = "bins", to = "infer" },
  { from = "infer", to = "log" },
]
[nodes]
source = { group = "all", pace = "fast", limit = 1 }
bins = { group = "all" }
infer = { group = "all" }
log = { group = "all" }
"""
"""A graph that starts sooner than the ready one, whose nodes are five processes."""


@pytest.fixture
def short(tmp_path: Path) -> str:
    path = tmp_path / "short.toml"
    path.write_text(ONE_PROCESS)
    return str(path)


@pytest.fixture
def run_on(short: str, retina_here: Retina) -> Run:
    """Run that graph on a recording; its node is a process, the launcher is this one."""
    return lambda path: retina_here("run", short, "--set", f"source.path={path}")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "Test" / "5"
    folder.mkdir(parents=True)
    shutil.copy(SAMPLES / "Test" / "5" / "00009.bin", folder)
    return tmp_path / "data"


def test_a_truncated_recording(data: Path, run_on: Run) -> None:
    file = data / "Test" / "5" / "00009.bin"
    file.write_bytes(file.read_bytes()[:-3])
    one_line(run_on(data), 1, "source:", "00009.bin")


def test_a_file_of_another_format(data: Path, run_on: Run) -> None:
    file = data / "Test" / "5" / "00009.bin"
    file.write_bytes(b"#!AER-DAT4.0\r\n" + bytes(41))
    one_line(run_on(file), 1, "00009.bin", "AEDAT")


def test_an_empty_folder(tmp_path: Path, run_on: Run) -> None:
    (tmp_path / "empty").mkdir()
    one_line(run_on(tmp_path / "empty"), 1, str(tmp_path / "empty"))


def test_a_label_that_is_no_digit_beside_one_that_is(data: Path, run_on: Run) -> None:
    shutil.copytree(data / "Test" / "5", data / "Test" / "cat")
    one_line(run_on(data), 1, "source:", "'cat' is no label")


def test_a_missing_recording(tmp_path: Path, run_on: Run) -> None:
    one_line(run_on(tmp_path / "none.bin"), 1, "none.bin")


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        (["source.pac=real"], ["unknown setting 'pac'", "did you mean 'pace'?"]),
        (["source.pace=slow"], ['pace = "slow"', '"real", "fast" or a number at least']),
        (["sorce.pace=real"], ["unknown node 'sorce'"]),
        (["bins.bin_us=0"], ['bin_us = "0"', "at least 1"]),
        (["nonsense"], ["expected KEY=VALUE"]),
    ],
)
def test_a_wrong_setting(changes: list[str], parts: list[str], retina_here: Retina) -> None:
    words = [word for change in changes for word in ("--set", change)]
    one_line(retina_here("run", "nmnist", "--headless", *words), 2, *parts)


def test_a_graph_with_a_typo(tmp_path: Path, retina_here: Retina) -> None:
    graph = tmp_path / "typo.toml"
    graph.write_text('edges = [{ from = "source", to = "bin" }]\n[nodes.source]\n[nodes.bins]\n')
    result = retina_here("graph", "check", str(graph))
    one_line(result, 2, "typo.toml", "to = 'bin'", "did you mean 'bins'?")


def test_a_graph_that_is_missing() -> None:
    one_line(retina("run", "nowhere.toml"), 2, "nowhere.toml")


def test_a_missing_model(short: str, retina_here: Retina) -> None:
    result = retina_here("run", short, "--set", "infer.model=none.safetensors")
    one_line(result, 1, "infer:", "none.safetensors")


def test_a_foreign_model(tmp_path: Path, retina_here: Retina) -> None:
    file = tmp_path / "foreign.safetensors"
    file.write_bytes(b"\x10" + bytes(50))
    one_line(retina_here("evaluate", str(file), str(SAMPLES)), 1, "foreign.safetensors")


def test_cuda_where_there_is_none(short: str, retina_here: Retina) -> None:
    if Path("/dev/nvidia0").exists():
        pytest.skip("there is a CUDA device here")
    result = retina_here("run", short, "--set", "infer.device=cuda")
    one_line(result, 1, "infer:", "cuda")


def test_no_display(tmp_path: Path) -> None:
    hidden = {"DISPLAY": "", "WAYLAND_DISPLAY": "", "QT_QPA_PLATFORM": ""}
    graph = tmp_path / "shown.toml"
    graph.write_text(
        'edges = [{ from = "source", to = "view" }]\n[nodes.source]\nlimit = 1\n[nodes.view]\n'
    )
    result = retina("run", str(graph), env=hidden)
    one_line(result, 1, "view:", "--headless")


def test_a_port_in_use() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        one_line(
            retina("node", "source", "--out", f"tcp://127.0.0.1:{port}"), 1, str(port), "in use"
        )


def test_tcp_beyond_this_host_needs_keys(retina_here: Retina) -> None:
    one_line(
        retina_here("node", "source", "--out", "tcp://0.0.0.0:5555"), 1, "retina keys", "insecure"
    )


def test_a_node_without_inputs(retina_here: Retina) -> None:
    one_line(retina_here("node", "bins"), 2, "--in ENDPOINT")


def test_a_wrong_command_and_a_wrong_option() -> None:
    for words in (["fly"], ["run", "nmnist", "--fast"]):
        result = retina(*words)
        assert result.returncode == 2
        assert "Traceback" not in result.stderr


def test_debug_shows_the_traceback() -> None:
    result = retina("run", "nowhere.toml", "--debug")
    assert result.returncode == 2
    assert "Traceback" in result.stderr


def test_keys_are_made_once(tmp_path: Path, retina_here: Retina) -> None:
    assert retina_here("keys", str(tmp_path / "k")).returncode == 0
    secret = tmp_path / "k" / "server.key_secret"
    assert secret.stat().st_mode & 0o077 == 0
    one_line(retina_here("keys", str(tmp_path / "k")), 1, "not overwritten")


def test_report_on_standard_output_is_json_alone(short: str) -> None:
    result = retina("run", short, "--report", "-")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert {"edges", "nodes", "latency_ms", "predictions", "accuracy"} <= set(report)
    assert report["predictions"][0].keys() >= {"sample", "label", "answer", "ms"}
    assert set(report["latency_ms"]) == {"p50", "p99", "max"}


def test_the_image_stands_beside_the_answer() -> None:
    result = retina("run", "nmnist", *FAST)
    assert result.returncode == 0, result.stderr
    lines = [line.partition("│ ")[2] for line in result.stdout.splitlines() if "log │" in line]
    assert len(lines) == 7
    assert "answered" in lines[3]
    pictures = "".join(line[:14] for line in lines)
    assert set(pictures) <= set(" ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█")
    assert 5 < len(pictures.replace(" ", "")) < 60, "a digit, neither nothing nor everything"


def test_a_report_that_cannot_be_written(tmp_path: Path, short: str, retina_here: Retina) -> None:
    result = retina_here("run", short, "--report", str(tmp_path / "no" / "r.json"))
    one_line(result, 1, "r.json")


def test_nodes_of_two_commands_over_tcp(tmp_path: Path) -> None:
    keys = str(tmp_path / "keys")
    assert retina("keys", keys).returncode == 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    secure = ("--keys", keys)
    source = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "node", "source", "--out", address, *secure,
         "--set", "pace=fast", "--set", "limit=2", "--set", "split=Test"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    taken = retina("node", "bins", "--in", address, *secure)
    _, err = source.communicate(timeout=60)
    assert taken.returncode == 0, taken.stderr
    assert source.returncode == 0, err


def test_kinds_and_settings_are_listed(retina_here: Retina) -> None:
    kinds = retina_here("graph", "kinds")
    assert kinds.returncode == 0, kinds.stderr
    for kind in ("source", "bins", "infer", "reconstruct", "log", "view"):
        assert kind in kinds.stdout
    assert "bin_us" in retina_here("graph", "kinds", "bins").stdout
