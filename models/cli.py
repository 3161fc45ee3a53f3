"""The commands ``retina train`` and ``retina evaluate``."""

from __future__ import annotations

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
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from pipeline.errors import RetinaError, SettingError

if TYPE_CHECKING:
    from models.evaluate import Evaluation
    from models.train import Epoch

train_app = typer.Typer(no_args_is_help=True, help="Train a network on recordings.")


@train_app.callback()
def _train() -> None:
    """Train a network on recordings."""


@train_app.command()
def classifier(
    data: Annotated[Path, typer.Argument(help="Folder of [<split>/]<label>/NNNNN.bin")],
    out: Annotated[Path, typer.Option(help="Where the model goes")] = Path(
        "runs/classifier.safetensors"
    ),
    network: Annotated[str | None, typer.Option(help="Layers, such as 2-16c5s2-32c3s2-10")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the recordings")] = None,
    full_epochs: Annotated[
        int | None, typer.Option(min=0, help="How many of them see the whole window")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of split, weights and order")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads")] = None,
) -> None:
    """Train a classifier on the CPU; what is not given is the shipped model's recipe."""
    from models.train import ClassifierConfig, train_classifier

    given = {
        "network": network,
        "epochs": epochs,
        "full_epochs": full_epochs,
        "seed": seed,
        "threads": threads,
    }
    chosen = {key: value for key, value in given.items() if value is not None}
    try:
        config = msgspec.convert(chosen, ClassifierConfig)
    except msgspec.ValidationError as error:
        raise SettingError(f"train classifier: {error}") from None
    # Asked before the hours, not after them.
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(f"--out {out}: {error.strerror}, expected a writable place") from None
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    ) as bar:
        task = bar.add_task("training", total=config.epochs)

        def progress(epoch: Epoch) -> None:
            best = f", validation best {epoch.best:.1%}" if epoch.best else ""
            bar.update(
                task,
                completed=epoch.epoch,
                description=f"loss {epoch.loss:.3f}, training {epoch.train_accuracy:.1%}{best}",
            )

        trained = train_classifier(config, data, out, progress)
    console.print(
        f"{out}: {trained.accuracy:.1%} of {len(trained.validation_names)} validation recordings "
        f"right, {trained.early:.1%} after the first {config.saccade_ms} ms"
    )


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
