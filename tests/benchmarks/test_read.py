"""bench read: files hold what was written, readers count the same, a long replay stays small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import read
from benchmarks.read_files import FILES, repeated, scene, write_dat, write_evt2, write_evt3
from benchmarks.read_peers import OURS, PEERS, ours
from pipeline.events import Events
from recordings.opening import open_recording


@pytest.fixture(scope="module")
def events() -> Events:
    return repeated(scene(), 2)


@pytest.mark.parametrize("write", [write_evt2, write_evt3, write_dat])
def test_what_is_written_for_the_benchmark_is_read(
    tmp_path: Path, events: Events, write: object
) -> None:
    assert callable(write)
    write(tmp_path / "a.raw", events)
    with open_recording(tmp_path / "a.raw") as recording:
        assert (recording.width, recording.height) == (340, 340)
        assert (recording.read() == events).all()


@pytest.mark.parametrize("name", FILES)
def test_every_reader_counts_what_was_written(tmp_path: Path, events: Events, name: str) -> None:
    file, write = FILES[name]
    path = tmp_path / file
    write(path, events)
    n = 5 * len(events) if path.is_dir() else len(events)
    for who in OURS:
        assert read.timed(name, who, path)[1] == n
    told = []
    for who, peer in PEERS[name].items():
        try:
            told.append((who, peer(path)))
        except ImportError:
            continue
    assert all(count == n for who, count in told if who != "evutils"), told


def test_rows_name_who_is_not_there(
    tmp_path: Path, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dat(tmp_path / "a.dat", events[:1000])
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setitem(PEERS, "DAT", {"evutils": PEERS["DAT"]["evutils"]})
    found = read._read("DAT", tmp_path / "a.dat", 1)
    assert [row.name for row in found][:2] == [f"DAT, {who}" for who in OURS]
    assert all(row.median > 0 for row in found[:2])
    assert found[2].peer
    assert found[2].name == "DAT, evutils: not installed" or found[2].median > 0


def test_the_large_file_is_as_large_as_asked_and_in_order(tmp_path: Path) -> None:
    read.write_large(tmp_path / "a.dat", 32 << 20)
    assert abs((tmp_path / "a.dat").stat().st_size - (32 << 20)) < 1000
    assert ours(tmp_path / "a.dat") == 4 << 20
    with open_recording(tmp_path / "a.dat") as recording:
        last = 0
        for chunk in recording.chunks():
            assert int(chunk["t"][0]) >= last
            last = int(chunk["t"][-1])
        assert recording.counts.late == recording.counts.jumps == 0
        assert np.isclose(last, (4 << 20) / 12, rtol=1e-3)


@pytest.mark.slow
def test_a_long_replay_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    peaks = []
    for size in (16 << 20, 256 << 20):
        read.write_large(tmp_path / "a.dat", size)
        peaks.append(read.apart(read.peak_while_replaying, tmp_path / "a.dat"))
    (tmp_path / "a.dat").unlink()
    assert peaks[1] < 300
    assert peaks[1] < peaks[0] + 32
