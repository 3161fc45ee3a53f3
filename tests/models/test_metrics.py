"""Likeness of images against formulas written another way; energy and noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.energy import frame_nj, multiplications, spiking_nj
from models.metrics import psnr, ssim
from models.network import parse
from models.noise import add_noise
from pipeline.events import empty_events


def slow_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Wang et al. 2004, equation 13, window by window."""
    grid = np.arange(11) - 5
    weights = np.exp(-(grid[:, None] ** 2 + grid[None] ** 2) / (2 * 1.5**2))
    weights /= weights.sum()
    found = []
    for y in range(a.shape[0] - 10):
        for x in range(a.shape[1] - 10):
            p, q = a[y : y + 11, x : x + 11], b[y : y + 11, x : x + 11]
            mp, mq = (weights * p).sum(), (weights * q).sum()
            vp, vq = (weights * (p - mp) ** 2).sum(), (weights * (q - mq) ** 2).sum()
            cov = (weights * (p - mp) * (q - mq)).sum()
            found.append(
                (2 * mp * mq + 1e-4)
                * (2 * cov + 9e-4)
                / ((mp**2 + mq**2 + 1e-4) * (vp + vq + 9e-4))
            )
    return float(np.mean(found))


@given(st.integers(11, 20), st.integers(11, 20), st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_ssim_is_the_papers(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.random((2, height, width)).astype(np.float32)
    assert ssim(a, b) == pytest.approx(slow_ssim(np.float64(a), np.float64(b)), abs=1e-9)
    assert ssim(a, a) == pytest.approx(1)
    assert ssim(a, b) == pytest.approx(ssim(b, a))


def test_psnr_by_hand() -> None:
    a = np.zeros((12, 12))
    assert psnr(a, a) == math.inf
    assert psnr(a + 0.1, a) == pytest.approx(20)
    assert psnr(a + 1, a) == pytest.approx(0, abs=1e-12)
    with pytest.raises(ValueError, match="expected two of one"):
        psnr(a, a[1:])
    with pytest.raises(ValueError, match="at least 11×11"):
        ssim(a[:5], a[:5])


def test_energy_by_hand() -> None:
    network = parse("2-4c3p0-2a-5", 6, 6)
    # 4@4×4 of 2×3×3 weights each, then 5 of 4×2×2.
    assert multiplications(network) == 64 * 18 + 5 * 16
    assert frame_nj(network) == pytest.approx((64 * 18 + 80) * 4.6e-3)
    assert spiking_nj(1000) == pytest.approx(0.9)


@given(st.floats(0, 3), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=30)
def test_noise_is_so_many_spikes_a_pixel(per_pixel: float, seed: int) -> None:
    events = empty_events(50)
    events["t"] = np.arange(50) * 1000
    noisy = add_noise(events, (7, 5), 60_000, per_pixel, np.random.default_rng(seed))
    assert len(noisy) == 50 + round(per_pixel * 35)
    assert (np.diff(noisy["t"]) >= 0).all()
    assert noisy["x"].max() < 7
    assert noisy["y"].max() < 5
    assert noisy["t"].max() < 60_000
    again = add_noise(events, (7, 5), 60_000, per_pixel, np.random.default_rng(seed))
    assert np.array_equal(noisy, again)


def test_less_than_no_noise_is_refused() -> None:
    with pytest.raises(ValueError, match="-1 spikes a pixel"):
        add_noise(empty_events(0), (3, 3), 1000, -1, np.random.default_rng(0))
