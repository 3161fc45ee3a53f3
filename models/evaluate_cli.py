"""The command ``retina evaluate``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from pipeline.errors import RetinaError, SettingError

if TYPE_CHECKING:
    from models.evaluate import Evaluation
    from models.evaluate_images import Reconstruction
    from models.store import Model
    from pipeline.events import Events
    from recordings.folder import Sample


def evaluate(
    model: Annotated[str, typer.Argument(help="A shipped model's name, or a file")],
    folder: Annotated[
        str, typer.Argument(metavar="DIR", help="Folder of [<split>/]<label>/NNNNN.bin, or samples")
    ],
    split: Annotated[str | None, typer.Option(help="Only this split, such as Test")] = None,
    targets: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="True images, for a reconstructor: PNG or MNIST's files"),
    ] = None,
    noise: Annotated[
        float, typer.Option(metavar="N", help="Noise spikes a pixel, over the recording")
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the noise")] = 1,
    json: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write JSON there; - is standard output")
    ] = None,
) -> None:
    """Answer every recording under DIR and compare with what is true."""
    from models.store import load
    from recordings.folder import open_samples

    if not 0 <= noise < np.inf:
        raise SettingError(f"--noise {noise:g}: expected 0 or more spikes a pixel")
    loaded = load(model)
    found = open_samples(folder, split)
    if loaded.task == "reconstructor":
        targets = targets or _targets_of(folder)
        if targets is None:
            raise SettingError(
                f"{model} is a reconstructor: expected --targets DIR with the true images"
            )
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
        result = _measure(
            loaded,
            found,
            targets,
            lambda done: bar.update(task, completed=done),
            _noisy(loaded, noise, seed),
        )
    if json == "-":
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(result), indent=2).decode() + "\n")
        return
    if json is not None:
        try:
            Path(json).write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2))
        except OSError as error:
            raise RetinaError(f"--json {json}: cannot be written: {error.strerror}") from None
    show(result, Console())


def _targets_of(folder: str) -> str | None:
    """Return where the true images of the recordings that ship are."""
    from recordings.folder import SAMPLES_DIR

    return str(SAMPLES_DIR / "targets") if folder == "samples" else None


def _noisy(model: Model, noise: float, seed: int) -> Callable[[Events], Events]:
    if not noise:
        return lambda events: events
    from models.noise import add_noise

    _, height, width = model.network.input_shape
    return partial(
        add_noise,
        size=(width, height),
        window_us=model.window_us,
        per_pixel=noise,
        rng=np.random.default_rng(seed),
    )


def _measure(
    model: Model,
    found: list[Sample],
    targets: str | None,
    progress: Callable[[int], None],
    change: Callable[[Events], Events],
) -> Evaluation | Reconstruction:
    if model.task == "reconstructor":
        from models.evaluate_images import evaluate_images
        from models.targets import open_targets

        assert targets is not None
        return evaluate_images(model, found, open_targets(targets), progress, change)
    from models.evaluate import evaluate

    return evaluate(model, found, progress, change)


def show(result: Evaluation | Reconstruction, console: Console) -> None:
    """Print an evaluation as tables for a person."""
    from models import energy
    from models.evaluate import Evaluation

    if isinstance(result, Evaluation):
        _show_answers(result, console)
    else:
        _show_images(result, console)
    console.print(
        f"{result.spikes_per_answer:,.0f} spikes and "
        f"{result.synaptic_operations_per_answer:,.0f} synaptic operations an answer"
    )
    console.print(
        f"about {result.energy_nj_per_answer:,.0f} nJ an answer, one frame through the same layers "
        f"without spikes {result.frame_energy_nj:,.0f} nJ ({energy.ASSUMPTIONS})"
    )


def _show_answers(result: Evaluation, console: Console) -> None:
    low, high = result.accuracy_ci95
    console.print(
        f"[bold]{result.model}[/bold]: {result.accuracy:.1%} of {result.n} recordings right "
        f"(95 % interval {low:.1%} to {high:.1%})"
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


def _show_images(result: Reconstruction, console: Console) -> None:
    table = Table(f"{result.n} recordings", "SSIM", "PSNR, dB", title=result.model)
    table.add_row(
        "reconstruction",
        f"{result.ssim:.3f} ± {result.ssim_sd:.3f}",
        f"{result.psnr_db:.2f} ± {result.psnr_db_sd:.2f}",
    )
    table.add_row(
        "integration", f"{result.integration_ssim:.3f}", f"{result.integration_psnr_db:.2f}"
    )
    console.print(table)
    if result.lpips is not None:
        console.print(f"perceptual distance (LPIPS, AlexNet) {result.lpips:.3f}")
    curve = Table("after ms", "SSIM", "PSNR, dB", title="likeness against elapsed time")
    for point in result.anytime:
        if point.ms % 60 == 0:
            curve.add_row(str(point.ms), f"{point.ssim:.3f}", f"{point.psnr_db:.2f}")
    console.print(curve)
