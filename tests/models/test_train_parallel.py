"""Two processes that train one network come to what one process comes to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.store import load

TINY = ["network=2-4c5s3-10", "epochs=2", "full_epochs=1", "saccade_ms=30", "window_ms=40",
        "batch=13", "average=0.5", "validation.every=1", "threads=1"]  # fmt: skip


def trained(out: Path, *before: str) -> str:
    words = ["-m", "pipeline", "train", "classifier", "--recipe", "quick", "--device", "cpu"]
    words += [word for change in TINY for word in ("--set", change)]
    done = subprocess.run(
        [sys.executable, *before, *words, "--out", str(out)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.slow
def test_two_processes_train_like_one(tmp_path: Path) -> None:
    """The last of the 40 recordings is a batch of its own, of which one process has nothing."""
    alone, together = tmp_path / "alone.safetensors", tmp_path / "together.safetensors"
    trained(alone)
    run = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    told = trained(together, *run)
    assert told.count("epoch 2/2") == 1
    for a, b in zip(load(alone).weights, load(together).weights, strict=True):
        assert a is not None
        assert b is not None
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * np.abs(a).max())
    assert sorted(p.suffix for p in tmp_path.glob("together.*")) == [
        ".json",
        ".md",
        ".safetensors",
        ".svg",
    ]
