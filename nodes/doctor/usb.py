"""USB as the kernel tells of it: event cameras, the speed of their ports, who may open them.

Everything is read below ``root``, so that a test can lay out a machine of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nodes.doctor.finding import Finding

RULES = (
    'SUBSYSTEM=="usb", ATTRS{idVendor}=="152a", ATTRS{idProduct}=="84[0-1]?", MODE="0666"',
    'SUBSYSTEM=="usb", ATTRS{idVendor}=="04b4", ATTRS{idProduct}=="00f[4-5]", MODE="0666"',
    'SUBSYSTEM=="usb", ATTRS{idVendor}=="31f7", ATTRS{idProduct}=="000[3-4]", MODE="0666"',
)
"""The rules that the drivers' makers publish: iniVation, Prophesee EVK3 and EVK4, CenturyArks."""

_RULE_FILE = "/etc/udev/rules.d/65-event-cameras.rules"
_RULE_FOLDERS = ("etc/udev/rules.d", "run/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d")


@dataclass(frozen=True, slots=True)
class UsbCamera:
    """An event camera as the kernel sees it.

    vendor, product  ids, e.g. 0x152a and 0x8419
    maker   whose it is
    name    product and serial number, as far as it tells them
    mbit_s  speed of the connection
    version USB version that it speaks there, e.g. 2.1
    node    its file below ``/dev``
    """

    vendor: int
    product: int
    maker: str
    name: str
    mbit_s: float
    version: float
    node: Path


def maker_of(vendor: int, product: int) -> str:
    """Return whose event camera this is, empty where it is none that we know."""
    if vendor == 0x152A and 0x8400 <= product <= 0x841F:
        return "iniVation"
    if vendor == 0x04B4 and product in (0x00F4, 0x00F5):
        return "Prophesee"
    if vendor == 0x31F7 and product in (0x0003, 0x0004):
        return "CenturyArks"
    return ""


def cameras(root: Path) -> list[UsbCamera] | None:
    """Return the event cameras that are plugged in; None where the machine has no USB."""
    folder = root / "sys/bus/usb/devices"
    if not folder.is_dir():
        return None
    found = []
    for device in sorted(folder.iterdir()):
        vendor, product = _hex(device / "idVendor"), _hex(device / "idProduct")
        maker = maker_of(vendor, product)
        if not maker:
            continue
        bus, number = int(_text(device / "busnum") or 0), int(_text(device / "devnum") or 0)
        name = " ".join(filter(None, (_text(device / "product"), _text(device / "serial"))))
        found.append(
            UsbCamera(
                vendor,
                product,
                maker,
                name or f"{vendor:04x}:{product:04x}",
                _number(device / "speed"),
                _number(device / "version"),
                root / f"dev/bus/usb/{bus:03d}/{number:03d}",
            )
        )
    return found


def check(root: Path, may_open: Callable[[Path], bool] | None = None) -> list[Finding]:
    """Look at every event camera on USB, and for the rules that let anybody open one."""
    may_open = may_open or _may_open
    found = cameras(root)
    if found is None:
        return [
            Finding("usb", "note", "this machine has no USB (a container, or a virtual machine)")
        ]
    findings = []
    for camera in found:
        findings.append(_access(camera, may_open))
        findings.append(_speed(camera))
    if not found:
        what = "no event camera is plugged in"
        findings.append(Finding("usb", "note", f"{what}: check the cable, and 'lsusb'"))
    findings.append(_rules(root))
    return findings


def rule_command() -> str:
    """Return the command that installs the rules."""
    lines = " ".join(f"'{rule}'" for rule in RULES)
    return (
        f"printf '%s\\n' {lines} | sudo tee {_RULE_FILE}"
        " && sudo udevadm control --reload-rules && sudo udevadm trigger"
    )


def _access(camera: UsbCamera, may_open: Callable[[Path], bool]) -> Finding:
    name = f"usb access, {camera.name}"
    if may_open(camera.node):
        return Finding(name, "ok", f"{camera.maker}: this user may open {camera.node}")
    what = f"{camera.maker}: this user may not open {camera.node} (a udev rule is missing)"
    return Finding(name, "wrong", what, rule_command())


def _speed(camera: UsbCamera) -> Finding:
    name = f"usb speed, {camera.name}"
    speed = f"{camera.mbit_s:g} Mbit/s"
    if camera.mbit_s >= 5000:
        return Finding(name, "ok", f"USB 3, {speed}")
    # A device that could do more says so by its version even on a slow port.
    if camera.version > 2.0:
        return Finding(
            name,
            "wrong",
            f"a USB 3 camera on a USB 2 port or cable ({speed}): it will drop events",
            "plug it into a blue port (SS), with its own cable and no hub; then 'retina doctor'",
        )
    return Finding(name, "ok", f"USB 2, {speed}, which is all that this camera speaks")


def _rules(root: Path) -> Finding:
    texts = []
    for folder in _RULE_FOLDERS:
        path = root / folder
        if path.is_dir():
            texts += [_text(file) for file in sorted(path.glob("*.rules"))]
    text = "\n".join(texts).lower()
    missing = [
        maker
        for maker, vendor in (("iniVation", "152a"), ("Prophesee", "04b4"), ("CenturyArks", "31f7"))
        if f'"{vendor}"' not in text
    ]
    if not missing:
        return Finding("udev rules", "ok", "installed for every event camera")
    what = f"none for {', '.join(missing)}: only root may open such a camera"
    return Finding("udev rules", "note", what, rule_command())


def _may_open(node: Path) -> bool:
    return os.access(node, os.R_OK | os.W_OK)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _hex(path: Path) -> int:
    try:
        return int(_text(path), 16)
    except ValueError:
        return -1


def _number(path: Path) -> float:
    try:
        return float(_text(path))
    except ValueError:
        return 0.0
