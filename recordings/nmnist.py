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

import os
import string
from pathlib import Path

import numba
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import RecordingError
from pipeline.events import EVENT, Events
from recordings.decoder import OWN, ByteDecoder, head_of, size_of
from recordings.policy import undo_wrap
from recordings.unaligned import load64, swap64

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

_JUDGED = 65_536
"""After so many events a file may be told to be none of this format."""

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

_MAGICS = tuple(_FOREIGN)
_AT_ONCE = 1 << 16


@numba.njit(cache=True, nogil=True)
def _decode(raw, words, state):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill ``words`` [m, 2] = (t, x | y << 16 | p << 32) from ``raw``, in blocks without branches.

    The kernel's own state: begun, last t, wrap, last event; events that step back a little, that
    step back a lot, the first of those, repeats; events so far.
    """
    n = min(len(raw) // 5, words.shape[0])
    flat = words.reshape(-1)
    for begin in range(0, n, 1024):
        end = min(begin + 1024, n)
        # In one dimension several are decoded in one instruction.
        out = flat[2 * begin : 2 * end]
        before, wrap, last = state[4], state[5], state[6]
        back = np.int64(0)
        repeats = 0
        for i in range(end - begin):
            w = load64(raw, 5 * (begin + i)) & 0xFF_FFFF_FFFF
            t = swap64(w) >> 24 & 0x7FFFFF
            back |= t - before
            repeats += w == last
            before, last = t, w
            out[2 * i] = t + wrap
            out[2 * i + 1] = (w & 0xFF) | (w & 0xFF00) << 8 | (w & 0x800000) << 9
        if back < 0:
            _mend(words[begin:end], state)
        state[4], state[6] = before, last
        state[9] += repeats
        state[10] += end - begin
    state[0] = 5 * n
    return n


@numba.njit(cache=True, nogil=True)
def _mend(out, state):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Undo the wraps in a block whose time steps back, and count how it does.

    Where a few events in order follow each other nothing is to be done.
    """
    before, wrap = state[4], state[5]
    entry = wrap
    for begin in range(0, out.shape[0], 64):
        part = out[begin : begin + 64]
        m = part.shape[0]
        back = part[0, 0] - entry - before
        for i in range(1, m):
            back |= part[i, 0] - part[i - 1, 0]
        if back >= 0 and wrap == entry:
            before = part[m - 1, 0] - entry
            continue
        for i in range(m):
            t = part[i, 0] - entry
            step = t - before
            if undo_wrap(t, before, 1 << 23):
                wrap += 1 << 23
                state[2] += 1
            elif step < -1_000:
                if state[7] == 0:
                    state[8] = state[10] + begin + i
                state[7] += 1
            before = t
            part[i, 0] = t + wrap
    state[5] = wrap


class NMnist(ByteDecoder):
    """Decodes N-MNIST's and N-Caltech101's five bytes an event."""

    format = "nmnist"
    kernel = _decode
    state_size = 7

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        head = head_of(path, 16)
        _check_head(head, size_of(path), str(path))

    def initial(self) -> NDArray[np.int64]:
        """Return the kernel's state at the first byte."""
        return _initial()

    def check(self, state: NDArray[np.int64], ended: bool) -> None:
        """Raise RecordingError where no camera can have written what was read so far."""
        if ended or state[10] >= _JUDGED:
            _check_clock(state, str(self.path))


