"""Loads Qt for the viewer; what is missing is told with the command that mends it.

Qt ends the process where its platform plugin cannot be loaded, so the plugin is tried here first.
Called in the main thread alone: Qt takes the thread that first loads it for the main one.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import DeviceError

if TYPE_CHECKING:
    from PySide6 import QtWidgets

QT_PACKAGES = (
    "libegl1 libgl1 libfontconfig1 libxkbcommon0 libglib2.0-0 libdbus-1-3 fonts-dejavu-core"
)
"""Debian's packages that Qt needs anywhere (``QT_QPA_PLATFORM=offscreen`` needs no more)."""

X11_PACKAGES = "libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-shape0 libxkbcommon-x11-0"
"""Debian's packages that a window under X11 needs besides; others come along with these."""

WAYLAND_PACKAGES = "libwayland-client0 libwayland-cursor0 libwayland-egl1"
"""Debian's packages that a window under Wayland needs besides."""

_EXTRA = {"xcb": X11_PACKAGES, "wayland": WAYLAND_PACKAGES}
_HARMLESS = ("This plugin does not support propagateSizeHints", "Detected locale ")


def application(platforms: Sequence[str]) -> QtWidgets.QApplication:
    """Return the QApplication, made on the first of ``platforms`` that can be loaded.

    Raises DeviceError with one line where Qt, or every platform, lacks a library.
    """
    try:
        from PySide6 import QtCore, QtWidgets
    except ImportError as error:
        wanted = [_EXTRA.get(_plugin(name), "") for name in platforms[:1]]
        raise DeviceError(_missing(str(error), *wanted)) from None
    running = QtWidgets.QApplication.instance()
    if isinstance(running, QtWidgets.QApplication):
        return running
    QtCore.qInstallMessageHandler(_relay)
    arguments = ["retina view"]
    if platforms:
        arguments += ["-platform", loadable(platforms)]
    return QtWidgets.QApplication(arguments)


def loadable(platforms: Sequence[str]) -> str:
    """Return the first of ``platforms`` whose plugin can be loaded; raises DeviceError if none."""
    from PySide6 import QtCore

    folder = Path(QtCore.QLibraryInfo.path(QtCore.QLibraryInfo.LibraryPath.PluginsPath))
    problems = []
    for name in platforms:
        plugin = folder / "platforms" / f"libq{_plugin(name)}.so"
        if not plugin.exists():
            known = ", ".join(sorted(p.stem[4:] for p in plugin.parent.glob("libq*.so")))
            problems.append(f"Qt has no platform '{name}' (QT_QPA_PLATFORM; it has: {known})")
            continue
        try:
            ctypes.CDLL(str(plugin))
        except OSError as error:
            problems.append(_missing(str(error), _EXTRA.get(_plugin(name), "")))
        else:
            return name
    # The last one is the most widespread: X11.
    raise DeviceError(problems[-1])


def _plugin(platform: str) -> str:
    """Return the plugin of a platform, which may carry options (``offscreen:…``)."""
    name = platform.split(":", maxsplit=1)[0]
    return "wayland" if name.startswith("wayland") else name


def _missing(problem: str, *extra: str) -> str:
    packages = " ".join([QT_PACKAGES, *extra]).strip()
    library, told, _ = problem.partition(": cannot open shared object")
    what = f"{library} is missing" if told else problem
    return f"Qt cannot be loaded ({what}): sudo apt-get install -y {packages}"


def _relay(_kind: object, _context: object, message: str) -> None:
    """Pass on what Qt has to say, one line each, but for what is no news to anyone.

    The offscreen platform has no window manager to give hints to; and where the locale is not
    UTF-8, Qt takes one that is.
    """
    if not message.startswith(_HARMLESS):
        sys.stderr.write(f"Qt: {' '.join(message.split())}\n")
        sys.stderr.flush()
