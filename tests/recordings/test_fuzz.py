"""Broken files of every kind: an error of one line with the file's name, or a counted skip.

Never another exception, a hang, or memory that a file only claims to need.
"""

from __future__ import annotations

import re
import resource
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import RecordingError
from recordings.counts import Counts
from recordings.opening import open_recording
from tests.recordings.assets import MADE, REAL, Made, Real, content, made, real, sample

KINDS = pytest.mark.parametrize("asset", MADE, ids=[asset.name for asset in MADE])
FILES = pytest.mark.parametrize("file", REAL, ids=[file.name for file in REAL])

BY_LIBRARIES = ("hdf5", "bag", "mcap", "db3")
"""Formats whose files are taken apart by h5py and rosbags, slowly."""

LIMIT_BYTES = 64 << 20
"""What the reading of a broken file of some KiB may take, as Python and numpy count it."""

SOME = settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Outcome:
    """What became of a reading: the counts, or the error."""

    def __init__(self) -> None:
        self.events = 0
        self.counts = Counts()
        self.error = ""
        self.skipped_beside = 0


def consume(path: Path) -> Outcome:
    """Read all that a file holds; whatever it is, it ends in one of the two ways."""
    outcome = Outcome()
    try:
        with open_recording(path) as recording:
            for chunk in recording.chunks():
                outcome.counts = recording.counts
                assert len(chunk)
                assert chunk["p"].max() <= 1
                if recording.width:
                    assert chunk["x"].max() < recording.width
                if recording.height:
                    assert chunk["y"].max() < recording.height
                assert (np.diff(chunk["t"]) >= 0).all()
                outcome.events += len(chunk)
            outcome.counts = recording.counts
            for name in recording.side:
                for _ in getattr(recording, name)():
                    pass
                outcome.skipped_beside += recording.counts.skipped_bytes
            recording.read(1000, 2000)
    except RecordingError as error:
        outcome.error = str(error)
        assert outcome.error.startswith(f"{path}: ")
        assert "\n" not in outcome.error
    return outcome


def bounded(path: Path) -> Outcome:
    """Read as ``consume`` does, within the limit of memory."""
    tracemalloc.start()
    try:
        return consume(path)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < LIMIT_BYTES, f"{peak >> 20} MiB"


@st.composite
def damages(draw: st.DrawFn) -> list[tuple[str, float, int]]:
    """Draw what is done to a file: where (a share of its length), and with which byte or length."""
    kinds = st.sampled_from(["flip", "set", "cut", "double", "drop", "insert", "grow"])
    where = st.one_of(st.floats(0, 1), st.floats(0, 0.05), st.just(0.0))
    return draw(st.lists(st.tuples(kinds, where, st.integers(0, 255)), min_size=1, max_size=4))


def damaged(data: bytes, damage: list[tuple[str, float, int]]) -> bytes:
    """Return the bytes of a file after the damage."""
    out = bytearray(data)
    for kind, where, value in damage:
        at = int(where * max(0, len(out) - 1))
        if kind == "cut":
            del out[at:]
        elif kind == "drop":
            del out[at : at + value]
        elif kind == "double":
            out[at:at] = out[at : at + 4 * value]
        elif kind == "insert":
            out[at:at] = bytes([value]) * (value % 9)
        elif kind == "grow":
            out += bytes([value]) * value
        elif at < len(out):
            out[at] = value if kind == "set" else out[at] ^ 1 << value % 8
    return bytes(out)


@KINDS
@given(damage=damages(), seed=st.integers(0, 1))
@SOME
def test_damaged_files_of_every_kind(
    asset: Made, tmp_path: Path, damage: list[tuple[str, float, int]], seed: int
) -> None:
    path = tmp_path / f"damaged{asset.ending}"
    path.write_bytes(damaged(content(asset, 200, seed), damage))
    consume(path)


@KINDS
@given(tail=st.binary(max_size=400), keep=st.integers(0, 400))
@SOME
def test_any_bytes_behind_the_beginning_of_a_file(
    asset: Made, tmp_path: Path, tail: bytes, keep: int
) -> None:
    path = tmp_path / f"foreign{asset.ending}"
    path.write_bytes(content(asset, 50)[:keep] + tail)
    consume(path)


@KINDS
def test_a_file_cut_anywhere_gives_what_is_ahead_of_the_cut(asset: Made, tmp_path: Path) -> None:
    events = sample(300)
    whole = content(asset, 300)
    path = tmp_path / f"cut{asset.ending}"
    most = 0
    for at in np.linspace(0, len(whole) - 1, 41).astype(int).tolist():
        path.write_bytes(whole[:at])
        outcome = consume(path)
        most = max(most, outcome.events)
        assert outcome.events <= len(events)
    # What is one packet, or has its length or its index told elsewhere, may give nothing.
    if not asset.name.startswith(("npz", "npy", "hdf5", "nmnist", "aedat4-", "bag", "mcap", "db3")):
        assert most > len(events) / 2


