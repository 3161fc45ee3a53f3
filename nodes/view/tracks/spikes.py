"""What a network gets: the binned spikes of the last bins, summed into a picture."""

from __future__ import annotations

from collections import deque

import numba
import numpy as np
from numpy.typing import NDArray

from nodes.view.palette import Inks
from nodes.view.tracks.canvas import Counter
from nodes.view.tracks.show import MAX_PIXELS
from pipeline.packets import SpikePacket

_MOST_PACKETS = 512
_MOST_BYTES = 2**25


@numba.njit(cache=True, nogil=True)
def _add(index, count, plane, polar, counts):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Add entries ``index`` [n] u4, ``count`` [n] u1 to ``counts`` [plane · 2] i4.

    Where there are two channels (``polar``) the first is OFF; else everything counts as ON.
    """
    for i in range(index.shape[0]):
        channel = index[i] // plane
        place = index[i] - channel * plane
        counts[2 * place + (0 if polar and channel == 0 else 1)] += count[i]


class Spikes:
    """Keeps the packets of the last bins; ``version`` grows with each. Its owner keeps threads
    apart.

    A packet is only looked at when a picture is painted.
    """

    def __init__(self) -> None:
        self.version = 0
        self._packets: deque[SpikePacket] = deque(maxlen=_MOST_PACKETS)
        self._bytes = 0
        self._counter: Counter | None = None
        self._inks: Inks | None = None

    def forget(self) -> None:
        """Forget what has come."""
        self._packets.clear()
        self._bytes = 0
        self.version += 1

    def add(self, packet: SpikePacket) -> None:
        """Take in a packet; where the shape or the time jump, begin anew."""
        head = packet.header
        if head.height * head.width > MAX_PIXELS:
            return
        last = self._packets[-1].header if self._packets else head
        shape = (last.channels, last.height, last.width, last.sample)
        now = (head.channels, head.height, head.width, head.sample)
        if shape != now or head.t_begin < last.t_begin:
            self.forget()
        if len(self._packets) == _MOST_PACKETS:
            self._bytes -= 5 * self._packets[0].header.n
        self._packets.append(packet)
        self._bytes += 5 * head.n
        while self._bytes > _MOST_BYTES and len(self._packets) > 1:
            self._bytes -= 5 * self._packets.popleft().header.n
        self.version += 1

    def window(self, span_us: int) -> list[SpikePacket]:
        """Return the packets that have bins within the last ``span_us``."""
        if not self._packets:
            return []
        since = self._packets[-1].header.t_end - span_us
        return [packet for packet in self._packets if packet.header.t_end > since]

    def paint(
        self, packets: list[SpikePacket], span_us: int, inks: Inks
    ) -> tuple[NDArray[np.uint32], int]:
        """Return the picture ``[H, W] u4`` of the bins that reach into the last ``span_us``.

        Also how many bins it shows: at least the last one.
        """
        head = packets[-1].header
        since = head.t_end - span_us
        plane = head.height * head.width
        counts = np.zeros((head.height, head.width, 2), np.int32)
        flat, n_bins = counts.reshape(-1), 0
        for packet in packets:
            its = packet.header
            first = max(0, (since - its.t_begin) // its.bin_us)
            if packet is packets[-1]:
                first = max(0, min(first, its.n_bins - 1))
            begin = int(packet.offsets[first])
            n_bins += its.n_bins - first
            _add(packet.index[begin:], packet.count[begin:], plane, its.channels == 2, flat)
        out = np.empty((head.height, head.width), np.uint32)
        if self._counter is None or inks != self._inks:
            self._counter, self._inks = Counter(inks), inks
        self._counter.paint(counts, 1, out)
        return out, n_bins
