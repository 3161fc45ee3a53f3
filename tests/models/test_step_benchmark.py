"""The benchmark of one step gives its rows; how fast they are is no test."""

from __future__ import annotations

import torch

from benchmarks.peers import PEERS
from benchmarks.step import rows


def test_every_contestant_has_its_row() -> None:
    threads = torch.get_num_threads()
    found = rows(quick=True)
    assert torch.get_num_threads() == threads
    assert sum(not row.peer for row in found) == 4
    for network in ("classifier", "SLAYER's network"):
        for peer in PEERS:
            assert any(row.name.startswith(network) and f", {peer}" in row.name for row in found)
    for row in found:
        assert row.unit == "ms"
        assert row.min <= row.median <= row.max
        assert (row.runs >= 3 and row.min > 0) or "not installed" in row.name
