"""A stand-in for ``neuromorphic_drivers``: its iterator, its configurations, its manners.

The configurations, names and statuses are the library's own classes, so this needs the library
too. An unplugged camera's iterator raises RuntimeError, as the library does with what USB said.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from nodes.camera.standin.scene import Scene
from pipeline.errors import DeviceError

POLARITY = np.dtype([("t", "<u8"), ("x", "<u2"), ("y", "<u2"), ("on", "?")])
"""The library's event: 13 bytes."""


_USB_US = 1000
"""How often USB brings something, be it the time alone."""


def _now_us() -> int:
    return time.monotonic_ns() // 1000


class Evk4:
    """An open camera: an EVK4 whose sensor is as large as its scene."""

    def __init__(self, port: Evk4Port, configuration: Any, iterator_timeout: float | None) -> None:
        self._port = port
        self._scene = Scene(port.scene)
        # The camera's clock begins when it is opened.
        self._begin_us = self._given_us = port.now_us()
        self._timeout = iterator_timeout
        self._closed = False
        self.configuration = configuration
        self.reconfigured = 0

    def __enter__(self) -> Evk4:
        return self

    def __exit__(self, kind: object, value: object, trace: object) -> None:
        self._closed = True
        self._port.released(self)

    def close(self) -> None:
        """Let go of it."""
        self.__exit__(None, None, None)

    def __iter__(self) -> Evk4:
        return self

    def __next__(self) -> tuple[Any, Any]:
        """Return (status, packet), both without content where nothing has come; never waits."""
        nd = self._port.library
        if self._closed:
            raise RuntimeError("__next__ called after __exit__")
        if self._port.plugged is not self:
            raise RuntimeError("PropheseeEvk4(Usb(Rusb(NoDevice)))")
        now = self._port.now_us()
        if now - self._given_us < _USB_US:
            nothing = nd.Evt3Packet()
            nothing.polarity_events = nothing.polarity_events_overflow_indices = None
            return nd.status.RawStatus(system_time=time.time(), ring=None), nothing
        self._given_us = now
        events = self._scene.until(now - self._begin_us)
        raw = np.zeros(len(events), POLARITY)
        for ours, theirs in (("t", "t"), ("x", "x"), ("y", "y"), ("p", "on")):
            raw[theirs] = events[ours]
        packet = nd.Evt3Packet()
        packet.polarity_events = self._limited(self._masked(raw)) if len(raw) else None
        packet.trigger_events = None
        packet.polarity_events_overflow_indices = self._port.overflows
        packet.trigger_events_overflow_indices = None
        self._port.overflows = None
        system = time.time()
        ring = nd.status.RingStatus(
            system_time=system,
            backlog=0,
            raw_packets=1,
            clutch_engaged=False,
            current_t=now - self._begin_us,
            dropped_packets=self._port.dropped,
        )
        return nd.status.Status(system_time=system, ring=ring), packet

    def backlog(self) -> int:
        """How many USB packets wait."""
        return 0

    def overflow(self) -> bool:
        """Whether USB packets were lost."""
        return self._port.dropped > 0

    def name(self) -> Any:
        """Which camera it is."""
        return self._port.library.Name.PROPHESEE_EVK4

    def serial(self) -> str:
        """The serial number."""
        return self._port.serial

    def connection(self) -> Any:
        """The connection's speed."""
        return self._port.library.Connection.USB_SUPER

    def properties(self) -> Any:
        """The sensor's size."""
        return self._port.library.prophesee_evk4.Properties(self._scene.width, self._scene.height)

    def biases_bounds(self) -> Any:
        """What biases may be."""
        module = self._port.library.prophesee_evk4
        return module.BiasesBounds(
            diff_on=module.Bounds(-85, 140),
            diff_off=module.Bounds(-35, 190),
            fo=module.Bounds(-35, 55),
            hpf=module.Bounds(0, 120),
            refr=module.Bounds(-20, 235),
        )

    def update_configuration(self, configuration: Any) -> None:
        """Take a new configuration."""
        if self._closed:
            raise RuntimeError("__next__ called after __exit__")
        # As the library does: what cannot be serialised is no configuration.
        configuration.serialize()
        self.configuration = configuration
        self.reconfigured += 1

    def temperature_celsius(self) -> float:
        """The sensor's temperature."""
        return 31.5

    def illuminance(self) -> int:
        """Light in lux."""
        return 120

    def _masked(self, raw: Any) -> Any:
        """Leave out the rows and columns that the configuration masks; rows count from below."""
        columns = _bits(self.configuration.x_mask)
        rows = _bits(self.configuration.y_mask)
        hidden = columns[raw["x"]] | rows[self._scene.height - 1 - raw["y"]]
        return raw[~hidden]

    def _limited(self, raw: Any) -> Any:
        """Leave out what exceeds the rate limiter's number in each of its periods."""
        limiter = self.configuration.rate_limiter
        if limiter is None or not len(raw):
            return raw
        period = raw["t"] // np.uint64(limiter.reference_period_us)
        first = np.searchsorted(period, period)
        return raw[np.arange(len(raw)) - first < limiter.maximum_events_per_period]


def _bits(words: tuple[int, ...]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    bits = np.unpackbits(np.array(words, "<u8").view(np.uint8), bitorder="little")
    return bits.astype(np.bool_)


class Evk4Port:
    """A port with an EVK4 in it, or without; stands in for the module ``neuromorphic_drivers``."""

    def __init__(
        self,
        scene: str = "samples",
        serial: str = "virtual-evk4",
        now_us: Callable[[], int] = _now_us,
    ) -> None:
        try:
            import neuromorphic_drivers
        except ImportError:
            raise DeviceError(
                'a virtual EVK4 needs neuromorphic-drivers: pip install "silicon-retina[prophesee]"'
            ) from None
        self.library: Any = neuromorphic_drivers
        self.scene = scene
        self.serial = serial
        self.now_us = now_us
        self.plugged: Evk4 | None = None
        self.overflows: Any = None
        self.dropped = 0
        self._present = True
        self.prophesee_evk4 = neuromorphic_drivers.prophesee_evk4
        self.RowColumnMask = neuromorphic_drivers.RowColumnMask

    def list_devices(self) -> list[Any]:
        """Return what is plugged in."""
        if not self._present:
            return []
        return [
            SimpleNamespace(
                name=self.library.Name.PROPHESEE_EVK4,
                connection=self.library.Connection.USB_SUPER,
                address="",
                serial=self.serial,
                error=None,
            )
        ]

    def open(
        self,
        configuration: Any = None,
        iterator_timeout: float | None = None,
        raw: bool = False,
        serial: str | None = None,
        address: str | None = None,
        ring_configuration: Any = None,
        iterator_maximum_raw_packets: int = 64,
    ) -> Evk4:
        """Open it."""
        if not self._present or serial not in (None, self.serial):
            raise RuntimeError("device not found")
        if self.plugged is not None:
            raise RuntimeError("the device is already used by another program")
        self.plugged = Evk4(self, configuration, iterator_timeout)
        return self.plugged

    def released(self, camera: Evk4) -> None:
        """Take back a camera that was closed."""
        if self.plugged is camera:
            self.plugged = None

    def unplug(self) -> None:
        """Pull the plug."""
        self._present = False
        self.plugged = None

    def plug(self) -> None:
        """Put it back."""
        self._present = True
