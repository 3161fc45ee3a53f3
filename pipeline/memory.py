"""Keeps freed memory at hand: a fresh page costs more than the events that are put into it."""

from __future__ import annotations

import ctypes
import sys

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
        libc.mallopt(_M_MMAP_THRESHOLD, 1 << 28)
        libc.mallopt(_M_TRIM_THRESHOLD, 1 << 27)
