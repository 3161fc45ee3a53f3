"""The cameras' libraries, and the cameras that they find."""

from __future__ import annotations

from nodes.camera.device import Driver
from nodes.camera.drivers import discover, drivers_for
from nodes.doctor.finding import Finding
from nodes.doctor.software import pip
from pipeline.errors import DeviceError


def check(drivers: list[Driver] | None = None) -> list[Finding]:
    """Let every driver look for its cameras."""
    findings = []
    for driver in drivers_for("") if drivers is None else drivers:
        try:
            driver.discover()
        except DeviceError as error:
            # What is optional is said by its extra.
            if driver.name == "dv-processing":
                mend = pip("dv-processing")
                findings.append(Finding(f"driver {driver.name}", "wrong", str(error), mend))
            continue
        findings.append(Finding(f"driver {driver.name}", "ok", "loaded, looks for cameras"))
        for _, camera in discover([driver])[0]:
            state = "wrong" if camera.problem else "ok"
            what = camera.problem or f"'retina view camera:{camera.serial}'"
            findings.append(Finding(f"camera {camera.name}", state, what))  # type: ignore[arg-type]
    return findings
