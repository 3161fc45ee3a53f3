"""Text: a line an event, as rpg's ``t x y p`` and as CSV, with or without names of its columns.

Columns are divided by blanks, tabs, commas or semicolons; lines that begin with ``#`` or ``%`` are
comments. The first line may name the columns (``columns.py``; others are passed over), or
give the sensor's ``width height`` alone. Columns without names are told by their values.

A time's unit is told by its column's name. Where it is not, times that have a fraction, or a point
and no exponent, are seconds; whole ones are µs. p is ON above 0, or ``true``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import RecordingError
from pipeline.events import Events
from recordings import text_kernel
from recordings.columns import MICROSECONDS, SECONDS, Named, guess, named
from recordings.counts import Counts
from recordings.decoder import (
    BLOCK_BYTES,
    BLOCK_EVENTS,
    OWN,
    Decoder,
    Mark,
    as_events,
    head_of,
)

_HEAD = 1 << 16
_JUDGED = 1000
_BOM = b"\xef\xbb\xbf"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
_SIZES = (
    re.compile(r"geometry\W*(\d{1,5})\s*[x,;\s]\s*(\d{1,5})", re.IGNORECASE),
    re.compile(r"width\W*(\d{1,5}).*?height\W*(\d{1,5})", re.IGNORECASE),
)
_NAMES = "txyp"


class Text(Decoder):
    """Decodes text."""

    format = "text"
    follows = True

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        head = head_of(path, _HEAD)
        if b"\0" in head:
            raise self.fail("is no text", head.index(b"\0"))
        if not head.strip():
            raise self.fail("holds no events, expected lines of t, x, y and p")
        self._begin = self._lines = 0
        self._columns = self._told(head)
        self._divided = int(b"," in head or b";" in head)

    def _told(self, head: bytes) -> Named:
        """Read what the first lines tell: size, names, and where the events begin."""
        ended = len(head) < _HEAD
        at = 3 if head.startswith(_BOM) else 0
        columns: Named | None = None
        while True:
            line, end = _line(head, at)
            if end < 0 and not (ended and line):
                break
            end = len(head) if end < 0 else end
            fields = _fields(line)
            if line.lstrip()[:1] in ("#", "%"):
                self._sensor(line)
            elif fields and all(_NUMBER.match(field) for field in fields):
                if columns or len(fields) != 2 or self._begin or not self._pair(*fields):
                    break
            elif fields:
                if columns:
                    break
                columns = named(_split(line))
                if columns is None:
                    raise self.fail(
                        f"its first line is {line.strip()[:60]!r}, expected numbers, or names of "
                        "columns for t, x, y and p",
                        at,
                    )
            at = end
            self._begin, self._lines = at, self._lines + 1
            if at >= len(head):
                break
        rows = _rows(head[self._begin :])
        if columns is None:
            columns = self._unnamed(rows)
        if columns.exponent is None:
            columns = columns._replace(exponent=_unit(rows, columns.t))
        return columns

    def _unnamed(self, rows: list[list[str]]) -> Named:
        """Tell columns without names by their values."""
        if not rows:
            return Named(0, 1, 2, 3, None)
        if len(rows[0]) != 4:
            raise self.fail(
                f"has {len(rows[0])} columns without names, expected the four of t, x, y and p",
                self._begin,
            )
        values = [
            [_value(field) for field in row] for row in rows if len(row) == 4 and _numeric(row)
        ]
        found = guess(np.array(values, np.float64).reshape(-1, 4))
        # Where no order fits, the lines are read as rpg's: the kernel says what is wrong with one.
        return found or Named(0, 1, 2, 3, None)

    def _pair(self, width: str, height: str) -> bool:
        if not (width.isdecimal() and height.isdecimal()):
            return False
        size = int(width[:6]), int(height[:6])
        if min(size) < 1 or max(size) >= 2**15:
            return False
        self.width, self.height = size
        return True

    def _sensor(self, comment: str) -> None:
        found = next((match for size in _SIZES if (match := size.search(comment))), None)
        if found:
            self._pair(found[1], found[2])

    def blocks(self, counts: Counts, mark: Mark | None = None) -> Iterator[tuple[Events, Mark]]:
        """Yield blocks of raw events, see ``Decoder``; a mark's place is a byte."""
        layout = np.array([*self._columns, self._divided], np.int64)
        at, lines = (self._begin, self._lines) if mark is None else (mark.at, mark.state)
        state: NDArray[np.int64] = np.zeros(OWN + text_kernel.TEXT_STATE, np.int64)
        state[OWN] = lines
        with self.open() as file:
            file.seek(at)
            # One byte more, to end a last line that nothing ends.
            held = bytearray(BLOCK_BYTES + 1)
            buffer, view = np.frombuffer(held, np.uint8), memoryview(held)
            begin = end = 0
            ended = cut = False
            while True:
                upto = held.rfind(b"\n", begin, end) + 1
                if upto > begin:
                    out = np.empty((BLOCK_EVENTS, 2), np.int64)
                    n = int(text_kernel.text(buffer[begin:upto], out, state, layout))
                    consumed, outside, _, fault = state[:OWN].tolist()
                    state[:OWN] = 0
                    counts.outside += outside
                    begin += consumed
                    at += consumed
                    if n:
                        yield as_events(out, n), Mark(at, int(state[OWN]))
                    if not fault:
                        continue
                    if cut and held.find(b"\n", begin) == upto - 1:
                        counts.skipped_bytes += upto - 1 - begin
                        counts.cuts += 1
                        return
                    raise self._fault(fault, bytes(held[begin:upto]), at, state)
                if ended:
                    return
                view[: end - begin] = view[begin:end]
                begin, end = 0, end - begin
                if end == BLOCK_BYTES:
                    raise self.fail(f"has a line of over {BLOCK_BYTES} bytes", at)
                got = file.fill(view[end:BLOCK_BYTES])
                end += got
                if got or file.more():
                    continue
                ended = True
                if end and held[end - 1] != 10:
                    held[end] = 10
                    end += 1
                    cut = True

    def _fault(self, fault: int, line: bytes, at: int, state: NDArray[np.int64]) -> RecordingError:
        """Return the error for the line that begins at byte ``at``."""
        number, column, where = state[OWN + 1 :].tolist()
        # The field's own bytes, not the rest of the block.
        field = re.split(rb"[\s,;]", line[where : where + 24], maxsplit=1)[0].decode("latin-1")
        name = next((_NAMES[i] for i in range(4) if self._columns[i] == column), "?")
        what = {
            text_kernel.NO_NUMBER: f"{name} is {field!r}, expected a number,",
            text_kernel.TOO_FEW: f"too few columns, expected {max(self._columns[:4]) + 1},",
            text_kernel.NOT_WHOLE: f"{name} is {field!r}, expected a whole pixel,",
        }[fault]
        return self.fail(f"line {number + 1}: {what}", at + where)


