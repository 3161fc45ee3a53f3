"""``retina simulate``: images to recordings, whole or not at all, and the same every time."""

from __future__ import annotations

import gzip
import json
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from PIL import Image

from models.calibration import nmnist
from models.images import read
from models.preview import OFF, ON
from models.retina import PRESETS, changed
from models.simulate import Job, run
from models.simulator import simulate
from models.stills import open_stills
from pipeline.cli import main
from pipeline.errors import RecordingError, UsageError
from recordings import nmnist as format_
from recordings.folder import samples
from recordings.opening import open_recording
from tests.waiting import until


def job(**values: object) -> Job:
    told = {"retina": PRESETS["atis"], "preset": "atis", "trajectory": "nmnist", "seed": 0}
    return Job(**{**told, "duration_us": 30_000, **values})  # type: ignore[arg-type]


def digits(root: Path, n: int = 4, side: int = 28) -> Path:
    draw = np.random.default_rng(0)
    for i in range(n):
        pixels = np.zeros((side, side), np.uint8)
        pixels[5:20, 8 + i % 16 : 12 + i % 16] = draw.integers(150, 256)
        file = root / str(i % 3) / f"{i + 1:05d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    return root


def idx_files(root: Path, n: int = 5) -> Path:
    pixels = np.random.default_rng(1).integers(0, 256, (n, 28, 28), np.uint8)
    images = root / "train-images-idx3-ubyte.gz"
    images.write_bytes(
        gzip.compress(bytes([0, 0, 8, 3]) + struct.pack(">3I", n, 28, 28) + pixels.tobytes())
    )
    labels = bytes([0, 0, 8, 1]) + struct.pack(">I", n) + bytes(range(n))
    (root / "train-labels-idx1-ubyte").write_bytes(labels)
    return images


def files(root: Path) -> dict[str, bytes]:
    return {
        file.relative_to(root).as_posix(): file.read_bytes()
        for file in sorted(root.rglob("*"))
        if file.is_file()
    }


class Said(Protocol):
    """Runs the command and returns how it ends, and its one line."""

    def __call__(self, *words: object) -> tuple[int, str]: ...


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    def said(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["retina", "simulate", *(str(word) for word in words)])
        with pytest.raises(SystemExit) as end:
            main()
        line = capsys.readouterr().err
        assert line.count("\n") == 1, line
        return int(end.value.code or 0), line

    return said


def test_one_image_becomes_one_file(tmp_path: Path) -> None:
    image = digits(tmp_path / "in", 1) / "0" / "00001.png"
    for name in ("a.bin", "deep/er/a.npz", "a.aedat4"):
        run([str(image)], tmp_path / name, job())
    expected = open_stills(image)[0]
    events = job().events(expected)
    assert len(events) > 20
    np.testing.assert_array_equal(format_.read(tmp_path / "a.bin"), events)
    with np.load(tmp_path / "deep" / "er" / "a.npz") as found:
        assert (int(found["width"]), int(found["height"])) == (34, 34)
        np.testing.assert_array_equal(found["events"], events)
    with open_recording(tmp_path / "a.aedat4") as recording:
        assert (recording.width, recording.height) == (34, 34)
        np.testing.assert_array_equal(recording.read(), events)


def test_a_folder_becomes_a_folder_in_nmnists_layout(tmp_path: Path) -> None:
    run([str(digits(tmp_path / "in"))], tmp_path / "out", job(), split="Train", jobs=1)
    there = samples(tmp_path / "out", "Train")
    assert [(s.name, s.label) for s in there] == [
        ("Train/0/00001.bin", 0), ("Train/0/00004.bin", 0), ("Train/1/00002.bin", 1),
        ("Train/2/00003.bin", 2),
    ]  # fmt: skip
    told = json.loads((tmp_path / "out" / "simulation.json").read_text())
    assert told["preset"] == "atis"
    assert told["retina"]["black"] == PRESETS["atis"].black
    lines = (tmp_path / "out" / "labels.csv").read_text().splitlines()
    assert lines[0] == "file,label,events,last_us,sha256"
    first = there[0].read()
    assert lines[1].startswith(f"Train/0/00001.bin,0,{len(first)},{first['t'][-1]},")
    assert len(lines) == 5


