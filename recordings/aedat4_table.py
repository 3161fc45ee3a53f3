"""The table of packets at the end of an AEDAT4 file: where in the file a time is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PacketError
from recordings import evts
from recordings.aedat_kernels import tables
from recordings.decoder import ByteFile
from recordings.inflate import Inflater
from recordings.policy import GAP_US, LATE_US

TABLE_BYTES = 1 << 25
"""The longest table that is read, in the file or decompressed (over 500,000 packets)."""

_WIDTHS = np.array([8, 8, 8, 8, 8])
_FTAB = int.from_bytes(b"FTAB", "little")


class PacketTable(NamedTuple):
    """Of each packet of events ``[n]`` i8: where it begins, and the latest time up to its end."""

    at: NDArray[np.int64]
    latest: NDArray[np.int64]

    def before(self, begin_us: int) -> int | None:
        """Return where the first packet begins that may hold an event from ``begin_us`` on."""
        k = int(np.searchsorted(self.latest, begin_us))
        return int(self.at[min(k, len(self.at) - 1)]) if len(self.at) else None


def read_table(
    file: ByteFile, header: evts.IOHeader, begin: int, stream: int | None
) -> PacketTable | None:
    """Read the table of the packets of ``stream``; None where there is none or it cannot be true.

    begin  where the file's packets begin

    True is a table that accounts for every byte of the packets, in order, and whose times hold no
    jump.
    """
    size = file.size() - header.table_at
    if header.table_at < begin or not 0 < size <= TABLE_BYTES:
        return None
    raw = np.empty(size, np.uint8)
    file.seek(header.table_at)
    if file.fill(raw.data) < size:
        return None
    try:
        plain = np.frombuffer(Inflater(header.compression, TABLE_BYTES)(raw.data), np.uint8)
    except PacketError:
        return None
    entries = np.zeros((len(plain) // 24, len(_WIDTHS)), np.int64)
    n = int(tables(plain, _FTAB, _WIDTHS, entries))
    if not 0 < n <= len(entries):
        return None
    data_at, head, _, first, last = entries[:n].T
    at, ends = data_at - evts.PREFIX.size, data_at + (head >> 32)
    if at[0] != begin or ends[-1] != header.table_at or (at[1:] != ends[:-1]).any():
        return None
    ours = (head & 0xFFFFFFFF) == stream
    first, last = first[ours], last[ours]
    steps = first[1:] - last[:-1]
    if (first > last).any() or (steps < -LATE_US).any() or (last - first > GAP_US).any():
        return None
    if (steps > GAP_US).any():
        return None
    return PacketTable(at[ours], np.maximum.accumulate(last))
