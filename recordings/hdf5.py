"""HDF5 files (needs h5py): the layouts of events in common use, a stretch at a time.

- datasets t, x, y, p (or ts, xs, ys, ps ...) in one group: DSEC's (``events``, with ``t_offset``
  beside it), rpg's e2vid (``events``, s), M3ED's (``prophesee/left``), our own;
- a compound dataset: Metavision's ``CD/events`` (where it is not compressed by its own codec, which
  h5py lacks), ``events``;
- a dataset ``[n, 4]`` whose columns are told by their values: MVSEC's (``davis/left/events``).

Where a file holds several streams of events, ``events`` and ``CD`` come first, then the first by
name. The sensor's size comes from attributes ``width`` and ``height``, ``geometry`` ("1280x720") or
``sensor_resolution`` (height, width).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from recordings.columns import Column, guess, named, unit_of
from recordings.decoder import BLOCK_EVENTS
from recordings.table import Rows, TableDecoder, foreign

_JUDGED = 4096
_MAX_CHUNK = 1 << 26
_CACHE = 1 << 24
_MAX_DEPTH = 4
_MAX_NODES = 10_000
_PREFERRED = ("events", "CD")
_ECF = 36559
"""The number of Metavision's codec among HDF5's filters."""


class _Found(NamedTuple):
    """The datasets that hold t, x, y and p, each with the field or column in it."""

    datasets: tuple[Any, Any, Any, Any]
    fields: tuple[str | int | None, ...]
    exponent: int | None


class Hdf5(TableDecoder):
    """Decodes HDF5 files."""

    format = "hdf5"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            import h5py
        except ImportError:
            raise self.fail(
                "is an HDF5 file, which needs h5py: pip install 'silicon-retina[hdf5]'"
            ) from None
        self._h5 = h5py
        with foreign(path):
            self._file = self._opened()
        try:
            with foreign(path):
                self._open()
        except BaseException:
            self.close()
            raise

    def _opened(self) -> Any:
        options = {"rdcc_nbytes": _CACHE, "locking": False}
        try:
            return self._h5.File(self.path, "r", **options)
        except OSError:
            # A file whose writer was killed may still say that it is being written.
            return self._h5.File(self.path, "r", swmr=True, libver="latest", **options)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _open(self) -> None:
        found = self._search()
        for dataset in found.datasets:
            self._check(dataset)
        self._found = found
        # Columns of a file whose writer was killed may differ in length.
        self.length = min(_rows_held(dataset) for dataset in found.datasets)
        self.cut = max(len(dataset) for dataset in found.datasets) > self.length
        group = found.datasets[0].parent
        self._size((found.datasets[0], group, group.parent, self._file))
        self._offset(group)
        exponent = found.exponent
        if exponent is None:
            with self.table(0) as take:
                exponent = unit_of(take(min(self.length, BLOCK_EVENTS))[0])
        self.exponent = exponent

    @contextmanager
    def table(self, begin: int) -> Iterator[Callable[[int], Rows]]:
        """Return what gives the next n rows at each call, from row ``begin`` on."""
        at = begin
        found = self._found

        def take(n: int) -> Rows:
            nonlocal at
            whole: dict[int, Any] = {}
            columns: list[Column] = []
            for dataset, field in zip(found.datasets, found.fields, strict=True):
                if id(dataset) not in whole:
                    whole[id(dataset)] = dataset[at : at + n]
                part = whole[id(dataset)]
                if field is not None:
                    part = part[field] if isinstance(field, str) else part[:, field]
                columns.append(part)
            at += n
            return cast("Rows", tuple(columns))

        yield take

    def _search(self) -> _Found:
        """Return the first stream of events, looking at every group and dataset."""
        for node in self._walk():
            found = self._columns(node) if isinstance(node, self._h5.Group) else self._alone(node)
            if found:
                return found
        raise self.fail("holds no events, expected datasets t, x, y and p in one group")

    def _walk(self) -> Iterator[Any]:
        """Yield the file's groups and datasets, the usual names first, level by level."""
        level = [self._file]
        seen = 0
        for _ in range(_MAX_DEPTH):
            after: list[Any] = []
            for node in level:
                seen += 1
                yield node
                if not isinstance(node, self._h5.Group) or seen > _MAX_NODES:
                    continue
                names = sorted(node.keys(), key=lambda name: (name not in _PREFERRED, name))
                after += [child for name in names if (child := self._child(node, name)) is not None]
            level = after

    def _child(self, group: Any, name: str) -> Any:
        # A file from outside leads nowhere but into itself.
        if isinstance(group.get(name, getlink=True), self._h5.ExternalLink):
            return None
        child = group.get(name)
        return child if isinstance(child, self._h5.Group | self._h5.Dataset) else None

    def _columns(self, group: Any) -> _Found | None:
        names = [name for name in group if not name.startswith("_")]
        told = named(names)
        if told is None:
            return None
        datasets = [self._child(group, names[i]) for i in told[:4]]
        if not all(isinstance(d, self._h5.Dataset) and d.ndim == 1 for d in datasets):
            return None
        exponent = told.exponent
        if exponent is None:
            unit = _text(datasets[0].attrs.get("unit", datasets[0].attrs.get("units", "")))
            exponent = _EXPONENTS.get(unit.casefold())
        return _Found(tuple(datasets), (None,) * 4, exponent)

    def _alone(self, dataset: Any) -> _Found | None:
        fields = dataset.dtype.names
        if fields and dataset.ndim == 1:
            told = named(fields)
            if told is None:
                return None
            return _Found((dataset,) * 4, tuple(fields[i] for i in told[:4]), told.exponent)
        if dataset.ndim != 2 or dataset.shape[1] != 4 or not _number(dataset.dtype):
            return None
        self._check(dataset)
        order = guess(dataset[:_JUDGED].astype(np.float64))
        return order and _Found((dataset,) * 4, order[:4], None)

    def _check(self, dataset: Any) -> None:
        """Raise RecordingError where a dataset cannot be read, or not in bounds."""
        dtype = dataset.dtype
        parts = [dtype[name] for name in dtype.names] if dtype.names else [dtype]
        if not all(_number(part) for part in parts):
            raise self.fail(f"{dataset.name} is of dtype {dtype}, expected numbers")
        if dataset.is_virtual or dataset.external:
            raise self.fail(f"{dataset.name} lies in another file, which is not followed")
        chunk = int(np.prod(dataset.chunks or (1,), dtype=np.float64)) * dtype.itemsize
        if chunk > _MAX_CHUNK:
            raise self.fail(
                f"{dataset.name} is in chunks of {chunk} bytes, expected at most {_MAX_CHUNK}"
            )
        plist = dataset.id.get_create_plist()
        for i in range(plist.get_nfilters()):
            number = plist.get_filter(i)[0]
            if self._h5.h5z.filter_avail(number):
                continue
            if number == _ECF:
                raise self.fail(
                    f"{dataset.name} is compressed by Metavision's codec (ECF), which h5py lacks: "
                    "convert the file to RAW or DAT with Metavision, or put its plugin on "
                    "HDF5_PLUGIN_PATH"
                )
            raise self.fail(
                f"{dataset.name} is compressed by HDF5's filter {number}, which h5py lacks: try "
                "pip install hdf5plugin and HDF5_PLUGIN_PATH"
            )

    def _size(self, nodes: tuple[Any, ...]) -> None:
        """Take the sensor's size from the attributes of the nodes, the first that tells it."""
        for node in nodes:
            pair = [node.attrs.get("width"), node.attrs.get("height")]
            if None in pair and "geometry" in node.attrs:
                pair = re.findall(r"\d{1,5}", _text(node.attrs["geometry"]))
            if (None in pair or len(pair) != 2) and "sensor_resolution" in node.attrs:
                pair = list(reversed(np.ravel(node.attrs["sensor_resolution"])[:2].tolist()))
            if len(pair) != 2 or None in pair:
                continue
            width, height = (int(np.ravel(side)[0]) for side in pair)
            if min(width, height) > 0 and max(width, height) < 2**15:
                self.width, self.height = width, height
                return

    def _offset(self, group: Any) -> None:
        """Take DSEC's offset, the time in µs that is added to all of t."""
        for node in (group, group.parent):
            offset = self._child(node, "t_offset")
            if isinstance(offset, self._h5.Dataset) and offset.size == 1:
                self._check(offset)
                value = int(np.ravel(offset[()])[0])
                if abs(value) < 2**61:
                    self.offset_us = value
                return


_EXPONENTS = {"s": 6, "seconds": 6, "ms": 3, "us": 0, "µs": 0, "microseconds": 0, "ns": -3}


def _rows_held(dataset: Any) -> int:
    """Return how many rows the file holds of a dataset; HDF5 would give zeros for all others."""
    if dataset.chunks:
        size = dataset.id.get_num_chunks() * int(np.prod(dataset.chunks))
    else:
        size = dataset.id.get_storage_size() // dataset.dtype.itemsize
    rows: int = min(len(dataset), size // max(1, int(np.prod(dataset.shape[1:]))))
    return rows


def _number(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "iufb" and dtype.itemsize <= 8


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)
