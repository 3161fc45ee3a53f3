"""Which host this is: monotonic times can be compared within one boot of one host only."""

from __future__ import annotations

import functools
import socket
from pathlib import Path


@functools.cache
def host_id() -> str:
    """Return a name for this boot of this host."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return socket.gethostname()
