"""iniVation's cameras through dv-processing: DVS128, DAVIS, DVXplorer and their newer kinds.

dv-processing holds Python's lock in every call. Reading does not wait there; opening a camera
takes as long as USB does. Its 16-byte events are ours, one view away.
"""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any, ClassVar

from nodes.camera.device import Batch, Device, Found, Gone, Wanted, plain
from nodes.camera.tuning import Tuner, tuner_of
from pipeline.errors import DeviceError
from pipeline.events import EVENT

_MODELS = {
    "DVS128": "DVS128",
    "DAVIS": "DAVIS",
    "DVXPLORER": "DVXplorer",
    "DVXPLORER_M": "DVXplorerM",
    "DVXPLORER_S": "DVXplorerS",
    "DAVIS_GEN2": "DAVIS",
    "DVXPLORER_GEN2": "DVXplorer",
}
_CAN = {
    "DVS128": ("sensitivity", "biases", "roi", "flip_horizontal", "flip_vertical"),
    "DAVIS": (
        "sensitivity",
        "biases",
        "roi",
        "noise_us",
        "refractory_us",
        "flip_horizontal",
        "flip_vertical",
    ),
}
_CAN_DVXPLORER = ("sensitivity", "biases", "roi", "readout", "flip_horizontal", "flip_vertical")


class Inivation:
    """The driver; ``library`` stands in for ``dv_processing.io.camera`` in tests and demos."""

    name: ClassVar[str] = "dv-processing"

    def __init__(self, packet_us: int = 1000, library: Any = None) -> None:
        self._packet_us = packet_us
        self._library = library

    @property
    def library(self) -> Any:
        """The vendor's module, loaded when it is first needed."""
        if self._library is None:
            try:
                import dv_processing
            except ImportError as error:
                raise DeviceError(
                    f"iniVation's cameras need dv-processing ({error}): pip install dv-processing"
                ) from None
            self._library = dv_processing.io.camera
        return self._library

    def discover(self) -> list[Found]:
        """Return the cameras that are plugged in."""
        library = self.library
        try:
            return [self._found(descriptor) for descriptor in library.discover()]
        except (RuntimeError, IndexError) as error:
            raise DeviceError(f"{self.name} cannot look for cameras: {plain(error)}") from None

    def open(self, found: Found) -> Device:
        """Open a camera and let it give packets of ``packet_us``."""
        try:
            camera = self.library.open(found.handle)
        except (RuntimeError, IndexError) as error:
            raise DeviceError(f"{found.name}: {plain(error)}") from None
        try:
            return InivationDevice(camera, found, self._packet_us)
        except (RuntimeError, IndexError, ValueError) as error:
            raise DeviceError(f"{found.name}: {plain(error)}") from None

    def _found(self, descriptor: Any) -> Found:
        kind = descriptor.cameraModel.name
        model = _MODELS.get(kind, kind)
        return Found(
            driver=self.name,
            model=model,
            serial=descriptor.serialNumber,
            firmware=str(descriptor.firmwareVersion),
            can=_CAN.get(model, _CAN_DVXPLORER),
            handle=descriptor,
        )


class InputDevice(Device):
    """Anything of dv-processing that gives events: polls it, and sees its end."""

    def __init__(self, source: Any, found: Found) -> None:
        self._source = source
        self.found = found
        size = source.getEventResolution()
        if size is None:
            raise DeviceError(f"{found.name}: gives no events (it has no event stream)")
        self.width, self.height = size

    def read(self) -> Batch | None:
        """Return the next batch; raises Gone when nothing is left and the source has ended."""
        source = self._source
        if source is None:
            raise Gone(f"{self.found.name}: is closed")
        try:
            store = source.getNextEventBatch()
            if store is None:
                if not source.isRunning("events"):
                    raise Gone(f"{self.found.name}: is gone (unplugged, or without power)")
                return None
        except RuntimeError as error:
            raise Gone(f"{self.found.name}: is gone ({plain(error)})") from None
        # Empty stores come too; their times say nothing.
        raw = store.numpy()
        if not len(raw):
            return None
        if raw.dtype.itemsize != EVENT.itemsize:
            raise DeviceError(f"{self.found.name}: events of {raw.dtype} are not known")
        events = raw.view(EVENT)
        return Batch(events, int(events["t"][-1]))

    def apply(self, wanted: Wanted) -> list[str]:
        """Nothing can be set here."""
        return [] if wanted == Wanted() else [f"{self.found.name} has no settings"]

    def actual(self) -> dict[str, object]:
        """Nothing can be set here."""
        return {}

    def close(self) -> None:
        """Let go of the source."""
        self._source = None


class InivationDevice(InputDevice):
    """An open iniVation camera."""

    def __init__(self, camera: Any, found: Found, packet_us: int) -> None:
        super().__init__(camera, found)
        # The driver's own packets are of 10 ms.
        camera.setTimeInterval(timedelta(microseconds=packet_us))
        self._tuner: Tuner | None = tuner_of(camera, found.name, self.width, self.height)

    def apply(self, wanted: Wanted) -> list[str]:
        """Set what the camera has."""
        try:
            return self._open().apply(wanted)
        except RuntimeError as error:
            self._look()
            return [f"{self.found.name}: {plain(error)}"]

    def actual(self) -> dict[str, object]:
        """Read the settings back."""
        try:
            return self._open().actual()
        except RuntimeError as error:
            raise Gone(f"{self.found.name}: is gone ({plain(error)})") from None

    def facts(self) -> dict[str, str | int | float]:
        """Firmware, logic, port and speed."""
        camera = self._source
        facts: dict[str, str | int | float] = {}
        asked = {
            "firmware": lambda: str(camera.getFirmwareVersion()),
            "usb": lambda: camera.getConnectionSpeed().name.removeprefix("LIBUSB_SPEED_").lower(),
            "port": camera.getPortPath,
            "logic": lambda: f"{camera.getLogicVersion()}.{camera.getLogicPatchLevel()}",
        }
        for name, ask in asked.items():
            # Not every kind has each of them.
            with contextlib.suppress(AttributeError, RuntimeError):
                facts[name] = ask()
        return facts

    def close(self) -> None:
        """Let go of the camera: it is released when nobody holds it any more."""
        super().close()
        self._tuner = None

    def _open(self) -> Tuner:
        if self._tuner is None:
            raise Gone(f"{self.found.name}: is closed")
        return self._tuner

    def _look(self) -> None:
        """Raise Gone where a setting failed because the camera is not there."""
        if not self._source.isRunning("events"):
            raise Gone(f"{self.found.name}: is gone (unplugged, or without power)") from None
