"""Checkpoints: a killed training ends as one that was not, and no failure costs the last one."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from models.store import load
from models.training import checkpoint
from pipeline.errors import ModelError

TINY = [
    "network=2-4c5s3d-10",
    "epochs=6",
    "full_epochs=2",
    "saccade_ms=40",
    "window_ms=60",
    "average=0.9",
    "validation.every=2",
    "validation.choose=best",
    "threads=1",
]

STATE = checkpoint.State(
    epoch=3,
    parameters=[torch.arange(300.0)],
    optimiser={"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1}]},
    average=[torch.ones(2)],
    updates=7,
    best=[],
    history="[]",
    recipe="epochs = 3\nseed = 1\n",
    data="abc",
)


def command(out: Path, *more: str) -> list[str]:
    changes = [word for change in TINY for word in ("--set", change)]
    return [sys.executable, "-m", "pipeline", "train", "classifier", "--out", str(out),
            "--recipe", "quick", "--device", "cpu", *changes, *more]  # fmt: skip


def run(out: Path, *more: str) -> str:
    done = subprocess.run(
        command(out, *more), capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.slow
def test_a_training_that_was_killed_ends_like_one_that_was_not(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole.safetensors", tmp_path / "killed.safetensors"
    run(whole)
    with subprocess.Popen(command(killed), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("epoch 4/6"):
                process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not killed.exists()
    told = run(killed)
    assert "epoch 6/6" in told
    assert "epoch 3/6" not in told
    for a, b in [
        (load(killed).weights, load(whole).weights),
        (load(killed).delays, load(whole).delays),
    ]:
        assert [None if x is None else x.tobytes() for x in a] == [
            None if x is None else x.tobytes() for x in b
        ]
    assert not killed.with_suffix(".checkpoints").exists()


def test_a_state_comes_back(tmp_path: Path) -> None:
    assert checkpoint.read(tmp_path, STATE.recipe, STATE.data) is None
    checkpoint.write(STATE, tmp_path)
    found = checkpoint.read(tmp_path, STATE.recipe, STATE.data)
    assert found is not None
    assert torch.equal(found.parameters[0], STATE.parameters[0])
    assert found._replace(parameters=[], average=[], optimiser={}) == STATE._replace(
        parameters=[], average=[], optimiser={}
    )
    checkpoint.remove(tmp_path)
    assert not tmp_path.exists()


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    checkpoint.write(STATE, tmp_path)
    with pytest.raises(ModelError, match="is of another training: epochs = 3, not epochs = 4; "):
        checkpoint.read(tmp_path, "epochs = 4\nseed = 1\n", STATE.data)
    with pytest.raises(ModelError, match="is of a training on other recordings"):
        checkpoint.read(tmp_path, STATE.recipe, "def")


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04nonsense", b"\x80\x04N."])
def test_a_file_that_is_no_checkpoint(tmp_path: Path, content: bytes) -> None:
    (tmp_path / checkpoint.NAME).write_bytes(content)
    with pytest.raises(ModelError, match="is no checkpoint of ours") as error:
        checkpoint.read(tmp_path, "", "")
    assert "\n" not in str(error.value)


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    torch.save({"format": checkpoint.FORMAT, "epoch": Path("x")}, tmp_path / checkpoint.NAME)
    with pytest.raises(ModelError, match="is no checkpoint of ours"):
        checkpoint.read(tmp_path, "", "")


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_a_full_disk_leaves_the_last_good_checkpoint(tmp_path: Path) -> None:
    with files_of_at_most(500), pytest.raises(ModelError) as error:
        checkpoint.write(STATE, tmp_path)
    assert str(error.value).endswith(f"cannot be written: {os.strerror(errno.EFBIG)}")
    checkpoint.write(STATE, tmp_path)
    with files_of_at_most(500), pytest.raises(ModelError, match="the last good checkpoint is kept"):
        checkpoint.write(STATE._replace(epoch=4), tmp_path)
    found = checkpoint.read(tmp_path, STATE.recipe, STATE.data)
    assert found is not None
    assert found.epoch == 3
    assert [f.name for f in tmp_path.iterdir()] == [checkpoint.NAME]