def looks_like_text(head: bytes) -> bool:
    """Tell whether the first bytes of a file may be text in lines of numbers."""
    plain = all(31 < byte < 127 or byte in b"\t\r\n" for byte in head.removeprefix(_BOM))
    first = head.removeprefix(_BOM).lstrip()[:1]
    return plain and first != b"" and first in b"0123456789+-.#%"


def _line(head: bytes, at: int) -> tuple[str, int]:
    """Return the line at a byte and where the next begins, -1 where it does not end."""
    end = head.find(b"\n", at)
    line = head[at:] if end < 0 else head[at:end]
    return line.decode("latin-1"), end + 1 if end >= 0 else -1


def _split(line: str) -> list[str]:
    divider = "," if "," in line else ";" if ";" in line else None
    return [field.strip() for field in line.strip().split(divider)]


def _fields(line: str) -> list[str]:
    return [field for field in re.split(r"[\s,;]+", line.strip()) if field]


def _rows(head: bytes) -> list[list[str]]:
    """Return the fields of the first whole lines that are no comments."""
    rows = []
    for line in head.decode("latin-1").split("\n")[: 2 * _JUDGED][:-1] or [head.decode("latin-1")]:
        fields = _fields(line)
        if fields and fields[0][0] not in "#%":
            rows.append(fields)
    return rows[:_JUDGED]


def _numeric(row: list[str]) -> bool:
    return all(_NUMBER.match(field) or field.casefold() in ("true", "false") for field in row)


def _value(field: str) -> float:
    return float(field) if _NUMBER.match(field) else float(field.casefold() == "true")


def _unit(rows: list[list[str]], column: int) -> int:
    for row in rows:
        if column < len(row) and _NUMBER.match(row[column]):
            field = row[column]
            if ("." in field and "e" not in field.casefold()) or float(field) % 1:
                return SECONDS
    return MICROSECONDS
