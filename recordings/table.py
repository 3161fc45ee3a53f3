"""Decoders of files that are tables of events: NumPy's and HDF5, so many rows at a time."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import pairwise
from pathlib import Path

from pipeline.errors import RecordingError
from pipeline.events import Events
from recordings.columns import Column, joined, microseconds
from recordings.counts import Counts
from recordings.decoder import BLOCK_EVENTS, Decoder, Mark, said
from recordings.policy import LATE_US

_PROBES = 32

Rows = tuple[Column, Column, Column, Column]
"""The columns t, x, y and p of some rows."""


class TableDecoder(Decoder):
    """Decodes a table of ``length`` rows, whose times are in units of 10**``exponent`` µs."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.length = 0
        self.exponent = 0
        self.offset_us = 0
        self.cut = False

    @property
    def extent(self) -> int:
        """Where a mark at the end of the file would be: a row."""
        return self.length

    @abstractmethod
    def table(self, begin: int) -> AbstractContextManager[Callable[[int], Rows]]:
        """Return what gives the next n rows at each call, from row ``begin`` on."""

    def blocks(self, counts: Counts, mark: Mark | None = None) -> Iterator[tuple[Events, Mark]]:
        """Yield blocks of raw events, see ``Decoder``; a mark's place is a row."""
        at = 0 if mark is None else mark.at
        with self.table(at) as take:
            while at < self.length:
                n = min(BLOCK_EVENTS, self.length - at)
                with foreign(self.path, f"rows {at} to {at + n}"):
                    columns = take(n)
                events, outside = joined(*columns, self.exponent, self.offset_us)
                counts.outside += outside
                at += n
                if len(events):
                    yield events, Mark(at)
        counts.cuts += self.cut

    def near(self, begin_us: int) -> Mark | None:
        """Return a mark near ``begin_us``, found by halves where the file's times rise."""
        if self.length < 4 * BLOCK_EVENTS:
            return None
        with foreign(self.path):
            steps = range(0, self.length, self.length // _PROBES)
            times = [self._time(row) for row in steps]
            if any(after < before for before, after in pairwise(times)):
                return None
            low, high = 0, self.length
            while high - low > BLOCK_EVENTS // 4:
                middle = (low + high) // 2
                if self._time(middle) < begin_us - LATE_US:
                    low = middle
                else:
                    high = middle
        return Mark(low) if low else None

    def _time(self, row: int) -> int:
        with self.table(row) as take:
            times = take(1)[0]
        return int(microseconds(times, self.exponent, self.offset_us)[0])


@contextmanager
def foreign(path: Path, what: str = "") -> Iterator[None]:
    """Make one RecordingError of whatever another library says about a broken file."""
    try:
        yield
    except RecordingError:
        raise
    except Exception as error:
        raise RecordingError(
            f"{path}: cannot be read{what and f': {what}'}: {said(error)}"
        ) from None
