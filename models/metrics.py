"""How alike two images are: PSNR, SSIM and, where it is installed, a perceptual distance."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

WINDOW = 11
"""Width of SSIM's window in pixels."""

SIGMA = 1.5
"""Standard deviation of SSIM's Gaussian weights in pixels."""

_C1, _C2 = 0.01**2, 0.03**2


def psnr(image: ArrayLike, truth: ArrayLike) -> float:
    """Return the peak signal-to-noise ratio in dB of images ``[H, W]`` in [0, 1].

    −10 log10 of the mean square error; infinite where there is none.
    """
    a, b = _pair(image, truth)
    error = float(np.square(a - b).mean())
    return -10 * math.log10(error) if error > 0 else math.inf


def ssim(image: ArrayLike, truth: ArrayLike) -> float:
    """Return the mean structural similarity of images ``[H, W]`` in [0, 1].

    Gaussian window of 11×11 pixels, σ 1.5, K1 0.01, K2 0.03, averaged over the pixels whose
    window lies within the image. Source: Wang, Bovik, Sheikh and Simoncelli, "Image Quality
    Assessment: From Error Visibility to Structural Similarity", 2004. Raises ValueError where
    the images are smaller than the window.
    """
    a, b = _pair(image, truth)
    if min(a.shape) < WINDOW:
        raise ValueError(f"images of {a.shape}, expected at least {WINDOW}×{WINDOW} pixels")
    mean_a, mean_b = _smooth(a), _smooth(b)
    var_a = _smooth(a * a) - mean_a**2
    var_b = _smooth(b * b) - mean_b**2
    both = _smooth(a * b) - mean_a * mean_b
    top = (2 * mean_a * mean_b + _C1) * (2 * both + _C2)
    bottom = (mean_a**2 + mean_b**2 + _C1) * (var_a + var_b + _C2)
    return float((top / bottom).mean())


@functools.cache
def perceptual() -> Callable[[ArrayLike, ArrayLike], float] | None:
    """Return a perceptual distance of images ``[H, W]`` in [0, 1]; None where lpips is missing.

    LPIPS on AlexNet, lower is more alike. Source: Zhang, Isola, Efros, Shechtman and Wang, "The
    Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018.
    """
    try:
        import lpips
        import torch
    except ImportError:
        return None
    network = lpips.LPIPS(net="alex", verbose=False)

    def distance(image: ArrayLike, truth: ArrayLike) -> float:
        # It wants three channels in [−1, 1] of some size.
        pair = [torch.from_numpy(np.asarray(x, np.float32))[None, None] for x in (image, truth)]
        large = [
            torch.nn.functional.interpolate(2 * x - 1, size=64).expand(1, 3, -1, -1) for x in pair
        ]
        with torch.no_grad():
            return float(network(*large))

    return distance


def _pair(image: ArrayLike, truth: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, b = np.asarray(image, np.float64), np.asarray(truth, np.float64)
    if a.shape != b.shape or a.ndim != 2:
        raise ValueError(f"images of {a.shape} and {b.shape}, expected two of one [H, W]")
    return a, b


def _smooth(image: NDArray[np.float64]) -> NDArray[np.float64]:
    places = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-np.square(places) / (2 * SIGMA**2))
    weights /= weights.sum()
    rows: NDArray[np.float64] = sliding_window_view(image, WINDOW, 0) @ weights
    smooth: NDArray[np.float64] = sliding_window_view(rows, WINDOW, 1) @ weights
    return smooth
