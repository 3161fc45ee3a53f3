"""The figures: events, trainings, reconstructions, spike rasters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.evaluate import respond
from models.evaluate_images import integrated, shown
from models.stepper import Stepper
from models.store import Model
from models.targets import Targets
from models.training.trainer import Epoch
from nodes.plots.paper import OFF, ON, figure
from nodes.plots.rows import Rows, rows_of
from pipeline.errors import ModelError, RecordingError
from recordings.folder import Sample
from recordings.opening import open_recording
from recordings.windows import extent, origin_us

_MOST_DOTS = 200_000


def plot_events(source: Path, out: Path, at_us: int | None, span_us: int) -> int:
    """Draw the events of ``span_us`` from ``at_us`` on as the sensor sees them; return how many.

    ``at_us`` counts from the recording's beginning; None: the span with most events.
    Raises RecordingError where there are none.
    """
    with open_recording(source) as recording:
        origin = origin_us(recording)
        width, height = recording.width, recording.height
        if width is None or height is None:
            width, height = extent(recording)
        if at_us is None:
            at_us = _busiest(recording.chunks(), origin, span_us)
        events = recording.read(origin + at_us, origin + at_us + span_us)
    if not len(events):
        ms = f"{at_us / 1000:g} to {(at_us + span_us) / 1000:g} ms"
        raise RecordingError(f"{source}: has no events from {ms}")
    pixels = np.full((height, width, 3), 1.0)
    for polarity, colour in ((0, OFF), (1, ON)):
        of = events[events["p"] == polarity]
        pixels[of["y"], of["x"]] = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    with figure(out, figsize=(4.2, 4.2 * height / width + 0.6)) as made:
        axes = made.subplots()
        axes.imshow(pixels, interpolation="nearest")
        axes.set_title(
            f"{source.name}: {at_us / 1000:g} to {(at_us + span_us) / 1000:g} ms, "
            f"{len(events):,} events"
        )
        axes.set_xlabel("x (pixels), ON red, OFF blue")
        axes.set_ylabel("y (pixels)")
    return len(events)


def _busiest(chunks: Any, origin: int, span_us: int) -> int:
    """Return the beginning, a multiple of ``span_us``, of the span with most events."""
    counts: dict[int, int] = {}
    for chunk in chunks:
        found, n = np.unique((chunk["t"] - origin) // span_us, return_counts=True)
        for k, m in zip(found.tolist(), n.tolist(), strict=True):
            counts[k] = counts.get(k, 0) + m
    return max(counts, key=lambda k: (counts[k], -k), default=0) * span_us


class _History(msgspec.Struct):
    epochs: list[Epoch]


def plot_training(histories: Sequence[Path], out: Path) -> None:
    """Draw loss and accuracy (or PSNR) over the epochs of one or several trainings.

    ``histories`` are the JSON files that ``retina train`` leaves. Raises ModelError.
    """
    read = [(path.stem, _history(path)) for path in histories]
    with figure(out, figsize=(8, 3.2)) as made:
        left, right = made.subplots(1, 2)
        for i, (name, epochs) in enumerate(read):
            colour = f"C{i}"
            numbers = [e.epoch for e in epochs]
            left.plot(numbers, [e.loss for e in epochs], color=colour, label=name)
            right.plot(
                numbers, [e.measure for e in epochs], color=colour, label=f"{name}, training"
            )
            held = [(e.epoch, e.score) for e in epochs if e.score is not None]
            values = [(n, s.psnr_db if s.accuracy is None else s.accuracy) for n, s in held if s]
            if values:
                right.plot(*zip(*values, strict=True), "o--", color=colour, ms=3,
                           label=f"{name}, validation")  # fmt: skip
        left.set_ylabel("loss")
        images = any(s and s.psnr_db is not None for _, es in read for s in (e.score for e in es))
        right.set_ylabel("PSNR (dB)" if images else "accuracy")
        for axes in (left, right):
            axes.set_xlabel("epoch")
            axes.grid(alpha=0.3)
            axes.legend(frameon=False)


def _history(path: Path) -> list[Epoch]:
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_History).epochs
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise ModelError(f"{path}: is no history of a training: {error}") from None
    if not found:
        raise ModelError(f"{path}: is the history of a training without an epoch")
    return found


def plot_reconstructions(
    model: Model, samples: Sequence[Sample], targets: Targets | None, out: Path
) -> None:
    """Draw for each sample the events' count, what the network sees, and the true image."""
    stepper = Stepper(model)
    rows: list[tuple[str, list[NDArray[np.float32]]]] = [("events", []), ("network", [])]
    if targets is not None:
        rows.append(("true image", []))
    for sample in samples:
        events = sample.read()
        counts = np.cumsum(respond(stepper, events, model.n_bins, sample.name), axis=0)
        rows[0][1].append(integrated(events, model))
        rows[1][1].append(shown(model, counts, model.n_bins))
        if targets is not None:
            if sample.label is None:
                raise RecordingError(f"{sample.path}: has no label, expected <label>/NNNNN.bin")
            split = sample.name.partition("/")[0] if sample.name.count("/") > 1 else ""
            rows[2][1].append(targets.image(sample.label, sample.path.stem, split))
    n = len(samples)
    with figure(out, figsize=(0.9 * n + 0.7, 0.95 * len(rows) + 0.2)) as made:
        grid = made.subplots(len(rows), n, squeeze=False)
        for (name, images), line in zip(rows, grid, strict=True):
            for image, axes in zip(images, line, strict=True):
                axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
                axes.set_xticks([])
                axes.set_yticks([])
            line[0].set_ylabel(name)


def plot_raster(model: Model, sample: Sample, out: Path) -> Rows:
    """Draw which neurons of every layer spiked when; return what was drawn.

    Where a layer has very many spikes, an even share of them is drawn, and the title says so.
    """
    rows = rows_of(model, sample)
    tall = [1.0 + 0.6 * np.log10(max(size, 10)) for size in rows.sizes]
    with figure(out, figsize=(7, 0.8 * float(sum(tall)) * 0.5 + 0.6)) as made:
        grid = made.subplots(
            len(tall), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": tall}
        )[:, 0]
        for name, size, (ms, neuron), axes in zip(
            rows.names, rows.sizes, rows.spikes, grid, strict=True
        ):
            every = max(1, -(-len(ms) // _MOST_DOTS))
            axes.plot(ms[::every], neuron[::every], "k,", rasterized=True)
            axes.set_ylim(-0.5, size - 0.5)
            axes.set_xlim(0, model.window_us / 1000)
            share = f", every {every}th drawn" if every > 1 else ""
            axes.set_title(f"{name}: {len(ms):,} spikes{share}", loc="left", fontsize=8)
            axes.set_ylabel("neuron")
        grid[-1].set_xlabel("time (ms)")
    return rows
