"""The picture of the events: what is kept of them, and the ways in which it is shown.

Each pixel remembers its last event: a time surface (Lagorce et al., "HOTS", IEEE TPAMI 2017,
eq. 2). ``decay`` shows it as exp(-age / fade) between the ground's colour and the polarity's,
``surface`` its age alone, ``last-t`` whatever is younger than the accumulation time. ``count`` and
``last-n`` need a ring of the last events besides, kept only while they are shown. To take in
events costs as much as there are events; pixels are visited only when a picture is painted, and
what it shows depends on event time alone, not on how often that is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nodes.view.palette import Colour, Inks, ages
from nodes.view.tracks import kernels
from nodes.view.tracks.ring import Recent, Ring
from nodes.view.tracks.show import MAX_PIXELS, Show
from pipeline.packets import EventPacket

_NEVER = -(2**61)
_STEPS = 256
_DARK = 6
"""After so many fade times an event is not seen any more: exp(-6) of 240 is less than 1."""


def packed(colours: NDArray[np.float64]) -> NDArray[np.uint32]:
    """Return ``colours`` [n, 3], red, green and blue of 0 to 255, as [n] u4, each 0xFFRRGGBB."""
    weights = np.array([1 << 16, 1 << 8, 1], np.int64)
    return (0xFF000000 + np.round(colours).astype(np.int64) @ weights).astype(np.uint32)


def _mixes(colour: Colour, ground: Colour, share: NDArray[np.float64]) -> NDArray[np.uint32]:
    below, above = np.array(ground, float), np.array(colour, float)
    return packed(below + share[:, None] * (above - below))


def _table(show: Show) -> NDArray[np.uint32]:
    """Return the colours ``[2, steps] u4`` of OFF and ON by age, from fresh to unseen."""
    on, off, ground = show.inks
    if show.mode == "surface":
        stops = np.array(ages(show.scheme), float)
        at = np.linspace(0, 1, len(stops))
        where = np.linspace(0, 1, _STEPS)
        row = packed(np.stack([np.interp(where, at, stops[:, k]) for k in range(3)], 1))
        row[-1] = packed(np.array([ground], float))[0]
        return np.stack([row, row])
    share = np.ones(_STEPS) if show.mode == "last-t" else np.exp(-np.linspace(0, _DARK, _STEPS))
    share[-1] = 0
    return np.stack([_mixes(colour, ground, share) for colour in (off, on)])


class Counter:
    """Paints counts of events, so bright that most are told apart; brightness follows slowly."""

    _STRENGTHS, _SHARES = 64, 17

    def __init__(self, inks: Inks) -> None:
        off, on, ground = (np.array(ink, float) for ink in (inks.off, inks.on, inks.ground))
        # A single event must be seen beside many: strength begins at a fifth.
        strength = np.linspace(0.2, 1, self._STRENGTHS)[:, None, None]
        share = np.linspace(0, 1, self._SHARES)[None, :, None]
        mixed = ground + strength * (off + share * (on - off) - ground)
        self._table = packed(mixed.reshape(-1, 3)).reshape(self._STRENGTHS, self._SHARES)
        self._ground = packed(ground[None])[0]
        self._full = 2.0

    def paint(self, counts: NDArray[np.int32], shrink: int, out: NDArray[np.uint32]) -> None:
        """Paint ``counts`` [H, W, 2] of OFF and ON into ``out`` u4, each 0xFFRRGGBB."""
        full = self._full
        mean = kernels.paint_counts(counts, shrink, full, self._table, self._ground, out)
        # Followed slowly, so that brightness does not flicker with the rate.
        if mean:
            self._full = max(1.0, full + 0.2 * (2 * mean - full))


def grey(pixels: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Return intensities ``[H, W]`` in [0, 1] as an image ``[H, W] u4``, each 0xFFRRGGBB."""
    level = np.round(pixels * np.float32(255)).astype(np.uint32)
    return np.uint32(0xFF000000) | level * np.uint32(0x010101)


