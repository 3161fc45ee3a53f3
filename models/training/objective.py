"""What is asked of the network in training, and how well it does on recordings held back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.dataset import Dataset
from models.module import SpikingModule
from models.training import losses
from models.training.batches import Batch, whole
from models.training.config import AnyConfig, ClassifierConfig, ReconstructorConfig

EARLY_MS = 100
"""When an early answer is asked for: at the end of the first saccade."""


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """What a validation found.

    value   the figure that chooses, higher is better
    accuracy, early   of a classifier, after the window and after ``EARLY_MS``
    psnr_db, ssim     of a reconstructor, means over the recordings
    """

    value: float
    n: int
    accuracy: float | None = None
    early: float | None = None
    psnr_db: float | None = None
    ssim: float | None = None

    def __str__(self) -> str:
        if self.accuracy is not None and self.early is not None:
            return f"{self.accuracy:.1%}, {self.early:.1%} after {EARLY_MS} ms"
        return f"PSNR {self.psnr_db:.2f} dB, SSIM {self.ssim:.3f}"


class Objective(Protocol):
    """A task: its loss and its measure."""

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        """Return the mean loss of a batch from output spikes ``[T, B, C, H, W]``."""

    def right(self, out: Tensor, batch: Batch) -> float:
        """Return how many of the batch were right (a reconstructor: sum of SSIM)."""

    def validate(self, module: SpikingModule, data: Dataset) -> Score:
        """Return how well the module does on recordings as they are."""


class Classify:
    """Which digit was it? The output neuron with most spikes."""

    def __init__(self, config: ClassifierConfig) -> None:
        self.config = config

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        """Return the mean loss of a batch."""
        loss, ts_ms = self.config.loss, self.config.neuron.ts_ms
        labels = batch.labels.to(out.device)
        if loss.kind == "cross_entropy":
            return losses.count_cross_entropy(out, labels, loss.gain, ts_ms, loss.smoothing)
        if loss.kind == "early":
            moments = loss.every_ms, loss.from_ms
            return losses.early_cross_entropy(
                out, labels, loss.gain, ts_ms, loss.smoothing, *moments
            )
        classes = out.shape[2]
        desired = losses.desired_counts(
            labels, classes, len(out), ts_ms, true=loss.true, false=loss.false
        )
        if loss.kind == "spike_count":
            return losses.spike_count(out, desired)
        trains = losses.even_trains(desired, len(out))
        return losses.van_rossum(out, trains, self.config.neuron)

    def right(self, out: Tensor, batch: Batch) -> float:
        """Return how many answers were right."""
        return float((out.flatten(2).sum(0).argmax(1).cpu() == batch.labels).sum())

    @torch.no_grad()
    def validate(self, module: SpikingModule, data: Dataset) -> Score:
        """Return accuracy over the window and after ``EARLY_MS``.

        The mean margin, the true class's share of output spikes less the best other class's,
        breaks ties between weights that get as many right.
        """
        config = self.config
        right = early = 0
        margins = 0.0
        for part in _parts(len(data.labels), config.batch):
            out = module.respond(whole(data, module.network, config, part)).out.flatten(2)
            truth = torch.tensor([data.labels[i] for i in part], device=out.device)
            counts = out.sum(0)
            right += int((counts.argmax(1) == truth).sum())
            early += int((out[: config.bins(EARLY_MS)].sum(0).argmax(1) == truth).sum())
            share = counts / counts.sum(1, keepdim=True).clamp(min=1)
            true = share.gather(1, truth[:, None])[:, 0]
            margins += float((true - share.scatter(1, truth[:, None], -1).amax(1)).sum())
        n = len(data.labels)
        return Score(value=right / n + 1e-3 * margins / n, n=n, accuracy=right / n, early=early / n)


class Reconstruct:
    """What did it look like? Each output neuron's spikes are its pixel's intensity."""

    def __init__(self, config: ReconstructorConfig, images: NDArray[np.float32] | None) -> None:
        self.config = config
        self.images = images

    def shown(self, out: Tensor) -> Tensor:
        """Return the image ``[B, 1, H, W]`` that output spikes ``[T, B, 1, H, W]`` show.

        Counts of a shorter recording are scaled up to the window.
        """
        intensity = self.config.intensity
        counts = out.sum(0) * (self.config.bins(self.config.window_ms) / len(out))
        a = counts / intensity.scale - intensity.offset
        if intensity.kind == "sigmoid":
            return torch.sigmoid(a)
        shown: Tensor = _Clip.apply(a)  # type: ignore[no-untyped-call]
        return shown

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        """Return the mean loss of a batch."""
        assert batch.images is not None
        return self.distance(self.shown(out), batch.images.to(out.device))

    def distance(self, shown: Tensor, truth: Tensor) -> Tensor:
        """Return the mean loss of images ``[B, 1, H, W]``, whatever shows them."""
        loss = self.config.loss
        if loss.kind == "error":
            found = functional.mse_loss(shown, truth)
        else:
            found = functional.binary_cross_entropy(shown.clamp(1e-4, 1 - 1e-4), truth)
        if loss.structural:
            found = found + loss.structural * (1 - similarity(shown, truth).mean())
        return found

    def right(self, out: Tensor, batch: Batch) -> float:
        """Return the sum of the batch's PSNR."""
        assert batch.images is not None
        return float(psnr_db(self.shown(out), batch.images.to(out.device)).sum())

    @torch.no_grad()
    def validate(self, module: SpikingModule, data: Dataset) -> Score:
        """Return mean PSNR and SSIM over the window; the error chooses."""
        config = self.config
        assert self.images is not None
        psnr = ssim = error = 0.0
        for part in _parts(len(data.labels), config.batch):
            out = module.respond(whole(data, module.network, config, part)).out
            truth = torch.from_numpy(self.images[list(part)][:, None]).to(out.device)
            shown = self.shown(out)
            psnr += float(psnr_db(shown, truth).sum())
            ssim += float(similarity(shown, truth).sum())
            error += float(functional.mse_loss(shown, truth)) * len(part)
        n = len(data.labels)
        return Score(value=-error / n, n=n, psnr_db=psnr / n, ssim=ssim / n)


