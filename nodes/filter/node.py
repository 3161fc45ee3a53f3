"""filter: cleans, cuts, turns, thins a stream of events, or adds noise to it; all of it live."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from nodes.filter.chain import Chain
from nodes.filter.settings import FilterSettings
from nodes.filter.stage import Words
from pipeline import EventPacket, Node, Packet, header_of

_MOST_PIXELS = 1 << 24
_LOW = 0xFFFFFFFF


class Filter(Node):
    """EventPackets in, EventPackets out, one for one, silence included.

    The stages work in a fixed order (``nodes.filter.chain``); each is off until its setting says
    otherwise. A packet's header tells the size of the picture that comes out. A reset, a step back
    in time and another sensor make the stages forget what they know, but for the hot pixels.

    An interval in which more noise comes than is good to have in memory leaves as several packets.
    """

    settings_type = FilterSettings
    blas = False
    accepts = (EventPacket,)
    emits = (EventPacket,)
    live = frozenset(field.name for field in msgspec.structs.fields(FilterSettings))
    actions = {"relearn_hot_pixels": "forget which pixels are hot and learn anew"}
    settings: FilterSettings

    def open(self) -> None:
        """Compile the kernels: that belongs to the start, not to the first event's latency."""
        self._chain = Chain()
        self._sensor = (0, 0)
        self._until: int | None = None
        self._taken = self._given = self._too_large = 0
        for change in _EVERYTHING:
            chain = Chain()
            chain.lay(change, (2, 2))
            chain.reset(0)
            for k in range(2):
                chain.run(np.zeros(4, np.int64), k * 1000, (k + 1) * 1000)
            for stage in chain.stages:
                stage.age(0)

    def reset(self) -> None:
        """Forget what the stages know of the stream; the mask of hot pixels is kept."""
        self._until = None

    def retuned(self, names: set[str]) -> None:
        """Put changed settings into force; where the picture becomes another one, say so."""
        if self._sensor != (0, 0):
            self._lay()

    def act(self, name: str, value: str) -> None:
        """Learn the hot pixels anew."""
        if name in self.actions:
            self._chain.hot.relearn()
        else:
            super().act(name, value)

    def process(self, packet: Packet) -> Iterator[Packet]:
        """Yield what is left of a packet."""
        assert isinstance(packet, EventPacket)
        head = packet.header
        chain = self._chain
        self._taken += head.n
        if head.width * head.height > _MOST_PIXELS:
            self._too_large += head.n
            return
        if (head.width, head.height) != self._sensor:
            self._sensor = (head.width, head.height)
            self._lay()
        if self._until is None or head.t_begin < self._until:
            if self._until is not None:
                self.announce_reset()
            chain.reset(head.t_begin)
        self._until = head.t_end
        width, height = chain.size
        if chain.idle:
            self._given += head.n
            header = header_of(packet, EventPacket, width=width, height=height, n=head.n)
            yield EventPacket(header, packet.payload)
            return
        words = np.frombuffer(packet.payload, np.int64)
        for part, t_begin, t_end in _parts(words, head.t_begin, head.t_end, chain.longest_us):
            out = chain.run(part, t_begin, t_end)
            self._given += len(out)
            header = header_of(
                packet,
                EventPacket,
                t_begin=t_begin,
                t_end=t_end,
                width=width,
                height=height,
                n=len(out),
            )
            yield EventPacket(header, out)

    def facts(self) -> dict[str, str | int | float]:
        """Return how many events came and went, and which stage dropped how many."""
        chain = self._chain
        facts: dict[str, str | int | float] = {"in": self._taken, "out": self._given}
        for stage in chain.stages:
            if stage.active or stage.dropped:
                facts[f"dropped_{stage.name}"] = stage.dropped
        if self._too_large:
            facts["dropped_too_large"] = self._too_large
        if chain.noise.active or chain.noise.added:
            facts["noise_added"] = chain.noise.added
        return facts | chain.hot.facts()

    def words(self) -> list[str]:
        """Say where a setting lets nothing through."""
        found = []
        if self._chain.crop.empty and self._sensor != (0, 0):
            found.append(
                f"crop = {self.settings.crop} lies outside the sensor of"
                f" {self._sensor[0]}×{self._sensor[1]} pixels: nothing is left"
            )
        if self._too_large:
            found.append(f"events of a sensor over {_MOST_PIXELS:,} pixels were dropped")
        return found

    def _lay(self) -> None:
        """Lay the chain out for the sensor; other pixels than before are another stream."""
        first = self._chain.size == (0, 0)
        same = self._chain.lay(self.settings, self._sensor)
        if not (same or first):
            self.announce_reset()
            self._until = None


def _parts(
    words: Words, t_begin: int, t_end: int, longest_us: int
) -> Iterator[tuple[Words, int, int]]:
    """Cut events of [t_begin, t_end) into intervals no longer than ``longest_us``."""
    if t_end - t_begin <= longest_us:
        yield words, t_begin, t_end
        return
    dt = words & _LOW
    for begin in range(0, t_end - t_begin, longest_us):
        end = min(begin + longest_us, t_end - t_begin)
        last = t_begin + end == t_end
        # What claims to be later than the packet's end is its end's.
        inside = words[(dt >= begin) & ((dt < end) | last)]
        yield inside - begin, t_begin + begin, t_begin + end


_ALL = FilterSettings(
    crop="1,0,1,2",
    refractory_us=1,
    background_us=1,
    pool=2,
    flip="both",
    noise_per_pixel=4.0,
    noise_over_ms=1,
    limit_hz=1,
)
_EVERYTHING = (
    msgspec.structs.replace(_ALL, hot_pixels=True, hot_learn_ms=1, polarity="merge"),
    msgspec.structs.replace(_ALL, polarity="on"),
)
"""Settings that between them call every kernel."""
