"""Keeps a camera open: finds it, notices that it is gone, looks for it again."""

from __future__ import annotations

import contextlib

from nodes.camera.device import Device, Driver, Found
from nodes.camera.drivers import discover
from pipeline.errors import DeviceError

FIRST_US = 100_000
MOST_US = 2_000_000
"""Between two looks: at first, and at most; each wait is twice as long as the one before."""


class Keeper:
    """Holds at most one open camera.

    ``serial`` empty takes the first camera that can be opened, and from then on only that one.
    """

    def __init__(self, drivers: list[Driver], serial: str) -> None:
        self.device: Device | None = None
        self.why = ""
        """Why there is no camera, in one line."""
        self._drivers = drivers
        self._serial = serial
        self._wait_us = FIRST_US
        self._next_us: int | None = None

    def look(self, now_us: int) -> Device | None:
        """Look for the camera where it is time to; return it where it could be opened now."""
        if self.device is not None or (self._next_us is not None and now_us < self._next_us):
            return None
        found, problems = discover(self._drivers)
        mine = [pair for pair in found if not self._serial or pair[1].serial == self._serial]
        self.why = self._none(found, problems)
        for driver, camera in mine:
            if camera.problem:
                self.why = f"{camera.name}: {camera.problem}"
                continue
            try:
                self.device = driver.open(camera)
            except DeviceError as error:
                self.why = str(error)
                continue
            self._serial = camera.serial or self._serial
            self._wait_us, self._next_us, self.why = FIRST_US, None, ""
            return self.device
        self._next_us = now_us + self._wait_us
        self._wait_us = min(MOST_US, 2 * self._wait_us)
        return None

    def lose(self, now_us: int) -> None:
        """Let go of a camera that is gone; look for it again soon."""
        self.close()
        self._wait_us = FIRST_US
        self._next_us = now_us + FIRST_US

    def close(self) -> None:
        """Let go of the camera."""
        device, self.device = self.device, None
        if device is not None:
            # What is gone may say so once more.
            with contextlib.suppress(DeviceError):
                device.close()

    def _none(self, found: list[tuple[Driver, Found]], problems: list[str]) -> str:
        others = ", ".join(camera.name for _, camera in found)
        if self._serial and others:
            return f"no camera '{self._serial}' is plugged in (found: {others})"
        what = f"camera '{self._serial}'" if self._serial else "camera"
        return "; ".join([f"no {what} is plugged in", *problems])
