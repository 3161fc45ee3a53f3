"""Cores, memory and disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from nodes.doctor.finding import Finding

_GIB = 2**30
_MB_S = 192
"""A camera at 12 million events a second, 16 bytes each, in MB/s."""


def cores(count: int | None = None) -> Finding:
    """Look at how many cores this process may use."""
    n = count if count is not None else len(os.sched_getaffinity(0))
    if n >= 2:
        return Finding("cores", "ok", str(n))
    return Finding("cores", "note", "1: each node is a process, a graph wants two or more")


def memory(root: Path) -> Finding:
    """Look at the memory that is free."""
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError, IndexError):
        return Finding("memory", "note", "cannot be told")
    gib = free * 1024 / _GIB
    if gib >= 2:
        return Finding("memory", "ok", f"{gib:.1f} GiB free")
    return Finding("memory", "note", f"{gib:.1f} GiB free: a graph with PyTorch wants 2")


def disk(folder: Path, free_bytes: int | None = None) -> Finding:
    """Look at the disk that recordings made here would go to."""
    free = shutil.disk_usage(folder).free if free_bytes is None else free_bytes
    gib, seconds = free / _GIB, free / (_MB_S * 1e6)
    text = f"{gib:.1f} GiB free at {folder}: {seconds / 60:.0f} min of a camera at its fastest"
    if not os.access(folder, os.W_OK):
        return Finding("disk", "note", f"{folder} is read-only: record elsewhere")
    if gib < 1:
        return Finding("disk", "wrong", text, f"du -xh {folder} | sort -h | tail -20")
    return Finding("disk", "ok", text)
