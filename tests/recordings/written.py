"""What the tests of writers share: streams that a format can hold, and a process that writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from pipeline.events import Events
from recordings.writing import WRITABLE
from tests.strategies import events_of

ROOT = Path(__file__).parents[2]

VARIANTS = [
    ("aedat4", {"compression": "none"}),
    ("aedat4", {"compression": "lz4"}),
    ("aedat4", {"compression": "zstd"}),
    ("es", {}),
    ("nmnist", {}),
    ("csv", {}),
    ("npz", {"compression": "none"}),
    ("npz", {"compression": "deflate"}),
    ("npy", {}),
    ("hdf5", {"compression": "gzip"}),
    ("hdf5", {"compression": "none"}),
]
"""Every format, with each of its options."""

IDS = ["-".join([name, *options.values()]) for name, options in VARIANTS]


def name_of(format_: str, stem: str = "x") -> str:
    """Return a file name with the format's ending."""
    return stem + WRITABLE[format_].endings[0]


@st.composite
def streams(draw: st.DrawFn, format_: str, width: int, height: int) -> Events:
    """Draw events in order of time that the format can hold and a reader need not doubt."""
    n = draw(st.integers(1 if format_ == "nmnist" else 0, 300))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    near = format_ in ("es", "nmnist")
    first = draw(st.integers(0, 2**23 - 1) if near else st.integers(-(2**50), 2**50))
    longest = {"nmnist": 2**22 - 1, "es": 3 * 10**8}.get(format_, 2**36)
    scale = draw(st.sampled_from([1, 200, 10_000, longest]))
    steps = rng.integers(0 if scale > 1 else 1, min(scale, longest) + 1, max(n, 1))
    if format_ == "nmnist":
        # More than half of the events being one and the same is no camera's doing.
        steps = np.maximum(steps, 1)
    times = first + np.concatenate([[0], np.cumsum(steps[1:])]).astype(np.int64)
    return events_of(
        times[:n], rng.integers(0, width, n), rng.integers(0, height, n), rng.integers(0, 2, n)
    )


def sizes(format_: str) -> st.SearchStrategy[tuple[int, int]]:
    """Draw a sensor's size that the format can hold."""
    most = 256 if format_ == "nmnist" else 2**15 - 1
    side = st.sampled_from([1, 2, 34, min(346, most), most])
    return st.tuples(side, side)


WRITER = """
import sys
sys.path.insert(0, {root!r})
from recordings.writing import create_recording
from tests.recordings.known import known_stream

events = known_stream(2_000_000)
options = {options!r}
with create_recording({path!r}, 200, 180, **options) as writer:
    print("open", flush=True)
    for i in range(0, len(events), 10_000):
        writer.write(events[i : i + 10_000])
        writer.flush()
        print(writer.written, flush=True)
"""


def writing(path: Path, limit: int | None = None, **options: str) -> subprocess.Popen[str]:
    """Start a process that writes ``known_stream``, 10,000 events a packet, and tells how far.

    limit  the most bytes that its files may have
    """
    code = WRITER.format(root=str(ROOT), path=str(path), options=options)
    if limit is not None:
        head = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        code = head + code
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
