"""The filter's stages in their order, over packed events; it knows nothing of nodes.

    0 outside          events outside the sensor of their own packet go
    1 hot pixels       the sensor's own pixels, whatever is cropped
    2 crop             counted from the rectangle's corner from here on
    3 refractory       pixel by pixel, of both polarities
    4 background       neighbours bear each other out, of both polarities
    5 polarity
    6 pool             squares of pixels become pixels
    7 flip and rotate
    8 noise            of the picture that comes out
    9 limit            the last word, noise included

First comes what takes events for what the sensor said, then what changes the picture, then what is
done to the picture on purpose. A stage that is off costs nothing.
"""

from __future__ import annotations

import numpy as np

from nodes.filter.background import Background
from nodes.filter.crop import Crop, Outside
from nodes.filter.hot import Hot
from nodes.filter.limit import Limit
from nodes.filter.noise import Noise
from nodes.filter.orient import Orient
from nodes.filter.polarity import Polarity
from nodes.filter.pool import Pool
from nodes.filter.refractory import Refractory
from nodes.filter.settings import FilterSettings
from nodes.filter.stage import DAWN, Size, Span, Stage, Words

LONGEST_US = 1 << 31
"""No interval longer than this is worked on at once: the chain's clock has 32 bits."""

_CLOCK_END = 1 << 32


class Chain:
    """All stages, laid out for one sensor; times on a clock of its own (``nodes.filter.stage``)."""

    def __init__(self) -> None:
        self.hot = Hot()
        self.crop = Crop()
        self.pool = Pool()
        self.orient = Orient()
        self.noise = Noise()
        self.limit = Limit()
        sensor = (Outside(), self.hot, self.crop)
        cleaning = (Refractory(), Background(), Polarity())
        picture = (self.pool, self.orient, self.limit)
        self.stages: tuple[Stage, ...] = (*sensor, *cleaning, *picture)
        self.size: Size = (0, 0)
        self._active: list[Stage] = []
        self._geometry: object = None
        self._epoch = 0

    def lay(self, settings: FilterSettings, size: Size) -> bool:
        """Take over settings and the sensor's size; False where pixels are not what they were.

        State is kept where it fits what comes now.
        """
        for stage in self.stages:
            size = stage.lay(settings, size)
        self.size = size
        self.noise.lay(settings, size)
        self._active = [s for s in self.stages if s.active and s is not self.limit]
        if len(self._active) == 1:
            # There is nobody behind the first who would have to rely on it.
            self._active = []
        geometry = (self.crop.origin, self.pool.side, self.orient.turn, size)
        same, self._geometry = geometry == self._geometry, geometry
        return same

    @property
    def idle(self) -> bool:
        """Whether every stage is off: what comes in is what goes out."""
        return not (self._active or self.noise.active or self.limit.active)

    @property
    def longest_us(self) -> int:
        """The longest interval that ``run`` takes, in µs."""
        return min(LONGEST_US, self.noise.longest_us) if self.noise.active else LONGEST_US

    def reset(self, t_begin: int) -> None:
        """Forget everything but the hot pixels; the stream begins at ``t_begin`` µs."""
        self._epoch = t_begin
        for stage in self.stages:
            stage.reset()
        self.noise.reset(t_begin)

    def run(self, wire: Words, t_begin: int, t_end: int) -> Words:
        """Return what becomes of ``wire`` [n] int64, events of [t_begin, t_end), as a new array.

        The interval is no longer than ``longest_us`` and begins after the reset and after all
        before it.
        """
        span = Span(t_begin, t_end, self._clock(t_begin, t_end))
        added = self.noise.draw(t_begin, t_end) if self.noise.active else 0
        n = len(wire)
        words = np.empty(n + added, np.int64)
        words[:n] = wire
        for stage in self._active:
            left = stage.apply(words, n, span)
            stage.dropped += n - left
            n = left
        if added:
            n = self.noise.merge(words, n, t_begin, added)
        if self.limit.active:
            left = self.limit.apply(words, n, span)
            self.limit.dropped += n - left
            n = left
        return words[:n]

    def _clock(self, t_begin: int, t_end: int) -> int:
        """Return the chain's time at ``t_begin``; set the clock back before it overflows."""
        base = t_begin - self._epoch + DAWN
        if base + (t_end - t_begin) >= _CLOCK_END:
            by = base - DAWN
            for stage in self.stages:
                stage.age(by)
            self._epoch += by
            base = DAWN
        return base
