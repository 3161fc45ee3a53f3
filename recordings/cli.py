"""The commands ``retina info`` and ``retina convert``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from pipeline.errors import RetinaError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from recordings.convert import Cut, Done
    from recordings.info import Info


def info(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A recording of any format")],
    gap_ms: Annotated[
        float, typer.Option("--gap-ms", min=0.001, help="Silences from so long on are gaps")
    ] = 100.0,
    json: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write JSON there; - is standard output")
    ] = None,
) -> None:
    """Tell what a recording holds: sensor, events, rate over time, hot pixels, gaps."""
    from recordings.info import look

    with _bar("reading") as progress:
        found = look(file, gap_ms / 1000, progress)
    if json is not None:
        _write_json(found, json)
        return
    for line in described(found):
        print(line)


def convert(
    source: Annotated[
        str,
        typer.Argument(metavar="IN", help="A recording, or a folder in N-MNIST's layout"),
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="A file, whose ending tells its format; a folder")
    ],
    begin: Annotated[
        float | None, typer.Option(min=0, metavar="S", help="From so long after the first event")
    ] = None,
    end: Annotated[
        float | None, typer.Option(min=0, metavar="S", help="To so long after the first event")
    ] = None,
    crop: Annotated[
        str | None, typer.Option(metavar="X0,Y0,W,H", help="Only this part of the sensor")
    ] = None,
    polarity: Annotated[str | None, typer.Option(help="Only these events: on or off")] = None,
    format_: Annotated[
        str | None, typer.Option("--format", help="aedat4, es, nmnist, csv, npz, npy or hdf5")
    ] = None,
    compression: Annotated[
        str | None,
        typer.Option(help="AEDAT4: none, lz4, zstd; NPZ: none, deflate; HDF5: none, gzip"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there")] = False,
) -> None:
    """Write a recording in another format, whole or a part of it."""
    from recordings import folder
    from recordings.convert import Cut
    from recordings.convert import convert as run

    if begin is not None and end is not None and end <= begin:
        raise UsageError(f"convert: --end {end:g}: expected more than --begin {begin:g}")
    cut = Cut(begin, end, _crop(crop), _polarity(polarity))
    options: dict[str, Any] = {"overwrite": overwrite}
    if compression is not None:
        options["compression"] = compression
    if source == folder.SHIPPED or (Path(source).is_dir() and not _is_bag(Path(source))):
        _folder(source, target, cut, format_, options)
        return
    with _bar("converting") as progress:
        done = run(source, target, cut, format=format_, progress=progress, **options)
    console = Console(stderr=True)
    for line in _summary(str(target), done):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _folder(
    source: str, target: Path, cut: Cut, format_: str | None, options: dict[str, Any]
) -> None:
    """Convert every recording of a folder to one of the same name beneath ``target``."""
    from recordings.convert import Done, ending_of
    from recordings.convert import convert as run
    from recordings.folder import open_samples

    if format_ is None:
        raise UsageError(f"convert: {source} is a folder: expected --format, such as aedat4")
    ending = ending_of(format_)
    samples = open_samples(source)
    total = Done()
    lost: set[str] = set()
    with _bar("converting") as progress:
        for i, sample in enumerate(samples):
            path = (target / sample.name).with_suffix(ending)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise RetinaError(f"{path.parent}: cannot be made: {error.strerror}") from None
            done = run(sample.path, path, cut, format=format_, **options)
            total.events += done.events
            total.bytes += done.bytes
            lost |= set(done.lost)
            progress((i + 1) / len(samples))
    total.lost = tuple(sorted(lost))
    console = Console(stderr=True)
    for line in _summary(f"{target}: {len(samples):,} recordings", total):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _summary(what: str, done: Done) -> Iterator[str]:
    yield f"{what}: {done.events:,} events, {_bytes(done.bytes)}"
    if done.kept:
        yield f"taken along: {', '.join(done.kept)}"
    if done.lost:
        yield f"left out, for the format does not hold them: {', '.join(done.lost)}"
    if done.origin_us:
        yield f"times are counted from {done.origin_us:,} µs, for the format's begin near zero"
    met = _met(msgspec.to_builtins(done.counts))
    if met:
        yield f"met: {met}"


def described(found: Info) -> Iterator[str]:
    """Say what a recording holds, in lines for a terminal."""
    from recordings.info import plot

    yield f"{found.file}"
    size = f"{found.width} × {found.height}"
    if not found.sensor_told:
        size += " (the smallest usual one; the file does not tell)"
    yield f"  format     {found.format}, {_bytes(found.bytes)}"
    yield f"  sensor     {size}"
    if not found.events or found.begin_us is None or found.end_us is None:
        yield "  events     none"
    else:
        yield f"  events     {found.events:,}, {found.on_share:.1%} ON"
        times = f"from {found.begin_us:,} to {found.end_us:,} µs"
        yield f"  duration   {found.duration_s:.6f} s, {times}"
        yield f"  rate       {_rate(found.rate_hz)} on average, {_rate(found.peak_hz)} at most"
        rows = plot(found.rates_hz)
        label = _rate(found.peak_hz)
        for i, row in enumerate(rows):
            yield f"  {label if i == 0 else '':>10} {'┤' if i == 0 else '│'}{row}"
        end = f"{found.duration_s:.3g} s"
        yield f"  {'0':>10} └{'─' * len(found.rates_hz)}"
        yield f"  {'':>10}  0{end:>{max(1, len(found.rates_hz) - 1)}}"
        yield from _pixels(found)
        yield from _gaps(found)
    for name, side in found.side.items():
        span = (side.end_us - side.begin_us) / 1e6
        yield f"  {name:<10} {side.n:,}" + (f" in {span:.3f} s" if side.n else "")
    met = _met(found.counts)
    yield f"  met        {met or 'nothing amiss'}"


def _pixels(found: Info) -> Iterator[str]:
    if found.active_pixels is None:
        yield "  pixels     too many to count one by one"
        return
    share = found.active_pixels / (found.width * found.height)
    yield f"  pixels     {found.active_pixels:,} active ({share:.1%})"
    hottest = ", ".join(f"({p.x}, {p.y}) {p.events:,}" for p in found.hottest[:4])
    more = ", ..." if (found.hot_pixels or 0) > 4 else ""
    yield f"  hot pixels {found.hot_pixels or 'none'}{': ' + hottest + more if hottest else ''}"


def _gaps(found: Info) -> Iterator[str]:
    if not found.gaps:
        yield f"  gaps       none of {found.gap_s:g} s or more"
        return
    longest = ", ".join(f"{g.length_s:.3f} s at {g.at_s:.3f} s" for g in found.longest_gaps[:3])
    yield f"  gaps       {found.gaps:,} of {found.gap_s:g} s or more: {longest}"


_WORDS = {
    "late": "late events lifted",
    "jumps": "jumps of the clock",
    "duplicates": "duplicates kept",
    "outside": "events outside the sensor dropped",
    "skipped_bytes": "bytes skipped",
    "cuts": "end cut off",
    "wraps": "wraps of the clock undone",
}


def _met(counts: dict[str, int]) -> str:
    told = {name: n for name, n in counts.items() if n and name != "events"}
    return ", ".join(f"{n:,} {_WORDS.get(name, name)}" for name, n in told.items())


def _rate(hz: float) -> str:
    for unit, scale in (("G/s", 1e9), ("M/s", 1e6), ("k/s", 1e3)):
        if hz >= scale:
            return f"{hz / scale:.3g} {unit}"
    return f"{hz:.3g} /s"


def _bytes(n: int) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n >= scale:
            return f"{n / scale:.1f} {unit}"
    return f"{n} bytes"


def _crop(text: str | None) -> tuple[int, int, int, int] | None:
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 4 or not all(part.strip().isdecimal() for part in parts):
        raise UsageError(f"convert: --crop {text}: expected X0,Y0,W,H, such as 10,20,64,64")
    x0, y0, width, height = (int(part) for part in parts)
    return x0, y0, width, height


def _polarity(text: str | None) -> Literal[0, 1] | None:
    if text is None:
        return None
    if text.lower() not in ("on", "off"):
        raise UsageError(f"convert: --polarity {text}: expected on or off")
    return 1 if text.lower() == "on" else 0


def _is_bag(path: Path) -> bool:
    return (path / "metadata.yaml").is_file()


def _write_json(found: Info, file: str) -> None:
    text = msgspec.json.format(msgspec.json.encode(found), indent=2)
    if file == "-":
        sys.stdout.write(text.decode() + "\n")
        return
    try:
        Path(file).write_bytes(text + b"\n")
    except OSError as error:
        raise RetinaError(f"--json {file}: cannot be written: {error.strerror}") from None


@contextmanager
def _bar(word: str) -> Iterator[Callable[[float], None]]:
    """Show a progress bar where standard error is a terminal; yield what moves it."""
    console = Console(stderr=True)
    with Progress(
        TextColumn(word),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda done: bar.update(task, completed=done)
