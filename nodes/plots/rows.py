"""Who spiked in every layer of a network while it saw a recording."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.stepper import Stepper
from models.store import Model
from pipeline.binning import bin_events
from pipeline.errors import RecordingError
from recordings.folder import Sample

Spikes = tuple[NDArray[np.float64], NDArray[np.int64]]
"""Times in ms and neurons, ``[n]`` each."""


class Rows(NamedTuple):
    """Names, numbers of neurons and spikes, layer by layer, the input first."""

    names: list[str]
    sizes: list[int]
    spikes: list[Spikes]


def rows_of(model: Model, sample: Sample) -> Rows:
    """Step ``model`` through the recording; raises RecordingError where it does not fit."""
    stepper = Stepper(model)
    _, height, width = model.network.input_shape
    events = sample.read()
    if len(events) and (events["x"].max() >= width or events["y"].max() >= height):
        raise RecordingError(
            f"{sample.path}: has events outside the {width}×{height} pixels that {model.name} sees"
        )
    bins = bin_events(events, height, width, model.bin_us, model.n_bins)
    offsets, index, count = bins
    found: list[list[tuple[int, NDArray[np.int64]]]] = [[] for _ in range(len(model.weights) + 1)]
    for k in range(model.n_bins):
        now = slice(int(offsets[k]), int(offsets[k + 1]))
        stepper.step(index[now], count[now])
        found[0].append((k, index[now].astype(np.int64)))
        ends, fired = stepper.spiked()
        begin = 0
        for layer, end in enumerate(ends.tolist(), 1):
            found[layer].append((k, fired[begin:end].astype(np.int64)))
            begin = end
    sizes = [math.prod(shape) for shape in (model.input_shape, *model.network.shapes[1:])]
    ms = model.bin_us / 1000
    return Rows(list(stepper.network.names), sizes, [_joined(layer, ms) for layer in found])


def _joined(parts: list[tuple[int, NDArray[np.int64]]], ms: float) -> Spikes:
    times = np.repeat([k * ms for k, _ in parts], [len(neurons) for _, neurons in parts])
    return times, np.concatenate([neurons for _, neurons in parts])
