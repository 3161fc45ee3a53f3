"""What a training says while it runs: a bar on a terminal, a line an epoch elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from models.module import SpikingModule
from models.training.trainer import Epoch, Told


def line(epoch: Epoch, best: str = "") -> str:
    """Say in one line what an epoch brought; ``best`` is the last validation's figure."""
    measure = f"{epoch.measure:.2f}" if epoch.score and epoch.score.psnr_db else ""
    measure = measure or (f"{epoch.measure:.1%}" if epoch.measure <= 1 else f"{epoch.measure:.2f}")
    found = str(epoch.score) if epoch.score is not None else best
    return f"loss {epoch.loss:.4f}, training {measure}" + (f", validation {found}" if found else "")


@contextlib.contextmanager
def shown(epochs: int, console: Console) -> Iterator[Told]:
    """Yield what is to be told of every epoch."""
    if not console.is_terminal:
        yield lambda e, _: console.print(
            f"epoch {e.epoch}/{e.epochs}: {line(e)} ({e.seconds:.1f} s)",
            highlight=False,
            soft_wrap=True,
        )
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("compiling", total=epochs)
        best = ""

        def told(epoch: Epoch, _: SpikingModule) -> None:
            nonlocal best
            best = str(epoch.score) if epoch.score is not None else best
            bar.update(task, completed=epoch.epoch, description=line(epoch, best))

        yield told
