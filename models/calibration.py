"""What was fitted to N-MNIST: where its retina was pointed (see ``benchmarks/calibrate.py``)."""

from __future__ import annotations

from models.eye import Glide
from models.trajectory import Path, Sum

PIXELS_PER_DEGREE = 6.0
"""Pixels of N-MNIST's retina that one degree of its head is: its triangle is 1° high (Orchard et
al., Front. Neurosci. 9, 2015) and so many pixels high by the fit."""

DURATION_US = 308_000
"""How long a recording of N-MNIST lasts, median."""

# Onset in µs, duration in µs, way in pixels: each servo's part of the three saccades.
_GLIDES = [
    (10_100, 72_100, (0.0, -5.39)),
    (21_700, 84_000, (-1.31, 0.0)),
    (105_300, 93_600, (0.0, 5.44)),
    (97_000, 105_100, (-3.15, 0.0)),
    (218_800, 81_900, (4.38, 0.0)),
]


def nmnist() -> Path:
    """Return N-MNIST's three saccades as the 800 training recordings show them, in pixels."""
    return Sum(
        tuple(
            Glide((0.0, 0.0), way, DURATION_US, onset_us=onset, moving_us=moving)
            for onset, moving, way in _GLIDES
        )
    )
