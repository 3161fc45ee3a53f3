"""The benchmark of the filter gives its rows; how fast they are is no test."""

from __future__ import annotations

from benchmarks.filter import rows


def test_every_stage_has_its_row_and_leaves_what_dv_processing_leaves() -> None:
    found = {row.name: row for row in rows(quick=True)}
    assert sum(not row.peer for row in found.values()) == 11
    for name in ("crop", "polarity", "hot pixels, learnt", "background activity"):
        assert found[f"346×260: {name}, dv-processing"].peer
        assert not found[f"346×260: {name}, silicon-retina"].peer
    for row in found.values():
        assert row.unit == "Mev/s"
        assert 0 < row.min <= row.median <= row.max
        assert row.runs == 3
