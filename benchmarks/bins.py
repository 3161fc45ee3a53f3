"""Source to bins (640×480, 1 ms bins) in two processes, lossless.

The source packs 16-byte events into the wire form for every packet; the bins node bins them into
sparse counts. The rate is from the first packet's arrival at bins to the last's.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.ends import endpoint, together
from benchmarks.harness import Row, row
from benchmarks.nodes import FeedSettings, check_sums, give, take
from nodes.bins import Bins
from pipeline import Packet
from pipeline.clock import MonotonicClock

_EVENTS = 16384


class TimedBins(Bins):
    """The bins node, noting when it took its first and last packet."""

    first_ns = 0
    last_ns = 0
    entries = 0

    def process(self, packet: Packet) -> Iterator[Packet]:
        """Bin, and note the time."""
        for out in super().process(packet):
            self.entries += out.size
            yield out
        self.last_ns = MonotonicClock().now_ns()
        self.first_ns = self.first_ns or self.last_ns


def _bin(address: str) -> tuple[float, int, tuple[int, int, list[int]]]:
    node = TimedBins()
    taken = take(address, node)
    return max(node.last_ns - node.first_ns, 1) / 1e9, node.entries, taken


def once(packets: int) -> float:
    """Return million events a second from source to bins."""
    settings = FeedSettings(packets=packets, events=_EVENTS, pack=True)
    with endpoint() as address:
        given, (seconds, entries, taken) = together((give, (address, settings)), (_bin, (address,)))
    check_sums(given, taken)
    assert entries > 0
    return float((packets - 1) * _EVENTS / seconds / 1e6)


def rows(*, quick: bool = False) -> list[Row]:
    """Measure."""
    packets, runs = (1000, 3) if quick else (8000, 7)
    values = [once(packets) for _ in range(runs)]
    return [row("source to bins, 640×480, 1 ms bins, 16,384 events/packet", "Mev/s", values)]
