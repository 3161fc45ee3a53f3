"""Fit the ``atis`` preset and N-MNIST's gaze to the real training recordings.

    python -m benchmarks.calibrate NMNIST MNIST [--minutes 10] [--recordings 80] [--rough]

Every real recording is compared with a simulated one of the same digit: of file ``05123.bin`` the
digit is row 5,123 of MNIST, counted from one. Thirty numbers are free: fifteen of the retina, and
of each of the five movements of the head (two servos, three saccades) when it begins, how long it
takes and how far it goes. They are found by CMA-ES (Hansen, arXiv:1604.00772), from what ships,
or, with ``--rough``, from what data sheets and N-MNIST's paper say. What is printed at the end
belongs into ``models/retina.py`` and ``models/calibration.py``. Test recordings are not looked at.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models import idx
from models.calibration import DURATION_US, GLIDES, from_glides
from models.likeness import Likeness, Signs, likeness, signs
from models.retina import PRESETS, Retina, changed
from models.simulator import simulate
from models.trajectory import Path as Gaze
from pipeline.events import Events
from recordings.folder import samples

# Of each setting: least, greatest, whether its logarithm is what varies, and a rough start.
_RETINA: dict[str, tuple[float, float, bool, float]] = {
    "black": (0.02, 0.95, False, 0.5),
    "gamma": (0.1, 4.0, True, 1.0),
    "threshold_on": (0.03, 1.0, True, 0.2),
    "threshold_off": (0.03, 1.0, True, 0.2),
    "mismatch": (0.03, 0.5, False, 0.1),
    "cutoff_hz": (5.0, 1000.0, True, 100.0),
    "cutoff_dark": (0.0, 1.0, False, 0.1),
    "refractory_us": (500.0, 3000.0, False, 2000.0),
    "refractory_mismatch": (0.0, 0.5, False, 0.1),
    "shot_hz": (0.1, 10.0, True, 1.0),
    "fit": (0.85, 1.15, False, 0.98),
    "shift_x": (-3.0, 3.0, False, 0.0),
    "shift_y": (-3.0, 3.0, False, 0.0),
    "aperture": (0.3, 2.0, False, 1.0),
    "blur": (0.01, 1.5, False, 0.3),
}
_MOVING_US = (40_000.0, 150_000.0)
_EARLIER_US = 40_000.0
_FARTHER = 2.5
# The triangle of the paper, six pixels high, a side every 100 ms.
_ROUGH = (
    (0, 90_000, (0.0, -6.0)),
    (0, 90_000, (-3.0, 0.0)),
    (105_000, 90_000, (0.0, 6.0)),
    (105_000, 90_000, (-3.0, 0.0)),
    (210_000, 90_000, (6.0, 0.0)),
)
Glides = tuple[tuple[int, int, tuple[float, float]], ...]
_FRAME_US = 20_000


def main(arguments: list[str]) -> None:
    """Fit, and print what was found."""
    words = argparse.ArgumentParser(prog="python -m benchmarks.calibrate")
    words.add_argument("nmnist", type=Path)
    words.add_argument("mnist", type=Path)
    words.add_argument("--minutes", type=float, default=10.0)
    words.add_argument("--recordings", type=int, default=80)
    words.add_argument("--spread", type=float, default=0.03)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--rough", action="store_true")
    told = words.parse_args(arguments)
    import cma

    glides: Glides = _ROUGH if told.rough else GLIDES
    pick = np.random.default_rng(told.seed).permutation(len(samples(told.nmnist, "Train")))
    context = get_context("spawn")
    pool = ProcessPoolExecutor(
        len(os.sched_getaffinity(0)), context, _begin,
        (told.nmnist, told.mnist, pick[: told.recordings].tolist(), glides),
    )  # fmt: skip
    start = _rough() if told.rough else _coded(PRESETS["atis"], glides, glides)
    search = cma.CMAEvolutionStrategy(
        start, told.spread, {"bounds": [0, 1], "seed": told.seed, "popsize": 14, "verbose": -9}
    )
    end = time.monotonic() + told.minutes * 60
    with pool:
        while time.monotonic() < end and not search.stop():
            asked = search.ask()
            search.tell(asked, list(pool.map(_badness, asked)))
            print(f"{search.countiter:4d}  {search.best.f:.4f}", flush=True)
        found = search.result.xfavorite
    retina, moves = _decoded(found, glides)
    _begin(told.nmnist, told.mnist, pick.tolist(), glides)
    print(f"\nAll {len(pick)} training recordings: {_compared(retina, from_glides(moves))}\n")
    for name in _RETINA:
        print(f"        {name}={getattr(retina, name):.4g},")
    for onset, moving, (x, y) in moves:
        print(f"    ({onset:_}, {moving:_}, ({x}, {y})),")


_own: tuple[list[NDArray[np.float32]], Signs, list[NDArray[np.float32]], Glides] | None = None


def _begin(recordings: Path, digits: Path, pick: list[int], glides: Glides) -> None:
    global _own  # noqa: PLW0603
    there = samples(recordings, "Train")
    real = [there[i].read() for i in pick]
    rows = idx.read(digits / "train-images-idx3-ubyte.gz", 3)
    images = [rows[int(there[i].path.stem) - 1].astype(np.float32) / np.float32(255) for i in pick]
    _own = images, signs(real, 34, 34), [_frames(events) for events in real], glides


def _badness(code: NDArray[np.float64]) -> float:
    """Return how unlike the recordings are that these numbers make; 0 would be the same."""
    assert _own is not None
    images, real, frames, glides = _own
    retina, moves = _decoded(code, glides)
    made = _simulated(images, retina, from_glides(moves))
    seen = signs(made, 34, 34)
    like = likeness(seen, real)
    wrong = sum(
        float(((a - _frames(b)) ** 2).sum()) for a, b in zip(frames, made, strict=True)
    ) / sum(float((a**2).sum()) for a in frames)
    ratio = np.log(np.maximum(seen.events, 1) / real.events)
    rate = float(np.abs(seen.rate - real.rate).sum() / real.rate.sum())
    return float(
        wrong
        + 5 * abs(np.median(ratio))
        + 2 * np.std(ratio)
        + rate
        + like.intervals
        + like.per_pixel
        + 3 * abs(like.on_share)
    )


def _simulated(images: list[NDArray[np.float32]], retina: Retina, gaze: Gaze) -> list[Events]:
    return [
        simulate(image, gaze, retina, noise_seed=i, duration_us=DURATION_US)
        for i, image in enumerate(images)
    ]


def _compared(retina: Retina, gaze: Gaze) -> Likeness:
    assert _own is not None
    images, real, _, _ = _own
    return likeness(signs(_simulated(images, retina, gaze), 34, 34), real)


def _frames(events: Events) -> NDArray[np.float32]:
    """Return events of either polarity in 20 ms as images, blurred a little: ``[2, 16, 34, 34]``.

    A recording's events are drawn anew each time; what is compared must not be each of them.
    """
    counts = np.zeros((2, 16, 36, 36), np.float32)
    frame = np.minimum(events["t"] // _FRAME_US, 15)
    at = (events["p"], frame, events["y"].astype(np.intp) + 1, events["x"].astype(np.intp) + 1)
    np.add.at(counts, at, 1)
    rows = counts[:, :, :-2] + 2 * counts[:, :, 1:-1] + counts[:, :, 2:]
    blurred: NDArray[np.float32] = (
        rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]
    ) / np.float32(16)
    return blurred


def _rough() -> list[float]:
    values = [_share(name, start) for name, (_, _, _, start) in _RETINA.items()]
    return values + _coded(PRESETS["atis"], _ROUGH, _ROUGH)[len(values) :]


def _share(name: str, value: float) -> float:
    low, high, ratio, _ = _RETINA[name]
    share = math.log(value / low) / math.log(high / low) if ratio else (value - low) / (high - low)
    return min(max(share, 0.0), 1.0)


def _coded(retina: Retina, glides: Glides, around: Glides) -> list[float]:
    """Return settings as numbers from 0 to 1, all of one scale."""
    numbers = [_share(name, getattr(retina, name)) for name in _RETINA]
    for (onset, moving, way), (onset0, _, way0) in zip(glides, around, strict=True):
        far, far0 = (way[0] or way[1]), (way0[0] or way0[1])
        numbers += [
            0.5 + (onset - onset0) / (2 * _EARLIER_US),
            (moving - _MOVING_US[0]) / (_MOVING_US[1] - _MOVING_US[0]),
            0.5 + (far - far0) / (2 * _FARTHER),
        ]
    return numbers


def _decoded(code: NDArray[np.float64], around: Glides) -> tuple[Retina, Glides]:
    values = {}
    for (name, (low, high, ratio, _)), share in zip(_RETINA.items(), code, strict=False):
        values[name] = low * (high / low) ** share if ratio else low + share * (high - low)
    retina = changed(PRESETS["atis"], **{name: float(f"{v:.4g}") for name, v in values.items()})
    moves = []
    for (onset0, _, way0), numbers in zip(
        around, np.reshape(code[len(_RETINA) :], (-1, 3)), strict=True
    ):
        onset = max(0, round(onset0 + (numbers[0] - 0.5) * 2 * _EARLIER_US, -2))
        moving = round(_MOVING_US[0] + numbers[1] * (_MOVING_US[1] - _MOVING_US[0]), -2)
        far = round(float((way0[0] or way0[1]) + (numbers[2] - 0.5) * 2 * _FARTHER), 3)
        moves.append((int(onset), int(moving), (far, 0.0) if way0[0] else (0.0, far)))
    return retina, tuple(moves)


if __name__ == "__main__":
    main(sys.argv[1:])
