"""The example of the docs: noise between the recordings and the network, as processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_noise_that_was_asked_for_reaches_the_network(tmp_path: Path) -> None:
    words = ["docs/examples/noisy.toml", "--headless", "--report", "-"]
    for setting in ("source.limit=3", "source.sample_ms=400", "source.gap_ms=200"):
        words += ["--set", setting]
    result = subprocess.run(
        [sys.executable, "-m", "pipeline", "run", *words],
        capture_output=True, text=True, timeout=120, check=False, cwd=ROOT,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    sent = {(e["from"], e["to"]): e["sent_events"] for e in report["edges"]}
    for edge in report["edges"]:
        assert edge["sent_events"] == edge["delivered_events"]
    # Each of three recordings is shown for 600 ms: two windows of two spikes a pixel.
    assert sent["filter", "bins"] - sent["source", "filter"] == 3 * 2 * 2 * 34 * 34
    assert len(report["predictions"]) == 3
