"""Small models with random weights for the tests of nodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.network import parse
from models.store import Intensity, Model, save

SPEC = "2-10c5-10c3-5c3p0-1c3p0"
"""The report's reconstructor: 34×34 becomes 28×28."""


def reconstructor(path: Path, spec: str = SPEC, saccades_ms: tuple[float, ...] = ()) -> Path:
    """Save a reconstructor at ``path`` whose outputs fire, and not all alike; return its path."""
    network = parse(spec, 34, 34)
    rng = np.random.default_rng(3)
    weights = tuple(
        None if shape is None else rng.normal(1.0, 2.0, shape).astype(np.float32)
        for shape in network.weight_shapes
    )
    intensity = Intensity(scale=40, offset=0, kind="linear")
    model = Model(
        network, weights, task="reconstructor", intensity=intensity, saccades_ms=saccades_ms
    )
    save(model, path)
    return path
