"""Where a DV server is: ``dv://host:port`` or ``dv:///path/socket``."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import SettingError

_PATH_BYTES = 107


class Address(NamedTuple):
    """A TCP endpoint, or (where ``path`` is not empty) a Unix socket."""

    host: str
    port: int
    path: str

    def __str__(self) -> str:
        if self.path:
            return f"dv://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"dv://{host}:{self.port}"

    @property
    def target(self) -> str | tuple[str, int]:
        """What ``socket.connect`` and ``bind`` take."""
        return self.path or (self.host, self.port)

    @property
    def family(self) -> socket.AddressFamily:
        """The socket's family; a host's name is taken for IPv4."""
        if self.path:
            return socket.AF_UNIX
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    @property
    def local(self) -> bool:
        """Whether nobody beyond this host can reach it."""
        if self.path or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse(text: str, where: str, *, any_port: bool = False) -> Address:
    """Read an address; ``where`` opens the error. ``any_port`` allows port 0, any free one."""
    expected = "expected dv://HOST:PORT or dv:///PATH"
    scheme, found, rest = text.partition("://")
    if scheme != "dv" or not found or "\0" in text:
        raise SettingError(f"{where}: {text!r} is no DV address, {expected}")
    if rest.startswith("/"):
        if len(rest.encode()) > _PATH_BYTES or Path(rest).is_dir():
            raise SettingError(
                f"{where}: {text!r} names no socket (a path of at most {_PATH_BYTES} bytes)"
            )
        return Address("", 0, rest)
    host, colon, port = rest.rpartition(":")
    number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else -1
    bare = host.removeprefix("[").removesuffix("]")
    if not colon or not bare or not (0 if any_port else 1) <= number <= 65535:
        raise SettingError(f"{where}: {text!r} is no DV address, {expected}, port 1 to 65535")
    return Address(bare, number, "")
