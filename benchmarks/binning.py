"""1 ms bins on three sensors: ours beside numpy, torch and a plain numba loop, one core each.

All start from packed events (8 bytes each) and end with the counts of every (polarity, row,
column) in every bin: ours sparse, the others as the dense frames that they make. 34×34 is a real
N-MNIST recording; the larger sensors get random events at 10 million a second over 10 ms.
The memory is what each allocates for its result and scratch.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numba
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.harness import Row, in_turn, row
from pipeline.binning import Binner, Bins, Field
from pipeline.events import EVENT, Events, pack
from pipeline.memory import keep_freed_memory
from recordings.folder import SAMPLES_DIR, samples

_BIN_US = 1000
_SPAN_S = 0.05


def rows(*, quick: bool = False) -> list[Row]:
    """Measure."""
    keep_freed_memory()
    torch.set_num_threads(1)
    found: list[Row] = []
    for name, width, height, events, n_bins in _cases():
        wire = pack(events, 0)
        contestants = _contestants(wire, width, height, n_bins)
        _same(contestants, n_bins * 2 * width * height)
        timed = {who: _timer(make, len(wire)) for who, make in contestants.items()}
        values = in_turn(timed, 3 if quick else 11)
        found += [
            row(f"{name}: {who}", "ns/event", each, peer=who != "ours")
            for who, each in values.items()
        ]
        frame = 2 * width * height
        memory = {"ours": frame + 5 * len(wire) + 4 * n_bins, "dense frames": frame * n_bins}
        found += [
            row(f"{name}: result of {who}", "KiB", [size / 1024], peer=who != "ours")
            for who, size in memory.items()
        ]
    return found


def _cases() -> list[tuple[str, int, int, Events, int]]:
    first = samples(SAMPLES_DIR, "Test")[0].read()
    cases = [("34×34, N-MNIST", 34, 34, first[first["t"] < 300_000], 300)]
    rng = np.random.default_rng(0)
    for width, height in ((346, 260), (1280, 720)):
        n = 100_000
        events = np.zeros(n, EVENT)
        events["t"] = np.sort(rng.integers(0, 10_000, n))
        events["x"] = rng.integers(0, width, n)
        events["y"] = rng.integers(0, height, n)
        events["p"] = rng.integers(0, 2, n)
        cases.append((f"{width}×{height}", width, height, events, 10))
    return cases


def _timer(make: Callable[[], object], n: int) -> Callable[[], float]:
    """Return a measurement of ns an event over about 50 ms of calls."""

    def once() -> float:
        begun = now = time.perf_counter()
        calls = 0
        while now - begun < _SPAN_S:
            make()
            calls += 1
            now = time.perf_counter()
        return (now - begun) / calls / n * 1e9

    return once


def _contestants(
    wire: Events, width: int, height: int, n_bins: int
) -> dict[str, Callable[[], object]]:
    binner = Binner(Field(0, 0, width, height, 1))
    words = wire.view(np.int64)
    shape = (n_bins, 2, height, width)
    size = n_bins * 2 * height * width

    def with_numpy() -> NDArray[np.uint8]:
        t = wire["dt"] // _BIN_US
        address = ((t * 2 + (wire["yp"] & 1)) * height + (wire["yp"] >> 1)) * width + wire["x"]
        return np.bincount(address, minlength=size).astype(np.uint8).reshape(shape)

    def with_torch() -> torch.Tensor:
        w = torch.from_numpy(words)
        t = (w & 0xFFFFFFFF) // _BIN_US
        address = ((t * 2 + ((w >> 48) & 1)) * height + ((w >> 49) & 0x7FFF)) * width
        address += (w >> 32) & 0xFFFF
        ones = torch.ones(len(w), dtype=torch.uint8)
        return torch.zeros(size, dtype=torch.uint8).scatter_add_(0, address, ones)

    def with_numba() -> NDArray[np.uint8]:
        dense: NDArray[np.uint8] = _plain(words, _BIN_US, np.zeros(shape, np.uint8))
        return dense

    return {
        "ours": lambda: binner.bin(wire, 0, _BIN_US, n_bins),
        "numpy": with_numpy,
        "torch": with_torch,
        "plain numba loop": with_numba,
    }


@numba.njit(cache=True)
def _plain(words, bin_us, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    for i in range(words.shape[0]):
        w = words[i]
        out[(w & 0xFFFFFFFF) // bin_us, (w >> 48) & 1, (w >> 49) & 0x7FFF, (w >> 32) & 0xFFFF] += 1
    return out


def _same(contestants: dict[str, Callable[[], object]], size: int) -> None:
    """Raise AssertionError where they do not all count the same."""
    results = {who: make() for who, make in contestants.items()}
    sparse = results.pop("ours")
    assert isinstance(sparse, Bins)
    offsets, index, count = sparse.offsets, sparse.index, sparse.count
    n_bins = len(offsets) - 1
    dense = np.zeros(size, np.uint8)
    which = np.repeat(np.arange(n_bins), (offsets[1:] - offsets[:-1]).astype(np.intp))
    dense[which * (size // n_bins) + index] = count
    for who, result in results.items():
        assert (np.asarray(result).reshape(-1) == dense).all(), who
