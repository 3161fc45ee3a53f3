"""The pan-tilt head that moves a real silicon retina: servos, limits and timed commands."""

from __future__ import annotations

from nodes.head.drive import Driver, Jitter
from nodes.head.dynamixel import Dynamixel, DynamixelSettings
from nodes.head.guard import Guard, refuse
from nodes.head.head import Head, Limits
from nodes.head.hobby import Hobby, HobbySettings

__all__ = [
    "Driver",
    "Dynamixel",
    "DynamixelSettings",
    "Guard",
    "Head",
    "Hobby",
    "HobbySettings",
    "Jitter",
    "Limits",
    "refuse",
]
