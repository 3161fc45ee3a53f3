"""retina doctor as a command: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from nodes.doctor import cli
from nodes.doctor.finding import Finding

OK = Finding("python", "ok", "3.12")
NOTE = Finding("extra ros", "note", "ROS bags: rosbags missing", "pip install rosbags")
WRONG = Finding("opengl", "wrong", "libGL.so.1 cannot be loaded", "sudo apt-get install -y libgl1")


def run(monkeypatch: pytest.MonkeyPatch, findings: list[Finding], *words: str) -> tuple[int, str]:
    monkeypatch.setattr(cli, "look", lambda root: findings)
    app = typer.Typer()
    app.command()(cli.doctor)
    result = CliRunner().invoke(app, list(words))
    return result.exit_code, result.output


def test_nothing_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    code, text = run(monkeypatch, [OK, NOTE])
    assert code == 0
    assert text.splitlines() == [
        "ok     python: 3.12",
        "note   extra ros: ROS bags: rosbags missing",
        "",
        "optional:",
        "  # extra ros",
        "  pip install rosbags",
        "",
        "nothing is wrong",
    ]


def test_something_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    code, text = run(monkeypatch, [OK, WRONG])
    assert code == 1
    assert "WRONG  opengl: libGL.so.1 cannot be loaded" in text
    assert "  sudo apt-get install -y libgl1\n" in text
    assert text.endswith("1 wrong\n")


def test_as_json(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code, text = run(monkeypatch, [WRONG], "--json", "-")
    assert code == 1
    assert json.loads(text) == [
        {
            "name": "opengl",
            "state": "wrong",
            "what": "libGL.so.1 cannot be loaded",
            "mend": "sudo apt-get install -y libgl1",
        }
    ]
    file = tmp_path / "found.json"
    assert run(monkeypatch, [OK], "--json", str(file)) == (0, "")
    assert json.loads(file.read_text())[0]["name"] == "python"


def test_everything_is_looked_at_on_this_machine() -> None:
    names = {finding.name for finding in cli.look(Path("/"))}
    assert {"python", "torch", "cuda", "opengl", "cores", "memory", "disk"} <= names
    assert any(name.startswith("qt") for name in names)
    assert any(name.startswith("driver") for name in names)


def test_a_camera_that_fails_its_checklist_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "report.json"
    code, text = run(
        monkeypatch, [], "--camera", "--source", "camera:127.0.0.1:1", "--report", str(file)
    )
    assert code == 1
    assert "not every step passed" in text
    assert file.exists()
