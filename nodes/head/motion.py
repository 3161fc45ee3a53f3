"""Moving a head from where it stands to a point, tick by tick within its limits."""

from __future__ import annotations

import time
from collections.abc import Callable

from nodes.head.guard import Guard
from nodes.head.head import AXES, Head, Limits
from pipeline.errors import DeviceError

_TICK_US = 10_000
_NEAR_DEG = 1.0
_SETTLE_S = 2.0


def never() -> bool:
    """Return False: nobody asks to stop."""
    return False


def glide(
    head: Head,
    limits: Limits,
    start: tuple[float, float],
    target: tuple[float, float],
    stop: Callable[[], bool] = never,
) -> bool:
    """Send ``head`` from ``start``, where it rests, to ``target``; False where stopped before.

    The status is polled all along. Raises DeviceError on a fault.
    """
    tick_us = max(_TICK_US, head.least_tick_us)
    guard = Guard(limits, tick_us, start)
    pan, tilt = (
        min(max(angle, least), most)
        for angle, (least, most) in zip(target, limits.spans, strict=True)
    )
    due = time.monotonic()
    while not stop():
        here = guard.step(pan, tilt)
        head.send(*here)
        head.poll()
        if guard.at_rest and max(abs(here[0] - pan), abs(here[1] - tilt)) < 1e-6:
            return True
        due = max(due + tick_us / 1e6, time.monotonic())
        time.sleep(max(due - time.monotonic(), 0.0))
    return False


def settle(head: Head, target: tuple[float, float], stop: Callable[[], bool] = never) -> None:
    """Wait until ``head`` stands at ``target``, or raise DeviceError after two seconds."""
    end = time.monotonic() + _SETTLE_S
    while not stop():
        here = head.position()
        off = [abs(is_at - ought) for is_at, ought in zip(here, target, strict=True)]
        if max(off) <= _NEAR_DEG:
            return
        if time.monotonic() > end:
            axis = off.index(max(off))
            raise DeviceError(
                f"{head.name}: {AXES[axis]} stands at {here[axis]:.1f}° and does not reach "
                f"{target[axis]:g}°; is it blocked?"
            )
        time.sleep(_TICK_US / 1e6)
