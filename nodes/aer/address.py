"""Where address events go: ``aer-udp://host:port``."""

from __future__ import annotations

import ipaddress
import socket
from typing import NamedTuple

from pipeline.errors import DeviceError, SettingError

PORT = 3333
"""SPIF's port, where an address names none."""


class Address(NamedTuple):
    """A host, an IP address or a name, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"aer-udp://{host}:{self.port}"

    @property
    def local(self) -> bool:
        """Whether nobody beyond this host can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse(text: str, where: str, *, any_port: bool = False) -> Address:
    """Read an address; ``where`` opens the error. ``any_port`` allows port 0, any free one."""
    scheme, found, rest = text.partition("://")
    bracketed = rest.startswith("[")
    host, colon, port = rest.rpartition(":")
    if (bracketed and rest.endswith("]")) or not colon:
        host, port = rest, str(PORT)
    number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else -1
    bare = host.removeprefix("[").removesuffix("]")
    lowest = 0 if any_port else 1
    if scheme != "aer-udp" or not found or not bare or not lowest <= number <= 65535:
        raise SettingError(
            f"{where}: {text!r} is no address, expected aer-udp://HOST:PORT, port 1 to 65535"
        )
    return Address(bare, number)


def opened(address: Address, where: str) -> tuple[socket.socket, tuple[str, int]]:
    """Return a UDP socket of the address's family, and the address looked up.

    Raises DeviceError where the host is not known.
    """
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "no host's name"
        raise DeviceError(f"{where}: {address}: cannot find the host: {why}") from None
    family, _, _, _, target = found[0]
    return socket.socket(family, socket.SOCK_DGRAM), (str(target[0]), int(target[1]))


def guard(address: Address, insecure: bool, where: str) -> None:
    """Raise SettingError where an address is beyond this host and nobody has allowed that."""
    if not address.local and not insecure:
        raise SettingError(
            f"{where}: {address} is beyond this host, and UDP is neither encrypted nor proven:"
            " use 127.0.0.1, or set insecure = true"
        )
