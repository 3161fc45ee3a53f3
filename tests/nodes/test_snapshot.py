"""A picture of a source at one moment, without a window."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nodes.source import Source
from nodes.view.palette import PALETTES
from nodes.view.snapshot import image_of, moment_us, rgb_of, snapshot
from nodes.view.tracks.show import Show
from pipeline.errors import RecordingError, RetinaError, UsageError
from pipeline.events import EVENT, Events
from recordings.folder import SAMPLES_DIR
from recordings.writing import create_recording

INKS = PALETTES["blue-orange"].inks("dark")


def events(*found: tuple[int, int, int, int]) -> Events:
    """Return events from (t, x, y, p)."""
    return np.array(list(found), EVENT)


def written(path: Path, found: Events, width: int = 60, height: int = 40) -> Path:
    """Write a recording."""
    with create_recording(path, width, height) as writer:
        writer.write(found)
    return path


@pytest.fixture
def dots(tmp_path: Path) -> Path:
    """ON at (3, 5) after 10 ms, OFF at (50, 30) after 90 ms, ON at (20, 20) after 200 ms."""
    found = events((500, 0, 0, 1), (10_500, 3, 5, 1), (90_500, 50, 30, 0), (200_500, 20, 20, 1))
    return written(tmp_path / "dots.aedat4", found)


def colours(path: Path) -> dict[tuple[int, int], tuple[int, ...]]:
    """Return the pixels of a 60 × 40 sensor that differ from the ground, by (x, y)."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    scale = pixels.shape[1] // 60
    small = pixels[scale // 2 :: scale, scale // 2 :: scale]
    assert np.array_equal(np.repeat(np.repeat(small, scale, 0), scale, 1), pixels)
    lit = np.argwhere((small != INKS.ground).any(-1))
    return {(x, y): tuple(small[y, x].tolist()) for y, x in lit.tolist()}


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("120ms", 120_000),
        ("1.5s", 1_500_000),
        ("800us", 800),
        ("800 µs", 800),
        (" 2 s ", 2 * 10**6),
    ],
)
def test_a_moment_is_a_number_with_its_unit(text: str, us: int) -> None:
    assert moment_us(text) == us


@pytest.mark.parametrize(
    "text", ["120", "ms", "-1ms", "0s", "1h", "infs", "nans", "1e30s", "0.1us"]
)
def test_what_is_no_moment_is_told_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--span .*expected a time above 0, such as 120ms"):
        moment_us(text, "--span")


@pytest.mark.parametrize(
    ("at_us", "shown_us", "n", "places"),
    [
        (20_000, 20_000, 2, {(0, 0), (3, 5)}),
        (150_000, 150_000, 3, {(0, 0), (3, 5), (50, 30)}),
        (None, 100_000, 3, {(0, 0), (3, 5), (50, 30)}),
    ],
)
def test_what_has_come_by_a_moment_is_shown(
    dots: Path,
    tmp_path: Path,
    at_us: int | None,
    shown_us: int,
    n: int,
    places: set[tuple[int, int]],
) -> None:
    out = tmp_path / "out.png"
    show = Show(mode="last-t", span_ms=1000)
    assert snapshot(str(dots), out, at_us, show) == (shown_us, n)
    found = colours(out)
    assert set(found) == places
    assert found[0, 0] == INKS.on
    assert found.get((50, 30), INKS.off) == INKS.off
    assert not list(tmp_path.glob(".*partial"))


def test_a_recording_that_is_shorter_is_shown_at_its_end(dots: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    us, n = snapshot(str(dots), out, 10**9, Show(mode="last-t", span_ms=1000))
    assert n == 4
    assert 200_000 <= us < 400_000
    assert set(colours(out)) == {(0, 0), (3, 5), (50, 30), (20, 20)}


def test_a_mode_is_as_in_the_window(dots: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    snapshot(str(dots), out, 150_000, Show(mode="last-n", last_n=1))
    assert set(colours(out)) == {(50, 30)}
    snapshot(str(dots), out, 150_000, Show(mode="decay", fade_ms=50))
    found = colours(out)
    # 60 ms old, and 140 ms old: paler, and paler still.
    ground = np.array(INKS.ground)
    strength = {at: np.abs(np.array(found[at]) - ground).sum() for at in ((50, 30), (3, 5))}
    assert 0 < strength[3, 5] < strength[50, 30] < np.abs(np.array(INKS.off) - ground).sum()


def test_the_shipped_recordings_and_a_folder_give_their_first(tmp_path: Path) -> None:
    first = next(iter(Source(path="samples", pace="fast"))).header.sample
    out, other = tmp_path / "a.png", tmp_path / "b.png"
    assert first is not None
    assert snapshot("samples", out) == snapshot(str(SAMPLES_DIR / first), other)
    assert out.read_bytes() == other.read_bytes()
    with Image.open(out) as image:
        # 34 × 34 pixels, enlarged so that they can be seen.
        assert image.width == image.height
        assert image.width % 34 == 0
        assert image.width >= 480


def test_a_large_sensor_is_not_enlarged() -> None:
    pixels = np.full((720, 1280), 0xFF102030, np.uint32)
    assert image_of(pixels).size == (1280, 720)
    assert rgb_of(pixels)[3, 7].tolist() == [0x10, 0x20, 0x30]
    assert image_of(pixels[:1, :1]).size == (480, 480)


def test_a_recording_without_events_is_told(tmp_path: Path) -> None:
    empty = written(tmp_path / "empty.aedat4", events())
    with pytest.raises(RecordingError, match=r"empty\.aedat4: holds no events"):
        snapshot(str(empty), tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()


def test_a_live_source_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ticks = itertools.count(0, 0.5)
    with pytest.raises(RecordingError, match=r"no events came in 3 s: is it running\?"):
        snapshot(
            f"aer-udp://127.0.0.1:{port}", tmp_path / "out.png", patience_s=3,
            clock=lambda: float(next(ticks)),
        )  # fmt: skip


def test_what_cannot_be_read_or_written_is_told(dots: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"nowhere\.aedat4"):
        snapshot(str(tmp_path / "nowhere.aedat4"), tmp_path / "out.png")
    with pytest.raises(UsageError, match=r"out\.jpg: expected a name that ends in \.png"):
        snapshot(str(dots), tmp_path / "out.jpg")
    with pytest.raises(UsageError, match=r"there is no such folder .*/none$"):
        snapshot(str(dots), tmp_path / "none" / "out.png")
    blocked = tmp_path / "folder.png"
    blocked.mkdir()
    with pytest.raises(RetinaError, match=r"folder\.png: cannot be written"):
        snapshot(str(dots), blocked)
    assert not list(tmp_path.glob(".*partial"))


def test_neither_a_screen_nor_qt_is_needed(dots: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    code = (
        "import sys; sys.modules['PySide6'] = sys.modules['pyqtgraph'] = None\n"
        "from pipeline.cli import main; sys.argv = ['retina', *sys.argv[1:]]; main()"
    )
    env = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "QT_QPA_PLATFORM")}
    done = subprocess.run(
        [sys.executable, "-c", code, "view", str(dots), "--snapshot", str(out), "--at", "120ms"],
        capture_output=True, text=True, timeout=100, env=env, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{out}: {dots} after 120 ms, 3 events so far\n"
    assert out.exists()