class Canvas:
    """The picture of one sensor; its owner keeps threads apart."""

    def __init__(self, show: Show | None = None) -> None:
        self._stamps: NDArray[np.int64] = np.full((1, 1), _NEVER, np.int64)
        self._small = self._stamps
        self._ring: Ring | None = None
        self._single: Ring | None = None
        self._begun = False
        self._epoch = self._now = 0
        self.set(show or Show())

    @property
    def show(self) -> Show:
        """How events are shown."""
        return self._show

    @property
    def now_us(self) -> int:
        """The event time that the picture shows, in µs; 0 where there is none yet."""
        return self._now

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self._stamps.shape

    def set(self, show: Show) -> None:
        """Show events in another way from now on; what is kept already is shown so at once."""
        self._show = show
        self._table = _table(show)
        fade = show.mode == "decay"
        self._dark_us = max(1, round(1000 * (show.fade_ms * _DARK if fade else show.span_ms)))
        on, off, ground = show.inks
        self._packed = packed(np.array([off, on, ground], float))
        self._counter = Counter(show.inks)
        last_n = show.last_n if show.mode == "last-n" else None
        if show.mode not in ("count", "last-n"):
            self._ring = None
        elif self._ring is None or (self._ring.last_n, self._ring.span_us) != (
            last_n,
            self._dark_us,
        ):
            self._ring = Ring(self.shape, self._dark_us, last_n)

    def want_recent(self, span_us: int) -> None:
        """Keep the events of the last ``span_us`` for ``recent``; 0: no longer."""
        if not span_us:
            self._single = None
        elif self._single is None or self._single.span_us != span_us:
            self._single = Ring(self.shape, span_us)

    def recent(self, most: int) -> Recent | None:
        """Return the events that are kept, evenly thinned to ``most``; None where none are."""
        single = self._single
        return None if single is None else single.recent(self._now - self._epoch, most)

    def _rings(self) -> list[Ring]:
        return [ring for ring in (self._ring, self._single) if ring is not None]

    def forget(self) -> None:
        """Turn every pixel dark."""
        self._stamps.fill(_NEVER)
        self._begun = False
        for ring in self._rings():
            ring.forget()

    def add(self, packet: EventPacket) -> None:
        """Take in a packet's events; where time or the sensor jump, begin anew.

        Events outside the sensor are left out, those that claim to lie after the packet's end
        count as its last. A sensor of more than ``MAX_PIXELS`` leaves the picture as it is.
        """
        head = packet.header
        if head.width * head.height > MAX_PIXELS:
            return
        if self._stamps.shape != (head.height, head.width):
            self._stamps = np.full((head.height, head.width), _NEVER, np.int64)
            self._begun = False
            for ring in self._rings():
                ring.resize(self.shape)
        # So no difference of times overflows, and after a long gap nothing would be seen anyway.
        if self._begun and not self._now <= head.t_end <= self._now + 2**40:
            self.forget()
        if not self._begun:
            self._begun = True
            self._epoch = head.t_begin
        # Kernels want their buffer aligned, which a frame off the wire need not be.
        words = np.require(packet.wire, requirements=["A"]).view(np.int64)
        begin, span = head.t_begin - self._epoch, head.t_end - head.t_begin
        kernels.mark(words, begin, span, self._stamps)
        for ring in self._rings():
            ring.add(words, begin, span)
        self._now = head.t_end

    def shape_at(self, shrink: int) -> tuple[int, int]:
        """Return height and width of a picture whose pixels stand for ``shrink`` × ``shrink``."""
        height, width = self._stamps.shape
        return -(-height // shrink), -(-width // shrink)

    def paint(self, out: NDArray[np.uint32], shrink: int = 1) -> None:
        """Paint the picture of this moment into ``out`` [H, W] u4, each 0xFFRRGGBB.

        ``out`` has the shape ``shape_at(shrink)``. Where the screen has fewer pixels than the
        sensor, a picture that is shrunk here keeps events that would else fall between them.
        """
        now, ring = self._now - self._epoch, self._ring
        if ring is not None and ring.last_n is None:
            ring.expire(now)
            self._counter.paint(ring.counts, shrink, out)
            return
        if ring is not None:
            kernels.paint_last(self._stamps, ring.counts, shrink, self._packed, out)
            return
        stamps = self._stamps
        if shrink > 1:
            if self._small.shape != out.shape:
                self._small = np.empty(out.shape, np.int64)
            kernels.newest(stamps, shrink, self._small)
            stamps = self._small
        kernels.paint_ages(stamps, now, self._dark_us, self._table, out)
