"""Losses of output spikes ``[T, B, C, H, W]``: means over the batch, differentiable.

Source of the last two: Shrestha and Orchard, "SLAYER: Spike Layer Error Reassignment in Time",
NeurIPS 2018, section 3, and its code for the count over a region.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from models.neuron import Neuron
from models.reference import response


def count_cross_entropy(
    out: Tensor, labels: Tensor, gain: float = 0.4, ts_ms: float = 1.0, smoothing: float = 0.02
) -> Tensor:
    """Return the cross-entropy of output spike counts as logits.

    ``gain`` is the logit of one spike in 100 ms; ``labels`` [B] int64; ``smoothing`` is the share
    of the target spread over all classes.
    """
    logits = out.flatten(2).sum(0) * (gain * 100 / (len(out) * ts_ms))
    return functional.cross_entropy(logits, labels, label_smoothing=smoothing)


def early_cross_entropy(
    out: Tensor,
    labels: Tensor,
    gain: float = 0.4,
    ts_ms: float = 1.0,
    smoothing: float = 0.02,
    every_ms: float = 20.0,
    from_ms: float = 40.0,
) -> Tensor:
    """Return the mean of ``count_cross_entropy`` up to every moment, the end included.

    The moments are ``every_ms`` apart from ``from_ms`` on: an answer that is right sooner costs
    less.
    """
    steps = len(out)
    first, apart = max(1, round(from_ms / ts_ms)), max(1, round(every_ms / ts_ms))
    moments = torch.tensor([*range(first, steps, apart), steps], device=out.device)
    counts = out.flatten(2).cumsum(0)[moments - 1]
    logits = counts * (gain * 100 / (moments * ts_ms))[:, None, None]
    return functional.cross_entropy(
        logits.flatten(0, 1), labels.repeat(len(moments)), label_smoothing=smoothing
    )


def desired_counts(
    labels: Tensor, classes: int, bins: int, ts_ms: float, true: float = 60.0, false: float = 10.0
) -> Tensor:
    """Return the spikes that are asked of each class in ``bins``, ``[B, classes]`` float32.

    ``true`` of the right class and ``false`` of the others are for 300 ms.
    """
    right = functional.one_hot(labels, classes).to(torch.float32)
    return (right * true + (1 - right) * false) * (bins * ts_ms / 300)


def spike_count(out: Tensor, desired: Tensor) -> Tensor:
    """Return ½ Σ e² with e = (count − desired) / T in each of T bins: SLAYER's count loss.

    ``desired`` [B, C] as ``desired_counts`` gives them.
    """
    error = (out.flatten(2).sum(0) - desired) / len(out)
    return 0.5 * len(out) * error.square().sum(1).mean()


def even_trains(counts: Tensor, bins: int) -> Tensor:
    """Return trains ``[bins, B, C]`` float32 that spread ``counts`` [B, C] evenly, rounded."""
    phase = torch.arange(bins + 1, device=counts.device)[:, None, None] / bins
    passed = torch.floor(phase * counts.round() + 0.5)
    return passed[1:] - passed[:-1]


def van_rossum(out: Tensor, desired: Tensor, neuron: Neuron) -> Tensor:
    """Return ½ Σ (ε ∗ (s − s_desired))² · Ts, the distance of spike trains.

    ``desired`` [T, B, C]; ε is the neuron's response to a spike.
    """
    filtered = response(out.flatten(2) - desired, neuron.dynamics)
    return 0.5 * neuron.ts_ms * filtered.square().sum((0, 2)).mean()
