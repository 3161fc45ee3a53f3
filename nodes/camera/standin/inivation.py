"""A stand-in for ``dv_processing.io.camera``: same names, same arguments, same manners.

Events come as dv-processing's own EventStore, None where nothing has happened; an unplugged
camera goes on saying None, is no longer running, refuses settings with RuntimeError, and is not
discovered. What a real camera does beyond that only a real camera can show.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from nodes.camera.standin.scene import Scene

_BATCH_US = 10_000


class CameraModel(enum.Enum):
    """The kinds that a descriptor can tell."""

    DVS128 = 0
    DAVIS = 1
    DVXPLORER = 2
    DVXPLORER_M = 3


class LibusbSpeed(enum.Enum):
    """Speed of the connection."""

    LIBUSB_SPEED_HIGH = 3
    LIBUSB_SPEED_SUPER = 4


class Readout(enum.Enum):
    """Frequencies of a DVXplorer's readout."""

    CONSTANT_100 = 0
    CONSTANT_200 = 1
    CONSTANT_500 = 2
    CONSTANT_1000 = 3
    CONSTANT_LOSSY_2000 = 4
    CONSTANT_LOSSY_5000 = 5
    CONSTANT_LOSSY_10000 = 6
    VARIABLE_2000 = 7
    VARIABLE_5000 = 8
    VARIABLE_10000 = 9
    VARIABLE_15000 = 10


@dataclass(frozen=True)
class DeviceDescriptor:
    """What ``discover`` tells of a camera."""

    cameraModel: CameraModel
    serialNumber: str
    firmwareVersion: int = 8
    pid: int = 0x8419
    busNumber: int = 1
    devAddress: int = 1


def _now_us() -> int:
    return time.time_ns() // 1000


class _Base:
    """What all cameras of the library have."""

    model = CameraModel.DVXPLORER

    def __init__(self, port: Port) -> None:
        self._port = port
        self._scene = Scene(port.scene)
        self._begin_us = self._given_us = port.now_us()
        self._crop: tuple[int, int, int, int] = (0, 0, self._scene.width, self._scene.height)
        self._flips = [False, False]
        self._interval = timedelta(microseconds=_BATCH_US)

    def getNextEventBatch(self) -> Any:
        """Return the events of the next interval, None where it is not over or nothing fired."""
        import dv_processing

        now = self._port.now_us() if self._port.plugged is self else self._port.unplugged_us
        step = self._interval // timedelta(microseconds=1)
        x0, y0, width, height = self._crop
        while now - self._given_us >= step:
            self._given_us += step
            store = dv_processing.EventStore()
            for t, x, y, p in self._scene.until(self._given_us - self._begin_us).tolist():
                if x0 <= x < x0 + width and y0 <= y < y0 + height:
                    store.push_back(self._begin_us + t, *self._mirrored(x, y), bool(p))
            if store.size():
                return store
        return None

    def isRunning(self, streamName: str | None = None) -> bool:
        """Whether it is plugged in."""
        return self._port.plugged is self

    def getEventResolution(self) -> tuple[int, int] | None:
        """The scene's size."""
        return self._scene.width, self._scene.height

    def getCameraName(self) -> str:
        """Model and serial number."""
        return f"{type(self).__name__}_{self.getSerialNumber()}"

    def getSerialNumber(self) -> str:
        """The serial number."""
        return self._port.descriptor.serialNumber

    def getFirmwareVersion(self) -> int:
        """The firmware's version."""
        return self._port.descriptor.firmwareVersion

    def getConnectionSpeed(self) -> LibusbSpeed:
        """The connection's speed."""
        return LibusbSpeed.LIBUSB_SPEED_SUPER

    def getPortPath(self) -> str:
        """Where it is plugged in."""
        return "virtual"

    def getCropArea(self) -> tuple[int, int, int, int]:
        """The region of interest."""
        return self._crop

    def setCropArea(self, cropAreaEvents: tuple[int, int, int, int]) -> None:
        """Set the region of interest."""
        x0, y0, width, height = cropAreaEvents
        if min(x0, y0) < 0 or x0 + width > self._scene.width or y0 + height > self._scene.height:
            raise RuntimeError("The crop area is invalid.")
        self._sent()
        self._crop = cropAreaEvents

    def getFlipHorizontal(self) -> bool:
        """Whether left and right are mirrored."""
        return self._flips[0]

    def setFlipHorizontal(self, flipHorizontalEvents: bool) -> None:
        """Mirror left and right."""
        self._flips[0] = flipHorizontalEvents

    def getFlipVertical(self) -> bool:
        """Whether top and bottom are mirrored."""
        return self._flips[1]

    def setFlipVertical(self, flipVerticalEvents: bool) -> None:
        """Mirror top and bottom."""
        self._flips[1] = flipVerticalEvents

    def getTimeInterval(self) -> timedelta:
        """The length of a batch."""
        return self._interval

    def setTimeInterval(self, timeInterval: timedelta) -> None:
        """Set the length of a batch."""
        self._interval = timeInterval

    def _mirrored(self, x: int, y: int) -> tuple[int, int]:
        return (
            self._scene.width - 1 - x if self._flips[0] else x,
            self._scene.height - 1 - y if self._flips[1] else y,
        )

    def _sent(self) -> None:
        """Send a setting over a wire that may not be there."""
        if self._port.plugged is not self:
            raise RuntimeError("Failed to submit USB transfer OUT")


