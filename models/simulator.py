"""The moving silicon retina: a still image and a gaze in, events out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numba
import numpy as np
from numpy.typing import NDArray

from models import retina_kernels as kernels
from models.optics import FINE, view
from models.retina import Retina
from models.trajectory import Path
from pipeline.events import Events, empty_events

STEP_US = 1000
"""Time from one look at the image to the next, in µs."""

_CHUNK = 64
_NOISE, _MISMATCH, _HOT, _START, _DEAD = range(5)
_threads = threading.Lock()
_CORES: int = numba.get_num_threads()


class Simulator:
    """A retina that looks at one image and is moved; its state goes on from call to call.

    image   ``[H, W]`` float32 in [0, 1]
    reach   ``[2, 2]`` float64: least and greatest gaze (x, y), in pixels, that will be asked for;
            a gaze outside it sees what its edge sees
    seed    of the pixels' mismatch: the sensor itself
    noise_seed  of noise and of what the pixels remember at first; the same two give the same events
    threads how many of the machine's cores to use; the events do not depend on it
    """

    def __init__(
        self,
        image: NDArray[np.float32],
        reach: NDArray[np.float64],
        retina: Retina,
        seed: int = 0,
        *,
        noise_seed: int = 0,
        step_us: int = STEP_US,
        threads: int = 1,
    ) -> None:
        self.retina = retina
        self.now_us = 0
        self.lost = 0
        """Events that the arbiter did not let out, so far."""
        self._step_us = step_us
        self._n_threads = max(1, min(threads, _CORES))
        self._state, self._seeds = _made(retina, seed, noise_seed, step_us)
        self._waits = np.full(self._seeds.shape, -np.inf)
        self._free = -np.inf
        self._waiting = empty_events(0)
        self._first = True
        kernels.begin(self._seeds, self._state[kernels.HAZARD])
        height, width = self._seeds.shape
        self._rates = _rates(retina, step_us)
        self._dark = np.float32(retina.dark)
        self._counts = np.zeros(height, np.int64)
        self._room = 4 * width
        self._codes = np.empty((height, self._room), np.uint32)
        self._times = np.empty((height, self._room), np.int32)
        self.show(image, reach)

    def show(self, image: NDArray[np.float32], reach: NDArray[np.float64]) -> None:
        """Show another image; to the pixels it is a sudden change."""
        self._view = view(image, self.retina, np.asarray(reach, np.float64))

    def advance(self, gaze: NDArray[np.float64]) -> Events:
        """Move to each of ``gaze`` [n, 2] (x, y in pixels) in turn, a step of time each.

        Returns the events ``[m] EVENT`` of these steps, by time.
        """
        parts = []
        for at in range(0, len(gaze), _CHUNK):
            parts.append(self._chunk(gaze[at : at + _CHUNK]))
        return _joined(parts)

    def _chunk(self, gaze: NDArray[np.float64]) -> Events:
        seen, step = self._view, self._step_us
        fine = (gaze - [seen.left, seen.top]) * FINE
        most = (np.array([seen.right, seen.bottom]) - [seen.left, seen.top]) * FINE
        fine = np.clip(fine, 0, most)
        todo = np.arange(len(self._counts))
        with self._kernel() as advance:
            while len(todo):
                advance(
                    seen.planes, fine, step, self._rates, self._dark, todo,
                    self._state, self._seeds, self._codes, self._times,
                    self._counts, self._first,
                )  # fmt: skip
                todo = np.flatnonzero(self._counts == kernels.FULL)
                if len(todo):
                    self._grow()
        self._first = False
        out = empty_events(int(self._counts.sum()))
        span = len(fine) * step
        kernels.gather(
            self._codes, self._times, self._counts, self.now_us, span,
            out["t"], out["x"], out["y"], out["p"],
        )  # fmt: skip
        self.now_us += span
        return self._let_out(out)

    def _grow(self) -> None:
        """Make twice the room, keeping the rows that are done."""
        height, room = self._codes.shape
        for name in ("_codes", "_times"):
            old = getattr(self, name)
            new = np.empty((height, 2 * room), old.dtype)
            new[:, :room] = old
            setattr(self, name, new)

    def _let_out(self, events: Events) -> Events:
        rate = self.retina.max_rate
        if not rate:
            return events
        keep = np.ones(len(events), np.bool_)
        self._free = kernels.arbitrate(
            events["t"], events["x"], events["y"], 1e6 / rate, self._free, self._waits, keep
        )
        self.lost += len(events) - int(keep.sum())
        events = _joined([self._waiting, events[keep]])
        now = int(np.searchsorted(events["t"], self.now_us))
        self._waiting = events[now:].copy()
        return events[:now]

    @contextmanager
    def _kernel(self) -> Iterator[Callable[..., None]]:
        """Give the kernel that runs on so many threads as were asked for."""
        if self._n_threads == 1:
            yield kernels.advance_alone
            return
        # The number of threads is the process's, not the caller's.
        with _threads:
            before = numba.get_num_threads()
            numba.set_num_threads(self._n_threads)
            try:
                yield kernels.advance
            finally:
                numba.set_num_threads(before)


def simulate(
    image: NDArray[np.float32],
    path: Path,
    retina: Retina,
    seed: int = 0,
    *,
    noise_seed: int = 0,
    duration_us: int | None = None,
    step_us: int = STEP_US,
    threads: int = 1,
) -> Events:
    """Return the events ``[n] EVENT`` of a retina that looks at ``image`` along ``path``.

    image   ``[H, W]`` float32 in [0, 1]
    duration_us  how long, by default as long as the path
    """
    length = path.duration_us if duration_us is None else duration_us
    gaze = path.at(np.arange(0, length, step_us) + step_us)
    reach = np.stack([gaze.min(0), gaze.max(0)]) if len(gaze) else np.zeros((2, 2))
    simulator = Simulator(
        image, reach, retina, seed, noise_seed=noise_seed, step_us=step_us, threads=threads
    )
    events = simulator.advance(gaze)
    # The last step may reach beyond the end.
    return events[: int(np.searchsorted(events["t"], length))]


def _joined(parts: Sequence[Events]) -> Events:
    """Return several arrays of events as one; numpy's own way forgets how an event is laid out."""
    out = empty_events(sum(len(part) for part in parts))
    at = 0
    for part in parts:
        out[at : at + len(part)] = part
        at += len(part)
    return out


