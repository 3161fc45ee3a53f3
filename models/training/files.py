"""What stands beside a trained model: its history, the curve of it, and a card.

NAME.json   everything about the training as numbers
NAME.svg    loss and accuracy over the epochs
NAME.md     the model's card (``models.card``), to be read, completed and kept
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from models.store import Model
from models.training.config import AnyConfig
from models.training.curve import curve
from models.training.draft import draft
from models.training.history import Record
from models.training.machine import machine
from models.training.parallel import Group
from models.training.recipe import to_dict
from models.training.run import Job, Trained
from pipeline.errors import ModelError, SettingError


def writable(out: Path) -> None:
    """Raise SettingError unless a model can be written to ``out``; make its folder."""
    if out.suffix != ".safetensors":
        raise SettingError(f"--out {out}: expected a name that ends in .safetensors")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial = out.with_name(out.name + ".partial")
        partial.touch()
        partial.unlink()
    except OSError as error:
        raise SettingError(f"--out {out}: {error.strerror}, expected a writable place") from None


def write(trained: Trained, config: AnyConfig, job: Job, group: Group) -> None:
    """Write what stands beside the model; raises ModelError where it cannot be written."""
    assert job.out is not None
    record = Record(
        config=to_dict(config),
        data=Path(job.data).name,
        fold=job.fold,
        processes=group.world,
        device=group.device.type,
        seconds=round(trained.seconds, 1),
        score=trained.score,
        training=len(trained.training),
        validation=trained.validation,
        epochs=trained.history,
        machine=machine(group.device.type),
    )
    _put(job.out.with_suffix(".json"), msgspec.json.format(msgspec.json.encode(record), indent=1))
    describe(job.out, trained.model, record)


def read(out: Path) -> Record:
    """Read the history beside the model ``out``; raises ModelError."""
    path = out.with_suffix(".json")
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise ModelError(f"{path}: is no history of a training: {error}") from None


def describe(out: Path, model: Model, record: Record) -> None:
    """Write curve and card of the model ``out``."""
    if record.epochs:
        _put(out.with_suffix(".svg"), curve(record.epochs, out.stem).encode())
    _put(out.with_suffix(".md"), draft(out, model, record).encode())


def _put(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ModelError(f"{path}: cannot be written: {error.strerror}") from None
