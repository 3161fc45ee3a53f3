"""CSV: a line an event, ``t,x,y,p``, t in µs; the sensor's size in a comment ahead of the names."""

from __future__ import annotations

import numba
import numpy as np

from pipeline.events import Events
from recordings.write_file import OutFile
from recordings.writing import Writer

_LINE = 36
"""The most bytes of a line: 20 of t, 5 of x and of y, 1 of p, commas and the end."""


class CsvWriter(Writer):
    """Writes CSV."""

    format = "csv"

    def _begin(self, overwrite: bool) -> None:
        self._out = np.empty(_LINE * self.packet_events, np.uint8)
        self._file = OutFile(self.path, overwrite=overwrite)
        head = f"# width {self.width} height {self.height}, t in us\nt,x,y,p\n"
        self._file.append(head.encode())
        self.bytes = self._file.size

    def _put(self, events: Events) -> None:
        n = int(_lines(events.view(np.int64).reshape(-1, 2), self._out))
        self._file.append(self._out[:n].data)
        self.bytes = self._file.size

    def _end(self) -> None:
        self._file.close()


@numba.njit(cache=True, nogil=True)
def _lines(words, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill ``out`` with a line for each of ``words`` [n, 2]; return how many bytes."""
    at = 0
    for i in range(words.shape[0]):
        t, c = words[i, 0], words[i, 1]
        if t < 0:
            out[at] = 45
            at += 1
            t = -t
        at = _number(t, out, at)
        out[at] = 44
        at = _number(c & 0xFFFF, out, at + 1)
        out[at] = 44
        at = _number(c >> 16 & 0xFFFF, out, at + 1)
        out[at] = 44
        out[at + 1] = 48 + (c >> 32)
        out[at + 2] = 10
        at += 3
    return at


@numba.njit(cache=True, nogil=True, inline="always")
def _number(value, out, at):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Write a number that is not negative; return where it ends."""
    digits = 1
    bound = np.int64(10)
    while digits < 19 and value >= bound:
        digits += 1
        bound *= 10
    end = at + digits
    for i in range(end - 1, at - 1, -1):
        out[i] = 48 + value % 10
        value //= 10
    return end
