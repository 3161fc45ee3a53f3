"""The viewer's benchmark: every figure has its row, and sums are right; how fast is no test."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks import view, view_watch
from benchmarks.harness import BENCHMARKS, Row, row
from benchmarks.view_frames import age_rows, frame_rows, overload, painted
from benchmarks.view_guests import GUESTS, Spell, guest_rows, rows_of, spell
from benchmarks.view_nodes import Frames, Labour, frames_of
from benchmarks.view_replay import Sample, first_rows, growth_mb, memory_rows, record
from benchmarks.view_watch import Reading, cpu_s, screen, screens, stolen_s, until
from pipeline.errors import RetinaError
from pipeline.latency import BUCKETS, bucket
from pipeline.packets import EventPacket
from recordings.opening import open_recording
from tests.pipeline.ends import numbered
from tests.test_launcher import private_tmp

__all__ = ["private_tmp"]

MS = 1_000_000


def frames(at_ms: list[float], t_ms: list[float], born_ms: list[float]) -> Frames:
    """Return frames from times in ms."""
    return Frames(*(np.round(np.array(c) * MS).astype(np.int64) for c in (at_ms, t_ms, born_ms)))


def shown(ages_ms: list[float], every_ms: float = 10.0) -> Frames:
    """Return frames ``every_ms``, of such ages; event time is wall time."""
    at = np.arange(len(ages_ms)) * every_ms + 1000
    born = at - np.array(ages_ms)
    made = frames(at.tolist(), born.tolist(), born.tolist())
    return made._replace(t_us=made.t_us // 1000)


def test_frames_that_a_viewer_wrote_are_read_again_but_for_the_empty_ones(tmp_path: Path) -> None:
    path = tmp_path / "frames"
    np.array([[5, 0, 0], [20, 7, 12], [40, 9, 30]], np.int64).tofile(path)
    found = frames_of(path)
    assert found.at_ns.tolist() == [20, 40]
    assert found.t_us.tolist() == [7, 9]
    assert (found.age_ms * MS).round().tolist() == [8, 10]
    assert found.between(20, 40).at_ns.tolist() == [20]


def test_frames_and_processor_time_are_those_of_their_span() -> None:
    share = painted(shown([5.0] * 300), 1000 * MS, 3000 * MS, cpu=0.5)
    assert share == (100.0, 0.25, 5.0)


def test_an_overload_is_told_from_before_and_after() -> None:
    late = [20.0, 30.0, *[40.0] * 193, 50.0, 60.0, 70.0, 80.0, 90.0]
    ages = [10.0] * 100 + late + [60.0] * 20 + [10.0] * 280
    found = overload(shown(ages), 1_995_000, 3_995_000, 1_000_000)
    assert found.usual_p99 == pytest.approx(10)
    assert found.p50 == pytest.approx(40)
    assert found.oldest == pytest.approx(90)
    assert found.later_oldest == pytest.approx(10)
    assert found.back_s == pytest.approx(0.21, abs=0.02)
    assert (found.backwards, found.frames) == (0, len(ages))


def test_a_stale_frame_goes_backwards() -> None:
    stale = shown([10.0] * 300 + [10.0, 200.0] + [10.0] * 300)
    assert overload(stale, 2_000_000, 5_000_000, 1_000_000).backwards == 1


def test_what_never_gets_better_is_told_as_such() -> None:
    worse = shown([10.0] * 200 + [500.0] * 400)
    assert overload(worse, 2_900_000, 4_000_000, 1_000_000).back_s == math.inf


def test_a_spell_is_what_came_between_two_readings() -> None:
    before, after = [0] * BUCKETS, [0] * BUCKETS
    before[bucket(900_000)] = after[bucket(900_000)] = 7
    after[bucket(2_000)] = 1000
    found = spell(Reading(0, 1.0, 10, 500, before), Reading(2 * 10**9, 1.5, 1010, 4_000_500, after))
    assert found.mev_s == pytest.approx(2.0)
    assert found.p50_ms == found.p90_ms == found.p99_ms == pytest.approx(2.0, rel=0.04)
    assert found.source_us == pytest.approx(500)
    assert found.stolen_percent == 0


def test_a_spell_knows_what_the_host_took(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    counts = [0] * BUCKETS
    before = Reading(0, 1.0, 10, 500, counts, 7.0)
    after = Reading(2 * 10**9, 1.5, 1010, 4_000_500, counts, 7.1)
    assert spell(before, after).stolen_percent == pytest.approx(2.5)
    assert stolen_s() >= 0


def test_guests_are_compared_round_by_round() -> None:
    alone, one, stopped = ([Spell(r, p, 1) for r, p in pairs] for pairs in (
        [(10, 4), (20, 4)], [(9, 5), (18, 4)], [(10, 4), (20, 2)],
    ))  # fmt: skip
    found = {
        row.name: row for row in rows_of("x", dict(zip(GUESTS, (alone, one, stopped), strict=True)))
    }
    assert found["x: a viewer, throughput beside no viewer"].median == pytest.approx(90)
    assert found["x: a viewer, p99 beside no viewer"].max == pytest.approx(125)
    assert found["x: a stopped viewer, p99 beside no viewer"].min == pytest.approx(50)
    assert "x: no viewer, throughput beside no viewer" not in found
    assert found["x: no viewer, p99 beside itself"].median == pytest.approx(100)


def test_spells_in_which_the_host_took_little_are_told_apart() -> None:
    spells = {
        guest: [Spell(1, p99, 1, 1, 2, stolen) for p99, stolen in ((9, 8.0), (4, 0.5), (3, 0.0))]
        for guest in GUESTS
    }
    found = {row.name: row for row in rows_of("x", spells)}
    assert found["x: a viewer, p99"].runs == 3
    assert found["x, undisturbed: a viewer, p99"].median == 3.5
    assert found["x: no viewer, p99 beside itself"].runs == 1
    assert found["x: the processors taken away by the host"].max == 8
    spells[GUESTS[1]] = spells[GUESTS[1]][:1] * 3
    assert not any("undisturbed" in row.name for row in rows_of("x", spells))


def test_memory_is_looked_at_once_it_has_settled() -> None:
    rising = [Sample(k, k, 100 + 50 * min(k, 8) / 8 + (k > 60)) for k in range(81)]
    assert growth_mb(rising) == 1
    flat = [Sample(k, k, 200 if k >= 10 else 100) for k in range(81)]
    assert growth_mb(flat) == 0


def test_the_recording_is_one_of_a_davis346(tmp_path: Path) -> None:
    path = tmp_path / "davis346.aedat4"
    record(path, 2, 1000)
    with open_recording(path) as recording:
        events = recording.read()
        assert (recording.width, recording.height) == (346, 260)
    assert len(events) == 2000
    assert np.all(np.diff(events["t"]) >= 0)


def test_a_labourer_takes_the_time_it_is_told_to_and_changes_nothing() -> None:
    node = Labour(us=0, heavy_us=20_000, begin_s=0.002, end_s=0.003)
    packets = [numbered(k, 5) for k in range(4)]
    out = list(node(packets))
    assert [p.header.t_begin for p in out] == [p.header.t_begin for p in packets]
    for given, taken in zip(packets, out, strict=True):
        assert isinstance(taken, EventPacket)
        assert bytes(taken.payload) == bytes(given.payload)


def test_a_process_says_how_much_of_the_processor_it_took() -> None:
    busy = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", busy], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert 0.25 <= cpu_s(child.pid) < 2
        child.communicate(b"\n")


def test_a_screen_is_there_for_as_long_as_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "minimal")
    monkeypatch.delenv("DISPLAY", raising=False)
    for kind in screens():
        with screen(kind):
            assert os.environ["QT_QPA_PLATFORM"] == ("xcb" if kind == "Xvfb" else "offscreen")
            assert ("DISPLAY" in os.environ) == (kind == "Xvfb")
        assert os.environ["QT_QPA_PLATFORM"] == "minimal"
        assert "DISPLAY" not in os.environ


def test_nothing_is_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_watch, "PATIENCE_S", 0.01)
    with pytest.raises(RetinaError, match="in vain: no rain"):
        list(until(lambda: False, "no rain"))


UNITS: dict[Callable[..., list[Row]], dict[str, str]] = {
    frame_rows: {
        ": shown": "frames/s", "the viewer": "cores", "a frame": "ms of a core", "is shown": "ms",
    },
    age_rows: {
        "p99": "ms", "p50": "ms", "oldest": "ms", "usual": "s", "after it on": "ms",
        "backwards": "of",
    },
    guest_rows: {
        "throughput": "Mev/s", "p50": "ms", "p90": "ms", "p99": "ms",
        "for a packet": "µs of a core", "no viewer": "%", "beside itself": "%", "the host": "%",
    },
    memory_rows: {"event time": "s", "wall time": "s", "resident": "MB", "growth": "MB"},
    first_rows: {"first picture": "s", "processor": "s"},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("part", UNITS, ids=lambda part: part.__name__)
def test_quick_mode_gives_every_row_with_its_unit(
    part: Callable[..., list[Row]], private_tmp: Path
) -> None:
    del private_tmp
    rows = part(quick=True)
    for each in rows:
        ending = next(name for name in UNITS[part] if each.name.endswith(name))
        assert each.unit.startswith(UNITS[part][ending]), row
        assert not each.peer
        assert 0 <= each.min <= each.median <= each.max < math.inf, each
    assert {name for name in UNITS[part] if any(r.name.endswith(name) for r in rows)} == set(
        UNITS[part]
    )
    if part is age_rows:
        assert rows[-1].median == 0
        assert int(rows[-1].unit.split()[1]) > 10
    if part is memory_rows:
        assert rows[0].median > 10


def test_it_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "view" in BENCHMARKS
    names = [part.__name__ for part in UNITS]
    for name in names:
        monkeypatch.setattr(view, name, lambda *, quick, name=name: [row(name, str(quick), [1])])
    assert [(each.name, each.unit) for each in view.rows(quick=True)] == [
        (name, "True") for name in names
    ]
