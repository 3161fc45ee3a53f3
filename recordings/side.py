"""What a recording may hold beside its events: frames, IMU samples and triggers.

Their times are the file's own, in µs, as its events' are before the policy looks at them.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FRAMES, IMU_SAMPLES, TRIGGERS = "frames", "imu", "triggers"
"""The names of what there may be."""

IMU = np.dtype(
    [
        ("t", "<i8"),
        ("temperature", "<f4"),
        ("acceleration", "<f4", (3,)),
        ("rotation", "<f4", (3,)),
        ("magnetic", "<f4", (3,)),
    ]
)
"""A sample: time in µs, °C, and along x, y, z: g (9.81 m/s²), °/s, µT; zero what it has not."""

TRIGGER = np.dtype([("t", "<i8"), ("kind", "u1"), ("channel", "u1")])
"""A trigger: time in µs, a ``TriggerKind``, and the input's number where there are several."""


class TriggerKind(IntEnum):
    """What a trigger says, numbered as in AEDAT4."""

    RESET = 0
    RISING = 1
    FALLING = 2
    PULSE = 3
    GENERATOR_RISING = 4
    GENERATOR_FALLING = 5
    FRAME_BEGIN = 6
    FRAME_END = 7
    EXPOSURE_BEGIN = 8
    EXPOSURE_END = 9


class Frame(NamedTuple):
    """An image.

    t_begin, t_end  its exposure in µs, or its read-out where the file tells no exposure
    pixels          u1 ``[H, W, C]``, C 1 (grey), 3 (blue, green, red) or 4 (and alpha)
    x, y            where on the sensor its upper left corner lies, in pixels
    """

    t_begin: int
    t_end: int
    pixels: NDArray[np.uint8]
    x: int = 0
    y: int = 0


Samples = NDArray[np.void]
"""An array ``[n]`` of dtype IMU or TRIGGER."""
