"""Where the retina has been pointed: the path of the last second."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from pipeline.packets import GazePacket

SPAN_US = 1_000_000
_MOST_SAMPLES = 20_000


class Gaze:
    """Keeps the path of the gaze; ``version`` grows with each packet. Its owner keeps threads
    apart.
    """

    def __init__(self) -> None:
        self.version = 0
        self._parts: deque[NDArray[np.void]] = deque()
        self._n = 0

    def forget(self) -> None:
        """Forget the path."""
        self._parts.clear()
        self._n = 0
        self.version += 1

    def add(self, packet: GazePacket) -> None:
        """Take in a packet; where time jumps back, begin anew."""
        gaze = packet.gaze
        self.version += 1
        if not len(gaze):
            return
        if self._parts and gaze["t"][0] < self._parts[-1]["t"][0]:
            self._parts.clear()
            self._n = 0
        self._parts.append(gaze)
        self._n += len(gaze)
        since = int(gaze["t"][-1]) - SPAN_US
        while len(self._parts) > 1 and (
            int(self._parts[0]["t"][-1]) < since or self._n > _MOST_SAMPLES
        ):
            self._n -= len(self._parts.popleft())

    def path(self) -> NDArray[np.float32]:
        """Return the path ``[n, 2] f4``, pixels right and down, newest last; finite alone."""
        if not self._parts:
            return np.zeros((0, 2), np.float32)
        gaze = np.concatenate(list(self._parts))
        # A stream may say any time at all, also one that nothing can be earlier than.
        since = max(int(gaze["t"][-1]) - SPAN_US, -(2**63))
        gaze = gaze[gaze["t"] >= since]
        path = np.stack([gaze["x"], gaze["y"]], 1)
        finite: NDArray[np.float32] = path[np.isfinite(path).all(1)]
        return finite
