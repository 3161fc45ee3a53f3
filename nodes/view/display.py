"""Whether a window can be shown here; asked before Qt is, which would end the process."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from pipeline.errors import DeviceError

_HOW = "set DISPLAY, or run with --headless"
LIBRARIES = (
    "libegl1 libgl1 libfontconfig1 libxkbcommon0 libglib2.0-0 libdbus-1-3 libxcb-cursor0"
    " libxcb-icccm4 libxcb-keysyms1 libxkbcommon-x11-0"
)
"""Debian's packages that Qt needs to show a window."""


def check_display() -> None:
    """Raise DeviceError where no window could be shown."""
    if os.environ.get("QT_QPA_PLATFORM") or sys.platform != "linux":
        return
    if os.environ.get("WAYLAND_DISPLAY"):
        return
    display = os.environ.get("DISPLAY")
    if not display:
        raise DeviceError(f"no display: {_HOW}")
    host, _, number = display.rpartition(":")
    number = number.split(".")[0]
    if not number.isdigit():
        raise DeviceError(f"DISPLAY = {display!r} is no display: {_HOW}")
    try:
        if host in ("", "unix"):
            _knock_at(f"/tmp/.X11-unix/X{number}")  # noqa: S108
        else:
            socket.create_connection((host, 6000 + int(number)), timeout=2).close()
    except OSError as error:
        raise DeviceError(f"nobody answers at DISPLAY = {display}: {error}; {_HOW}") from None


def _knock_at(path: str) -> None:
    """Connect to an X server's socket, the file or the abstract one; raise OSError if none."""
    addresses = [f"\0{path}"] + ([path] if Path(path).exists() else [])
    problem: OSError | None = None
    for address in addresses:
        with socket.socket(socket.AF_UNIX) as knock:
            knock.settimeout(2)
            try:
                knock.connect(address)
                return
            except OSError as error:
                problem = error
    raise problem or OSError("no such display")


def need_qt() -> None:
    """Raise DeviceError, with the command that mends it, where Qt's libraries are missing."""
    try:
        import pyqtgraph  # noqa: F401
        from PySide6 import QtWidgets  # noqa: F401
    except ImportError as error:
        raise DeviceError(
            f"Qt cannot be loaded ({error}): sudo apt-get install -y {LIBRARIES}"
        ) from None
