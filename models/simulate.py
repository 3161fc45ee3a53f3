"""Images in, recordings out: one image to one file, many to a folder in N-MNIST's layout."""

from __future__ import annotations

import csv
import hashlib
import importlib.metadata
import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import takewhile
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from models.paths import named
from models.preview import preview as draw
from models.retina import Retina
from models.simulator import simulate
from models.stills import Still, open_stills
from pipeline.errors import RecordingError, UsageError
from pipeline.events import Events
from recordings.folder import samples
from recordings.opening import open_recording
from recordings.writing import WRITABLE, create_recording, format_of

SETTINGS = "simulation.json"
"""The file beside simulated recordings that says how they were made."""

_PART = 32
_WHERE = "simulate"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """How recordings are made; the same job gives the same recordings.

    duration_us  how long each is; None: as long as the path
    seed         of the pixels and of paths; noise draws from it and the image's name
    """

    retina: Retina
    preset: str
    trajectory: str
    duration_us: int | None
    seed: int

    def events(self, still: Still) -> Events:
        """Return the events ``[n] EVENT`` of one image."""
        # Of its name alone, so that the rest of the folder does not matter.
        own = int.from_bytes(hashlib.sha256(still.name.encode()).digest()[:4], "big")
        path = named(
            self.trajectory,
            seed=self.seed + own,
            duration_us=self.duration_us or 1_000_000,
            where=f"{_WHERE}: --trajectory",
        )
        return simulate(
            still.read(), path, self.retina, self.seed, noise_seed=own, duration_us=self.duration_us
        )


def run(
    images: Sequence[str],
    out: Path,
    job: Job,
    split: str | None = None,
    limit: int | None = None,
    exclude: Path | None = None,
    jobs: int | None = None,
    preview: Path | None = None,
) -> None:
    """Simulate every image and write the recordings to ``out``; see ``retina simulate``.

    Raises RecordingError or UsageError, one line; nothing half-written is left.
    """
    stills = [still for path in images for still in open_stills(path)]
    if exclude is not None:
        stills = _without(stills, exclude, split)
    stills = stills[:limit]
    if not stills:
        raise UsageError(f"{_WHERE}: no image is left to simulate")
    names = [still.name for still in stills]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"{_WHERE}: two images are called {twice}, expected one of each name")
    suffix = out.suffix.lower()
    console = Console(stderr=True)
    if format_of(out) is not None:
        if len(stills) > 1:
            raise UsageError(f"{_WHERE}: {len(stills)} images need a folder, {out} is one file")
        _checked(job.retina, suffix)
        events = job.events(stills[0])
        _folder(out.parent)
        _write(out, events, job.retina)
        console.print(f"{out}: {len(events):,} events", highlight=False, soft_wrap=True)
    elif suffix:
        endings = ", ".join(ending for each in WRITABLE.values() for ending in each.endings)
        raise UsageError(f"{_WHERE}: {out}: expected a folder, or a file {endings}")
    else:
        _many(stills, list(images), out, job, split, jobs, console)
    if preview is not None:
        _folder(preview.parent)
        draw(job.events(stills[0]), job.retina.width, job.retina.height).save(preview)


