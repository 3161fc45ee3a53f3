"""Losses of spikes: what they are on trains that a person can count."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from models.neuron import CUBA, LIF, SRM, Neuron
from models.training import losses


def spikes(seed: int, steps: int = 80, batch: int = 3, classes: int = 4) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy((rng.random((steps, batch, classes, 1, 1)) < 0.3).astype(np.float32))


@given(st.integers(0, 2**32))
def test_early_answers_are_counts_up_to_their_moments(seed: int) -> None:
    out, labels = spikes(seed), torch.tensor([0, 3, 1])
    moments = [40, 60, 80]
    expected = [losses.count_cross_entropy(out[:k], labels, 0.3, 1.0, 0.1) for k in moments]
    found = losses.early_cross_entropy(out, labels, 0.3, 1.0, 0.1)
    torch.testing.assert_close(found, torch.stack(expected).mean())


def test_counts_are_logits() -> None:
    out = torch.zeros(50, 1, 3, 1, 1)
    out[:5, 0, 1] = 1
    expected = cross_entropy(torch.tensor([[0, 5 * 0.4 * 100 / 100, 0]]), torch.tensor([1]))
    found = losses.count_cross_entropy(out, torch.tensor([1]), ts_ms=2.0, smoothing=0.0)
    torch.testing.assert_close(found, expected)


def test_slayers_counts() -> None:
    desired = losses.desired_counts(torch.tensor([1]), 3, 150, 1.0)
    assert desired.tolist() == [[5.0, 30.0, 5.0]]
    out = torch.zeros(150, 1, 3, 1, 1)
    out[:5, 0, 0] = out[:30, 0, 1] = out[:5, 0, 2] = 1
    assert float(losses.spike_count(out, desired)) == 0
    out[30:33, 0, 1] = 1
    found = float(losses.spike_count(out, desired))
    # e = 3/150 in each of 150 bins.
    assert found == pytest.approx(0.5 * 150 * (3 / 150) ** 2)


@given(st.integers(1, 200), st.integers(0, 200))
def test_even_trains_hold_their_counts(bins: int, count: int) -> None:
    trains = losses.even_trains(torch.tensor([[float(count)]]), bins)[:, 0, 0]
    assert trains.sum() == count
    assert trains.max() - trains.min() <= 1


@pytest.mark.parametrize("neuron", [SRM(), CUBA(), LIF()])
def test_van_rossum_is_the_response_to_one_spike_more(neuron: Neuron) -> None:
    out = spikes(1)
    desired = out.flatten(2).clone()
    assert float(losses.van_rossum(out, desired, neuron)) == 0
    desired[10, 0, 2] -= 1
    alone = torch.zeros(80)
    alone[10] = 1
    kernel = losses.response(alone[:, None], neuron.dynamics)
    expected = 0.5 * neuron.ts_ms * kernel.square().sum() / 3
    torch.testing.assert_close(losses.van_rossum(out, desired, neuron), expected)
