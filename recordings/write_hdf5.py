"""HDF5 (needs h5py): datasets ``t``, ``x``, ``y``, ``p`` in a group ``events``, as DSEC has them.

HDF5 spreads what belongs together over a file, and its library does not bear a disk that is full.
So it writes to a file in memory that holds what is new since the last packet: of this, what lies
behind the file's end is written first, all of it or nothing, then what changes within.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import h5py

from pipeline.errors import RecordingError, UsageError
from pipeline.events import Events
from recordings.write_file import OutFile, cannot_write
from recordings.writing import Writer

CHUNK = 1 << 14
"""Events in a chunk of a dataset."""

_DTYPES = {"t": "<i8", "x": "<u2", "y": "<u2", "p": "u1"}
_FILTERS: dict[str, dict[str, Any]] = {
    "none": {},
    "gzip": {"compression": "gzip", "compression_opts": 1, "shuffle": True},
}


class Hdf5Writer(Writer):
    """Writes HDF5, chunked; ``compression`` is ``gzip`` or ``none``."""

    format = "hdf5"

    def __init__(
        self,
        path: Path,
        width: int,
        height: int,
        *,
        compression: str = "gzip",
        overwrite: bool = False,
        origin_us: int = 0,
    ) -> None:
        if compression not in _FILTERS:
            raise UsageError(
                f"{path}: compression '{compression}' is none of {', '.join(_FILTERS)}"
            )
        self._filters = _FILTERS[compression]
        super().__init__(path, width, height, overwrite=overwrite, origin_us=origin_us)

    def _begin(self, overwrite: bool) -> None:
        self._file = OutFile(self.path, overwrite=overwrite)
        self._draft = _Draft(self._file)
        self._h5 = h5py.File(self._draft, "w")
        group = self._h5.create_group("events")
        group.attrs["width"], group.attrs["height"] = self.width, self.height
        self._columns = {
            name: group.create_dataset(
                name, (0,), dtype, maxshape=(None,), chunks=(CHUNK,), **self._filters
            )
            for name, dtype in _DTYPES.items()
        }
        self._columns["t"].attrs["unit"] = "us"
        self._n = 0
        self._commit()

    def _put(self, events: Events) -> None:
        end = self._n + len(events)
        for name, column in self._columns.items():
            column.resize((end,))
            column[self._n : end] = events[name]
        self._commit()
        self._n = end

    def _end(self) -> None:
        try:
            self._h5.close()
            if not self._failed:
                self._draft.commit()
        finally:
            self.bytes = self._file.size
            self._file.close()

    def _commit(self) -> None:
        try:
            self._h5.flush()
        except (OSError, RuntimeError) as error:
            raise cannot_write(self.path, error) from None
        self._draft.commit()
        self.bytes = self._file.size


class _Draft(io.RawIOBase):
    """A file of which the newest pieces are in memory until they are committed.

    After a commit that failed whatever is written is forgotten: the library goes on undisturbed.
    """

    def __init__(self, file: OutFile) -> None:
        super().__init__()
        self._file = file
        self._pieces: list[tuple[int, bytes]] = []
        self._at = self._size = 0
        self._over = False

    def write(self, data: Any) -> int:
        """Take a piece at the place at hand."""
        piece = bytes(data)
        self._pieces.append((self._at, piece))
        self._at += len(piece)
        self._size = max(self._size, self._at)
        return len(piece)

    def readinto(self, view: Any) -> int:
        """Read at the place at hand, through the pieces to the file."""
        out = memoryview(view).cast("B")
        begin, n = self._at, len(out)
        found = self._file.get(begin, n)
        out[:] = found + bytes(n - len(found))
        for at, piece in self._pieces:
            low, high = max(at, begin), min(at + len(piece), begin + n)
            if low < high:
                out[low - begin : high - begin] = piece[low - at : high - at]
        self._at += n
        return n

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        """Return the place at hand."""
        return self._at

    def truncate(self, size: int | None = None) -> int:
        """End the file at ``size`` bytes."""
        self._size = self._at if size is None else size
        return self._size

    def commit(self) -> None:
        """Write the pieces to the file; raises RecordingError where they do not fit."""
        pieces, self._pieces = self._pieces, []
        end = self._file.size
        if self._over:
            return
        grown = bytearray(max(0, self._size - end))
        for at, piece in pieces:
            low, high = max(at, end), min(at + len(piece), self._size)
            if low < high:
                grown[low - end : high - end] = piece[low - at : high - at]
        try:
            self._file.append(grown)
            for at, piece in pieces:
                if at < end:
                    self._file.put(at, piece[: end - at])
        except RecordingError:
            self._over = True
            raise
