"""What a pan-tilt head must do, and how far it may go.

Angles are degrees, pan to the right and tilt upwards positive, (0, 0) is the head's home.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Protocol

from pipeline import Meta, Settings


class Limits(Settings):
    """How far, how fast and with what acceleration each axis may be moved."""

    pan_min_deg: Annotated[float, Meta(ge=-180, le=0, description="leftmost pan")] = -45.0
    pan_max_deg: Annotated[float, Meta(ge=0, le=180, description="rightmost pan")] = 45.0
    tilt_min_deg: Annotated[float, Meta(ge=-180, le=0, description="lowest tilt")] = -30.0
    tilt_max_deg: Annotated[float, Meta(ge=0, le=180, description="highest tilt")] = 30.0
    speed_deg_s: Annotated[
        float, Meta(gt=0, le=10_000, description="highest speed of an axis in °/s")
    ] = 200.0
    acceleration_deg_s2: Annotated[
        float, Meta(gt=0, le=1_000_000, description="highest acceleration of an axis in °/s²")
    ] = 10_000.0

    @property
    def spans(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return (least, most) degrees of pan and of tilt."""
        return (self.pan_min_deg, self.pan_max_deg), (self.tilt_min_deg, self.tilt_max_deg)


AXES = ("pan", "tilt")


class Head(Protocol):
    """Two servos under one name; every method raises DeviceError, one line, where they fail."""

    @property
    def name(self) -> str:
        """What error messages call it, e.g. the port."""
        ...

    @property
    def least_tick_us(self) -> int:
        """The shortest time between two commands that the line can carry, in µs."""
        ...

    @property
    def hold_note(self) -> str:
        """What the head does by itself when nothing reaches it any more; ends a message."""
        ...

    def open(self) -> None:
        """Open the port, find the servos, set their limits and let them hold where they stand."""
        ...

    def home(self, stop: Callable[[], bool] = ...) -> None:
        """Move to (0, 0) within the limits and wait until it is there, a bounded time.

        Returns at once, wherever the head is, when ``stop`` says so.
        """
        ...

    def send(self, pan_deg: float, tilt_deg: float) -> tuple[float, float]:
        """Command angles, without waiting; return them as rounded to what the servo takes."""
        ...

    def position(self) -> tuple[float, float]:
        """Ask where the head points: (pan, tilt)."""
        ...

    def check(self) -> None:
        """Ask for the status and wait for it; raises on overload, heat, voltage, no answer."""
        ...

    def poll(self) -> None:
        """Like ``check``, in pieces that never wait: asks, or takes what has come by now."""
        ...

    def stop(self) -> None:
        """Bring the head to rest, safely; may be called in any state, also after a fault."""
        ...

    def close(self) -> None:
        """Give the port back; the head keeps the state that ``stop`` left it in."""
        ...