class DVXplorer(_Base):
    """A DVXplorer."""

    ReadoutFPS = Readout

    def __init__(self, port: Port) -> None:
        super().__init__(port)
        self._thresholds = [8, 8]
        self._readout = Readout.VARIABLE_5000

    def getContrastThresholdOn(self) -> int:
        """Threshold of ON events."""
        return self._thresholds[0]

    def setContrastThresholdOn(self, contrastThresholdOn: int) -> None:
        """Set the threshold of ON events."""
        self._threshold(0, contrastThresholdOn)

    def getContrastThresholdOff(self) -> int:
        """Threshold of OFF events."""
        return self._thresholds[1]

    def setContrastThresholdOff(self, contrastThresholdOff: int) -> None:
        """Set the threshold of OFF events."""
        self._threshold(1, contrastThresholdOff)

    def getReadoutFPS(self) -> Readout:
        """Frequency of the readout."""
        return self._readout

    def setReadoutFPS(self, readoutFps: Readout) -> None:
        """Set the frequency of the readout."""
        self._sent()
        self._readout = readoutFps

    def getLogicVersion(self) -> int:
        """Version of the logic."""
        return 18

    def getLogicPatchLevel(self) -> int:
        """Patch level of the logic."""
        return 1

    def _threshold(self, which: int, value: int) -> None:
        if not 0 <= value <= 17:
            raise RuntimeError("Contrast threshold value must be between 0 and 17.")
        self._sent()
        self._thresholds[which] = value


class DVS128(_Base):
    """A DVS128."""

    model = CameraModel.DVS128

    class Bias(enum.Enum):
        """Its currents."""

        CAS = 0
        INJGND = 1
        REQPD = 2
        PUX = 3
        DIFF_OFF = 4
        REQ = 5
        REFR = 6
        PUY = 7
        DIFF_ON = 8
        DIFF = 9
        FOLL = 10
        PR = 11

    def __init__(self, port: Port) -> None:
        super().__init__(port)
        self._biases = dict.fromkeys(self.Bias, 1000)
        self._biases.update({self.Bias.DIFF_ON: 629708, self.Bias.DIFF_OFF: 132})

    def getBias(self, bias: Bias) -> int:
        """One current."""
        return self._biases[bias]

    def setBias(self, bias: Bias, value: int) -> None:
        """Set one current."""
        if not 0 <= value < 2**24:
            raise RuntimeError("The bias value is invalid.")
        self._sent()
        self._biases[bias] = value


