"""The control table of Dynamixel's X series: addresses, units and what its numbers mean.

Source: Robotis's e-Manual, control table of the X series; MX servos with protocol 2 have the same.
"""

from __future__ import annotations

import math

UNITS_PER_DEG = 4096 / 360
DEG_S_PER_UNIT = 0.229 * 6
DEG_S2_PER_UNIT = 214.577 / 10
HIGHEST_ACCELERATION = 32767

# Address and length in bytes.
RETURN_DELAY = (9, 1)
DRIVE_MODE = (10, 1)
OPERATING_MODE = (11, 1)
VELOCITY_LIMIT = (44, 4)
MAX_POSITION = (48, 4)
MIN_POSITION = (52, 4)
TORQUE = (64, 1)
HARDWARE_ERROR = (70, 1)
TORQUE_TO_ERROR = (64, 7)
WATCHDOG = (98, 1)
PROFILE_ACCELERATION = (108, 4)
PROFILE_VELOCITY = (112, 4)
GOAL = (116, 4)
VELOCITY_AND_POSITION = (128, 8)
POSITION = (132, 4)

POSITION_MODE = 3
PROFILE_BY_TIME_OR_TORQUE_BY_GOAL = 0b1100
WATCHDOG_TRIPPED = 255
WATCHDOG_UNIT_MS = 20

FAULTS = {
    0: "a supply voltage out of range",
    2: "over-temperature",
    3: "a broken encoder",
    4: "an electrical shock or too little power",
    5: "overload",
}
REFUSALS = {
    1: "it could not carry it out",
    2: "it does not know the instruction",
    3: "the checksum that reached it was wrong",
    4: "the value is out of range",
    5: "the length is wrong",
    6: "the value is past a limit",
    7: "the entry cannot be written now",
}
MODELS = frozenset(
    {30, 311, 321, 1000, 1001, 1010, 1011, 1020, 1030, 1040, 1050, 1060, 1070, 1080, 1090, 1100}
    | {1101, 1110, 1111, 1120, 1130, 1140, 1150, 1160, 1170, 1180, 1190, 1200, 1210, 1220, 1230}
    | {1240, 1270, 1280, 1310, 1700}
)
"""Model numbers of servos with this control table (MX-28/64/106 with protocol 2, and X)."""


def fault(status: int) -> str:
    """Return a hardware error in words; empty where there is none."""
    known = [text for bit, text in FAULTS.items() if status & 1 << bit]
    return " and ".join(known) or (f"hardware error {status:#x}" if status else "")


def profile(limit: float, unit: float, most: int) -> int:
    """Return ``limit`` in units of a motion profile, rounded down; never 0, which is no limit."""
    return min(max(math.floor(limit / unit), 1), most)


def signed(value: int) -> int:
    """Return the 4-byte ``value`` read as a signed number."""
    return value - (1 << 32) if value >= 1 << 31 else value
