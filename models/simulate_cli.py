"""The command ``retina simulate``: still images under saccades become recordings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from models.retina import Retina

Images = Annotated[
    list[str],
    typer.Argument(
        metavar="IMAGE... OUT",
        help="Images, a folder of them or an IDX file; last: a file (.bin, .npz, ...) or a folder",
    ),
]


def simulate(
    paths: Images,
    preset: Annotated[str, typer.Option(help="ideal, atis, davis346 or dvxplorer")] = "atis",
    trajectory: Annotated[
        str, typer.Option(help="A path's name or CSV file; 'a+b' adds, 'a,b' follows")
    ] = "nmnist",
    sensor: Annotated[
        str | None, typer.Option(metavar="WxH", help="Pixels of the sensor (the preset's)")
    ] = None,
    duration: Annotated[
        float | None, typer.Option(metavar="S", help="Seconds (as long as the path)")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the retina"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the pixels, of noise and of paths")] = 0,
    split: Annotated[
        str | None, typer.Option(help="Folder of the recordings (Train, or Test for t10k)")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many images")] = None,
    exclude: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Leave out images that have a recording there"),
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes (one a core)")] = None,
    preview: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Also a picture of a few ms of the first"),
    ] = None,
) -> None:
    """Turn still images into recordings of a silicon retina that moves."""
    from models.paths import named
    from models.simulate import Job, run
    from pipeline.errors import UsageError

    if len(paths) < 2:
        raise UsageError("simulate: needs an image and where the recording goes")
    *images, out = paths
    retina = _retina(preset, sensor, changes or [])
    where = "simulate"
    if seed >= 2**31:
        raise UsageError(f"{where}: --seed {seed}: expected below 2147483648")
    length = None if duration is None else round(duration * 1e6)
    if length is not None and length < 1000:
        raise UsageError(f"{where}: --duration {duration}: expected at least 0.001 s")
    # Asked before the hours, not after them.
    named(trajectory, where=f"{where}: --trajectory")
    job = Job(retina=retina, preset=preset, trajectory=trajectory, duration_us=length, seed=seed)
    run(images, Path(out), job, split, limit, exclude, jobs, preview)


def _retina(name: str, sensor: str | None, changes: list[str]) -> Retina:
    from models.retina import Retina, changed, preset
    from pipeline.errors import UsageError
    from pipeline.graph import parse_setting
    from pipeline.settings import checked

    where = "simulate"
    retina = preset(name, f"{where}: --preset")
    values = dict(parse_setting(text) for text in changes)
    retina = changed(retina, **checked(Retina, values, f"{where}: --set", text=True))
    if sensor is not None:
        width, cross, height = sensor.lower().partition("x")
        if not (cross and width.isdecimal() and height.isdecimal()):
            raise UsageError(f"{where}: --sensor {sensor}: expected WIDTHxHEIGHT, such as 346x260")
        sides = checked(Retina, {"width": width, "height": height}, f"{where}: --sensor", text=True)
        retina = changed(retina, **sides)
    return retina
