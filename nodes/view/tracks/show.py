"""The ways in which events can be shown, and their limits. Light: any process may load it."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from nodes.view.palette import DEFAULT, PALETTES, Inks, Scheme

Mode = Literal["decay", "surface", "count", "last-n", "last-t"]

MODES: dict[str, str] = {
    "decay": "ON and OFF, each pixel's last event fading with its age",
    "surface": "time surface: the age of each pixel's last event",
    "count": "count: how many events each pixel has had within the accumulation time",
    "last-n": "the last N events, however long they took",
    "last-t": "the events of the accumulation time, without fading",
}
assert tuple(MODES) == get_args(Mode)

MAX_PIXELS = 2**25
"""A larger sensor is not drawn: its header is more likely a lie than a camera."""

MOST_RECENT = 2**22
"""A ring holds no more events than that, 12 bytes each."""


class Show(NamedTuple):
    """How events are shown.

    ``fade_ms`` is the time constant of ``decay``, ``span_ms`` the accumulation time of ``surface``,
    ``count`` and ``last-t``, both event time; ``last_n`` the number of events of ``last-n``.
    """

    mode: Mode = "decay"
    fade_ms: float = 30.0
    span_ms: float = 33.0
    last_n: int = 20_000
    palette: str = DEFAULT
    scheme: Scheme = "dark"

    @property
    def inks(self) -> Inks:
        """The colours of ON, OFF and the ground."""
        return PALETTES[self.palette].inks(self.scheme)

    @property
    def words(self) -> str:
        """What the picture shows, in a few words with units."""
        return {
            "decay": f"fade {self.fade_ms:g} ms",
            "surface": f"age up to {self.span_ms:g} ms",
            "count": f"count in {self.span_ms:g} ms",
            "last-n": f"last {self.last_n:,} events",
            "last-t": f"last {self.span_ms:g} ms",
        }[self.mode]
