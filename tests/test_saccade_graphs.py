"""The ready graphs that begin with a still image, as real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def run(tmp_path: Path, *words: str) -> dict[str, Any]:
    report = tmp_path / "report.json"
    runs = tmp_path / "r"
    runs.mkdir()
    result = subprocess.run(
        [sys.executable, "-m", "pipeline", "run", *words, "--headless", "--report", str(report)],
        capture_output=True, text=True, timeout=120, check=False, cwd=Path(__file__).parents[1],
        env={**os.environ, "XDG_RUNTIME_DIR": str(runs)},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert list(runs.iterdir()) == []
    found: dict[str, Any] = json.loads(report.read_text())
    return found


def exact(report: dict[str, Any]) -> None:
    for edge in report["edges"]:
        for what in ("packets", "events"):
            sent, came = edge[f"sent_{what}"], edge[f"delivered_{what}"]
            assert sent == came + edge[f"dropped_{what}"], edge


def test_simulated_digits(tmp_path: Path) -> None:
    report = run(tmp_path, "saccade", "--set", "saccade.pace=fast", "--set", "saccade.limit=12")
    exact(report)
    assert len(report["predictions"]) == 12
    assert report["accuracy"] >= 0.8
    edge = next(e for e in report["edges"] if (e["from"], e["to"]) == ("saccade", "bins"))
    assert edge["sent_events"] > 12 * 1000
    assert edge["dropped_packets"] == 0


def test_a_photograph(tmp_path: Path) -> None:
    report = run(tmp_path, "photograph", "--set", "saccade.pace=fast")
    exact(report)
    assert report["latency_ms"]["p50"] is not None
    sent = {(e["from"], e["to"]): e["sent_packets"] for e in report["edges"]}
    # An image so far every 20 ms, the last one final.
    assert sent["reconstruct", "log"] == 15
