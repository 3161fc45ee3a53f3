"""AEDAT4's packets of events, several at once: small ones cost little more than their events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PacketError
from pipeline.packets import Buffer
from recordings.aedat_kernels import gather, scan
from recordings.packets import PACKET_BYTES, Window

_MOST = 1024
_JOINED = 1 << 15
"""So many bytes of decompressed packets are joined; more is looked at packet by packet."""

HEAD = 8
"""The bytes of a packet's head."""


class Batch(NamedTuple):
    """Packets that follow one another.

    at, end        where in the file each begins with its head, and where it ends
    raw            their data, decompressed
    starts, sizes  where each begins there, and its bytes
    errors         of those that cannot be decompressed, by their number
    """

    at: list[int]
    end: list[int]
    raw: NDArray[np.uint8]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    errors: dict[int, PacketError]

    def take(self, k: int, into: int, octets: NDArray[np.uint8], n: int) -> tuple[int, int, int]:
        """Add events to the ``n`` in ``octets``, see ``aedat_kernels.gather``."""
        n, k, into = gather(self.raw, self.starts, self.sizes, k, into, octets, n)
        return n, k, into


class Finder:
    """Finds the packets of one stream of events.

    stream   its number
    streams  those of all there are
    unpack   decompresses a packet; None: they are not compressed
    """

    def __init__(
        self, stream: int, streams: list[int], unpack: Callable[[memoryview], Buffer] | None
    ) -> None:
        self._stream = stream
        self._streams = np.array(streams, np.int64)
        self._unpack = unpack
        self._starts = np.empty(_MOST, np.int64)
        self._sizes = np.empty(_MOST, np.int64)

    def find(self, window: Window, end: int) -> tuple[int, Iterator[Batch]]:
        """Look at the whole packets at the beginning of a window, up to byte ``end`` of the file.

        Returns how many bytes they are, and those that hold events.
        """
        raw = np.asarray(window.data)
        n, length = scan(
            raw, end - window.at, self._stream, self._streams, PACKET_BYTES,
            self._starts, self._sizes,
        )  # fmt: skip
        if not n:
            return length, iter(())
        return length, self._batches(window, raw, self._starts[:n], self._sizes[:n])

    def _batches(
        self,
        window: Window,
        raw: NDArray[np.uint8],
        starts: NDArray[np.int64],
        sizes: NDArray[np.int64],
    ) -> Iterator[Batch]:
        at = (starts + (window.at - HEAD)).tolist()
        end = (starts + sizes + window.at).tolist()
        if self._unpack is None:
            yield Batch(at, end, raw, starts, sizes, {})
            return
        parts: list[Buffer] = []
        errors: dict[int, PacketError] = {}
        joined = first = 0
        for k, (start, size) in enumerate(zip(starts.tolist(), sizes.tolist(), strict=True)):
            try:
                plain = self._unpack(window.data[start : start + size])
            except PacketError as error:
                plain = b""
                errors[k - first] = error
            parts.append(plain)
            joined += len(plain)
            if joined >= _JOINED or k == len(at) - 1:
                yield _joined(at[first : k + 1], end[first : k + 1], parts, errors)
                parts, errors, joined, first = [], {}, 0, k + 1


def _joined(
    at: list[int], end: list[int], parts: list[Buffer], errors: dict[int, PacketError]
) -> Batch:
    data = parts[0] if len(parts) == 1 else b"".join(parts)
    sizes = np.array([len(part) for part in parts], np.int64)
    starts = np.cumsum(sizes) - sizes
    return Batch(at, end, np.asarray(memoryview(data)), starts, sizes, errors)
