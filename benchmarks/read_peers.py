"""Who reads which file: every library that reads events into NumPy's arrays, its fastest way.

Each function reads the whole of a file and returns how many events it gave.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

Reader = Callable[[Path], int]

_CHUNK = 1 << 16


def ours(path: Path) -> int:
    """Read chunk by chunk; a folder file by file."""
    from recordings.nmnist import read
    from recordings.opening import open_recording

    if path.is_dir():
        return sum(len(read(file)) for file in path.iterdir())
    with open_recording(path) as recording:
        return sum(map(len, recording.chunks()))


def ours_whole(path: Path) -> int:
    """Read into one array; a folder file by file, as any recording."""
    from recordings.opening import open_recording

    total = 0
    for file in path.iterdir() if path.is_dir() else [path]:
        with open_recording(file) as recording:
            total += len(recording.read())
    return total


def dv(path: Path) -> int:
    """Read an AEDAT4 file by dv-processing."""
    recording = import_module("dv_processing").io.MonoCameraRecording(str(path))
    total = 0
    while recording.isRunning("events"):
        batch = recording.getNextEventBatch()
        if batch is not None:
            total += len(batch.numpy())
    return total


def aedat(path: Path) -> int:
    """Read an AEDAT4 file by aedat."""
    packets = import_module("aedat").Decoder(str(path))
    return sum(len(packet["events"]) for packet in packets if "events" in packet)


def faery(path: Path) -> int:
    """Read any file by faery."""
    return sum(map(len, import_module("faery").events_stream_from_file(str(path))))


def event_stream(path: Path) -> int:
    """Read an Event Stream file by event_stream."""
    return sum(map(len, import_module("event_stream").Decoder(str(path))))


def evutils(path: Path) -> int:
    """Read a file by evutils, in large chunks."""
    with import_module("evutils.io").EventReader(path, n_events=_CHUNK) as reader:
        return sum(map(len, reader))


def expelliarmus(encoding: str) -> Reader:
    """Return what reads a file by expelliarmus, in large chunks."""

    def read(path: Path) -> int:
        wizard = import_module("expelliarmus").Wizard(encoding=encoding, chunk_size=_CHUNK)
        wizard.set_file(path)
        return sum(map(len, wizard.read_chunk()))

    return read


def tonic(path: Path) -> int:
    """Read N-MNIST's files as tonic's data set does."""
    read, dtype = import_module("tonic.io").read_mnist_file, import_module("tonic").datasets.NMNIST
    return sum(len(read(str(file), dtype=dtype.dtype)) for file in path.iterdir())


def spikingjelly(path: Path) -> int:
    """Read N-MNIST's files as spikingjelly's data set does."""
    read: Any = import_module("spikingjelly.datasets").load_ATIS_bin
    return sum(len(read(str(file))["t"]) for file in path.iterdir())


_AEDAT4: dict[str, Reader] = {
    "dv-processing": dv,
    "aedat": aedat,
    "faery": faery,
    "evutils": evutils,
}
_PROPHESEE = {
    name: {"expelliarmus": expelliarmus(name.lower()), "evutils": evutils, "faery": faery}
    for name in ("EVT2", "EVT3", "DAT")
}
PEERS: dict[str, dict[str, Reader]] = {
    "N-MNIST, 1,000 files": {"tonic": tonic, "spikingjelly": spikingjelly},
    "AEDAT4, lz4": _AEDAT4,
    "AEDAT4, uncompressed": _AEDAT4,
    **_PROPHESEE,
    "Event Stream": {"event_stream": event_stream, "faery": faery},
}
"""By the file that is read, every peer that reads it."""

OURS: dict[str, Reader] = {"silicon-retina": ours, "silicon-retina, one array": ours_whole}
