"""A writer that is killed, or whose disk is full: what was written before can be read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import RecordingError
from recordings.opening import open_recording
from recordings.write_file import OutFile
from recordings.writing import WRITABLE, create_recording
from tests.recordings.known import known_stream
from tests.recordings.written import ROOT, name_of, writing

PACKET = 10_000


def told(process: subprocess.Popen[str]) -> int:
    """Wait for the next packet that the process has written; return the events so far."""
    assert process.stdout is not None
    return int(process.stdout.readline())


def killed(path: Path, **options: str) -> int:
    """Kill a process that writes to ``path``; return how many events it had flushed by then."""
    with writing(path, **options) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        for _ in range(7):
            n = told(process)
        process.send_signal(signal.SIGKILL)
        # What it said before it was dead counts as well.
        rest = process.stdout.read().split()
        assert process.wait() == -signal.SIGKILL
    return max([n, *map(int, rest[:-1])])


def assert_beginning(path: Path, least: int) -> None:
    with open_recording(path) as recording:
        events = recording.read()
    assert len(events) >= least
    np.testing.assert_array_equal(events, known_stream(len(events)))


@pytest.mark.parametrize("format_", WRITABLE)
def test_a_writer_that_is_killed_leaves_what_it_had_flushed(format_: str, tmp_path: Path) -> None:
    path = tmp_path / name_of(format_)
    least = killed(path)
    assert_beginning(path, least)


@pytest.mark.parametrize("compression", ["none", "lz4", "zstd"])
def test_dv_reads_what_a_killed_writer_left(compression: str, tmp_path: Path) -> None:
    path = tmp_path / "x.aedat4"
    least = killed(path, compression=compression)
    # dv itself may end the process: it is asked in one of its own.
    code = (
        "import sys, dv_processing as dv\n"
        "recording = dv.io.MonoCameraRecording(sys.argv[1])\n"
        "n = 0\n"
        "while recording.isRunning('events'):\n"
        "    batch = recording.getNextEventBatch()\n"
        "    n += 0 if batch is None else batch.size()\n"
        "print(n)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= least


def test_numpy_reads_what_a_killed_writer_left(tmp_path: Path) -> None:
    for name, options in (("x.npz", {}), ("y.npz", {"compression": "deflate"}), ("x.npy", {})):
        path = tmp_path / name
        least = killed(path, **options)
        found = np.load(path)
        events = found["events"] if name.endswith("npz") else found
        assert len(events) >= least
        np.testing.assert_array_equal(events, known_stream(len(events)))


@pytest.mark.parametrize("format_", WRITABLE)
def test_a_disk_that_is_full(format_: str, tmp_path: Path) -> None:
    path = tmp_path / name_of(format_)
    with writing(path, limit=600_000) as process:
        out, error = process.communicate(timeout=60)
    assert process.returncode == 1
    last = error.strip().splitlines()[-1]
    assert f"RecordingError: {path}: cannot be written: " in last
    said = [int(word) for word in out.split()[1:]]
    assert said, "some packets did fit"
    assert f"the {said[-1]:,} events before that are kept" in last
    with open_recording(path) as recording:
        events = recording.read()
        counts = recording.counts
    np.testing.assert_array_equal(events, known_stream(said[-1]))
    assert counts.cuts == 0


def test_dv_reads_what_a_full_disk_left(tmp_path: Path) -> None:
    dv = pytest.importorskip("dv_processing")
    path = tmp_path / "x.aedat4"
    with writing(path, limit=600_000) as process:
        out, _ = process.communicate(timeout=60)
    recording = dv.io.MonoCameraRecording(str(path))
    n = 0
    while recording.isRunning("events"):
        batch = recording.getNextEventBatch()
        n += 0 if batch is None else batch.size()
    assert n == int(out.split()[-1])


def test_a_piece_that_does_not_fit_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import resource, sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from pathlib import Path\n"
        "from pipeline.errors import RecordingError\n"
        "from recordings.write_file import OutFile\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "file = OutFile(Path(sys.argv[1]))\n"
        "file.append(b'a' * 400, b'b' * 400)\n"
        "try:\n"
        "    file.append(b'c' * 150, b'd' * 150)\n"
        "except RecordingError as error:\n"
        "    print(error)\n"
        "file.append(b'e' * 200)\n"
    )
    path = tmp_path / "x"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.startswith(f"{path}: cannot be written: ")
    assert path.read_bytes() == b"a" * 400 + b"b" * 400 + b"e" * 200


def test_many_parts_behind_one_another(tmp_path: Path) -> None:
    file = OutFile(tmp_path / "x")
    parts = [bytes([i]) * (i % 5) for i in range(250)]
    file.append(*parts)
    file.close()
    assert (tmp_path / "x").read_bytes() == b"".join(parts)


def test_a_folder_to_read_only(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("whoever runs this may write to any folder (root)")
    with pytest.raises(RecordingError, match="is a folder to read only"):
        create_recording(folder / "x.aedat4", 34, 34)
