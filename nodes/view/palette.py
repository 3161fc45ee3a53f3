"""Colours of ON and OFF events that people with any common colour blindness tell apart.

Every palette has a dark and a light version; the tests hold each pair, simulated for protanopia,
deuteranopia and tritanopia, to a distance that is seen at a glance. Without Qt: pictures are also
drawn where there is no screen.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Colour = tuple[int, int, int]
"""Red, green and blue, each 0 to 255."""

Scheme = Literal["dark", "light"]


class Inks(NamedTuple):
    """The colours that a picture of events is painted with."""

    on: Colour
    off: Colour
    ground: Colour


class Palette(NamedTuple):
    """A named pair of colours, on a dark and on a light ground."""

    name: str
    title: str
    dark: Inks
    light: Inks

    def inks(self, scheme: Scheme) -> Inks:
        """Return the colours for a dark or a light window."""
        return self.dark if scheme == "dark" else self.light


_NIGHT: Colour = (16, 18, 24)
_PAPER: Colour = (252, 252, 253)
_GREY: Colour = (122, 124, 130)

PALETTES: dict[str, Palette] = {
    palette.name: palette
    for palette in (
        Palette(
            "blue-orange",
            "blue and orange",
            Inks((84, 184, 255), (255, 140, 58), _NIGHT),
            Inks((0, 90, 200), (206, 92, 0), _PAPER),
        ),
        Palette(
            "blue-red",
            "blue and red, as in print",
            Inks((90, 170, 255), (255, 92, 84), _NIGHT),
            Inks((20, 60, 220), (214, 30, 30), _PAPER),
        ),
        Palette(
            "green-magenta",
            "green and magenta",
            Inks((120, 220, 90), (232, 90, 240), _NIGHT),
            Inks((20, 130, 40), (170, 30, 180), _PAPER),
        ),
        Palette(
            "yellow-violet",
            "yellow and violet",
            Inks((255, 222, 70), (150, 110, 255), _NIGHT),
            Inks((178, 128, 0), (88, 40, 190), _PAPER),
        ),
        Palette(
            "white-black",
            "white and black on grey",
            Inks((255, 255, 255), (0, 0, 0), _GREY),
            Inks((255, 255, 255), (0, 0, 0), _GREY),
        ),
    )
}
"""Every palette under its name; the first is the viewer's own."""

DEFAULT = "blue-orange"

AGES: tuple[Colour, ...] = (
    (252, 253, 191),
    (254, 176, 120),
    (241, 96, 93),
    (183, 55, 121),
    (114, 31, 129),
    (45, 17, 96),
)
"""From fresh to old, ever darker: the order is seen without any colour at all."""


def ages(scheme: Scheme) -> tuple[Colour, ...]:
    """Return colours from fresh to old, fading towards the ground of ``scheme``."""
    return AGES if scheme == "dark" else AGES[::-1]
