"""Prophesee's sensors through neuromorphic-drivers: EVK3 HD, EVK4, CenturyArks' SilkyEvCam VGA.

The library lets other threads run while it waits, and is asked here never to wait. It tells the
camera's time in silence too, how many USB packets it could not take, and with what error a
camera has gone.
"""

from __future__ import annotations

import contextlib
from dataclasses import asdict, fields
from typing import Any, ClassVar

from nodes.camera.device import Batch, Device, Found, Gone, Wanted, plain
from nodes.camera.tuning import THRESHOLDS, towards
from pipeline.errors import DeviceError
from pipeline.events import Events, empty_events

_MODULES = {
    "PROPHESEE_EVK3_HD": "prophesee_evk3_hd",
    "PROPHESEE_EVK4": "prophesee_evk4",
    "CENTURYARKS_VGA": "centuryarks_vga",
}
_OFF_RISES = {"prophesee_evk4"}
"""Where a larger diff_off means a larger threshold, as a larger diff_on does everywhere."""

_PERIOD_US = 1000
_CAN = ("sensitivity", "biases", "roi", "rate_limit")


class Prophesee:
    """The driver; ``library`` stands in for ``neuromorphic_drivers`` in tests and demos."""

    name: ClassVar[str] = "neuromorphic-drivers"

    def __init__(self, library: Any = None) -> None:
        self._library = library

    @property
    def library(self) -> Any:
        """The vendor's module, loaded when it is first needed."""
        if self._library is None:
            try:
                import neuromorphic_drivers
            except ImportError:
                raise DeviceError(
                    "Prophesee's cameras need neuromorphic-drivers:"
                    ' pip install "silicon-retina[prophesee]"'
                ) from None
            self._library = neuromorphic_drivers
        return self._library

    def discover(self) -> list[Found]:
        """Return the cameras that are plugged in; iniVation's are left to dv-processing."""
        library = self.library
        try:
            listed = library.list_devices()
        except RuntimeError as error:
            # Without any USB at all libusb says no more than this.
            if "Other error" in str(error):
                return []
            raise DeviceError(f"{self.name} cannot look for cameras: {plain(error)}") from None
        return [
            Found(
                driver=self.name,
                model=device.name.value,
                serial=device.serial or "",
                usb=device.connection.value,
                problem=device.error or "",
                can=_CAN,
                handle=device,
            )
            for device in listed
            if device.name.name in _MODULES
        ]

    def open(self, found: Found) -> Device:
        """Open a camera."""
        library = self.library
        module = getattr(library, _MODULES[found.handle.name.name])
        configuration = module.Configuration()
        try:
            camera = library.open(
                configuration=configuration, iterator_timeout=0.0, serial=found.serial or None
            )
        except (RuntimeError, ValueError) as error:
            raise DeviceError(f"{found.name}: {plain(error)}") from None
        return PropheseeDevice(camera, found, library, module, configuration)


