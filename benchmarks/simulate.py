"""Still images before a moving silicon retina: recordings a second, ours beside eventcv's model.

34×34 and 300 steps of 1 ms are one of MNIST's digits that ship, under N-MNIST's saccades, with
mismatch and noise, on one core; 346×260 and 1,000 steps the photograph that ships under a
fixating eye's movements, on two. eventcv takes frames and does not move a retina: it is timed on
frames that were made before, at its fastest (no steps between frames) and as it comes; ours moves
the retina as well. Thresholds, mismatch, bandwidth, dead time and noise are the same; eventcv
reads grey values as a monitor's, so that the same image has more contrast to it. The memory is a
process's peak after one and after ten seconds of the larger scene.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Row, in_turn, row
from models.calibration import nmnist
from models.images import read
from models.optics import FINE, view
from models.paths import named
from models.retina import PRESETS, Retina
from models.simulator import STEP_US, Simulator, simulate
from models.trajectory import Gaze
from recordings.folder import SAMPLES_DIR, TARGETS

_DIGIT_US = 300_000
_SCENE_US = 1_000_000
_CHUNK = 50

T = TypeVar("T")


def rows(*, quick: bool = False) -> list[Row]:
    """Measure, each part in a process of its own that is held to its cores."""
    runs = 3 if quick else 11
    found: list[Row] = []
    for cores, part in ((1, _digits), (2, _scenes)):
        for name, unit, values, peer in _apart(cores, part, runs):
            found.append(row(name, unit, values, peer=peer))
    for seconds in (1, 10):
        peaks = [_apart(2, _peak, seconds) for _ in range(1 if quick else 3)]
        found.append(row(f"346×260, two cores: memory after {seconds} s", "MiB", peaks))
    return found


_Part = list[tuple[str, str, list[float], bool]]


def _apart(cores: int, part: Callable[[int], T], runs: int) -> T:
    with ProcessPoolExecutor(1, get_context("spawn"), _hold, (cores,)) as pool:
        return pool.submit(part, runs).result()


def _hold(cores: int) -> None:
    """Hold this process to so many cores, before any library counts them."""
    own = sorted(os.sched_getaffinity(0))[:cores]
    os.sched_setaffinity(0, own)


def _digits(runs: int) -> _Part:
    files = sorted((SAMPLES_DIR / TARGETS).rglob("*.png"))
    images = [read(file) for file in files[:10]]
    retina, path = PRESETS["atis"], nmnist()
    gaze = path.at(np.arange(0, _DIGIT_US, STEP_US) + STEP_US)
    frames = [_frames(image, retina, gaze) for image in images]

    def ours() -> int:
        return sum(
            len(simulate(image, path, retina, noise_seed=i, duration_us=_DIGIT_US))
            for i, image in enumerate(images)
        )

    makes: dict[str, Callable[[], int]] = {"ours": ours}
    for how, peer in _peers(retina).items():
        makes[how] = lambda peer=peer: sum(peer(f) for f in frames)  # type: ignore[misc]
    return _timed("34×34, one core", makes, len(images), "recordings/s", runs)


def _scenes(runs: int) -> _Part:
    image, retina, gaze = _scene(_SCENE_US)
    frames = _frames(image, retina, gaze)

    def ours() -> int:
        return len(_simulator(image, retina, gaze).advance(gaze))

    makes: dict[str, Callable[[], int]] = {"ours": ours}
    for how, peer in _peers(retina).items():
        makes[how] = lambda peer=peer: peer(frames)  # type: ignore[misc]
    return _timed("346×260, two cores", makes, _SCENE_US / 1e6, "× real time", max(3, runs // 3))


def _timed(
    name: str, makes: dict[str, Callable[[], int]], amount: float, unit: str, runs: int
) -> _Part:
    n = {who: make() for who, make in makes.items()}

    def timer(make: Callable[[], int]) -> Callable[[], float]:
        def once() -> float:
            begun = time.perf_counter()
            make()
            return amount / (time.perf_counter() - begun)

        return once

    values = in_turn({who: timer(make) for who, make in makes.items()}, runs)
    found: _Part = []
    for who, each in values.items():
        found.append((f"{name}: {who}", unit, each, who != "ours"))
        found.append((f"{name}: events of {who}", "events", [n[who] / amount], who != "ours"))
    return found


def _peak(seconds: int) -> float:
    """Return this process's peak of memory in MiB after so many seconds of the scene."""
    image, retina, gaze = _scene(seconds * 1_000_000)
    simulator = _simulator(image, retina, gaze)
    for at in range(0, len(gaze), _CHUNK):
        simulator.advance(gaze[at : at + _CHUNK])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _scene(duration_us: int) -> tuple[NDArray[np.float32], Retina, Gaze]:
    image = read(Path(SAMPLES_DIR) / "photograph.png")
    path = named("fixation", duration_us=duration_us, pixels_per_degree=20.0)
    gaze = path.at(np.arange(0, duration_us, STEP_US) + STEP_US)
    return image, PRESETS["davis346"], gaze


def _simulator(image: NDArray[np.float32], retina: Retina, gaze: Gaze) -> Simulator:
    # The same reach whatever the duration: a longer walk is held at its edge.
    reach = np.array([[-20.0, -20.0], [20.0, 20.0]])
    return Simulator(image, reach, retina, threads=len(os.sched_getaffinity(0)))


def _frames(image: NDArray[np.float32], retina: Retina, gaze: Gaze) -> NDArray[np.float32]:
    """Return what the retina sees at each step, ``[steps, H, W]``, to a quarter of a pixel."""
    reach = np.stack([gaze.min(0), gaze.max(0)])
    seen = view(image, retina, reach)
    fine = np.floor((gaze - [seen.left, seen.top]) * FINE).astype(int)
    height, width = retina.height, retina.width
    return np.stack(
        [
            seen.planes[y % FINE, x % FINE, y // FINE :, x // FINE :][:height, :width]
            for x, y in fine.tolist()
        ]
    )


def _peers(retina: Retina) -> dict[str, Callable[[NDArray[np.float32]], int]]:
    try:
        import eventcv
    except ImportError:
        return {}

    def peer(upsample: str) -> Callable[[NDArray[np.float32]], int]:
        def make(frames: NDArray[np.float32]) -> int:
            return len(
                eventcv.simulate(
                    frames,
                    fps=1e6 / STEP_US,
                    pos_thres=retina.threshold_on,
                    neg_thres=retina.threshold_off,
                    sigma_thres=retina.mismatch * retina.threshold_on,
                    refractory_us=int(retina.refractory_us),
                    cutoff_hz=retina.cutoff_hz,
                    leak_rate_hz=retina.leak_hz,
                    shot_noise_rate_hz=retina.shot_hz,
                    upsample=upsample,
                )
            )

        return make

    return {"eventcv, fastest": peer("off"), "eventcv, as it comes": peer("adaptive")}
