"""Priority of a process that shows a window: it may wait, those who decide from events may not."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable

from pipeline.node import Node

_PAINTING = 10
_SLICE_NS = 5_000_000
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274, "riscv64": 274}
"""The system call's number, by machine."""


def give_way(nodes: Iterable[Node]) -> None:
    """Lower the priority of this thread, and of those that it begins from now on, where one of the
    process's nodes shows a window.

    It still gets a part of a processor that others would like to have for themselves, so that the
    window follows. Linux's idle policy (``SCHED_IDLE``) would not let it.
    """
    if any(node.needs_display for node in nodes):
        os.nice(_PAINTING)
        lengthen_slice(_SLICE_NS)


def lengthen_slice(slice_ns: int) -> bool:
    """Ask for turns of ``slice_ns`` on the processor; False where the system knows no such wish.

    Linux's scheduler (EEVDF, from 6.12 on) lets who wakes interrupt who has asked for longer turns
    than he has. With turns of the same length he waits for the end of that turn, or the next tick,
    4 ms, even for a process of low priority.
    """
    number = _SCHED_SETATTR.get(os.uname().machine)
    if not sys.platform.startswith("linux") or number is None:
        return False
    policy = os.sched_getscheduler(0)
    if policy not in (os.SCHED_OTHER, os.SCHED_BATCH):
        return False
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    # struct sched_attr: size, policy, flags; nice, priority; runtime, deadline, period.
    asked = struct.pack("=IIQiIQQQ", 48, policy, 0, nice, 0, slice_ns, 0, 0)
    libc = ctypes.CDLL(None)
    return bool(libc.syscall(ctypes.c_long(number), 0, asked, 0) == 0)
