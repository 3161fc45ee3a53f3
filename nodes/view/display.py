"""Whether a window can be shown here; asked before Qt is, which would end the process."""

from __future__ import annotations

import ctypes
import os
import socket
import sys
import threading
import time
from pathlib import Path

from pipeline.errors import DeviceError

_HOW = "set DISPLAY, or run with --headless"
_PATIENCE_S = 2
_WAITS_S = (0, 0.05, 0.2)

_asking = threading.Lock()
_connections: dict[str, int] = {}


def check_display() -> None:
    """Raise DeviceError where no window could be shown."""
    platforms()


def platforms() -> list[str]:
    """Return Qt's platforms that a window can be shown on, the best first; empty: Qt's own choice.

    ``QT_QPA_PLATFORM`` decides where it is set; else a Wayland compositor or an X server that
    answers. Raises DeviceError where there is neither.
    """
    asked = [name for name in os.environ.get("QT_QPA_PLATFORM", "").split(";") if name]
    if sys.platform != "linux":
        return asked
    problems: list[str] = []
    found = []
    for name in asked or ["wayland", "xcb"]:
        problem = _problem(name)
        if problem is None:
            found.append(name)
        elif problem:
            problems.append(problem)
    if not found:
        raise DeviceError(f"{'; '.join(problems) or 'no display'}: {_HOW}")
    return found


def _problem(platform: str) -> str | None:
    """Say why ``platform`` cannot show a window (empty: nobody set it up), None where it can."""
    if platform.startswith("wayland"):
        return _no_wayland()
    if platform.startswith("xcb"):
        return _no_x()
    return None


def _no_wayland() -> str | None:
    name = os.environ.get("WAYLAND_DISPLAY")
    if not name:
        return ""
    # An absolute name stands for itself.
    path = Path(os.environ.get("XDG_RUNTIME_DIR", "/nowhere")) / name
    try:
        _knock_at([str(path)])
    except OSError as error:
        return f"nobody answers at WAYLAND_DISPLAY = {name} ({error.strerror or error})"
    return None


def _no_x() -> str | None:
    display = os.environ.get("DISPLAY")
    if not display:
        return ""
    host, _, number = display.rpartition(":")
    number = number.split(".")[0]
    # As long as any port: more digits are a typing mistake.
    if not number.isdecimal() or int(number) > 59_535:
        return f"DISPLAY = {display} is no display"
    local = host in ("", "unix") or host.startswith("/")
    try:
        # A host that is not there would keep xcb waiting for minutes.
        if not local:
            socket.create_connection((host, 6000 + int(number)), timeout=_PATIENCE_S).close()
        if _admitted(display):
            return None
        if local:
            path = f"/tmp/.X11-unix/X{number}"  # noqa: S108
            _knock_at([display, path] if host.startswith("/") else [f"\0{path}", path])
    except OSError as error:
        return f"nobody answers at DISPLAY = {display} ({error.strerror or error})"
    return f"the X server at DISPLAY = {display} does not admit this user (see xauth)"


def _knock_at(addresses: list[str]) -> None:
    """Connect to one of several socket files; raise OSError where none answers."""
    problem: OSError | None = None
    for address in addresses:
        with socket.socket(socket.AF_UNIX) as knock:
            knock.settimeout(_PATIENCE_S)
            try:
                knock.connect(address)
            except OSError as error:
                problem = error
            else:
                return
    raise problem or OSError("no address")


def _admitted(display: str) -> bool:
    """Whether the X server lets this user in, asked as Qt will ask; True where xcb is missing.

    The connection stays: an X server without other clients begins anew when its last one leaves,
    and would turn away whoever comes meanwhile.
    """
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        # Qt's plugin lacks it as well, and says so with the package's name.
        return True
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connect.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    xcb.xcb_connection_has_error.argtypes = [ctypes.c_void_p]
    xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    with _asking:
        for wait_s in _WAITS_S:
            if display in _connections:
                return True
            time.sleep(wait_s)
            connection = xcb.xcb_connect(display.encode(), None)
            if not xcb.xcb_connection_has_error(connection):
                _connections[display] = connection
                return True
            xcb.xcb_disconnect(connection)
    return False
