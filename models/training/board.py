"""TensorBoard's files, where it is installed and asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.module import SpikingModule
from models.training import watch
from models.training.trainer import Epoch, Told
from pipeline.errors import SettingError


@contextlib.contextmanager
def board(folder: Path) -> Iterator[Told]:
    """Yield what is to be told of every epoch: it writes figures and weights into ``folder``.

    Raises SettingError where TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise SettingError(
            f"--tensorboard {folder}: TensorBoard is not installed, expected it from: "
            "pip install 'silicon-retina[train]'"
        ) from None
    # Any: its types depend on whether TensorBoard is installed.
    make: Any = SummaryWriter
    writer = make(str(folder))

    def told(epoch: Epoch, module: SpikingModule) -> None:
        for name, value in figures(epoch).items():
            writer.add_scalar(name, value, epoch.epoch)
        for name, parameter in watch.named(module):
            writer.add_histogram(name, parameter.detach().cpu(), epoch.epoch)
        writer.flush()

    try:
        yield told
    finally:
        writer.close()


def figures(epoch: Epoch) -> dict[str, float]:
    """Return an epoch's figures by the names that TensorBoard groups them by."""
    found = {"loss/training": epoch.loss, "measure/training": epoch.measure}
    found |= {f"spikes/layer {i}": n for i, n in enumerate(epoch.spikes)}
    score = epoch.score
    for name in ("accuracy", "early", "psnr_db", "ssim"):
        value = getattr(score, name, None)
        if value is not None:
            found[f"validation/{name}"] = value
    return found
