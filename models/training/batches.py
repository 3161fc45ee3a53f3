"""Recordings in random order, augmented and binned: what an update sees.

All randomness is drawn from (seed, epoch, recording), by generators that live for one recording:
a training that resumes, or that several processes share, sees what one that never stopped sees.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.augment import augment, mix
from models.dataset import Dataset
from models.network import Network
from models.training.config import AnyConfig
from models.training.shift import draw, shift_events, shift_image
from pipeline.binning import Bins, bin_events
from pipeline.events import Events
from recordings.nmnist import SENSOR

SACCADES_US = (0, 105_000, 210_000)
"""When N-MNIST's three saccades begin."""

_ORDER, _RECORDING = 0, 1


@dataclass(frozen=True, slots=True)
class Batch:
    """Some recordings of one update.

    index   [n] which recordings of the training split
    bins    one ``Bins`` each, all of as many bins
    labels  [n] int64
    masks   [n, C, H, W] float32 for each layer but the last, or none (no dropout)
    images  [n, 1, H, W] float32 in [0, 1], what a reconstructor is to show; none else
    share   what these count for in the mean over the update's recordings of all processes, times
            the processes: gradients are averaged over them
    """

    index: NDArray[np.int64]
    bins: list[Bins]
    labels: Tensor
    masks: list[Tensor] | None
    images: Tensor | None
    share: float = 1.0


class Batches:
    """The batches of every epoch, for process ``rank`` of ``world``."""

    def __init__(
        self,
        data: Dataset,
        network: Network,
        config: AnyConfig,
        images: NDArray[np.float32] | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.data, self.network, self.config = data, network, config
        self.images = images
        self.rank, self.world = rank, world
        self._saccades = config.saccades(*network.input_shape[1:])

    def __len__(self) -> int:
        return math.ceil(len(self.data.labels) / self.config.batch)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of ``epoch`` (from 0), this process's part of each."""
        config = self.config
        order = np.random.default_rng([config.seed, epoch, _ORDER]).permutation(
            len(self.data.labels)
        )
        for lo in range(0, len(order), config.batch):
            chosen = order[lo : lo + config.batch]
            mine = chosen[self.rank :: self.world]
            share = self.world * len(mine) / len(chosen)
            # A process without a part still takes its turn in the exchange of gradients.
            yield self._batch(epoch, mine if len(mine) else chosen[:1], share)

    def _batch(self, epoch: int, chosen: NDArray[np.int64], share: float) -> Batch:
        config = self.config
        full = epoch >= config.epochs - config.full_epochs
        n_bins = config.bins(config.window_ms if full else config.saccade_ms)
        _, height, width = self.network.input_shape
        hidden = self.network.shapes[1:-1]
        drops = config.dropout > 0
        masks = [torch.empty((len(chosen), *shape)) for shape in hidden] if drops else None
        images = None if self.images is None else self.images[chosen]
        bins = []
        for b, i in enumerate(chosen.tolist()):
            rng = np.random.default_rng([config.seed, epoch, _RECORDING, i])
            begin = 0 if full else int(rng.choice(SACCADES_US))
            events = self.data.events(i)
            if images is None:
                events = self._mixed(i, events, rng)
                events = augment(events, SENSOR, config.augmentation, rng)
            else:
                # The image has to move with its events, so that neither is moved in between.
                by = draw(config.augmentation.shift_px, rng)
                still = msgspec.structs.replace(config.augmentation, shift_px=0.0)
                events = augment(shift_events(events, by, SENSOR), SENSOR, still, rng)
                images[b] = shift_image(images[b], by)
            binned = bin_events(events, height, width, config.bin_us, n_bins, begin)
            bins.append(self._saccades.apart(binned, begin // config.bin_us))
            for mask in masks or ():
                # One mask a recording: a synapse that is gone stays gone for the recording.
                kept = rng.random(mask.shape[1:], np.float32) >= config.dropout
                mask[b] = torch.from_numpy(kept) / (1 - config.dropout)
        labels = torch.tensor([self.data.labels[i] for i in chosen.tolist()])
        truth = None if images is None else torch.from_numpy(images[:, None])
        return Batch(chosen, bins, labels, masks, truth, share)

    def _mixed(self, i: int, events: Events, rng: np.random.Generator) -> Events:
        often = self.config.augmentation.mix
        if not often or rng.random() >= often:
            return events
        alike = [j for j, label in enumerate(self.data.labels) if label == self.data.labels[i]]
        return mix(events, self.data.events(int(rng.choice(alike))), float(rng.random()), rng)


def whole(data: Dataset, network: Network, config: AnyConfig, chosen: Sequence[int]) -> list[Bins]:
    """Return recordings as they are, binned over the whole window."""
    _, height, width = network.input_shape
    n_bins = config.bins(config.window_ms)
    saccades = config.saccades(height, width)
    return [
        saccades.apart(bin_events(data.events(i), height, width, config.bin_us, n_bins))
        for i in chosen
    ]