def test_an_idx_file_with_limit_and_exclusion(tmp_path: Path) -> None:
    images = idx_files(tmp_path)
    run([str(images)], tmp_path / "some", job(), split="Train", limit=2, jobs=1)
    assert [s.name for s in samples(tmp_path / "some")] == [
        "Train/0/00001.bin", "Train/1/00002.bin",
    ]  # fmt: skip
    run([str(images)], tmp_path / "rest", job(), split="Train", exclude=tmp_path / "some", jobs=1)
    assert [s.label for s in samples(tmp_path / "rest", "Train")] == [2, 3, 4]


def test_noise_is_of_the_image_not_of_its_company(tmp_path: Path) -> None:
    images = idx_files(tmp_path)
    run([str(images)], tmp_path / "all", job(), jobs=1)
    run([str(images)], tmp_path / "two", job(), limit=2, jobs=1)
    a, b = files(tmp_path / "all"), files(tmp_path / "two")
    assert a["1/00002.bin"] == b["1/00002.bin"]
    run([str(images)], tmp_path / "seed", job(seed=1), limit=2, jobs=1)
    assert files(tmp_path / "seed")["1/00002.bin"] != b["1/00002.bin"]


def test_what_is_missing_is_made_and_nothing_else_is_touched(tmp_path: Path) -> None:
    source, out = digits(tmp_path / "in", 80), tmp_path / "out"
    # Three parts of 32: two processes have work.
    run([str(source)], out, job(duration_us=5000), jobs=2)
    before = files(out)
    assert sum(name.endswith(".bin") for name in before) == 80
    (out / "1" / "00002.bin").unlink()
    kept = (out / "0" / "00001.bin").stat().st_mtime_ns
    run([str(source)], out, job(duration_us=5000), jobs=1)
    assert files(out) == before
    assert (out / "0" / "00001.bin").stat().st_mtime_ns == kept


def test_other_settings_are_refused(tmp_path: Path) -> None:
    source = digits(tmp_path / "in")
    run([str(source)], tmp_path / "out", job(), jobs=1)
    before = files(tmp_path / "out")
    with pytest.raises(UsageError, match=r"simulation\.json: the recordings there were made with"):
        run([str(source)], tmp_path / "out", job(seed=3), jobs=1)
    assert files(tmp_path / "out") == before


def test_a_large_sensor_gets_npz(tmp_path: Path) -> None:
    retina = PRESETS["davis346"]
    source = digits(tmp_path / "in", 2)
    run([str(source)], tmp_path / "out", job(retina=retina), jobs=1)
    assert sorted(n for n in files(tmp_path / "out") if n.endswith(".npz")) == [
        "0/00001.npz", "1/00002.npz",
    ]  # fmt: skip
    with pytest.raises(UsageError, match=r"\.bin has room for 256×256 pixels, the sensor has 346"):
        run([str(source / "0")], tmp_path / "one.bin", job(retina=retina))
    assert not (tmp_path / "one.bin").exists()


def test_ctrl_c_leaves_whole_files_and_the_rest_is_made_later(tmp_path: Path) -> None:
    source, out = digits(tmp_path / "in", 400), tmp_path / "out"
    words = [sys.executable, "-m", "pipeline", "simulate", str(source), str(out), "--jobs", "2"]
    # As long as such a file can be: it takes minutes to make all of them.
    words += ["--duration", "8"]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(words, cwd=root, stderr=subprocess.PIPE, start_new_session=True)
    until(lambda: process.poll() is not None or len(list(out.rglob("*.bin"))) >= 5)
    assert process.poll() is None
    # As a terminal does: to the whole group.
    os.killpg(process.pid, signal.SIGINT)
    error = process.communicate(timeout=60)[1].decode()
    assert process.returncode not in (0, None)
    assert "Traceback" not in error
    found = files(out)
    assert 5 <= sum(name.endswith(".bin") for name in found) < 400
    assert not [name for name in found if "/." in f"/{name}"]
    for name, data in found.items():
        if name.endswith(".bin"):
            format_.decode(data, name)


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--preset", "davis364"], 2, "simulate: --preset: no retina 'davis364'; did you"),
        (["--trajectory", "cirle"], 2, "simulate: --trajectory: no trajectory 'cirle'; did"),
        (["--sensor", "34"], 2, "simulate: --sensor 34: expected WIDTHxHEIGHT, such as 346"),
        (["--sensor", "0x4"], 2, 'simulate: --sensor: width = "0" is not'),
        (["--set", "blck=0.1"], 2, "simulate: --set: unknown setting 'blck'; did you mean"),
        (["--set", "black=2"], 2, 'simulate: --set: black = "2" is not'),
        (["--duration", "0.0001"], 2, "simulate: --duration 0.0001: expected at least"),
        (["--trajectory", "none.csv"], 1, "none.csv: cannot be read: No such file"),
    ],
)
def test_wrong_words(
    tmp_path: Path, fails: Said, words: list[str], status: int, message: str
) -> None:
    source = digits(tmp_path / "in", 1)
    code, line = fails(source, tmp_path / "out", *words)
    assert message in line
    assert code == status
    assert not (tmp_path / "out").exists()


