"""The benchmark runs, and with real-time scheduling commands leave on time."""

from __future__ import annotations

import pytest

from benchmarks.head import rows


@pytest.mark.slow
def test_commands_leave_on_time() -> None:
    found = {row.name: row for row in rows(quick=True)}
    assert len(found) == 16
    for kind in ("dynamixel", "hobby"):
        name = f"{kind}, real-time scheduling, lateness p99"
        if name not in found:
            pytest.skip("the system grants no real-time scheduling here")
        assert found[name].median < 2.0
