"""The commands ``retina train`` and ``retina evaluate``."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
)
from rich.table import Table

from pipeline.errors import RetinaError

if TYPE_CHECKING:
    from models.evaluate import Evaluation
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


def evaluate(
    model: Annotated[str, typer.Argument(help="A shipped model's name, or a file")],
    folder: Annotated[
        str, typer.Argument(metavar="DIR", help="Folder of [<split>/]<label>/NNNNN.bin, or samples")
    ],
    split: Annotated[str | None, typer.Option(help="Only this split, such as Test")] = None,
    json: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write JSON there; - is standard output")
    ] = None,
) -> None:
    """Answer every recording under DIR and compare with its label."""
    from models.evaluate import evaluate as measure
    from models.store import load
    from recordings.folder import open_samples

    loaded = load(model)
    found = open_samples(folder, split)
    console = Console(stderr=True)
    with Progress(
        TextColumn("evaluating"),
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("", total=len(found))
        result = measure(loaded, found, lambda done: bar.update(task, completed=done))
    if json == "-":
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(result), indent=2).decode() + "\n")
        return
    if json is not None:
        try:
            Path(json).write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2))
        except OSError as error:
            raise RetinaError(f"--json {json}: cannot be written: {error.strerror}") from None
    show(result, Console())


def show(result: Evaluation, console: Console) -> None:
    """Print an evaluation as tables for a person."""
    low, high = result.accuracy_ci95
    console.print(
        f"[bold]{result.model}[/bold]: {result.accuracy:.1%} of {result.n} recordings right "
        f"(95 % interval {low:.1%} to {high:.1%})"
    )
    console.print(
        f"{result.spikes_per_answer:,.0f} spikes and "
        f"{result.synaptic_operations_per_answer:,.0f} synaptic operations an answer"
    )
    confusion = Table("true", *map(str, result.classes), title="answers")
    for label, row in zip(result.classes, result.confusion, strict=True):
        confusion.add_row(str(label), *(str(n) if n else "·" for n in row))
    console.print(confusion)
    curve = Table("after ms", "right", title="accuracy against elapsed time")
    for point in result.anytime:
        if point.ms % 50 == 0:
            curve.add_row(str(point.ms), f"{point.accuracy:.1%}")
    console.print(curve)
    wrong = [a for a in result.predictions if a.answer != a.label]
    for a in wrong[:20]:
        console.print(f"{a.sample}: {a.label} was called {a.answer}", highlight=False)