def huge_numbers(asset: Made, path: Path, places: int) -> None:
    """Put huge numbers at so many places of a file's beginning, and read it each time."""
    whole = content(asset, 100)
    head = min(len(whole) - 8, 1200)
    for at in range(0, head, max(1, head // places)):
        for number in (b"\xff\xff\xff\x7f", (2**60).to_bytes(8, "little")):
            path.write_bytes(whole[:at] + number + whole[at + len(number) :])
            bounded(path)


@KINDS
def test_every_number_of_a_header_may_be_huge(asset: Made, tmp_path: Path) -> None:
    """Every second of its places, every eighth where a library reads: the rest is a slow test."""
    places = 18 if asset.name.startswith(BY_LIBRARIES) else 75
    huge_numbers(asset, tmp_path / f"huge{asset.ending}", places)


@pytest.mark.slow
@KINDS
def test_every_single_number_of_a_header_may_be_huge(asset: Made, tmp_path: Path) -> None:
    huge_numbers(asset, tmp_path / f"huge{asset.ending}", 150)


@KINDS
def test_what_is_no_file(asset: Made, tmp_path: Path) -> None:
    folder = tmp_path / f"folder{asset.ending}"
    folder.mkdir()
    for path, what in ((folder, "is a folder"), (tmp_path / f"none{asset.ending}", "no such file")):
        with pytest.raises(RecordingError, match=what):
            open_recording(path)


@FILES
def test_damaged_real_files(file: Real, tmp_path: Path) -> None:
    whole = real(file.name).read_bytes()
    rng = np.random.default_rng(5)
    path = tmp_path / file.name
    for _ in range(12):
        data = bytearray(whole[: rng.integers(len(whole) // 2, len(whole))])
        for _ in range(rng.integers(1, 20)):
            at = int(rng.integers(len(data)))
            kind = rng.integers(3)
            if kind == 0:
                data[at] ^= 1 << int(rng.integers(8))
            elif kind == 1:
                del data[at : at + int(rng.integers(1, 100))]
            else:
                data[at:at] = data[at : at + int(rng.integers(1, 3000))]
        path.write_bytes(data)
        consume(path)


def _packets_of_events(data: bytes) -> list[int]:
    """Return where the packets of stream 0 of an AEDAT4 file begin."""
    at = 18 + int.from_bytes(data[14:18], "little")
    found = []
    while at + 8 <= len(data):
        stream, size = struct.unpack_from("<ii", data, at)
        if stream not in range(8):
            break
        found += [at] if stream == 0 else []
        at += 8 + size
    return found


@FILES
def test_an_error_in_mid_file_names_the_byte_or_is_counted(file: Real, tmp_path: Path) -> None:
    whole = real(file.name).read_bytes()
    path = tmp_path / file.name
    middle = len(whole) // 2
    if file.format == "aedat4":
        # Frames have no checksum: pixels may become others without a sign. Events have times.
        offsets = _packets_of_events(whole)
        middle = offsets[len(offsets) // 2] + 40
    path.write_bytes(whole[:middle] + b"\xff" * 4096 + whole[middle + 4096 :])
    outcome = consume(path)
    if outcome.error:
        assert re.search(r" at byte \d+", outcome.error)
    counts = outcome.counts
    found = (
        counts.skipped_bytes + counts.jumps + counts.outside + counts.wraps + counts.late
        + outcome.skipped_beside + abs(file.events - outcome.events)
    )  # fmt: skip
    assert outcome.error or found


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.aedat4")
    with pytest.raises(RecordingError, match="no regular file"):
        open_recording(tmp_path / "pipe.aedat4")


@pytest.mark.skipif(sys.platform != "linux", reason="limits a process's memory as Linux does")
def test_a_packet_that_claims_a_lot_needs_no_memory(tmp_path: Path) -> None:
    """With 48 MiB more than the imports take: neither libraries nor kernels may go beyond."""
    files = []
    for asset in MADE:
        if asset.name.startswith(("aedat4", "aedat31")):
            path = made(asset, tmp_path)
            data = bytearray(path.read_bytes())
            if asset.name == "aedat31":
                at = data.index(b"#!END-HEADER\r\n") + 14 + 20
                data[at : at + 4] = (2**25).to_bytes(4, "little")
            else:
                at = 18 + int.from_bytes(data[14:18], "little") + 4
                data[at : at + 4] = (60 << 20).to_bytes(4, "little")
            path.write_bytes(data)
            files.append(path)
    code = """
import resource, sys
from pathlib import Path
from recordings.opening import open_recording
from recordings.inflate import Inflater
from pipeline.errors import RecordingError
import recordings.aedat4, recordings.aedat31
def go(path):
    try:
        with open_recording(path) as recording:
            print(len(recording.read()), recording.counts.cuts)
    except RecordingError as error:
        print(error)
go(sys.argv[1])
pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * 4096 + (48 << 20),) * 2)
for path in sys.argv[1:]:
    go(path)
"""
    command = [sys.executable, "-c", code, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(files) + 1
    assert resource.getpagesize() == 4096
