"""Reading on in a file that still grows, as far and as long as one is asked to."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Follow:
    """How a file is followed: at its end, wait for more of it.

    stop       tells that it is enough; asked before each look
    silence_s  it is enough, too, when the file has not grown for so long (None: wait on)
    look_s     between two looks at the file, in s
    pause      waits so many seconds; a test puts its own in
    clock      seconds of wall time
    """

    stop: Callable[[], bool] = _never
    silence_s: float | None = None
    look_s: float = 0.02
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def more(self, size: Callable[[], int], at: int) -> bool:
        """Wait until the file has more than ``at`` bytes; False: it is enough.

        ``size`` returns how many bytes the file has.
        """
        begin = self.clock()
        while size() <= at:
            if self.stop():
                return False
            left = self.look_s
            if self.silence_s is not None:
                left = min(left, begin + self.silence_s - self.clock())
                if left <= 0:
                    return False
            self.pause(left)
        return True