def objective(config: AnyConfig, validation: NDArray[np.float32] | None = None) -> Objective:
    """Return the config's task; ``validation`` [n, H, W] are a reconstructor's true images."""
    if isinstance(config, ReconstructorConfig):
        return Reconstruct(config, validation)
    return Classify(config)


def rate(module: SpikingModule, spikes: Tensor, n_bins: int) -> Tensor:
    """Return hidden spikes per neuron and bin, summed over layers, mean over the batch.

    ``spikes`` [B, layers] as ``Response`` has them.
    """
    hidden = module.network.shapes[1:-1]
    sizes = torch.tensor([math.prod(s) * n_bins for s in hidden], device=spikes.device)
    return (spikes[:, : len(hidden)] / sizes).sum(1).mean()


def psnr_db(shown: Tensor, truth: Tensor) -> Tensor:
    """Return each image's peak signal-to-noise ratio in dB, ``[B]``; intensities in [0, 1]."""
    error = (shown - truth).square().flatten(1).mean(1).clamp(min=1e-10)
    return -10 * error.log10()


class _Clip(torch.autograd.Function):
    """A number between 0 and 1; the gradient passes where it leads back between them."""

    @staticmethod
    def forward(ctx: Any, a: Tensor) -> Tensor:
        ctx.save_for_backward(a)
        return a.clamp(0, 1)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Tensor:
        (a,) = ctx.saved_tensors
        grad: Tensor = grads[0]
        back: Tensor = grad * (((a > 0) | (grad < 0)) & ((a < 1) | (grad > 0)))
        return back


def similarity(a: Tensor, b: Tensor) -> Tensor:
    """Return the structural similarity of images ``[B, 1, H, W]`` in [0, 1], ``[B]``.

    Gaussian windows of 11 pixels, σ 1.5, where they lie whole within the image. Source: Wang,
    Bovik, Sheikh and Simoncelli, "Image Quality Assessment", 2004, equation 13.
    """
    line = torch.exp(-torch.arange(-5.0, 6.0, device=a.device).square() / (2 * 1.5**2))
    window = (line[:, None] * line)[None, None] / line.sum() ** 2

    def mean(x: Tensor) -> Tensor:
        return functional.conv2d(x, window)

    mean_a, mean_b = mean(a), mean(b)
    spread = mean(a * a) - mean_a.square() + mean(b * b) - mean_b.square()
    both = mean(a * b) - mean_a * mean_b
    found = (2 * mean_a * mean_b + 1e-4) * (2 * both + 9e-4)
    found = found / ((mean_a.square() + mean_b.square() + 1e-4) * (spread + 9e-4))
    return found.flatten(1).mean(1)


def _parts(n: int, size: int) -> list[Sequence[int]]:
    return [range(lo, min(lo + size, n)) for lo in range(0, n, size)]
