"""A training's history, as it stands beside the model that it made."""

from __future__ import annotations

from typing import Any

import msgspec

from models.training.config import AnyConfig, ClassifierConfig, ReconstructorConfig
from models.training.objective import Score
from models.training.recipe import build
from models.training.run import Fold
from models.training.trainer import Epoch


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A training's history as it is written.

    data         name of the folder; ``validation`` names the recordings held back
    processes, device, machine   what it ran on
    score        of the weights that were kept
    """

    config: dict[str, Any]
    data: str
    fold: Fold | None
    processes: int
    device: str
    seconds: float
    score: Score | None
    training: int
    validation: list[str]
    epochs: list[Epoch]
    machine: dict[str, str] = {}

    @property
    def settings(self) -> AnyConfig:
        """The config, typed."""
        if self.config.get("task") == "reconstructor":
            return build(ReconstructorConfig, self.config, "history")
        return build(ClassifierConfig, self.config, "history")
