"""What ``retina info`` tells is true, of files whose truth is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RecordingError
from pipeline.events import Events
from recordings.cli import described
from recordings.info import COLUMNS, Info, look, plot
from recordings.writing import create_recording
from tests.command import ROOT, Retina, retina
from tests.strategies import events_of, random_events

DATA = ROOT.parent / "shared" / "data" / "recordings"


def written(path: Path, events: Events, width: int = 60, height: int = 40) -> Path:
    with create_recording(path, width, height) as writer:
        writer.write(events)
    return path


def test_sums(tmp_path: Path) -> None:
    events = random_events(200_000, 60, 40, 3_000_000)
    events["t"] += 10**15
    path = written(tmp_path / "x.aedat4", events)
    seen: list[float] = []
    found = look(path, progress=seen.append)
    assert (found.format, found.bytes) == ("aedat4", path.stat().st_size)
    assert (found.width, found.height, found.sensor_told) == (60, 40, True)
    assert found.events == len(events)
    assert (found.begin_us, found.end_us) == (int(events["t"][0]), int(events["t"][-1]))
    assert found.duration_s == pytest.approx(np.ptp(events["t"]) / 1e6)
    assert found.on_share == pytest.approx(events["p"].mean())
    assert found.active_pixels == len({(e["x"], e["y"]) for e in events[:50_000]}) == 2400
    assert found.hot_pixels == 0
    assert found.gaps == 0
    assert found.counts["events"] == len(events)
    assert seen == sorted(seen)
    assert 0.9 < seen[-1] <= 1


@given(
    st.lists(st.integers(0, 10**7), min_size=1, max_size=300),
    st.integers(-(2**40), 2**40),
)
def test_every_event_is_in_one_part(steps: list[int], begin: int) -> None:
    import tempfile

    times = begin + np.cumsum(steps)
    n = len(times)
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder) / "x.npy", events_of(times, [1] * n, [1] * n, [1] * n))
        found = look(path, gap_s=1)
    assert 1 <= len(found.rates_hz) <= COLUMNS
    lengths = np.full(len(found.rates_hz), found.part_s)
    lengths[-1] = max(found.duration_s + 1e-6 - found.part_s * (len(lengths) - 1), 1e-4)
    np.testing.assert_allclose(np.dot(found.rates_hz, lengths), n)
    silences = np.diff(times)
    assert found.gaps == np.count_nonzero(silences >= 1_000_000)
    longest = sorted((silences[silences >= 1_000_000] / 1e6).tolist(), reverse=True)[:10]
    assert [gap.length_s for gap in found.longest_gaps] == longest


def test_hot_pixels(tmp_path: Path) -> None:
    events = random_events(50_000, 60, 40, 1_000_000)
    events["x"][::50], events["y"][::50] = 7, 9
    events["x"][1::200], events["y"][1::200] = 50, 30
    found = look(written(tmp_path / "x.aedat4", events))
    assert found.hot_pixels == 2
    assert [(p.x, p.y) for p in found.hottest] == [(7, 9), (50, 30)]
    assert found.hottest[0].events == np.count_nonzero((events["x"] == 7) & (events["y"] == 9))
    lines = "\n".join(described(found))
    assert "hot pixels 2: (7, 9) 1,0" in lines


def test_gaps(tmp_path: Path) -> None:
    events = random_events(10_000, 60, 40, 1_000_000)
    events["t"][4_000:] += 2_000_000
    events["t"][7_000:] += 300_000
    found = look(written(tmp_path / "x.es", events))
    assert found.gaps == 2
    assert found.longest_gaps[0].length_s == pytest.approx(2, abs=0.01)
    assert found.longest_gaps[0].at_s == pytest.approx(0.4, abs=0.02)
    assert "2 of 0.1 s or more: 2.0" in "\n".join(described(found))


def test_a_recording_without_events(tmp_path: Path) -> None:
    with create_recording(tmp_path / "x.aedat4", 60, 40):
        pass
    found = look(tmp_path / "x.aedat4")
    assert (found.events, found.begin_us, found.on_share, found.rates_hz) == (0, None, None, [])
    assert "events     none" in "\n".join(described(found))


def test_more_pixels_than_are_counted(tmp_path: Path) -> None:
    events = events_of([1, 2], [1, 32_000], [1, 32_000], [1, 1])
    path = written(tmp_path / "x.npy", events, 2**15 - 1, 2**15 - 1)
    found = look(path)
    assert found.active_pixels is None
    assert found.hot_pixels is None
    assert (found.width, found.height, found.sensor_told) == (32_001, 32_001, False)
    assert "too many" in "\n".join(described(found))


def test_a_sensor_that_the_file_does_not_tell() -> None:
    found = look(ROOT / "recordings" / "samples" / "Test" / "5" / "00009.bin")
    assert (found.width, found.height, found.sensor_told) == (34, 34, False)
    assert "34 × 34 (the smallest usual one; the file does not tell)" in "\n".join(described(found))


def test_what_there_is_beside_events() -> None:
    path = DATA / "davis346.aedat4"
    if not path.is_file():
        pytest.skip("the recording is not at hand (../shared/data/recordings)")
    found = look(path)
    assert found.events == 78_830
    assert {name: side.n for name, side in found.side.items()} == {
        "frames": 59, "imu": 2363, "triggers": 236,
    }  # fmt: skip


def test_json_is_what_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "x.csv", random_events(1_000, 60, 40, 100_000))
    done = retina("info", str(path), "--json", "-")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert set(found) == set(Info.__struct_fields__)
    assert (found["format"], found["events"], found["width"]) == ("text", 1_000, 60)
    file = tmp_path / "x.json"
    assert retina("info", str(path), "--json", str(file)).returncode == 0
    assert json.loads(file.read_text()) == found


def test_the_command_draws_the_rate(tmp_path: Path) -> None:
    path = written(tmp_path / "x.aedat4", random_events(100_000, 60, 40, 1_000_000))
    done = retina("info", str(path))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "█" * 50 in done.stdout
    assert "60 × 40" in done.stdout
    assert "  gaps       none" in done.stdout


@pytest.mark.parametrize("name", ["none.aedat4", "folder", "empty.bin", "broken.aedat4"])
def test_a_mistake_is_one_line(name: str, tmp_path: Path, retina_here: Retina) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.bin").touch()
    (tmp_path / "broken.aedat4").write_bytes(b"#!AER-DAT4.0\r\n\xff\xff\xff\xff")
    done = retina_here("info", str(tmp_path / name))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert str(tmp_path / name) in done.stderr
    with pytest.raises(RecordingError):
        look(tmp_path / name)


@given(st.lists(st.floats(0, 1e9), max_size=80), st.integers(1, 8))
def test_a_plot_of_any_rates(rates: list[float], rows: int) -> None:
    lines = plot(rates, rows)
    assert len(lines) == rows
    if max(rates, default=0) > 0:
        assert {len(line) for line in lines} == {len(rates)}
        for i, rate in enumerate(rates):
            column = "".join(line[i] for line in lines)
            assert (column.strip() == "") == (rate == 0)
        top = int(np.argmax(rates))
        assert all(line[top] == "█" for line in lines)
