"""A connection to a DV server that never blocks: every wait is short and can be broken off."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from collections.abc import Callable

from nodes.dv.address import Address
from pipeline.errors import DeviceError

SLICE_MS = 20
"""The longest wait after which the caller is asked again."""

_CONNECT_S = 3.0
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0


def resolved(address: Address, where: str) -> Address:
    """Return the address with its host's name looked up; raises DeviceError. May take long."""
    if address.path:
        return address
    try:
        found = socket.getaddrinfo(address.host, address.port, address.family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "no host's name"
        raise DeviceError(f"{where}: {address}: cannot find the host: {why}") from None
    return address._replace(host=str(found[0][4][0]))


class BackOff:
    """How long to wait before the next attempt: longer after each that failed."""

    def __init__(self) -> None:
        self._pause_s = _FIRST_PAUSE_S

    def reset(self) -> None:
        """All is well: the next pause is short."""
        self._pause_s = _FIRST_PAUSE_S

    def pause(self, wait: Callable[[int], None], over: Callable[[], bool]) -> None:
        """Wait in slices until the next attempt is due or ``over()`` turns true."""
        end = time.monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        while time.monotonic() < end and not over():
            wait(SLICE_MS)


def connect(
    address: Address, wait: Callable[[int], None], over: Callable[[], bool]
) -> socket.socket | None:
    """Return a connected socket, or None where ``over()`` turned true; raises OSError.

    ``wait(ms)`` is called between two looks, so that somebody else's work goes on.
    """
    link = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        link.setblocking(False)
        if address.family is not socket.AF_UNIX:
            # A server whose host is gone says nothing more: the kernel is to notice.
            link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 3)):
                if hasattr(socket, name):
                    link.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        with contextlib.suppress(BlockingIOError):
            link.connect(address.target)
        end = time.monotonic() + _CONNECT_S
        while not ready(link, select.POLLOUT, SLICE_MS):
            if over():
                link.close()
                return None
            if time.monotonic() > end:
                raise TimeoutError(0, "no answer")
            wait(1)
        error = link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
    except BaseException:
        link.close()
        raise
    return link


def ready(link: socket.socket, what: int, ms: int) -> bool:
    """Wait up to ``ms`` until a socket can be read (POLLIN) or written (POLLOUT), or has failed."""
    poller = select.poll()
    poller.register(link, what)
    return bool(poller.poll(ms))
