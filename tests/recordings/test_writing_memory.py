"""A writer holds a packet in memory, not the recording."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.recordings.written import ROOT, name_of

CODE = """
import resource, sys
sys.path.insert(0, {root!r})
from recordings.writing import create_recording
from tests.recordings.known import known_stream

part = known_stream(500_000)
step = int(part["t"][-1]) + 1

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

with create_recording({path!r}, 200, 180, **{options!r}) as writer:
    for k in range({parts}):
        writer.write(part)
        part["t"] += step
        if k == 1:
            before = peak()
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("format_", "options", "parts"),
    [
        ("aedat4", {"compression": "none"}, 40),
        ("aedat4", {"compression": "lz4"}, 20),
        ("es", {}, 40),
        ("csv", {}, 20),
        ("npz", {"compression": "none"}, 40),
        ("npz", {"compression": "deflate"}, 10),
        ("hdf5", {"compression": "none"}, 20),
        ("hdf5", {"compression": "gzip"}, 10),
    ],
)
def test_memory_does_not_grow_with_the_file(
    format_: str, options: dict[str, str], parts: int, tmp_path: Path
) -> None:
    path = tmp_path / name_of(format_)
    code = CODE.format(root=str(ROOT), path=str(path), options=options, parts=parts)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=110, check=True
    )
    # 5 to 20 million events are 80 to 320 MB in memory; HDF5's cache may have 32 MB.
    assert float(done.stdout) < (32 if format_ == "hdf5" else 8)
    path.unlink()
