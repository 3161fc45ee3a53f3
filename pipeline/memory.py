"""Memory of a node process: what is freed stays at hand, what stays is not searched for garbage."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import sys
from pathlib import Path

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3


def keep_freed_memory() -> None:
    """Tell glibc's allocator to reuse buffers of packet size instead of returning them.

    Without this every packet over 128 KiB is mapped, faulted in page by page and unmapped again,
    which costs several ns an event. Does nothing where there is no glibc.
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        # 32 MiB is the most that glibc accepts for this one.
        libc.mallopt(_M_MMAP_THRESHOLD, 1 << 25)
        libc.mallopt(_M_TRIM_THRESHOLD, 1 << 27)


def spare_collector() -> None:
    """Exempt everything that exists from garbage collection, and collect less often.

    A node makes many small objects, none of them in cycles; the collector would search every
    imported module for garbage again and again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def resident_bytes() -> int:
    """Return how much memory of the machine this process holds."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")
