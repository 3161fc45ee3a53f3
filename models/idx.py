"""IDX files, MNIST's own format, gzipped or not: arrays of bytes.

Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits", file formats.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import RecordingError

_BYTES = 8


def read(path: Path, axes: int) -> NDArray[np.uint8]:
    """Return the array of ``axes`` axes in ``path``; raises RecordingError where it holds none."""
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or str(error) or "it ends early"
        raise RecordingError(f"{path}: cannot be read: {why}") from None
    head = 4 + 4 * axes
    if len(data) < head or data[:3] != bytes([0, 0, _BYTES]) or data[3] != axes:
        raise RecordingError(f"{path}: is no IDX file of bytes with {axes} axes")
    shape = struct.unpack(f">{axes}I", data[4:head])
    size = int(np.prod([int(side) for side in shape], dtype=object))
    if len(data) - head != size:
        what = "×".join(str(side) for side in shape)
        raise RecordingError(f"{path}: {what} bytes are announced, {len(data) - head} are there")
    return np.frombuffer(data, np.uint8, offset=head).reshape(shape)


def is_images(path: Path) -> bool:
    """Whether a file's name is one of an IDX file of images, ``…idx3-ubyte[.gz]``."""
    return path.name.removesuffix(".gz").endswith("idx3-ubyte")


def labels_of(path: Path) -> Path | None:
    """Return the file of labels beside a file of images, None where there is none."""
    stem = path.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    found = (path.with_name(stem + end) for end in ("", ".gz"))
    return next((file for file in found if file.is_file() and file != path), None)
