"""What the viewer shows, without Qt: a fading picture of events, opinions, rates.

The picture is drawn from two time surfaces (Lagorce et al., "HOTS", IEEE TPAMI 2017, eq. 2): for
each pixel and polarity the time of the last event, shown as exp(-age / fade).
"""

from __future__ import annotations

import threading
from collections import deque
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from pipeline.packets import EventPacket, PredictionPacket

ON = (90, 200, 250)
OFF = (255, 110, 80)
GROUND = (16, 18, 24)
_NEVER = -(2**62)
_RATE_NS = 500_000_000
_HISTORY = 40
_FADE_STEPS = 256


class Opinion(NamedTuple):
    """What the network says: ``counts`` [n_classes] since the window began, ``ms`` ago."""

    classes: tuple[int, ...]
    counts: NDArray[np.int64]
    answer: int
    label: int | None
    sample: str | None
    ms: float
    window_ms: float
    final: bool


class Rates(NamedTuple):
    """Events and packets a second of wall time, and events/s over the last 20 s."""

    events: float
    packets: float
    history: list[float]


@numba.njit(cache=True, nogil=True)
def _mark(wire, t_begin, surface):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Note the time of every event in ``surface`` [2, H, W]; skip what lies outside."""
    height, width = surface.shape[1:]
    for i in range(wire.shape[0]):
        w = wire[i]
        x = (w >> 32) & 0xFFFF
        y = (w >> 49) & 0x7FFF
        if x < width and y < height:
            surface[(w >> 48) & 1, y, x] = t_begin + (w & 0xFFFFFFFF)


@numba.njit(cache=True, nogil=True)
def _paint(surface, now, fade_us, ramp, off, on, ground, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Mix ground and the younger polarity's colour by age into ``out`` [H, W, 3]."""
    height, width = surface.shape[1:]
    last = ramp.shape[0] - 1
    for y in range(height):
        for x in range(width):
            polarity = 1 if surface[1, y, x] >= surface[0, y, x] else 0
            age = min(max(now - surface[polarity, y, x], 0), 8 * fade_us)
            share = ramp[min(age * 32 // fade_us, last)]
            for c in range(3):
                colour = on[c] if polarity else off[c]
                out[y, x, c] = np.uint8(ground[c] + share * (colour - ground[c]))


class Scene:
    """The viewer's state; fed by one thread, looked at by another."""

    def __init__(self, fade_ms: float = 30.0) -> None:
        self._lock = threading.Lock()
        self._fade_us = max(1, round(fade_ms * 1000))
        self._ramp = np.exp(-np.arange(_FADE_STEPS) / 32).astype(np.float32)
        self._ramp[-1] = 0.0
        self._surface = np.full((2, 34, 34), _NEVER, np.int64)
        self._picture = np.zeros((34, 34, 3), np.uint8)
        self._now_us = 0
        self._events = self._packets = 0
        self._rate_since: int | None = None
        self._rates = (0.0, 0.0)
        self._history: deque[float] = deque([0.0] * _HISTORY, _HISTORY)
        self.opinion: Opinion | None = None
        self.right = self.answered = 0
        self.version = 0
        """Grows with everything that changes the picture or the words."""
        # Compiles here what would else delay the first packet.
        self._mark(np.frombuffer(b"", np.int64), 0)
        self.picture()

    def _mark(self, words: NDArray[np.int64], t_begin: int) -> None:
        _mark(words, t_begin, self._surface)

    def forget(self) -> None:
        """Forget the picture and the open window's opinions, not the rates."""
        with self._lock:
            self._surface.fill(_NEVER)
            self.opinion = None
            self.version += 1

    def add_events(self, packet: EventPacket, wall_ns: int) -> None:
        """Draw a packet; ``wall_ns`` is the monotonic time of its arrival."""
        head = packet.header
        wire = packet.wire
        words = np.require(wire, requirements=["A"]).view(np.int64)
        with self._lock:
            if self._surface.shape[1:] != (head.height, head.width):
                self._surface = np.full((2, head.height, head.width), _NEVER, np.int64)
                self._picture = np.zeros((head.height, head.width, 3), np.uint8)
            self._mark(words, head.t_begin)
            self._now_us = head.t_end
            self._events += head.n
            self._packets += 1
            self._measure(wall_ns)
            self.version += 1

    def add_prediction(self, packet: PredictionPacket) -> None:
        """Take note of an opinion; final ones are held against the label."""
        head = packet.header
        ms = (head.t_end - head.t_begin) / 1000
        with self._lock:
            self.opinion = Opinion(
                head.classes,
                packet.counts.copy(),
                head.answer,
                head.label,
                head.sample,
                ms,
                head.window_us / 1000,
                head.final,
            )
            if head.final and head.label is not None:
                self.answered += 1
                self.right += head.answer == head.label
            self.version += 1

    def _measure(self, wall_ns: int) -> None:
        if self._rate_since is None:
            self._rate_since = wall_ns
        span = wall_ns - self._rate_since
        if span >= _RATE_NS:
            self._rates = (self._events * 1e9 / span, self._packets * 1e9 / span)
            self._history.append(self._rates[0])
            self._events = self._packets = 0
            self._rate_since = wall_ns

    def rates(self) -> Rates:
        """Return the rates of the last half second."""
        with self._lock:
            return Rates(*self._rates, list(self._history))

    def picture(self) -> NDArray[np.uint8]:
        """Return the picture of this moment of event time, ``[H, W, 3] u1`` RGB."""
        with self._lock:
            _paint(
                self._surface,
                self._now_us,
                self._fade_us,
                self._ramp,
                np.array(OFF, np.float32),
                np.array(ON, np.float32),
                np.array(GROUND, np.float32),
                self._picture,
            )
            return self._picture.copy()
