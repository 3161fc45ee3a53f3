"""N-MNIST's and N-Caltech101's format: five bytes an event, nothing else in the file.

    byte 0   x, the pixel's column
    byte 1   y, the pixel's row
    byte 2   polarity << 7 | t[22:16]
    byte 3   t[15:8]
    byte 4   t[7:0]

t counts µs in 23 bits and so wraps every 8.4 s. The format has no magic number and no length, so
that almost any bytes could be one; what no camera can have written is told by its clock (see
``decode``). Source: Orchard, Jayawant, Cohen, Thakor, "Converting Static Image Datasets to
Spiking Neuromorphic Datasets Using Saccades", Front. Neurosci. 9:437, 2015.
"""

from __future__ import annotations

import string
from pathlib import Path

import numba
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import RecordingError
from pipeline.events import EVENT, Events, empty_events

EVENT_BYTES = 5
"""Bytes of one event in a file."""

SENSOR = (34, 34)
"""Width and height of an N-MNIST recording in pixels."""

CALTECH_SENSOR = (240, 180)
"""The largest width and height of an N-Caltech101 recording in pixels."""

WRAP_US = 2**23
"""The time in µs after which the file's clock begins again at 0."""

DISORDER_US = 1_000
"""A step back by more than this, short of a wrap, counts as one that no clock makes."""

_FOREIGN = {
    b"#!AER-DAT": "AEDAT",
    b"Event Stream": "Event Stream",
    b"#ROSBAG": "ROS bag",
    b"\x89HDF": "HDF5",
    b"\x89PNG": "PNG",
    b"PK\x03\x04": "ZIP",
    b"\x1f\x8b\x08": "gzip",
    b"BZh": "bzip2",
    b"\x93NUMPY": "NumPy",
    b"\x7fELF": "ELF",
    **{b"% " + bytes([letter]): "Prophesee RAW or DAT" for letter in string.ascii_letters.encode()},
}
"""How other formats begin; as an event each would be over 0.5 s into a recording."""


@numba.njit(cache=True, nogil=True)
def _decode(raw, words, faults):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill ``words`` [n, 2] = (t, x | y << 16 | p << 32) from ``raw`` [5 n].

    ``faults`` = events that step back a little, that step back a lot, first of those, repeats.
    """
    wrap = np.int64(0)
    before = np.int64(0)
    last = np.int64(-1)
    for i in range(words.shape[0]):
        j = 5 * i
        xy = np.int64(raw[j]) | np.int64(raw[j + 1]) << 16
        high = np.int64(raw[j + 2])
        t = (high & 0x7F) << 16 | np.int64(raw[j + 3]) << 8 | np.int64(raw[j + 4])
        if i > 0:
            step = t - before
            if step < -(1 << 22):
                wrap += 1 << 23
            elif step < -1_000:
                if faults[1] == 0:
                    faults[2] = i
                faults[1] += 1
            elif step < 0:
                faults[0] += 1
        before = t
        code = xy | (high >> 7) << 32
        if i > 0 and words[i - 1, 0] == t + wrap and code == last:
            faults[3] += 1
        last = code
        words[i, 0] = t + wrap
        words[i, 1] = code


def decode(data: bytes | bytearray | memoryview, name: str) -> Events:
    """Decode the bytes of a file called ``name`` into events ``[n] EVENT``, in the file's order.

    A step back in time by more than half the clock's range (4.2 s) is a wrap of its 23 bits. A
    smaller step back is kept as it is: sensors read out in rows write neighbours a little late.

    Raises RecordingError where the data is empty, is no multiple of five bytes, begins like
    another format, or cannot come from a camera's clock: more than one event in 100 lies over
    1 ms before the event ahead of it, or more than half of 16 or more events repeat the event
    ahead of them (same pixel, same µs).
    """
    head = bytes(data[:16])
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            raise RecordingError(
                f"{name}: begins like {what} ({magic!r} at byte 0), expected N-MNIST's "
                f"{EVENT_BYTES} bytes an event"
            )
    raw = np.frombuffer(data, np.uint8)
    n, rest = divmod(len(raw), EVENT_BYTES)
    if rest:
        raise RecordingError(
            f"{name}: truncated at byte {n * EVENT_BYTES}: {rest} bytes are left over, expected "
            f"a multiple of {EVENT_BYTES}"
        )
    if not n:
        raise RecordingError(f"{name}: holds no events (0 bytes), expected 5 bytes an event")
    events = empty_events(n)
    faults = np.zeros(4, np.int64)
    _decode(raw, events.view(np.int64).reshape(-1, 2), faults)
    _, disorder, at, repeats = faults.tolist()
    if disorder > n / 100:
        raise RecordingError(
            f"{name}: not N-MNIST's format: time steps back by more than {DISORDER_US} µs at "
            f"{disorder} of {n} events, first at byte {at * EVENT_BYTES}; expected rising time"
        )
    if n >= 16 and repeats > n / 2:
        raise RecordingError(
            f"{name}: not N-MNIST's format: {repeats} of {n} events repeat the one ahead of "
            "them, expected different pixels or times"
        )
    return events


def steps_back(events: Events) -> int:
    """Return how many of the events ``[n] EVENT`` are earlier than the event ahead of them."""
    return int(np.count_nonzero(np.diff(events["t"]) < 0))


def read(path: str | Path) -> Events:
    """Read a recording into events ``[n] EVENT``; raises RecordingError as ``decode`` does.

    Raises RecordingError also where the file is missing, is a folder or cannot be read.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise RecordingError(f"{path}: no such file, expected a recording (.bin)") from None
    except IsADirectoryError:
        raise RecordingError(f"{path}: is a folder, expected a recording (.bin)") from None
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from None
    return decode(data, str(path))


def encode(events: Events) -> bytes:
    """Encode events ``[n] EVENT`` into the format; times are written modulo 2**23 µs.

    Raises ValueError where x or y does not fit a byte or a time is negative: the format has no
    room for them.
    """
    if events.dtype != EVENT:
        raise ValueError(f"events have dtype {events.dtype}, expected {EVENT}")
    if len(events) and (max(events["x"].max(), events["y"].max()) > 255 or events["t"].min() < 0):
        raise ValueError("x and y must be below 256 and t at least 0 to fit five bytes")
    t = events["t"] % WRAP_US
    raw: NDArray[np.uint8] = np.empty((len(events), EVENT_BYTES), np.uint8)
    raw[:, 0] = events["x"]
    raw[:, 1] = events["y"]
    raw[:, 2] = (events["p"] & 1) << 7 | (t >> 16).astype(np.uint8)
    raw[:, 3] = (t >> 8) & 0xFF
    raw[:, 4] = t & 0xFF
    return raw.tobytes()


def sensor_size(events: Events) -> tuple[int, int]:
    """Return the width and height of the sensor that events ``[n] EVENT`` fit on.

    The file does not say: the smallest of N-MNIST's 34×34, N-Caltech101's 240×180 and the
    format's limit of 256×256 that holds every event.
    """
    width = int(events["x"].max(initial=0)) + 1
    height = int(events["y"].max(initial=0)) + 1
    for size in (SENSOR, CALTECH_SENSOR):
        if width <= size[0] and height <= size[1]:
            return size
    return 256, 256