def test_no_image_and_no_place(tmp_path: Path, fails: Said) -> None:
    (tmp_path / "empty").mkdir()
    code, line = fails(tmp_path / "empty", tmp_path / "out")
    assert (code, "holds no image" in line) == (1, True)
    code, line = fails(tmp_path / "out")
    assert (code, "needs an image and where the recording goes" in line) == (2, True)
    source = digits(tmp_path / "in", 1)
    code, line = fails(source, tmp_path / "out.mp4")
    assert (code, "expected a folder, or a file .aedat4, .es, .bin" in line) == (2, True)
    (tmp_path / "file").write_text("no folder")
    code, line = fails(source, tmp_path / "file" / "out")
    assert (code, f"{tmp_path / 'file' / 'out'}: cannot be made" in line) == (1, True)
    code, line = fails(source, source, tmp_path / "out")
    assert (code, "two images are called 0/00001" in line) == (2, True)


def test_a_picture_that_ends_early_leaves_nothing(tmp_path: Path) -> None:
    source = digits(tmp_path / "in", 1)
    file = source / "0" / "00001.png"
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(RecordingError, match=r"00001\.png: cannot be read: ") as caught:
        run([str(file)], tmp_path / "a.bin", job())
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "a.bin").exists()


@pytest.mark.parametrize("kind", ["pixel", "grey", "alpha", "deep", "colour", "bits"])
def test_pictures_of_any_kind(tmp_path: Path, kind: str) -> None:
    draw = np.random.default_rng(0)
    bar = np.zeros((28, 28), np.uint8)
    bar[5:20, 8:12] = 255
    pictures = {
        "pixel": Image.fromarray(np.full((1, 1), 200, np.uint8)),
        "grey": Image.fromarray(np.full((9, 9), 77, np.uint8)),
        "alpha": Image.fromarray(np.dstack([bar, bar, bar, 255 - bar // 2])),
        "deep": Image.fromarray(bar.astype(np.uint16) * 257),
        "colour": Image.fromarray(draw.integers(0, 256, (30, 20, 3), np.uint8)),
        "bits": Image.fromarray(bar > 0),
    }
    pictures[kind].save(tmp_path / "i.png")
    quiet = changed(PRESETS["atis"], shot_hz=0.0)
    run([str(tmp_path / "i.png")], tmp_path / "i.npz", job(retina=quiet, duration_us=100_000))
    events = np.load(tmp_path / "i.npz")["events"]
    expected = simulate(read(tmp_path / "i.png"), nmnist(), quiet, duration_us=100_000)
    # What the pixels remember at first is another, the scene the same.
    assert abs(len(events["t"]) - len(expected)) <= 0.2 * len(expected)
    assert (len(events["t"]) > 50) == (kind not in ("pixel", "grey"))


def test_a_preview_is_drawn(tmp_path: Path) -> None:
    source = digits(tmp_path / "in", 1)
    run([str(source)], tmp_path / "out", job(), jobs=1, preview=tmp_path / "p" / "p.png")
    pixels = np.asarray(Image.open(tmp_path / "p" / "p.png").convert("RGB")).reshape(-1, 3)
    colours = {tuple(c) for c in np.unique(pixels, axis=0).tolist()}
    assert colours == {ON, OFF, (255, 255, 255)}
