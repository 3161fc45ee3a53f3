"""NumPy's files: NPY and NPZ, structured or in columns, a stretch at a time. Nothing is unpickled.

NPY holds a structured array with fields by their usual names (``columns.py``), or numbers
``[n, 4]`` whose columns are told by their values. NPZ holds one such array, or one array for each
of t, x, y and p; besides, the sensor's size as ``width`` and ``height`` or ``sensor_size``.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from recordings.columns import Column, Named, guess, named, unit_of
from recordings.decoder import BLOCK_EVENTS, open_bytes, read_into
from recordings.table import Rows, TableDecoder, foreign

_HEADER_BYTES = 1 << 16
_MAX_ITEM = 1 << 12
_JUDGED = 4096


class _Array(NamedTuple):
    """An array in a file: where its numbers begin in its stream, and how they lie."""

    name: str
    open: Callable[[], Any]
    begin: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool

    @property
    def bytes(self) -> int:
        return self.begin + math.prod(self.shape) * self.dtype.itemsize


class _Run(NamedTuple):
    """Items one behind the other in a stream."""

    array: _Array
    begin: int
    dtype: np.dtype[Any]


class _Plan(NamedTuple):
    """What is read side by side, and where among it t, x, y and p are found."""

    runs: tuple[_Run, ...]
    columns: tuple[tuple[int, str | int | None], ...]
    length: int


class _NumPy(TableDecoder):
    """What both formats share; ``plan`` says where the columns are."""

    plan: _Plan

    @contextmanager
    def table(self, begin: int) -> Iterator[Callable[[int], Rows]]:
        """Return what gives the next n rows at each call, from row ``begin`` on."""
        plan = self.plan
        with ExitStack() as stack:
            streams = []
            with foreign(self.path):
                for run in plan.runs:
                    stream = stack.enter_context(run.array.open())
                    stream.seek(run.begin + begin * run.dtype.itemsize)
                    streams.append(stream)

            def take(n: int) -> Rows:
                parts = [
                    self._take(stream, run, n)
                    for stream, run in zip(streams, plan.runs, strict=True)
                ]
                columns = [_column(parts[run], field) for run, field in plan.columns]
                return cast("Rows", tuple(columns))

            yield take

    def _take(self, stream: Any, run: _Run, n: int) -> NDArray[Any]:
        raw = bytearray(n * run.dtype.itemsize)
        got = read_into(stream, memoryview(raw), self.path)
        if got < len(raw):
            raise self.fail(f"{run.array.name} ends after {got} of {len(raw)} bytes of a block")
        return np.frombuffer(raw, run.dtype, n)

    def arrange(self, plan: _Plan, exponent: int | None) -> None:
        """Take over what is known; the unit of times is told by the first where no name does."""
        self.plan = plan
        self.length = plan.length
        if exponent is None:
            exponent = 0
            if self.length:
                with self.table(0) as take, foreign(self.path):
                    exponent = unit_of(take(min(self.length, BLOCK_EVENTS))[0])
        self.exponent = exponent

    def single(self, array: _Array) -> tuple[_Plan, int | None] | None:
        """Return the plan for one array that holds all of the events; None where it does not."""
        fields = array.dtype.names
        if fields and len(array.shape) == 1:
            found = named(fields)
            if found is None or not all(_number(array.dtype[fields[i]]) for i in found[:4]):
                return None
            run = _Run(array, array.begin, array.dtype)
            columns = tuple((0, fields[i]) for i in found[:4])
            return _Plan((run,), columns, array.shape[0]), found.exponent
        if len(array.shape) != 2 or array.shape[1] != 4 or not _number(array.dtype):
            return None
        n = array.shape[0]
        if array.fortran:
            size = n * array.dtype.itemsize
            runs = tuple(_Run(array, array.begin + i * size, array.dtype) for i in range(4))
            return self._told(_Plan(runs, tuple((i, None) for i in range(4)), n))
        row = np.dtype((array.dtype, (4,)))
        runs = (_Run(array, array.begin, row),)
        return self._told(_Plan(runs, tuple((0, i) for i in range(4)), n))

    def _told(self, plan: _Plan) -> tuple[_Plan, int | None] | None:
        """Put columns without names in order, by their first values."""
        self.plan = plan
        with self.table(0) as take:
            first = take(min(plan.length, _JUDGED))
        found = guess(np.stack([column.astype(np.float64) for column in first], axis=1))
        if found is None:
            return None
        return plan._replace(columns=tuple(plan.columns[i] for i in found[:4])), None


class Npy(_NumPy):
    """Decodes NPY files."""

    format = "npy"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with foreign(path), open_bytes(path) as file:
            array = _header(path.name, lambda: open_bytes(path), file)
            size = file.seek(0, io.SEEK_END)
        if array.bytes > size:
            raise self.fail(f"truncated: its header tells of {array.bytes} bytes", size)
        found = self.single(array)
        if found is None:
            raise self.fail(f"{_what(array)} is no array of events, expected {_EXPECTED}")
        self.arrange(*found)


class Npz(_NumPy):
    """Decodes NPZ files, compressed or not."""

    format = "npz"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with foreign(path):
            self._archive = zipfile.ZipFile(path)
        try:
            arrays = self._arrays()
            self._size(arrays)
            found = self._apart(arrays) or self._one(arrays)
            if found is None:
                held = ", ".join(_what(array) for array in arrays[:8]) or "nothing"
                raise self.fail(f"holds {held}, no events, expected {_EXPECTED}")
            self.arrange(*found)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        self._archive.close()

    def _arrays(self) -> list[_Array]:
        arrays = []
        for info in self._archive.infolist():
            if not info.filename.endswith(".npy"):
                continue
            name = info.filename.removesuffix(".npy")

            def opener(info: zipfile.ZipInfo = info) -> Any:
                return self._archive.open(info)

            with foreign(self.path, name), opener() as stream:
                array = _header(name, opener, stream)
            if array.bytes > info.file_size:
                raise self.fail(
                    f"{name} is truncated: its header tells of {array.bytes} bytes, it has "
                    f"{info.file_size}"
                )
            arrays.append(array)
        return arrays

    def _apart(self, arrays: list[_Array]) -> tuple[_Plan, int | None] | None:
        """Return the plan where t, x, y and p are arrays of their own."""
        found: Named | None = named([array.name for array in arrays])
        if found is None:
            return None
        chosen = [arrays[i] for i in found[:4]]
        if any(array.shape != chosen[0].shape for array in chosen):
            shapes = ", ".join(_what(array) for array in chosen)
            raise self.fail(f"its columns differ in length: {shapes}")
        if len(chosen[0].shape) != 1 or not all(_number(array.dtype) for array in chosen):
            return None
        runs = tuple(_Run(array, array.begin, array.dtype) for array in chosen)
        return _Plan(runs, tuple((i, None) for i in range(4)), chosen[0].shape[0]), found.exponent

    def _one(self, arrays: list[_Array]) -> tuple[_Plan, int | None] | None:
        with foreign(self.path):
            for array in sorted(arrays, key=lambda array: array.name != "events"):
                if found := self.single(array):
                    return found
        return None

    def _size(self, arrays: list[_Array]) -> None:
        told: dict[str, list[int]] = {}
        for array in arrays:
            if array.dtype.kind in "iu" and math.prod(array.shape) in (1, 2, 3):
                with foreign(self.path, array.name), array.open() as stream:
                    stream.seek(array.begin)
                    raw = stream.read(array.bytes - array.begin)
                    told[array.name] = np.frombuffer(raw, array.dtype).tolist()
        pair = told.get("width", []) + told.get("height", [])
        size = pair if len(pair) == 2 else told.get("sensor_size", [])[:2]
        if len(size) == 2 and all(0 < side < 2**15 for side in size):
            self.width, self.height = size


def _header(name: str, opener: Callable[[], Any], stream: Any) -> _Array:
    """Read an array's header; raises ValueError where it is none, or tells of objects."""
    # From a buffer of its own: a header may claim to be of any length.
    head = io.BytesIO(stream.read(_HEADER_BYTES))
    version = npy.read_magic(head)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read(head)
    if dtype.hasobject:
        raise ValueError(f"{name} holds pickled objects, which are never read")
    if not 0 < dtype.itemsize <= _MAX_ITEM or any(n < 0 for n in shape):
        raise ValueError(f"{name} is of dtype {dtype} and shape {shape}, expected events")
    return _Array(name, opener, head.tell(), dtype, shape, fortran)


def _column(part: NDArray[Any], field: str | int | None) -> Column:
    if field is None:
        return part
    return part[field] if isinstance(field, str) else part[:, field]


def _number(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "iufb" and dtype.itemsize <= 8


def _what(array: _Array) -> str:
    names = list(array.dtype.names or ())
    return f"{array.name} {'×'.join(map(str, array.shape)) or 'scalar'} {names or array.dtype}"[
        :120
    ]


_EXPECTED = "fields or arrays for t, x, y and p, or four columns of numbers"
