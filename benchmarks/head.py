"""How late commands leave for a pan-tilt head on a pseudo-terminal, at ticks of 2 ms.

A path of saccade-like swings is sent to simulated servos in a process of their own, which answer
every question about their status meanwhile. Lateness is from the time that the trajectory gives
a command to the end of its writing; a tick that was missed counts with the lateness of the
command that came in its place. Measured with real-time scheduling, where the system grants it,
and without; what else runs on the machine shows in the second.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Row, row
from nodes.head.drive import Driver, Jitter
from nodes.head.dynamixel import Dynamixel, DynamixelSettings
from nodes.head.head import Head, Limits
from nodes.head.hobby import Hobby, HobbySettings
from pipeline.errors import DeviceError

_TICK_US = 2000


def rows(*, quick: bool = False) -> list[Row]:
    """Measure paths of 10 s, three runs each; ``quick`` measures 3 s once."""
    duration_us, runs = (3_000_000, 1) if quick else (10_000_000, 3)
    found = []
    for kind in ("dynamixel", "hobby"):
        for hurry in (True, False):
            jitters = [_once(kind, duration_us, hurry) for _ in range(runs)]
            granted = all(jitter.realtime for jitter in jitters)
            how = "real-time" if granted else "real-time refused" if hurry else "ordinary"
            name = f"{kind}, {how} scheduling"
            found += [
                row(f"{name}, lateness p50", "ms", [jitter.p50_ms for jitter in jitters]),
                row(f"{name}, lateness p99", "ms", [jitter.p99_ms for jitter in jitters]),
                row(f"{name}, lateness max", "ms", [jitter.max_ms for jitter in jitters]),
                row(f"{name}, ticks missed", "", [float(jitter.missed) for jitter in jitters]),
            ]
    return found


def _once(kind: str, duration_us: int, hurry: bool) -> Jitter:
    command = [sys.executable, "-m", "nodes.head.simulated", kind]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as far_end:
        if far_end.stdout is None:
            raise DeviceError("bench head: the simulated head says nothing")
        port = far_end.stdout.readline().strip()
        limits = Limits()
        head: Head = (
            Dynamixel(DynamixelSettings(port=port), limits)
            if kind == "dynamixel"
            else Hobby(HobbySettings(port=port), limits)
        )
        driver = Driver(head, limits, _swings, duration_us, _TICK_US, hurry=hurry)
        with closing(driver.run()) as run:
            n = sum(1 for _ in run)
        assert n == driver.jitter.commands
        far_end.communicate()
    return driver.jitter


def _swings(t_us: NDArray[np.int64]) -> NDArray[np.float64]:
    phase = 2 * np.pi * 2.0 * t_us / 1e6
    return np.stack([8 * np.sin(phase), 3 * (1 - np.cos(phase))], axis=1)