def _many(
    stills: list[Still],
    images: list[str],
    out: Path,
    job: Job,
    split: str | None,
    jobs: int | None,
    console: Console,
) -> None:
    suffix = ".bin" if max(job.retina.width, job.retina.height) <= 256 else ".npz"
    root = out / split if split else out
    _folder(root)
    _agree(out, job)
    todo = [still.name for still in stills if not (root / f"{still.name}{suffix}").exists()]
    parts = [todo[i : i + _PART] for i in range(0, len(todo), _PART)]
    n_jobs = min(jobs or len(os.sched_getaffinity(0)), max(1, len(parts)))
    progress = Progress(
        TextColumn("simulating"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=console,
    )  # fmt: skip
    with progress:
        bar = progress.add_task("", total=len(stills), completed=len(stills) - len(todo))
        for n in _done(parts, images, job, root, suffix, n_jobs, stills):
            progress.advance(bar, n)
    _list(out)
    console.print(
        f"{root}: {len(stills):,} recordings, {len(stills) - len(todo):,} of them were there",
        highlight=False,
        soft_wrap=True,
    )


def _done(
    parts: list[list[str]],
    images: list[str],
    job: Job,
    root: Path,
    suffix: str,
    n_jobs: int,
    stills: list[Still],
) -> Iterator[int]:
    """Simulate ``parts`` and yield how many are done as they are; here, or in ``n_jobs``."""
    if n_jobs == 1:
        by_name = {still.name: still for still in stills}
        for part in parts:
            yield _part(part, by_name, job, root, suffix)
        return
    context = get_context("spawn")
    over = context.Event()
    pool = ProcessPoolExecutor(n_jobs, context, _begin, (images, job, root, suffix, over))
    try:
        futures: list[Future[int]] = [pool.submit(_work, part) for part in parts]
        for future in futures:
            yield future.result()
    finally:
        # The recordings under way are written to their ends; what waits is not begun.
        over.set()
        pool.shutdown(cancel_futures=True)


_own: tuple[dict[str, Still], Job, Path, str, Event] | None = None


def _begin(images: list[str], job: Job, root: Path, suffix: str, over: Event) -> None:
    global _own  # noqa: PLW0603
    # Ctrl-C reaches the whole group; the one who waits for us decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stills = {still.name: still for path in images for still in open_stills(path)}
    _own = stills, job, root, suffix, over


def _work(names: list[str]) -> int:
    assert _own is not None
    stills, job, root, suffix, over = _own
    left = takewhile(lambda _: not over.is_set(), names)
    return _part(left, stills, job, root, suffix)


def _part(names: Iterable[str], stills: dict[str, Still], job: Job, root: Path, suffix: str) -> int:
    done = 0
    for name in names:
        path = root / f"{name}{suffix}"
        _folder(path.parent)
        _write(path, job.events(stills[name]), job.retina)
        done += 1
    return done


def _checked(retina: Retina, suffix: str) -> None:
    if suffix == ".bin" and max(retina.width, retina.height) > 256:
        raise UsageError(
            f"{_WHERE}: .bin has room for 256×256 pixels, the sensor has "
            f"{retina.width}×{retina.height}: take .aedat4 or .npz"
        )


def _write(path: Path, events: Events, retina: Retina) -> None:
    """Write a recording whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    format_ = format_of(path)
    options: dict[str, Any] = {"compression": "deflate"} if format_ == "npz" else {}
    size = retina.width, retina.height
    try:
        with create_recording(draft, *size, format=format_, overwrite=True, **options) as writer:
            writer.write(events)
        draft.replace(path)
    except OSError as error:
        raise RecordingError(f"{path}: cannot be written: {error.strerror}") from None
    except RecordingError as error:
        raise RecordingError(str(error).replace(str(draft), str(path))) from None
    finally:
        draft.unlink(missing_ok=True)


def _folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordingError(f"{path}: cannot be made: {error.strerror}") from None


def _agree(out: Path, job: Job) -> None:
    """Write how the folder's recordings are made, or raise UsageError where that is different."""
    version = importlib.metadata.version("silicon-retina")
    told = msgspec.json.encode({"version": version, **msgspec.structs.asdict(job)})
    told = msgspec.json.format(told, indent=2) + b"\n"
    path = out / SETTINGS
    if not path.exists():
        path.write_bytes(told)
    elif path.read_bytes() != told:
        raise UsageError(
            f"{path}: the recordings there were made with other settings: take another folder"
        )


def _without(stills: list[Still], folder: Path, split: str | None) -> list[Still]:
    """Leave out the images whose names have a recording in ``folder``."""
    own = split if split and (folder / split).is_dir() else None
    there = {Path(sample.name).with_suffix("").parts[-2:] for sample in samples(folder, own)}
    return [still for still in stills if Path(still.name).parts[-2:] not in there]


def _list(out: Path) -> None:
    """Write ``labels.csv``: label, events, time of the last, and hash of every file."""
    draft = out / ".labels.csv"
    with draft.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["file", "label", "events", "last_us", "sha256"])
        for path in sorted(p for end in (".bin", ".npz") for p in out.rglob(f"[!.]*{end}")):
            data = path.read_bytes()
            times = np.empty(0, np.int64)
            if data:
                with open_recording(path) as recording:
                    times = recording.read()["t"]
            label = path.parent.name if path.parent.name in "0123456789" else ""
            last = int(times[-1]) if len(times) else 0
            name = path.relative_to(out).as_posix()
            table.writerow([name, label, len(times), last, hashlib.sha256(data).hexdigest()])
    draft.replace(out / "labels.csv")
