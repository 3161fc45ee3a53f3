"""What stands beside a trained model: how the training went, as numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from models.training.config import AnyConfig
from models.training.parallel import Group
from models.training.recipe import to_dict
from models.training.run import Job, Trained
from pipeline.errors import ModelError, SettingError


def writable(out: Path) -> None:
    """Raise SettingError unless a model can be written to ``out``; make its folder."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.with_name(out.name + ".partial").open("wb"):
            pass
        out.with_name(out.name + ".partial").unlink()
    except OSError as error:
        raise SettingError(f"--out {out}: {error.strerror}, expected a writable place") from None
    if out.suffix != ".safetensors":
        raise SettingError(f"--out {out}: expected a name that ends in .safetensors")


def write(trained: Trained, config: AnyConfig, job: Job, group: Group) -> None:
    """Write the history beside the model, ``NAME.json``; raises ModelError where it cannot be."""
    assert job.out is not None
    history: dict[str, Any] = {
        "config": to_dict(config),
        "data": job.data,
        "fold": msgspec.to_builtins(job.fold),
        "processes": group.world,
        "device": group.device.type,
        "seconds": round(trained.seconds, 1),
        "score": msgspec.to_builtins(trained.score),
        "training": len(trained.training),
        "validation": trained.validation,
        "epochs": msgspec.to_builtins(trained.history),
    }
    path = job.out.with_suffix(".json")
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(history), indent=2))
    except OSError as error:
        raise ModelError(f"{path}: cannot be written: {error.strerror}") from None
