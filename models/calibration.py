"""What was fitted to N-MNIST: where its retina was pointed (see ``benchmarks/calibrate.py``)."""

from __future__ import annotations

from collections.abc import Iterable

from models.eye import Glide
from models.trajectory import Path, Sum

PIXELS_PER_DEGREE = 6.0
"""Pixels of N-MNIST's retina that one degree of its head is: its triangle is 1° high (Orchard et
al., Front. Neurosci. 9, 2015) and, before the head's own lag, so many pixels high."""

DURATION_US = 308_000
"""How long a recording of N-MNIST lasts, median."""

GLIDES = (
    (8_500, 73_800, (0.0, -5.591)),
    (20_700, 81_800, (-1.935, 0.0)),
    (111_200, 79_000, (0.0, 5.484)),
    (87_900, 112_200, (-3.314, 0.0)),
    (210_600, 91_400, (5.098, 0.0)),
)
"""Each servo's part of the three saccades: onset in µs, duration in µs, way in pixels."""


def from_glides(glides: Iterable[tuple[int, int, tuple[float, float]]]) -> Path:
    """Return the path of movements that are each told as in ``GLIDES``, in pixels."""
    return Sum(
        tuple(
            Glide((0.0, 0.0), way, DURATION_US, onset_us=onset, moving_us=moving)
            for onset, moving, way in glides
        )
    )


def nmnist() -> Path:
    """Return N-MNIST's three saccades as the 800 training recordings show them, in pixels."""
    return from_glides(GLIDES)
