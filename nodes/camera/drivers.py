"""Which drivers look for a camera of a given serial number."""

from __future__ import annotations

from nodes.camera.device import Driver, Found
from nodes.camera.inivation import Inivation
from nodes.camera.network import Network, address
from nodes.camera.prophesee import Prophesee
from pipeline.errors import DeviceError

VIRTUAL = {
    "virtual": "dvxplorer",
    "virtual-davis": "davis",
    "virtual-dvs128": "dvs128",
    "virtual-evk4": "evk4",
}
"""The stand-ins: serial number, and what it is."""


def drivers_for(serial: str, packet_us: int = 1000, scene: str = "samples") -> list[Driver]:
    """Return the drivers that may know the camera ``serial`` (empty: any real one)."""
    if serial in VIRTUAL:
        kind = VIRTUAL[serial]
        if kind == "evk4":
            from nodes.camera.standin.prophesee import Evk4Port

            return [Prophesee(Evk4Port(scene, serial))]
        from nodes.camera.standin.inivation import Port

        return [Inivation(packet_us, Port(kind, scene, serial))]
    if serial.startswith("virtual"):
        raise DeviceError(
            f"camera:{serial}: no such virtual camera (there are: {', '.join(VIRTUAL)})"
        )
    where = address(serial)
    if where is not None:
        return [Network(*where)]
    return [Inivation(packet_us), Prophesee()]


def discover(drivers: list[Driver]) -> tuple[list[tuple[Driver, Found]], list[str]]:
    """Return every camera that is plugged in with its driver, and what kept any from looking."""
    found: list[tuple[Driver, Found]] = []
    problems: list[str] = []
    for driver in drivers:
        try:
            found += [(driver, camera) for camera in driver.discover()]
        except DeviceError as error:
            problems.append(str(error))
    return found, problems
