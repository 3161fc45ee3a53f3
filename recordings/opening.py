"""Opening a recording of any format: its first bytes tell which one it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipeline.errors import RecordingError
from recordings.decoder import Decoder, head_of, size_of
from recordings.follow import Follow
from recordings.recording import Recording

_PEEK = 64
_BEGINNING = 1 << 16
"""A shorter file that cannot be opened may be one whose header is still being written."""


def open_recording(path: str | Path, *, follow: Follow | bool = False) -> Recording:
    """Open the recording at ``path``, its format told by its first bytes.

    Only where bytes cannot tell does the name's ending: ``.bin`` is N-MNIST's format, ``.csv``
    and ``.txt`` are text. With ``follow`` a reading does not end with the file but waits there for
    more, as ``Follow`` says (True: for ever); so does this call where the file has just begun.

    Raises RecordingError, one line: the file, what is wrong, what was expected; with ``follow``
    also where files of that format cannot be followed.
    """
    path = Path(path)
    if not follow:
        return Recording(_decoder(path))
    follow = Follow() if follow is True else follow
    decoder = _begun(path, follow)
    if not decoder.follows:
        raise RecordingError(f"{path}: a file of format {decoder.format} cannot be followed")
    decoder.follow = follow
    return Recording(decoder)


def _begun(path: Path, follow: Follow) -> Decoder:
    """Return a decoder as soon as enough of the file is there for one."""
    while True:
        size = size_of(path)
        try:
            return _decoder(path)
        except RecordingError:
            if size > _BEGINNING or not follow.more(lambda: size_of(path), size):
                raise


def _decoder(path: Path) -> Decoder:
    if (path / "metadata.yaml").is_file():
        return _bag("folder")(path)
    head = head_of(path, _PEEK)
    for magic, make in _MAGIC.items():
        if head.startswith(magic):
            return make(path)
    make_by_name = _ENDINGS.get(path.suffix.lower())
    if make_by_name is None and _texts(path, head):
        make_by_name = _text
    if make_by_name is None:
        raise RecordingError(
            f"{path}: begins like no recording ({head[:8]!r} at byte 0), expected one of {FORMATS}"
        )
    return make_by_name(path)


def _nmnist(path: Path) -> Decoder:
    from recordings.nmnist import NMnist

    return NMnist(path)


def _aedat(path: Path) -> Decoder:
    from recordings.aedat import open_aedat

    return open_aedat(path)


def _event_stream(path: Path) -> Decoder:
    from recordings.event_stream import open_event_stream

    return open_event_stream(path)


def _prophesee(path: Path) -> Decoder:
    from recordings.prophesee import open_prophesee

    return open_prophesee(path)


def _npy(path: Path) -> Decoder:
    from recordings.numpy_files import Npy

    return Npy(path)


def _npz(path: Path) -> Decoder:
    from recordings.numpy_files import Npz

    return Npz(path)


def _hdf5(path: Path) -> Decoder:
    from recordings.hdf5 import Hdf5

    return Hdf5(path)


def _text(path: Path) -> Decoder:
    from recordings.text import Text

    return Text(path)


def _bag(storage: str) -> Callable[[Path], Decoder]:
    def make(path: Path) -> Decoder:
        from recordings.rosbag import Rosbag

        return Rosbag(path, storage)

    return make


def _texts(path: Path, head: bytes) -> bool:
    from recordings.text import looks_like_text

    return not path.suffix and looks_like_text(head)


FORMATS = "RAW, DAT, AEDAT, Event Stream, CSV, NPZ, NPY, HDF5, ROS bags, N-MNIST (.bin)"
"""What can be read, for messages."""

_MAGIC: dict[bytes, Callable[[Path], Decoder]] = {
    b"% ": _prophesee,
    b"#!AER-DAT": _aedat,
    b"Event Stream": _event_stream,
    b"\x93NUMPY": _npy,
    b"PK\x03\x04": _npz,
    b"\x89HDF\r\n\x1a\n": _hdf5,
    b"#ROSBAG": _bag("bag"),
    b"\x89MCAP": _bag("mcap"),
    b"SQLite format 3\0": _bag("sqlite"),
}

_ENDINGS: dict[str, Callable[[Path], Decoder]] = {
    ".bin": _nmnist,
    ".csv": _text,
    ".tsv": _text,
    ".txt": _text,
}
