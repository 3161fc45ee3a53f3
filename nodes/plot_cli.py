"""The command ``retina plot``: figures of events, trainings, reconstructions and spikes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from recordings.folder import Sample

plot_app = typer.Typer(
    help="Figures without a screen: PNG, SVG, PDF; animations: GIF, MP4.", no_args_is_help=True
)

Out = Annotated[Path, typer.Argument(metavar="OUT", help="The figure: .png, .svg or .pdf")]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="A shipped model or a file")]
Recording = Annotated[
    Path, typer.Argument(metavar="RECORDING", help="A recording, or 'samples' (its first one)")
]


@plot_app.command()
def events(
    recording: Recording,
    out: Out,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="From when on (default: where most are)")
    ] = None,
    span: Annotated[str, typer.Option(metavar="TIME", help="For how long")] = "10ms",
) -> None:
    """Events of a short time, ON red and OFF blue."""
    from nodes.plots.figures import plot_events
    from nodes.view.snapshot import moment_us

    found = _one(recording).path
    n = plot_events(found, out, None if at is None else moment_us(at, "--at"),
                    moment_us(span, "--span"))  # fmt: skip
    print(f"{out}: {n:,} events")


@plot_app.command()
def training(
    histories: Annotated[
        list[Path],
        typer.Argument(metavar="HISTORY.json... OUT", help="What retina train left; the figure"),
    ],
) -> None:
    """Loss and accuracy (or PSNR) over the epochs of one or several trainings."""
    from nodes.plots.figures import plot_training
    from pipeline.errors import UsageError

    *read, out = histories
    if not read:
        raise UsageError("retina plot training: expected HISTORY.json... OUT")
    plot_training(read, out)
    print(out)


@plot_app.command()
def reconstructions(
    model: Model,
    folder: Annotated[
        str, typer.Argument(metavar="DIR", help="Recordings in N-MNIST's layout, or 'samples'")
    ],
    out: Out,
    targets: Annotated[
        str | None, typer.Option(metavar="DIR", help="The true images; 'samples' has them")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Only this split")] = None,
    n: Annotated[int, typer.Option("-n", min=1, max=50, help="How many recordings")] = 10,
) -> None:
    """What a reconstructor sees in recordings, beside the events and the true images."""
    from models.store import load
    from models.targets import open_targets
    from nodes.plots.figures import plot_reconstructions
    from pipeline.errors import UsageError
    from recordings.folder import SAMPLES_DIR, SHIPPED, TARGETS, open_samples

    found = load(model)
    if found.task != "reconstructor":
        raise UsageError(f"{model}: is a {found.task}, expected a reconstructor")
    if targets is None and folder == SHIPPED:
        targets = str(SAMPLES_DIR / TARGETS)
    samples = open_samples(folder, split)
    chosen = [
        samples[k * len(samples) // min(n, len(samples))] for k in range(min(n, len(samples)))
    ]
    plot_reconstructions(found, chosen, None if targets is None else open_targets(targets), out)
    print(f"{out}: {len(chosen)} recordings")


@plot_app.command()
def raster(model: Model, recording: Recording, out: Out) -> None:
    """Which neurons of every layer spiked when."""
    from models.store import load
    from nodes.plots.figures import plot_raster

    rows = plot_raster(load(model), _one(recording), out)
    print(f"{out}: {sum(len(ms) for ms, _ in rows.spikes):,} spikes in {len(rows.names)} layers")


@plot_app.command()
def drawing(
    model: Model,
    recording: Recording,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The animation: .gif or .mp4")],
    step: Annotated[
        str, typer.Option(metavar="TIME", help="Event time from frame to frame")
    ] = "5ms",
    fps: Annotated[int, typer.Option(min=1, max=60, help="Frames a second")] = 25,
) -> None:
    """An image as it is drawn by a network, beside the events that it is drawn from."""
    from models.store import load
    from nodes.plots.drawing import draw
    from nodes.view.snapshot import moment_us
    from pipeline.errors import UsageError

    found = load(model)
    if found.task != "reconstructor":
        raise UsageError(f"{model}: is a {found.task}, expected a reconstructor")
    step_ms = max(1, moment_us(step, "--step") // 1000)
    print(f"{out}: {draw(found, _one(recording), out, step_ms, fps)} frames")


def _one(path: Path) -> Sample:
    from recordings.folder import open_samples

    return open_samples(str(path))[0]