class DAVIS(_Base):
    """A DAVIS346."""

    model = CameraModel.DAVIS

    class SensorModel(enum.Enum):
        """The chips."""

        DAVIS346 = 5

    class Davis346BiasCF(enum.Enum):
        """Some of its currents."""

        Diff = 8
        On = 9
        Off = 10
        Refractory = 14

    class Davis346BiasVDAC(enum.Enum):
        """Some of its voltages."""

        ApsCascode = 1
        ADCReferenceHigh = 3

    def __init__(self, port: Port) -> None:
        super().__init__(port)
        kinds = self.Davis346BiasCF
        self._currents = {
            kinds.Diff: (4, 39),
            kinds.On: (5, 255),
            kinds.Off: (4, 1),
            kinds.Refractory: (5, 25),
        }
        self._voltages = dict.fromkeys(self.Davis346BiasVDAC, 21)
        self._noise = 8
        self._refractory = 1

    def getSensorModel(self) -> SensorModel:
        """The chip."""
        return self.SensorModel.DAVIS346

    def getDavis346BiasCoarseFine(self, bias: Davis346BiasCF) -> tuple[int, int]:
        """One current."""
        return self._currents[bias]

    def setDavis346BiasCoarseFine(self, bias: Davis346BiasCF, coarse: int, fine: int) -> None:
        """Set one current."""
        if not (0 <= coarse < 8 and 0 <= fine < 256):
            raise RuntimeError("The bias value is invalid.")
        self._sent()
        self._currents[bias] = (coarse, fine)

    def getDavis346BiasVoltage(self, bias: Davis346BiasVDAC) -> int:
        """One voltage."""
        return self._voltages[bias]

    def setDavis346BiasVoltage(self, bias: Davis346BiasVDAC, voltageValue: int) -> None:
        """Set one voltage."""
        self._sent()
        self._voltages[bias] = voltageValue

    def getBackgroundActivityFilter(self) -> int:
        """The filter's time in 250 µs."""
        return self._noise

    def setBackgroundActivityFilter(self, timeIn250us: int) -> None:
        """Set the filter's time."""
        self._sent()
        self._noise = timeIn250us

    def getRefractoryPeriodFilter(self) -> int:
        """The filter's time in 250 µs."""
        return self._refractory

    def setRefractoryPeriodFilter(self, timeIn250us: int) -> None:
        """Set the filter's time."""
        self._sent()
        self._refractory = timeIn250us


KINDS: dict[str, type[_Base]] = {"dvxplorer": DVXplorer, "davis": DAVIS, "dvs128": DVS128}


class Port:
    """A port with a camera in it, or without.

    Stands in for the module ``dv_processing.io.camera``: ``discover`` and ``open``. ``unplug``
    and ``plug`` may be called at any moment, from any thread.
    """

    def __init__(
        self,
        kind: str = "dvxplorer",
        scene: str = "samples",
        serial: str = "virtual",
        now_us: Callable[[], int] = _now_us,
    ) -> None:
        self.scene = scene
        self.now_us = now_us
        self._class = KINDS[kind]
        self.descriptor = DeviceDescriptor(self._class.model, serial)
        self.plugged: _Base | None = None
        self.unplugged_us = 0
        self._present = True

    def discover(self) -> list[DeviceDescriptor]:
        """Return what is plugged in."""
        return [self.descriptor] if self._present else []

    def open(self, descriptor: DeviceDescriptor) -> _Base:
        """Open it."""
        if not self._present:
            raise RuntimeError("Failed to open USB device.")
        if self.plugged is not None:
            raise RuntimeError(
                "Failed to claim USB interface 0. This usually happens because the "
                "device is already in use by another running program."
            )
        camera = self._class(self)
        self.plugged = camera
        return camera

    def unplug(self) -> None:
        """Pull the plug."""
        self.unplugged_us = self.now_us()
        self._present = False
        self.plugged = None

    def plug(self) -> None:
        """Put it back."""
        self._present = True
