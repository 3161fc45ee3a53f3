"""The commands ``retina train``."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from models.module import SpikingModule
    from models.training.config import AnyConfig
    from models.training.trainer import Epoch

train_app = typer.Typer(no_args_is_help=True, help="Train a network on recordings.")


@train_app.callback()
def _train() -> None:
    """Train a network on recordings."""


Data = Annotated[
    str,
    typer.Option(
        metavar="DIR", help="Folder of [<split>/]<label>/NNNNN.bin, samples, or tonic:DIR"
    ),
]
Out = Annotated[Path, typer.Option(metavar="FILE", help="Where the model goes (.safetensors)")]
Recipe = Annotated[
    str | None, typer.Option(metavar="NAME|FILE.toml", help="A shipped recipe, or a file")
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, such as optimiser.rate=0.1"),
]
FoldOf = Annotated[
    str | None, typer.Option("--fold", metavar="K/N", help="Hold back the K-th of N parts")
]
Fresh = Annotated[
    bool, typer.Option("--fresh/--resume", help="Pass over a checkpoint, or go on from it")
]
Checkpoints = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder of checkpoints (beside the model)")
]
DeviceOf = Annotated[str, typer.Option("--device", help="cpu, cuda or auto")]
Board = Annotated[Path | None, typer.Option(metavar="DIR", help="Write TensorBoard's files there")]


@train_app.command()
def classifier(
    data: Data = "samples",
    out: Out = Path("runs/classifier.safetensors"),
    recipe: Recipe = "classifier",
    changes: Changes = None,
    fold: FoldOf = None,
    fresh: Fresh = False,
    checkpoints: Checkpoints = None,
    device: DeviceOf = "auto",
    tensorboard: Board = None,
) -> None:
    """Train a network that names what it sees."""
    from models.training.config import ClassifierConfig
    from models.training.recipe import read

    config = read(ClassifierConfig, recipe, changes or [])
    _run(config, data, None, out, fold, fresh, checkpoints, device, tensorboard)


@train_app.command()
def reconstructor(
    targets: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="The true images: PNG, or MNIST's own files"),
    ] = None,
    data: Data = "samples",
    out: Out = Path("runs/reconstructor.safetensors"),
    recipe: Recipe = "reconstructor",
    changes: Changes = None,
    fold: FoldOf = None,
    fresh: Fresh = False,
    checkpoints: Checkpoints = None,
    device: DeviceOf = "auto",
    tensorboard: Board = None,
) -> None:
    """Train a network that shows what it sees, an intensity a pixel."""
    from models.training.config import ReconstructorConfig
    from models.training.recipe import read

    config = read(ReconstructorConfig, recipe, changes or [])
    _run(config, data, targets, out, fold, fresh, checkpoints, device, tensorboard)


@train_app.command()
def card(
    model: Annotated[Path, typer.Argument(help="A trained model, its history (.json) beside it")],
    identity: Annotated[
        bool, typer.Option("--identity", help="Only bring the card's identity up to date")
    ] = False,
) -> None:
    """Write a trained model's card and curve anew."""
    from models import card as cards
    from models.store import load
    from models.training import files

    if identity:
        cards.renew(model)
        return
    record = files.read(model)
    # A card that is of other weights is what this mends.
    model.with_suffix(".md").unlink(missing_ok=True)
    files.describe(model, load(model), record)


def _run(
    config: AnyConfig,
    data: str,
    targets: str | None,
    out: Path,
    fold: str | None,
    fresh: bool,
    checkpoints: Path | None,
    device: str,
    tensorboard: Path | None,
) -> None:
    from models.device import pick
    from models.training import files, parallel, progress
    from models.training.board import board
    from models.training.run import Fold, Job, train

    # Asked before the hours, not after them.
    files.writable(out)
    job = Job(
        data=data,
        targets=targets,
        out=out,
        checkpoints=checkpoints or out.with_suffix(".checkpoints"),
        fresh=fresh,
        fold=Fold.parse(fold) if fold else None,
    )
    console = Console(stderr=True)
    with parallel.group(pick(device)) as group:
        console.quiet = not group.leads
        with contextlib.ExitStack() as stack:
            told = [stack.enter_context(progress.shown(config.epochs, console))]
            if tensorboard is not None and group.leads:
                told.append(stack.enter_context(board(tensorboard)))

            def tell(epoch: Epoch, module: SpikingModule) -> None:
                for tells in told:
                    tells(epoch, module)

            trained = train(config, job, group, tell)
        if not group.leads:
            return
        files.write(trained, config, job, group)
    found = f": validation {trained.score} ({trained.score.n} recordings)" if trained.score else ""
    console.print(f"{out}{found}; {trained.seconds:.0f} s", highlight=False, soft_wrap=True)
