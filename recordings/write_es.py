"""Event Stream, version 2: five bytes an event and one more for every 127 µs of silence.

    byte 0   µs since the event ahead of it (0 to 126) << 1 | polarity; ff: 127 µs more
    byte 1   x[7:0]     byte 2   x[15:8]
    byte 3   y[7:0]     byte 4   y[15:8], from the bottom row upwards

Behind a header: ``Event Stream``, the version (2, 0, 0), 1 for events of polarity alone, width and
height (u2). Source: github.com/neuromorphic-paris/event_stream.
"""

from __future__ import annotations

import struct

import numba
import numpy as np

from pipeline.errors import RecordingError
from pipeline.events import Events
from recordings.write_file import OutFile
from recordings.writing import Writer

_HEADER = struct.Struct("<12s3BBHH")
_SILENCE_US = 3_600_000_000
_OUT_BYTES = 1 << 20


class EventStreamWriter(Writer):
    """Writes Event Stream files; a silence costs a byte for every 127 µs, and may last an hour."""

    format = "es"
    absolute = False

    def _begin(self, overwrite: bool) -> None:
        self._file = OutFile(self.path, overwrite=overwrite)
        self._before = 0
        self._out = np.empty(_OUT_BYTES, np.uint8)
        self._file.append(_HEADER.pack(b"Event Stream", 2, 0, 0, 1, self.width, self.height))
        self.bytes = self._file.size

    def _refusal(self, events: Events, before_us: int | None) -> str | None:
        steps = np.diff(events["t"], prepend=before_us or 0)
        if steps.max() > _SILENCE_US:
            i = int(np.argmax(steps))
            return (
                f"a silence of {steps[i] / 1e6:.0f} s before event {self.written + i} would take "
                f"{steps[i] // 127:,} bytes of es, expected at most an hour"
            )
        return None

    def _put(self, events: Events) -> None:
        words = events.view(np.int64).reshape(-1, 2)
        begin, at = self._file.size, 0
        step = int(words[0, 0]) - self._before
        try:
            # Silences are many bytes: not all of a packet's at once.
            while at < len(words):
                at, step, n = _encode(words, at, step, self.height, self._out)
                self._file.append(self._out[:n].data)
        except RecordingError:
            self._file.cut(begin)
            raise
        self._before = int(words[-1, 0])
        self.bytes = self._file.size

    def _end(self) -> None:
        self._file.close()


@numba.njit(cache=True, nogil=True)
def _encode(words, i, step, height, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill ``out`` from event ``i`` of ``words`` [n, 2] on, which comes after ``step`` µs.

    Returns the event and the step with which to go on, and how many bytes there are.
    """
    n = words.shape[0]
    room = len(out) - 5
    at = 0
    while i < n and at <= room:
        while step >= 127 and at <= room:
            out[at] = 0xFF
            at += 1
            step -= 127
        if step >= 127 or at > room:
            break
        c = words[i, 1]
        y = height - 1 - (c >> 16 & 0xFFFF)
        out[at] = step << 1 | c >> 32
        out[at + 1] = c & 0xFF
        out[at + 2] = c >> 8 & 0xFF
        out[at + 3] = y & 0xFF
        out[at + 4] = y >> 8
        at += 5
        i += 1
        if i < n:
            step = words[i, 0] - words[i - 1, 0]
    return i, step, at
