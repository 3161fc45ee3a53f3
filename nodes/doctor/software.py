"""Python, PyTorch and its GPU, Qt with OpenGL, and the optional parts."""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import platform
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from nodes.doctor.finding import Finding
from pipeline.errors import DeviceError

EXTRAS = {
    "prophesee": (("neuromorphic_drivers",), "Prophesee's cameras"),
    "head": (("dynamixel_sdk", "serial"), "pan-tilt heads"),
    "hdf5": (("h5py",), "HDF5 recordings"),
    "ros": (("rosbags",), "ROS bags"),
    "clips": (("imageio", "imageio_ffmpeg"), "video clips of the viewer"),
    "gl": (("OpenGL",), "the viewer's space-time view"),
    "nir": (("nir",), "networks of other simulators"),
    "data": (("tonic",), "tonic's data sets"),
    "plots": (("matplotlib",), "figures of retina plot"),
}
"""Optional parts: the modules that they need, and what for."""


def pip(*what: str) -> str:
    """Return the command that installs ``what`` into the Python that runs now."""
    return f"{sys.executable} -m pip install {' '.join(what)}"


def python(version: tuple[int, int] = sys.version_info[:2]) -> Finding:
    """Look at the Python that runs."""
    text = f"{platform.python_version()}, {sys.executable}"
    if (3, 11) <= version < (3, 14):
        return Finding("python", "ok", text)
    return Finding(
        "python",
        "wrong",
        f"{version[0]}.{version[1]} is not 3.11 to 3.13",
        "sudo apt-get install -y python3.13 python3.13-venv && rm -rf .venv && make demo",
    )


def torch(root: Path) -> list[Finding]:
    """Look at PyTorch, and whether it uses the GPU that is there."""
    try:
        import torch as library
    except ImportError as error:
        return [Finding("torch", "wrong", f"cannot be loaded ({error})", pip("torch"))]
    findings = [Finding("torch", "ok", library.__version__)]
    card = nvidia(root)
    if library.cuda.is_available():
        name = library.cuda.get_device_name(0)
        findings.append(Finding("cuda", "ok", f"{name}, CUDA {library.version.cuda}"))
    elif not card:
        findings.append(Finding("cuda", "note", "no NVIDIA GPU here: networks run on the CPU"))
    elif library.version.cuda is None:
        what = "an NVIDIA GPU is there, but this PyTorch is built without CUDA"
        findings.append(Finding("cuda", "wrong", what, pip("--force-reinstall", "torch")))
    else:
        what = "an NVIDIA GPU is there, but its driver does not answer"
        findings.append(Finding("cuda", "wrong", what, "sudo ubuntu-drivers install"))
    return findings


def nvidia(root: Path) -> bool:
    """Tell whether an NVIDIA card is on the bus or its driver is loaded."""
    if (root / "proc/driver/nvidia/version").exists():
        return True
    for vendor in (root / "sys/bus/pci/devices").glob("*/vendor"):
        kind = vendor.with_name("class")
        try:
            if vendor.read_text().strip() == "0x10de" and kind.read_text().startswith("0x03"):
                return True
        except OSError:
            continue
    return False


def qt(environ: Mapping[str, str] = os.environ) -> list[Finding]:
    """Look at Qt's libraries, the display and OpenGL."""
    from nodes.view.qt import loadable

    try:
        version = importlib.metadata.version("PySide6-Essentials")
    except importlib.metadata.PackageNotFoundError:
        return [Finding("qt", "wrong", "PySide6 is missing", pip('"PySide6-Essentials<6.12"'))]
    if sys.version_info < (3, 12) and version.startswith("6.12."):
        what = f"PySide6 {version} crashes on Python 3.11"
        return [Finding("qt", "wrong", what, pip('"PySide6-Essentials<6.12"'))]
    platforms = ["wayland"] if environ.get("WAYLAND_DISPLAY") else []
    platforms += ["xcb"] if environ.get("DISPLAY") else []
    findings = []
    for name in [*platforms, "offscreen"]:
        try:
            loadable([name])
        except (DeviceError, ImportError) as error:
            findings.append(_qt_missing(name, str(error)))
        else:
            findings.append(Finding(f"qt {name}", "ok", f"PySide6 {version}"))
    if not platforms:
        what = "none (neither DISPLAY nor WAYLAND_DISPLAY): no window, 'make demo' in the terminal"
        findings.append(Finding("display", "note", what))
    return findings


def opengl(load: Callable[[str], object] = ctypes.CDLL) -> Finding:
    """Look for the OpenGL libraries."""
    missing = []
    for library in ("libGL.so.1", "libEGL.so.1"):
        try:
            load(library)
        except OSError:
            missing.append(library)
    if not missing:
        return Finding("opengl", "ok", "libGL and libEGL are there")
    what = f"{' and '.join(missing)} cannot be loaded"
    return Finding("opengl", "wrong", what, "sudo apt-get install -y libgl1 libegl1")


def extras(installed: Callable[[str], bool] | None = None) -> list[Finding]:
    """Look for the optional parts."""
    installed = installed or _installed
    findings = []
    for extra, (modules, what) in EXTRAS.items():
        missing = [module for module in modules if not installed(module)]
        if missing:
            text = f"{what}: {' and '.join(missing)} missing"
            mend = pip(f'"silicon-retina[{extra}]"')
            findings.append(Finding(f"extra {extra}", "note", text, mend))
        else:
            findings.append(Finding(f"extra {extra}", "ok", what))
    return findings


def _qt_missing(name: str, message: str) -> Finding:
    what, _, mend = message.partition("): ")
    return Finding(f"qt {name}", "wrong", f"{what})" if mend else what, mend)


def _installed(module: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(module) is not None
