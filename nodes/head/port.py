"""A serial port that nobody else has, whose every failure is one clear line."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import DeviceError

_WRITE_S = 0.1


def needed(module: str, what: str) -> DeviceError:
    """Return the error for a library that is not installed."""
    return DeviceError(f'{what} needs {module}: pip install "silicon-retina[head]"')


class Port:
    """Bytes in and out; reading never waits, ``wait`` does. Raises DeviceError throughout."""

    def __init__(self, path: str, baud: int) -> None:
        self.path = path
        self.baud = baud
        self._serial: Any = None
        self._fd = -1

    @property
    def is_open(self) -> bool:
        """Whether there is a port to talk to."""
        return self._serial is not None

    def open(self) -> None:
        """Open the port for this process alone."""
        try:
            import serial
        except ImportError:
            raise needed("pyserial", f"the serial port {self.path}") from None
        try:
            port = serial.Serial(self.path, self.baud, timeout=0, exclusive=True)
        except (OSError, ValueError, termios.error) as error:
            raise DeviceError(f"{self.path}: {self._why(error)}") from None
        self._serial = port
        self._fd = port.fileno()
        with self._talking():
            # The lock above holds against programs that lock too; this against all others.
            fcntl.ioctl(self._fd, termios.TIOCEXCL)
        # USB adapters wait up to 16 ms for more bytes before they pass an answer on.
        with contextlib.suppress(ValueError, OSError, NotImplementedError, AttributeError):
            port.set_low_latency_mode(True)

    def close(self) -> None:
        """Give the port back; does nothing where it is closed."""
        port, self._serial = self._serial, None
        if port is None:
            return
        with contextlib.suppress(OSError, termios.error):
            fcntl.ioctl(self._fd, termios.TIOCNXCL)
        with contextlib.suppress(OSError, termios.error):
            port.close()

    def write(self, data: bytes) -> None:
        """Write all of ``data``."""
        with self._talking():
            end = time.monotonic() + _WRITE_S
            while data:
                try:
                    data = data[os.write(self._fd, data) :]
                except BlockingIOError:
                    left = end - time.monotonic()
                    if left <= 0 or not select.select([], [self._fd], [], left)[1]:
                        raise DeviceError(
                            f"{self.path}: takes no bytes any more ({len(data)} left after "
                            f"{1000 * _WRITE_S:.0f} ms)"
                        ) from None

    def read(self, n: int) -> bytes:
        """Return up to ``n`` bytes of those that have come."""
        with self._talking():
            data = self._read(n)
            # Nothing to read although there is: that is how a device that is gone looks.
            if n > 0 and not data and select.select([self._fd], [], [], 0)[0]:
                data = self._read(n)
                if not data:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
            return data

    def waiting(self) -> int:
        """Return how many bytes have come and are not read."""
        with self._talking():
            return int(self._serial.in_waiting)

    def wait(self, seconds: float) -> None:
        """Wait until there is something to read, at most so long."""
        with self._talking():
            select.select([self._fd], [], [], max(seconds, 0.0))

    def drop_input(self) -> None:
        """Forget what has come and is not read."""
        with self._talking():
            termios.tcflush(self._fd, termios.TCIFLUSH)

    def _read(self, n: int) -> bytes:
        try:
            return os.read(self._fd, n) if n > 0 else b""
        except BlockingIOError:
            return b""

    @contextlib.contextmanager
    def _talking(self) -> Iterator[None]:
        if self._serial is None:
            raise DeviceError(f"{self.path}: is not open")
        try:
            yield
        except (OSError, termios.error) as error:
            raise DeviceError(f"{self.path}: the port vanished ({_text(error)})") from None

    def _why(self, error: Exception) -> str:
        number = getattr(error, "errno", None)
        if number in {errno.ENOENT, errno.ENODEV, errno.ENXIO}:
            found = sorted(str(p) for p in Path("/dev").glob("tty[UA][SC][BM]*"))
            return f"there is no such serial port (found: {', '.join(found) or 'none'})"
        if number in {errno.EBUSY, errno.EAGAIN}:
            return "is in use by another program"
        if number in {errno.EACCES, errno.EPERM}:
            return "this user may not open it; 'sudo usermod -aG dialout $USER' and a new login do"
        if isinstance(error, ValueError):
            return f"does not take {self.baud} baud"
        if not isinstance(number, int):
            return "is no serial port"
        return _text(error)


def _text(error: Exception) -> str:
    number = error.args[0] if error.args else None
    return os.strerror(number) if isinstance(number, int) else str(error)