class PropheseeDevice(Device):
    """An open camera of Prophesee's."""

    def __init__(
        self, camera: Any, found: Found, library: Any, module: Any, configuration: Any
    ) -> None:
        self.found = found
        self._camera = camera
        self._library = library
        self._module = module
        self._configuration = configuration
        properties = camera.properties()
        self.width, self.height = int(properties.width), int(properties.height)
        self._default = asdict(configuration.biases)
        self._bounds = self._read_bounds()
        self._overflows = 0
        self._dropped = 0
        self._backlog = 0
        self._clutch = False
        self._flips = False, False
        self._region: tuple[int, int, int, int] | None = None

    def read(self) -> Batch | None:
        """Return what waits; raises Gone with the library's reason."""
        if self._camera is None:
            raise Gone(f"{self.found.name}: is closed")
        try:
            status, packet = next(self._camera)
        except (RuntimeError, StopIteration) as error:
            raise Gone(f"{self.found.name}: is gone ({plain(error)})") from None
        ring = status.ring
        if ring is None or packet is None:
            return None
        self._backlog = int(ring.backlog)
        self._clutch = bool(ring.clutch_engaged)
        self._dropped = max(self._dropped, int(ring.dropped_packets))
        if packet.polarity_events_overflow_indices is not None:
            self._overflows += len(packet.polarity_events_overflow_indices)
        events = self._events(packet.polarity_events)
        reached = int(ring.current_t)
        if not len(events) and not reached:
            return None
        return Batch(events, max(reached, int(events["t"][-1])) if len(events) else reached)

    def apply(self, wanted: Wanted) -> list[str]:
        """Set biases, region and rate limit; the mirrors are ours, for the sensor has none."""
        words = self._biases(wanted)
        words += self._roi(wanted.roi)
        limit = None
        if wanted.rate_limit is not None:
            most = max(1, round(wanted.rate_limit * _PERIOD_US / 1e6))
            limit = self._module.RateLimiter(
                reference_period_us=_PERIOD_US, maximum_events_per_period=most
            )
        self._configuration.rate_limiter = limit
        for name in ("noise_us", "refractory_us"):
            if getattr(wanted, name) is not None:
                words.append(
                    f"{self.found.name}: its driver sets no {name}: a node 'filter' does the like"
                )
        if wanted.readout != "default":
            words.append(f"{self.found.name} has no readout to set")
        self._flips = wanted.flip_horizontal, wanted.flip_vertical
        try:
            self._camera.update_configuration(self._configuration)
        except RuntimeError as error:
            raise Gone(f"{self.found.name}: is gone ({plain(error)})") from None
        return words

    def actual(self) -> dict[str, object]:
        """Return what was sent last: the library reads nothing back."""
        limiter = self._configuration.rate_limiter
        biases = asdict(self._configuration.biases)
        return {
            "biases": ",".join(f"{key}={value}" for key, value in biases.items()),
            "rate_limit": (
                "off"
                if limiter is None
                else limiter.maximum_events_per_period * 1e6 / limiter.reference_period_us
            ),
            "roi": ",".join(map(str, self._region or ())),
            "flip_horizontal": self._flips[0],
            "flip_vertical": self._flips[1],
        }

    def dropped(self) -> dict[str, int]:
        """USB packets that found the library's ring full, and gaps that events show."""
        return {"dropped_usb_packets": self._dropped, "overflows": self._overflows}

    def facts(self) -> dict[str, str | int | float]:
        """Connection, what waits in the library's ring, temperature and light where it can tell."""
        camera = self._camera
        facts: dict[str, str | int | float] = {
            "usb": camera.connection().value,
            "backlog_usb_packets": self._backlog,
            "ring_full": int(self._clutch),
        }
        for name in ("temperature_celsius", "illuminance"):
            with contextlib.suppress(AttributeError, RuntimeError):
                facts[name] = round(float(getattr(camera, name)()), 2)
        return facts

    def close(self) -> None:
        """Let go of the camera."""
        camera, self._camera = self._camera, None
        if camera is not None:
            with contextlib.suppress(RuntimeError):
                camera.close()

    def _events(self, raw: Any) -> Events:
        """Return the library's 13-byte events as ours."""
        if raw is None:
            return empty_events(0)
        events = empty_events(len(raw))
        events["t"] = raw["t"]
        events["x"] = raw["x"]
        events["y"] = raw["y"]
        events["p"] = raw["on"]
        if self._flips[0]:
            events["x"] = self.width - 1 - events["x"]
        if self._flips[1]:
            events["y"] = self.height - 1 - events["y"]
        return events

    def _read_bounds(self) -> dict[str, tuple[int, int]]:
        bounds = self._camera.biases_bounds()
        found = {}
        for field in fields(bounds):
            limit = getattr(bounds, field.name)
            if limit.minimum < limit.maximum:
                found[field.name] = (int(limit.minimum), int(limit.maximum))
        return found

    def _biases(self, wanted: Wanted) -> list[str]:
        biases = dict(self._default)
        share = THRESHOLDS[wanted.sensitivity]
        for name in ("diff_on", "diff_off"):
            least, most = self._bounds.get(name, (biases[name], biases[name]))
            rises = name == "diff_on" or self._module.Configuration.type() in _OFF_RISES
            # A third of the way: the bounds are what the chip can stand, not what is of use.
            way = share / 3
            biases[name] = (
                towards(biases[name], least, most, way)
                if rises
                else towards(biases[name], most, least, way)
            )
        words = []
        for key, value in wanted.biases:
            if key not in biases:
                known = ", ".join(biases)
                words.append(f"{self.found.name} has no bias '{key}' (it has: {known})")
                continue
            least, most = self._bounds.get(key, (-(2**15), 2**15 - 1))
            number = int(value) if value.removeprefix("-").isdigit() else least - 1
            if not least <= number <= most:
                words.append(
                    f"{self.found.name}: bias {key}={value} is not a whole number from {least} to"
                    f" {most}"
                )
                continue
            biases[key] = number
        self._configuration.biases = self._module.Biases(**biases)
        return words

    def _roi(self, roi: tuple[int, int, int, int] | None) -> list[str]:
        """Mask rows and columns outside; the sensor counts rows from below."""
        empty = self._module.Configuration()
        if roi is None:
            self._region = None
            self._configuration.x_mask, self._configuration.y_mask = empty.x_mask, empty.y_mask
            return []
        x0, y0, width, height = roi
        if x0 + width > self.width or y0 + height > self.height:
            return [f"{self.found.name}: roi {roi} does not fit {self.width}×{self.height} pixels"]
        self._region = roi
        mask = self._library.RowColumnMask(self.width, self.height, set=True)
        mask.clear_rectangle(x=x0, y=self.height - y0 - height, width=width, height=height)
        self._configuration.x_mask, self._configuration.y_mask = mask.x_mask(), mask.y_mask()
        return []
