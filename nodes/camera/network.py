"""A virtual camera over the network: any DV server, taken for a camera that can be unplugged.

``camera:<host>:<port>``. dv-processing's NetworkReader freezes the whole process while a server
that took the connection says nothing, so the server is first asked for its first words by a
socket of our own.
"""

from __future__ import annotations

import socket
from typing import Any, ClassVar

from nodes.camera.device import Device, Found, plain
from nodes.camera.inivation import InputDevice
from pipeline.errors import DeviceError

_CONNECT_S = 0.5
_WORD_S = 1.0


class Network:
    """Finds the one virtual camera at ``host``:``port``."""

    name: ClassVar[str] = "dv-server"

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port

    def discover(self) -> list[Found]:
        """Return it where a server answers and says what it has."""
        try:
            with socket.create_connection((self.host, self.port), _CONNECT_S) as link:
                link.settimeout(_WORD_S)
                answers = bool(link.recv(1))
        except OSError:
            return []
        where = f"{self.host}:{self.port}"
        return [Found(self.name, "virtual camera", where, handle=where)] if answers else []

    def open(self, found: Found) -> Device:
        """Connect; raises DeviceError where the server is gone again."""
        import dv_processing

        try:
            reader: Any = dv_processing.io.NetworkReader(self.host, self.port)
        except RuntimeError as error:
            raise DeviceError(f"{found.name}: {plain(error)}") from None
        return InputDevice(reader, found)


def address(serial: str) -> tuple[str, int] | None:
    """Return host and port where a serial number is an address of this kind."""
    host, colon, port = serial.rpartition(":")
    return (host, int(port)) if colon and host and port.isdigit() else None
