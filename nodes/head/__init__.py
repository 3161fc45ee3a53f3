"""The pan-tilt head that moves a real silicon retina: servos, limits and timed commands."""

from __future__ import annotations

from nodes.head.guard import Guard, refuse
from nodes.head.head import Head, Limits

__all__ = ["Guard", "Head", "Limits", "refuse"]
