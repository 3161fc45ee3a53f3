"""Waiting in tests: for what another thread or process does, with a bound, and without a spin."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

BOUND_S = 60.0
"""Nothing in the tests takes longer, not on a loaded machine either, unless it hangs."""

_PAUSE_S = 0.002
"""Who spins takes from the one it waits for the core that it would run on."""


def until(
    what: Callable[[], object],
    work: Callable[[], object] | None = None,
    bound_s: float = BOUND_S,
) -> None:
    """Work, or rest, until something is true; fail where that takes longer than ``bound_s``."""
    end = time.monotonic() + bound_s
    pause = threading.Event()
    while not what():
        assert time.monotonic() < end, f"waited {bound_s:g} s in vain"
        if work is None:
            pause.wait(_PAUSE_S)
        else:
            work()
