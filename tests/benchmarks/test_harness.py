"""The benchmark harness: figures, JSON, and that the contestants count the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import harness
from benchmarks.binning import _cases, _contestants, _same
from pipeline.errors import UsageError
from pipeline.events import pack


def test_a_row_has_median_and_spread() -> None:
    row = harness.row("x", "ms", [3.0, 1.0, 2.0], peer=True)
    assert (row.median, row.min, row.max, row.runs, row.peer) == (2.0, 1.0, 3.0, 3, True)


def test_contestants_take_turns() -> None:
    order: list[str] = []

    def contestant(name: str) -> float:
        order.append(name)
        return float(len(order))

    values = harness.in_turn({"a": lambda: contestant("a"), "b": lambda: contestant("b")}, 2)
    assert order == ["a", "b", "a", "b"]
    assert values == {"a": [1.0, 3.0], "b": [2.0, 4.0]}


def test_results_are_written_with_their_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness, "measure", lambda name, quick: [harness.row(name, "ms", [1.0])])
    file = tmp_path / "out.json"
    harness.run_benchmarks("step", str(file), quick=True)
    result = json.loads(file.read_text())
    assert set(result) == {"name", "environment", "rows"}
    assert result["rows"] == [
        {"name": "step", "unit": "ms", "median": 1.0, "min": 1.0, "max": 1.0, "runs": 1,
         "peer": False}
    ]  # fmt: skip
    assert {"commit", "processor", "cores", "python", "versions"} <= set(result["environment"])


def test_an_unknown_benchmark_is_named() -> None:
    with pytest.raises(UsageError, match="unknown benchmark 'speed'"):
        harness.run_benchmarks("speed", None, quick=True)


def test_every_way_of_binning_counts_the_same() -> None:
    for _, width, height, events, n_bins in _cases()[:2]:
        contestants = _contestants(pack(events, 0), width, height, n_bins)
        _same(contestants, n_bins * 2 * width * height)
