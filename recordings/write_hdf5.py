"""HDF5 (needs h5py): datasets ``t``, ``x``, ``y``, ``p`` in a group ``events``, as DSEC has them.

The file is written in HDF5's single-writer mode, in which what was flushed can be read whatever
happens to the writer.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import h5py

from pipeline.errors import UsageError
from pipeline.events import Events
from recordings.write_file import cannot_write, make_way
from recordings.writing import Writer

CHUNK = 1 << 16
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
        make_way(self.path, overwrite)
        try:
            self._file = h5py.File(self.path, "x", libver="latest")
            group = self._file.create_group("events")
            group.attrs["width"], group.attrs["height"] = self.width, self.height
            self._columns = {
                name: group.create_dataset(
                    name, (0,), dtype, maxshape=(None,), chunks=(CHUNK,), **self._filters
                )
                for name, dtype in _DTYPES.items()
            }
            self._columns["t"].attrs["unit"] = "us"
            self._file.swmr_mode = True
        except (OSError, RuntimeError, ValueError) as error:
            raise cannot_write(self.path, error) from None
        self._n = 0
        self._measure()

    def _put(self, events: Events) -> None:
        begin, end = self._n, self._n + len(events)
        try:
            for name, column in self._columns.items():
                column.resize((end,))
                column[begin:end] = events[name]
                column.flush()
        except (OSError, RuntimeError, ValueError) as error:
            raise cannot_write(self.path, error) from None
        self._n = end
        self._measure()

    def _end(self) -> None:
        try:
            self._file.close()
        except (OSError, RuntimeError, ValueError) as error:
            if not self._failed:
                raise cannot_write(self.path, error) from None
        finally:
            self._measure()

    def _measure(self) -> None:
        with contextlib.suppress(OSError):
            self.bytes = self.path.stat().st_size
