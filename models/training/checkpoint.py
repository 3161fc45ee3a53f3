"""The state of a training on disk: written whole or not at all, read without running any code.

A checkpoint holds tensors, numbers and text alone (``torch.load(weights_only=True)``). What is
random is drawn from the seed and the position (``models.training.batches``), so that seed and
position are the generator's whole state.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pipeline.errors import ModelError

FORMAT = "silicon-retina-checkpoint-1"
NAME = "checkpoint.pt"


class State(NamedTuple):
    """Where a training stands.

    epoch       how many epochs are done
    weights, delays  by layer
    optimiser   its ``state_dict``
    average     running mean of weights and delays, and its count of updates
    best        weights and delays that did best, where ``validation.choose`` asks for them
    """

    epoch: int
    parameters: list[Tensor]
    optimiser: dict[str, Any]
    average: list[Tensor]
    updates: int
    best: list[Tensor]
    history: str
    recipe: str
    data: str


def write(state: State, folder: Path) -> None:
    """Write a checkpoint into ``folder``; the one before it stays until this one is whole.

    Raises ModelError where it cannot be written.
    """
    path = folder / NAME
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state._asdict()}, buffer)
    partial = path.with_name(path.name + ".partial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        kept = "; the last good checkpoint is kept" if path.is_file() else ""
        raise ModelError(
            f"{path}: the checkpoint of epoch {state.epoch} cannot be written: "
            f"{error.strerror}{kept}"
        ) from None


def read(folder: Path, recipe: str, data: str) -> State | None:
    """Return the checkpoint in ``folder``, None where there is none.

    ``recipe`` (TOML) and ``data`` say what the training is of. Raises ModelError where the file is
    no checkpoint or one of another training.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    if not zipfile.is_zipfile(path):
        # An old pickle would be read too, with a warning.
        raise ModelError(f"{path}: is no checkpoint of ours (no ZIP archive)")
    try:
        found = torch.load(path, weights_only=True, map_location="cpu")
        if found.pop("format") != FORMAT:
            raise KeyError("format")
        state = State(**found)
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError,
            AttributeError) as error:  # fmt: skip
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{path}: is no checkpoint of ours ({why})") from None
    for ours, theirs in zip(recipe.splitlines(), state.recipe.splitlines(), strict=False):
        if ours != theirs:
            raise ModelError(
                f"{path}: is of another training: {theirs or 'nothing'}, not {ours or 'nothing'}; "
                "expected the same recipe, --fresh or another --checkpoints folder"
            )
    if (recipe, data) != (state.recipe, state.data):
        raise ModelError(
            f"{path}: is of a training on other recordings; expected the same --data and --fold, "
            "--fresh or another --checkpoints folder"
        )
    return state


def remove(folder: Path) -> None:
    """Remove the checkpoint of a training that is done, and the folder where nothing else is."""
    (folder / NAME).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()
