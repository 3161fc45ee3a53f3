"""How good a classifier is on recordings, measured through the very stepper that streams use.

Each recording starts from rest; its bin k holds the events with t in [k, k + 1) bins of the
file's own clock, counts saturated at 255, inputs in the order of their first event, exactly as
in the live chain: so the answers are the same, every one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models import energy
from models.readout import answer
from models.stepper import Stepper
from models.store import Model
from pipeline.binning import bin_events
from pipeline.errors import ModelError, RecordingError
from pipeline.events import Events
from recordings.folder import Sample

ANYTIME_MS = 10
"""Distance between the points of the anytime curve."""

_Z95 = 1.959963984540054


class Point(msgspec.Struct, frozen=True):
    """Accuracy of the answers that the spikes up to ``ms`` give."""

    ms: int
    accuracy: float


class Answer(msgspec.Struct, frozen=True):
    """One recording: its name and label, the answer, each class's output spikes."""

    sample: str
    label: int
    answer: int
    counts: list[int]


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """What ``retina evaluate`` reports.

    accuracy_ci95   Wilson's interval, [low, high]
    confusion       recordings by [true class][answer], in the order of ``classes``
    spikes_per_answer, synaptic_operations_per_answer   means over the recordings
    energy_nj_per_answer, frame_energy_nj   of the operations, and of the same layers without
                    spikes run once (``models.energy``)
    """

    model: str
    n: int
    accuracy: float
    accuracy_ci95: tuple[float, float]
    classes: list[int]
    confusion: list[list[int]]
    anytime: list[Point]
    spikes_per_answer: float
    synaptic_operations_per_answer: float
    energy_nj_per_answer: float
    frame_energy_nj: float
    predictions: list[Answer]


def wilson(right: int, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share of ``right`` in ``n`` (Wilson 1927)."""
    if n == 0:
        return 0.0, 1.0
    p, z2 = right / n, _Z95**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def evaluate(
    model: Model,
    samples: Sequence[Sample],
    progress: Callable[[int], None] | None = None,
    change: Callable[[Events], Events] = lambda events: events,
) -> Evaluation:
    """Answer every recording and compare with its label; ``progress`` is told how many are done.

    ``change`` is done to a recording's events first (noise, say).

    Raises RecordingError where a recording cannot be read, has no label or does not fit the
    network's input, ModelError where a label is none of the model's classes.
    """
    stepper = Stepper(model)
    bins_ms = model.bin_us / 1000
    ticks = list(range(ANYTIME_MS, round(model.n_bins * bins_ms) + 1, ANYTIME_MS))
    early = np.zeros(len(ticks), np.int64)
    confusion = np.zeros((len(model.classes), len(model.classes)), np.int64)
    place = {label: i for i, label in enumerate(model.classes)}
    answers: list[Answer] = []
    spikes = operations = 0
    for sample in samples:
        if sample.label is None:
            raise RecordingError(f"{sample.path}: has no label, expected <label>/NNNNN.bin")
        if sample.label not in place:
            raise ModelError(
                f"{sample.path}: label {sample.label} is none of the model's classes "
                f"{model.classes}"
            )
        events = change(sample.read())
        counts = np.cumsum(respond(stepper, events, model.n_bins, sample.name), axis=0)
        spikes += stepper.spikes
        operations += stepper.synaptic_operations
        told = answer(counts[-1], model.classes)
        answers.append(Answer(sample.name, sample.label, told, counts[-1].tolist()))
        confusion[place[sample.label], place[told]] += 1
        for i, ms in enumerate(ticks):
            seen = counts[round(ms / bins_ms) - 1]
            early[i] += answer(seen, model.classes) == sample.label
        if progress is not None:
            progress(len(answers))
    n = len(answers)
    right = int(np.trace(confusion))
    return Evaluation(
        model=model.name,
        n=n,
        accuracy=right / max(n, 1),
        accuracy_ci95=wilson(right, n),
        classes=list(model.classes),
        confusion=confusion.tolist(),
        anytime=[
            Point(ms, int(k) / max(n, 1)) for ms, k in zip(ticks, early.tolist(), strict=True)
        ],
        spikes_per_answer=spikes / max(n, 1),
        synaptic_operations_per_answer=operations / max(n, 1),
        energy_nj_per_answer=energy.spiking_nj(operations / max(n, 1)),
        frame_energy_nj=energy.frame_nj(model.network),
        predictions=answers,
    )


def respond(stepper: Stepper, events: Events, n_bins: int, name: str) -> NDArray[np.int64]:
    """Return the output spikes ``[n_bins, n_classes]`` int64 of one recording from rest.

    Raises RecordingError where an event lies outside the network's input.
    """
    channels, height, width = stepper.input_shape
    if channels != 2:
        raise ModelError(f"a network of {channels} input channels cannot take ON and OFF events")
    if len(events) and (events["x"].max() >= width or events["y"].max() >= height):
        raise RecordingError(
            f"{name}: has events beyond the network's {width}×{height} pixels (up to column "
            f"{events['x'].max()}, row {events['y'].max()})"
        )
    stepper.reset()
    return stepper.run(*bin_events(events, height, width, stepper.bin_us, n_bins))
