"""What every camera is to us, whichever library drives it.

A ``Driver`` finds cameras and opens them; an open camera is a ``Device``. Nothing here waits for
a camera: ``Device.read`` returns None where nothing has come yet.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol

from pipeline.errors import DeviceError
from pipeline.events import Events


class Gone(DeviceError):
    """A camera was unplugged, or answers no more."""


@dataclass(frozen=True, slots=True)
class Found:
    """A camera that is plugged in.

    driver   the library that drives it
    model    what it is, e.g. ``"DVXplorer"``
    serial   its serial number; empty where it could not be read
    firmware, usb   version and speed of the connection where the library tells without opening it
    problem  why it cannot be opened; empty where it can
    can      which settings of ``camera`` it obeys in hardware
    handle   what the driver needs to open it
    """

    driver: str
    model: str
    serial: str
    firmware: str = ""
    usb: str = ""
    problem: str = ""
    can: tuple[str, ...] = ()
    handle: Any = field(default=None, compare=False, repr=False)

    @property
    def name(self) -> str:
        """Model and serial number, e.g. ``"DVXplorer DXA00093"``."""
        return f"{self.model} {self.serial}".strip()


class Batch(NamedTuple):
    """What a camera gave at once.

    events      ``[n] EVENT``, times in the camera's own µs; the caller's to change
    reached_us  camera time up to which nothing more will come
    """

    events: Events
    reached_us: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a camera is asked for; None: as the camera comes."""

    sensitivity: str = "default"
    biases: tuple[tuple[str, str], ...] = ()
    roi: tuple[int, int, int, int] | None = None
    noise_us: int | None = None
    refractory_us: int | None = None
    rate_limit: float | None = None
    readout: str = "default"
    flip_horizontal: bool = False
    flip_vertical: bool = False


class Device(ABC):
    """An open camera; used by one thread. Every method but ``close`` may raise Gone.

    found          which one it is
    width, height  the sensor's size in pixels
    """

    found: Found
    width: int
    height: int

    @abstractmethod
    def read(self) -> Batch | None:
        """Return what has come since the last call, None where nothing has; never waits."""

    @abstractmethod
    def apply(self, wanted: Wanted) -> list[str]:
        """Ask the camera for these settings; return what it cannot do, one line each."""

    @abstractmethod
    def actual(self) -> dict[str, object]:
        """Return the settings that the camera really has, under the names of ``camera``'s."""

    def dropped(self) -> dict[str, int]:
        """Return the camera's own counters of what was lost before it came here."""
        return {}

    def facts(self) -> dict[str, str | int | float]:
        """Return what else is worth knowing of it."""
        return {}

    @abstractmethod
    def close(self) -> None:
        """Let go of the camera; does nothing where that was done."""


class Driver(Protocol):
    """Finds cameras of one kind and opens them."""

    name: ClassVar[str]

    def discover(self) -> list[Found]:
        """Return the cameras that are plugged in now; raises DeviceError where it cannot look."""
        ...

    def open(self, found: Found) -> Device:
        """Open a camera; raises DeviceError with one line where that is not possible."""
        ...


def plain(error: BaseException) -> str:
    """Return what a library's exception says, in one line: no paths, no stack of its own."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    for line in lines:
        kind, colon, text = line.partition(": ")
        if colon and kind.endswith(("Error", "Exception", "Argument")) and " " not in kind:
            return text
    return lines[0] if lines else type(error).__name__
