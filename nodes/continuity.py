"""What of a stream never came, by its packets' numbers and the intervals that they cover."""

from __future__ import annotations

from pipeline.errors import RetinaError
from pipeline.packets import Header


class Continuity:
    """Follows the headers of one stream.

    missed_packets  packets that its numbers say are missing
    missed_us       event time that no packet covers
    gaps            places where packets or event time are missing
    restarts        times at which the stream began anew: what its producer held then is lost
    set_back        whether the latest packet begins before the one ahead of it ended
    """

    def __init__(self) -> None:
        self.missed_packets = self.missed_us = self.gaps = self.restarts = 0
        self.set_back = False
        self._stream: str | None = None
        self._seq = self._end = 0

    def see(self, head: Header) -> None:
        """Take the next packet's header; raises RetinaError where it is of another stream."""
        if self._stream is None:
            self._stream = head.stream
        elif head.stream != self._stream:
            raise RetinaError(
                f"one recording holds one stream, got {self._stream!r} and {head.stream!r}"
            )
        else:
            missed = head.seq - self._seq - 1
            silent = head.t_begin - self._end
            self.set_back = silent < 0
            if missed < 0:
                self.restarts += 1
            if missed > 0 or silent > 0:
                self.gaps += 1
                self.missed_packets += max(0, missed)
                self.missed_us += max(0, silent)
        self._seq, self._end = head.seq, head.t_end

    def skip(self, head: Header) -> None:
        """Take a header that is not to be kept: nothing before the next one is missed."""
        self._stream = head.stream
        self._seq, self._end = head.seq, head.t_end

    def words(self) -> list[str]:
        """Say what is missing, in few words each."""
        said = []
        if self.gaps:
            packets = f"{self.missed_packets:,} packets, " if self.missed_packets else ""
            places = f"{self.gaps:,} gap{'s' if self.gaps > 1 else ''}"
            said.append(f"{packets}{self.missed_us / 1e6:.3f} s missed in {places}")
        if self.restarts:
            said.append(f"the stream began anew {self.restarts:,} times")
        return said
