"""A pseudo-terminal whose far end is played by a thread."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import tty
from types import TracebackType
from typing import Self

_IDLE_S = 0.005


class Terminal:
    """Serves what comes through a pseudo-terminal; a subclass says how, in ``take``.

    A context manager: ``path`` is the port to open while it runs.
    """

    def __init__(self) -> None:
        self._master, self._slave = os.openpty()
        # Raw, and open at this end as well: a client that goes takes nothing with it.
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self.lock = threading.Lock()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="pty", daemon=True)
        self.error: BaseException | None = None

    def take(self, data: bytes) -> bytes:
        """Return the answer to ``data`` (empty: time passes); called with the lock held."""
        raise NotImplementedError

    def vanish(self) -> None:
        """Pull the plug: the port is gone for whoever has it open."""
        self._ends.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join()
        for fd in (self._master, self._slave):
            with contextlib.suppress(OSError):
                os.close(fd)
        self._master = self._slave = -1

    def serve(self) -> None:
        """Serve in this thread until the process ends."""
        self._serve()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._master >= 0:
            self.vanish()
        if self.error is not None:
            raise self.error

    def _serve(self) -> None:
        try:
            while not self._ends.is_set():
                ready = select.select([self._master], [], [], _IDLE_S)[0]
                data = os.read(self._master, 4096) if ready else b""
                with self.lock:
                    answer = self.take(data)
                if answer:
                    os.write(self._master, answer)
        except BaseException as error:
            self.error = error
