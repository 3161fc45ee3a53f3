"""What a long file has written goes on to the disk, and its pages are let go of.

Left alone the operating system keeps a file that grows in ever new pages of memory until a tenth of
all memory waits for the disk. A page that was used before costs a third of a new one to write to
(measured at 190 MB/s: 0.12 of a core for 0.32), and what others need stays in memory. Nothing here
makes the writer wait: where the disk is slow all is as if this were not here.
"""

from __future__ import annotations

import contextlib
import os
import threading

_STEP = 16 << 20
"""So many bytes are sent on their way at a time, when as many more have been written."""

_available = hasattr(os, "posix_fadvise")


class Behind:
    """Follows the file ``fd``, which grows, in threads of its own."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._begun = 0
        self._thread: threading.Thread | None = None

    def reached(self, size: int) -> None:
        """Take note that the file has ``size`` bytes."""
        if size - self._begun < _STEP or not _available:
            return
        if self._thread is not None and self._thread.is_alive():
            return
        # What cannot be had now, a descriptor or a thread, may be had the next time.
        with contextlib.suppress(OSError, RuntimeError), contextlib.ExitStack() as undo:
            # The file may be closed meanwhile, and its number another's.
            fd = os.dup(self._fd)
            undo.callback(os.close, fd)
            thread = threading.Thread(
                target=_let_go, args=(fd, self._begun, size), name="write-behind", daemon=True
            )
            thread.start()
            undo.pop_all()
            self._thread, self._begun = thread, size


def _let_go(fd: int, begin: int, end: int) -> None:
    """Send bytes ``begin`` to ``end`` on their way, and let go of what was sent before them."""
    # It is no more than advice.
    with contextlib.suppress(OSError):
        os.posix_fadvise(fd, begin, end - begin, os.POSIX_FADV_DONTNEED)
        if begin > _STEP:
            os.posix_fadvise(fd, 0, begin - _STEP, os.POSIX_FADV_DONTNEED)
    os.close(fd)
