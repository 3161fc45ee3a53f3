"""The picture of the events: each pixel remembers its last event, which fades with its age.

A time surface (Lagorce et al., "HOTS", IEEE TPAMI 2017, eq. 2), shown as exp(-age / fade) between
the ground's colour and the polarity's. To take in events costs as much as there are events;
pixels are visited only when a picture is painted.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from pipeline.packets import EventPacket

Colour = tuple[int, int, int]

ON: Colour = (90, 200, 250)
OFF: Colour = (255, 110, 80)
GROUND: Colour = (16, 18, 24)

MAX_PIXELS = 2**25
"""A larger sensor is not drawn: its header is more likely a lie than a camera."""

_NEVER = -(2**61)
_STEPS = 256
_DARK = 6
"""After so many fade times an event is not seen any more: exp(-6) of 240 is less than 1."""


@numba.njit(cache=True, nogil=True)
def _mark(words, begin, span, stamps):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Note time and polarity of events ``words`` [n] i8 in ``stamps`` [H, W]; skip what is outside.

    ``begin`` is the packet's, in µs; no event is later than ``span`` µs after it.
    """
    height, width = stamps.shape
    for i in range(words.shape[0]):
        w = words[i]
        x = (w >> 32) & 0xFFFF
        y = (w >> 49) & 0x7FFF
        if x < width and y < height:
            t = begin + min(w & 0xFFFFFFFF, span)
            stamps[y, x] = t << 1 | ((w >> 48) & 1)


@numba.njit(cache=True, nogil=True)
def _paint(stamps, now, dark_us, palette, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Paint ``stamps`` [H, W] as they look at ``now`` µs into ``out`` [H, W] with ``palette``."""
    height, width = stamps.shape
    steps = palette.shape[1]
    ground = palette[0, steps - 1]
    per_us = np.float32(steps - 1) / np.float32(dark_us)
    for y in range(height):
        for x in range(width):
            stamp = stamps[y, x]
            age = now - (stamp >> 1)
            if age >= dark_us:
                out[y, x] = ground
            else:
                out[y, x] = palette[stamp & 1, int(np.float32(max(age, 0)) * per_us)]


def _palette(on: Colour, off: Colour, ground: Colour) -> NDArray[np.uint32]:
    """Return the colours ``[2, steps] u4`` of OFF and ON by age, from fresh to unseen."""
    share = np.exp(-np.linspace(0, _DARK, _STEPS))[:, None]
    share[-1] = 0
    tables = []
    for colour in (off, on):
        mixed = np.round(np.array(ground) + share * (np.array(colour) - np.array(ground)))
        red, green, blue = mixed.astype(np.uint32).T
        tables.append(0xFF000000 | red << 16 | green << 8 | blue)
    return np.array(tables, np.uint32)


def grey(pixels: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Return intensities ``[H, W]`` in [0, 1] as an image ``[H, W] u4``, each 0xFFRRGGBB."""
    level = np.round(pixels * np.float32(255)).astype(np.uint32)
    return np.uint32(0xFF000000) | level * np.uint32(0x010101)


class Canvas:
    """The picture of one sensor; its owner keeps threads apart."""

    def __init__(self, fade_ms: float, on: Colour = ON, off: Colour = OFF) -> None:
        self._dark_us = max(1, round(fade_ms * 1000 * _DARK))
        self._palette = _palette(on, off, GROUND)
        self._stamps: NDArray[np.int64] = np.full((1, 1), _NEVER, np.int64)
        self._begun = False
        self._epoch = self._now = 0

    @property
    def now_us(self) -> int:
        """The event time that the picture shows, in µs; 0 where there is none yet."""
        return self._now

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self._stamps.shape

    def forget(self) -> None:
        """Turn every pixel dark."""
        self._stamps.fill(_NEVER)
        self._begun = False

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
        # So no difference of times overflows, and after a long gap nothing would be seen anyway.
        if self._begun and not self._now <= head.t_end <= self._now + 2**40:
            self.forget()
        if not self._begun:
            self._begun = True
            self._epoch = head.t_begin
        # Kernels want their buffer aligned, which a frame off the wire need not be.
        words = np.require(packet.wire, requirements=["A"]).view(np.int64)
        _mark(words, head.t_begin - self._epoch, head.t_end - head.t_begin, self._stamps)
        self._now = head.t_end

    def paint(self, out: NDArray[np.uint32]) -> None:
        """Paint the picture of this moment into ``out`` ``[H, W] u4``, each 0xFFRRGGBB."""
        _paint(self._stamps, self._now - self._epoch, self._dark_us, self._palette, out)