def decode(data: bytes | bytearray | memoryview, name: str) -> Events:
    """Decode the bytes of a file called ``name`` into events ``[n] EVENT``, in the file's order.

    A step back in time by more than half the clock's range (4.2 s) is a wrap of its 23 bits. A
    smaller step back is kept as it is: sensors read out in rows write neighbours a little late.

    Raises RecordingError where the data is empty, is no multiple of five bytes, begins like
    another format, or cannot come from a camera's clock: more than one event in 100 lies over
    1 ms before the event ahead of it, or more than half of 16 or more events repeat the event
    ahead of them (same pixel, same µs).
    """
    size = len(data)
    if size <= _AT_ONCE:
        buffer = np.empty(size + 8, np.uint8)
        buffer[:size] = np.frombuffer(data, np.uint8)
        return _decoded(buffer, size, name)
    _check_head(bytes(data[:16]), size, name)
    raw = np.frombuffer(data, np.uint8)
    n = size // EVENT_BYTES
    words: NDArray[np.int64] = np.empty((n, 2), np.int64)
    state = _initial()
    # The last events are decoded from a copy: the kernel loads eight bytes at once.
    most = n - 2
    _decode(raw[: most * EVENT_BYTES], words[:most], state)
    tail = np.concatenate([raw[most * EVENT_BYTES :], np.zeros(8, np.uint8)])
    _decode(tail[: (n - most) * EVENT_BYTES], words[most:], state)
    _check_clock(state, name)
    return words.reshape(-1).view(EVENT)


def _decoded(buffer: NDArray[np.uint8], size: int, name: str) -> Events:
    """Decode the first ``size`` bytes of a buffer that has eight more."""
    _check_head(buffer[: min(16, size)].tobytes(), size, name)
    words: NDArray[np.int64] = np.empty((size // EVENT_BYTES, 2), np.int64)
    state = _initial()
    _decode(buffer[:size], words, state)
    _check_clock(state, name)
    return words.reshape(-1).view(EVENT)


def _initial() -> NDArray[np.int64]:
    state = np.zeros(OWN + NMnist.state_size, np.int64)
    # No five bytes are equal to this: the first event repeats none.
    state[6] = -1
    return state


def _check_head(head: bytes, size: int, name: str) -> None:
    what = foreign(head)
    if what is not None:
        raise RecordingError(
            f"{name}: begins like {what} ({head[:8]!r} at byte 0), expected N-MNIST's "
            f"{EVENT_BYTES} bytes an event"
        )
    n, rest = divmod(size, EVENT_BYTES)
    if rest:
        raise RecordingError(
            f"{name}: truncated at byte {n * EVENT_BYTES}: {rest} bytes are left over, expected "
            f"a multiple of {EVENT_BYTES}"
        )
    if not n:
        raise RecordingError(f"{name}: holds no events (0 bytes), expected 5 bytes an event")


def foreign(head: bytes) -> str | None:
    """Return the format that a file's first bytes are known to mean, where that is another."""
    if not head.startswith(_MAGICS):
        return None
    return next((what for magic, what in _FOREIGN.items() if head.startswith(magic)), None)


def _check_clock(state: NDArray[np.int64], name: str) -> None:
    disorder, first, repeats, n = state[7:11].tolist()
    if disorder > n / 100:
        raise RecordingError(
            f"{name}: not N-MNIST's format: time steps back by more than {DISORDER_US} µs at "
            f"{disorder} of {n} events, first at byte {first * EVENT_BYTES}; expected rising time"
        )
    if n >= 16 and repeats > n / 2:
        raise RecordingError(
            f"{name}: not N-MNIST's format: {repeats} of {n} events repeat the one ahead of "
            "them, expected different pixels or times"
        )


def steps_back(events: Events) -> int:
    """Return how many of the events ``[n] EVENT`` are earlier than the event ahead of them."""
    return int(np.count_nonzero(np.diff(events["t"]) < 0))


def read(path: str | Path) -> Events:
    """Read a recording into events ``[n] EVENT``; raises RecordingError as ``decode`` does.

    Raises RecordingError also where the file is missing, is a folder or cannot be read.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            # As most files are smaller than this, one call each opens, reads and closes them.
            buffer = np.empty(_AT_ONCE + 8, np.uint8)
            n = os.readv(file, [buffer.data[:_AT_ONCE]])
        finally:
            os.close(file)
        if n == _AT_ONCE:
            return decode(Path(path).read_bytes(), str(path))
    except FileNotFoundError:
        raise RecordingError(f"{path}: no such file, expected a recording (.bin)") from None
    except IsADirectoryError:
        raise RecordingError(f"{path}: is a folder, expected a recording (.bin)") from None
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from None
    return _decoded(buffer, n, str(path))


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
