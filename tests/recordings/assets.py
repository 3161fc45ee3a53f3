"""Sample files of every format: small ones that tests make, and the real ones at hand.

A new format adds a line to ``MADE``: the name, the file's ending, and what writes events there. The
tests that drive every reader alike (``test_fuzz.py``) take all of them.
"""

from __future__ import annotations

import functools
import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from pipeline.events import Events
from recordings import nmnist
from recordings.side import IMU, TRIGGER, Frame, TriggerKind
from recordings.writing import create_recording
from tests.recordings import tables, words
from tests.strategies import random_events

WIDTH, HEIGHT = 34, 30
"""The sensor of the files that are made."""

DATA = Path(__file__).parents[3] / "shared" / "data"
"""Where the real recordings lie."""

Make = Callable[[Path, Events], None]


class Made(NamedTuple):
    """A kind of file that a test can make, ``needs`` naming a package that it takes."""

    name: str
    ending: str
    make: Make
    needs: str = ""


class Real(NamedTuple):
    """A recording that somebody made, and what is true of it (``../shared/data/README.md``)."""

    name: str
    format: str
    events: int
    size: tuple[int, int]
    seconds: float


def sample(n: int = 600, seed: int = 0) -> Events:
    """Return events ``[n] EVENT`` of the sensor within 0.2 s, in order of time."""
    return random_events(n, WIDTH, HEIGHT, 200_000, seed)


def written(**options: object) -> Make:
    """Return what writes a file by the project's own writer."""

    def make(path: Path, events: Events) -> None:
        with create_recording(path, WIDTH, HEIGHT, **options) as writer:
            writer.write(events)

    return make


def aedat4_with_side(path: Path, events: Events) -> None:
    """Write an AEDAT4 file with a frame, IMU samples and triggers."""
    from recordings.write_aedat4 import Aedat4Writer

    with Aedat4Writer(path, WIDTH, HEIGHT, side=("frames", "imu", "triggers")) as writer:
        half = len(events) // 2
        writer.write(events[:half])
        writer.flush()
        imu = np.zeros(5, IMU)
        imu["t"] = np.arange(5) * 1000
        imu["temperature"], imu["rotation"] = 25.5, (1.0, 2.0, 3.0)
        writer.write_imu(imu)
        pixels = np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH, 1)
        writer.write_frame(Frame(1000, 2000, pixels))
        triggers = np.zeros(2, TRIGGER)
        triggers["t"], triggers["kind"] = (10, 20), (TriggerKind.RISING, TriggerKind.FALLING)
        writer.write_triggers(triggers)
        writer.write(events[half:])


def _bytes(make: Callable[[Events], bytes]) -> Make:
    return lambda path, events: path.write_bytes(make(events)) and None


def _raw(form: str, make: Callable[[Events], bytes]) -> Make:
    head = words.header(f"format {form};height={HEIGHT};width={WIDTH}", "end")
    return _bytes(lambda events: head + make(events))


MADE = (
    Made("evt2", ".raw", _raw("EVT2", words.evt2)),
    Made("evt21", ".raw", _raw("EVT21", words.evt21)),
    Made(
        "evt21-legacy",
        ".raw",
        _raw("EVT21;endianness=legacy", lambda events: words.evt21(events, legacy=True)),
    ),
    Made("evt3", ".raw", _raw("EVT3", words.evt3)),
    Made(
        "dat",
        ".dat",
        _bytes(
            lambda events: (
                words.header("Version 2", f"Width {WIDTH}", f"Height {HEIGHT}") + words.dat(events)
            )
        ),
    ),
    Made("es", ".es", _bytes(lambda events: words.event_stream(events, WIDTH, HEIGHT))),
    Made(
        "es-atis",
        ".es",
        _bytes(lambda events: words.event_stream(events, WIDTH, HEIGHT, atis=True)),
    ),
    Made("aedat2-dvs128", ".aedat", _bytes(lambda events: words.aedat2(events, 128, 128, False))),
    Made(
        "aedat2-davis",
        ".aedat",
        _bytes(lambda events: words.aedat2(events, 240, 180, True, "x.davis.DAVIS240C")),
    ),
    Made("aedat31", ".aedat", _bytes(words.aedat31)),
    Made("aedat4-none", ".aedat4", written(compression="none")),
    Made("aedat4-lz4", ".aedat4", written(compression="lz4")),
    Made("aedat4-zstd", ".aedat4", written(compression="zstd")),
    Made("aedat4-side", ".aedat4", aedat4_with_side),
    Made("nmnist", ".bin", _bytes(nmnist.encode)),
    Made("csv", ".csv", written()),
    Made("npz", ".npz", written()),
    Made("npy", ".npy", written()),
    Made("hdf5", ".h5", written(), needs="h5py"),
    Made("rpg", ".txt", tables.rpg),
    Made("csv-ns", ".csv", tables.csv_ns),
    Made("npy-tonic", ".npy", tables.npy_tonic),
    Made("npy-rows", ".npy", tables.npy_rows),
    Made("npz-columns", ".npz", tables.npz_columns),
    Made("hdf5-dsec", ".h5", tables.hdf5_dsec, needs="h5py"),
    Made("hdf5-metavision", ".hdf5", tables.hdf5_metavision, needs="h5py"),
    Made("bag-packets", ".bag", tables.bag("packet", "bag"), needs="rosbags"),
    Made("bag-arrays", ".bag", tables.bag("array", "bag"), needs="rosbags"),
    Made("mcap-packets", ".mcap", tables.bag("packet", "mcap"), needs="rosbags"),
    Made("db3-arrays", ".db3", tables.bag("array", "sqlite3"), needs="rosbags"),
)
"""One of every kind that can be made."""

REAL = (
    Real("davis346.aedat4", "aedat4", 78_830, (346, 260), 2.361),
    Real("davis346_short.aedat4", "aedat4", 6_676, (346, 260), 0.170),
    Real("gen3_evt2.raw", "evt2", 521_252, (640, 480), 0.096),
    Real("gen4_evt3_first1MB.raw", "evt3", 164_878, (1280, 720), 0.391),
    Real("gen4_dat_first1MB.dat", "dat", 124_991, (1280, 720), 0.291),
    Real("atis_dvs.es", "es", 473_225, (320, 240), 0.999),
)
"""The real recordings, but the bag and N-MNIST's."""


def made(asset: Made, folder: Path, events: Events | None = None) -> Path:
    """Make a file of a kind in ``folder``; skips the test where a package is missing."""
    if asset.needs and importlib.util.find_spec(asset.needs) is None:
        pytest.skip(f"{asset.needs} is not installed")
    path = folder / f"{asset.name}{asset.ending}"
    path.unlink(missing_ok=True)
    asset.make(path, sample() if events is None else events)
    return path


@functools.cache
def content(asset: Made, n: int, seed: int = 0) -> bytes:
    """Return the bytes of a file of a kind that holds ``sample(n, seed)``, made once."""
    with tempfile.TemporaryDirectory() as folder:
        return made(asset, Path(folder), sample(n, seed)).read_bytes()


def real(name: str) -> Path:
    """Return the path of a real recording; skips the test where it is not at hand."""
    path = DATA / "recordings" / name
    if not path.is_file():
        pytest.skip(f"the real recordings are not at hand ({path})")
    return path