def _rates(retina: Retina, step_us: int) -> NDArray[np.float32]:
    """Return what each step takes, for ``retina_kernels``."""
    dt = step_us / 1e6
    turn = min(2 * np.pi * retina.cutoff_hz * dt, 1e4) if retina.cutoff_hz else 1e4
    left = retina.cutoff_dark if retina.cutoff_hz else 1.0
    return np.array(
        [
            turn * left,
            turn * (1 - left),
            retina.leak_hz * retina.threshold_on * dt,
            retina.shot_hz * dt,
            retina.shot_hz * (1 - retina.shot_bright) * dt,
        ],
        np.float32,
    )


def _made(
    retina: Retina, seed: int, noise_seed: int, step_us: int
) -> tuple[NDArray[np.float32], NDArray[np.uint64]]:
    """Return the state of all pixels as they leave the factory, and their generators' seeds."""
    shape = (retina.height, retina.width)

    def drawn(what: int) -> np.random.Generator:
        once = what in (_NOISE, _START)
        return np.random.default_rng([seed, what, noise_seed] if once else [seed, what])

    state = np.zeros((kernels.STATES, *shape), np.float32)
    spread = 1 + retina.mismatch * drawn(_MISMATCH).standard_normal((2, *shape))
    state[kernels.ON] = retina.threshold_on * np.maximum(spread[0], 0.1)
    state[kernels.OFF] = retina.threshold_off * np.maximum(spread[1], 0.1)
    at = drawn(_START).uniform(-1, 1, shape) * retina.start
    state[kernels.UNTIL] = -1
    state[kernels.REF] = np.where(at > 0, at * state[kernels.OFF], at * state[kernels.ON])
    tired = 1 + retina.refractory_mismatch * drawn(_DEAD).standard_normal(shape)
    state[kernels.DEAD] = retina.refractory_us * np.maximum(tired, 0.1)
    hot = drawn(_HOT)
    fires = hot.random(shape) < retina.hot_share
    state[kernels.HOT] = fires * hot.exponential(retina.hot_hz, shape) * step_us / 1e6
    seeds = drawn(_NOISE).integers(0, 2**64, shape, np.uint64)
    return state, seeds
