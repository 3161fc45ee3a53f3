"""NumPy's NPY: one array of events, its length set right after every packet."""

from __future__ import annotations

import io

import numpy as np
from numpy.lib import format as npy

from pipeline.events import EVENT, Events
from recordings.write_file import OutFile
from recordings.writing import Writer

HEADER_BYTES = 192
"""Of an array's header, whatever the number of events."""


class NpyWriter(Writer):
    """Writes ``[n] EVENT`` as NPY, which does not hold the sensor's size."""

    format = "npy"

    def _begin(self, overwrite: bool) -> None:
        self._file = OutFile(self.path, overwrite=overwrite)
        self._file.append(header(0))
        self.bytes = self._file.size

    def _put(self, events: Events) -> None:
        self._file.append(events.view(np.uint8).data)
        self.bytes = self._file.size
        # A file that is longer than its header says is sound: so the header comes last.
        self._file.put(0, header((self.bytes - HEADER_BYTES) // EVENT.itemsize))

    def _end(self) -> None:
        self._file.close()


def header(n: int) -> bytes:
    """Return the header of an array ``[n] EVENT``, always of the same length."""
    out = io.BytesIO()
    fields = {"descr": npy.dtype_to_descr(EVENT), "fortran_order": False, "shape": (n,)}
    npy.write_array_header_1_0(out, fields)
    data = out.getvalue()
    # Padded with blanks before its last byte, an end of line; bytes 8 and 9 tell its length.
    padded = data[:-1] + b" " * (HEADER_BYTES - len(data)) + b"\n"
    return padded[:8] + (HEADER_BYTES - 10).to_bytes(2, "little") + padded[10:]
