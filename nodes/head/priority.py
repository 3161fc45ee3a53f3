"""Real-time scheduling for the time in which commands must leave on time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def realtime(wanted: bool = True) -> Iterator[bool]:
    """Let this thread run before all ordinary ones; yields whether the system allows it.

    It does for root, with CAP_SYS_NICE, or where limits.conf gives the user an ``rtprio``. The
    lowest real-time priority is enough and leaves other real-time work its place. What the
    thread starts does not inherit it.
    """
    if not wanted:
        yield False
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        lowest = os.sched_param(os.sched_get_priority_min(os.SCHED_RR))
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, lowest)
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        # Not where the system has taken the right away since: then nothing can be changed back.
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, policy, parameters)
