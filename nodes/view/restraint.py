"""How often to paint: less often as long as others would like all the processor time there is.

What a viewer takes on processors that are wanted all the time is taken from what it watches.
Whether they are shows in how long the painting thread, whose priority is low, waits for its turns:
next to nothing where a processor is free, most of the time where none is. It then paints, and takes
packets, less often, until there is room again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

LEAST_FPS = 15
"""So many pictures a second are painted however much others want the processors."""

_EVERY_NS = 250_000_000
_CROWDED = 0.7
_ROOM = 0.5
_MOST_LEISURE_MS = 20
_SCHEDSTAT = Path("/proc/self/schedstat")


def turns() -> tuple[int, int] | None:
    """Return for how long the main thread has had the processor and waited for it, in ns.

    None where the system does not say (it is Linux that does).
    """
    try:
        ran, waited, _ = _SCHEDSTAT.read_text().split()
    except (OSError, ValueError):
        return None
    return int(ran), int(waited)


class Restraint:
    """Chooses how many pictures to paint a second, ``most_fps`` at most."""

    def __init__(self, most_fps: int, turns: Callable[[], tuple[int, int] | None] = turns) -> None:
        self.most_fps = most_fps
        self.fps = float(most_fps)
        self._least = float(min(LEAST_FPS, most_fps))
        self._turns = turns
        self._before = turns()
        self._due_ns = 0

    @property
    def interval_ms(self) -> int:
        """The time from one picture to the next."""
        return max(1, int(1000 / self.fps))

    def leisure_ms(self, usual_ms: int) -> int:
        """Return for how long what comes may wait, where it does for ``usual_ms`` otherwise."""
        return max(usual_ms, min(_MOST_LEISURE_MS, round(usual_ms * self.most_fps / self.fps)))

    def heed(self, now_ns: int) -> bool:
        """Look, now and then, how it is with the processors; True where the pace has changed."""
        if now_ns < self._due_ns:
            return False
        self._due_ns = now_ns + _EVERY_NS
        before, self._before = self._before, self._turns()
        if before is None or self._before is None:
            return False
        ran, waited = (after - b for after, b in zip(self._before, before, strict=True))
        share = waited / max(ran + waited, 1)
        fps = self.fps
        if share > _CROWDED:
            fps = max(self._least, 0.7 * fps)
        elif share < _ROOM:
            fps = min(float(self.most_fps), 1.3 * fps)
        changed, self.fps = fps != self.fps, fps
        return changed
