"""Settings of iniVation's cameras: what each class of dv-processing can be asked for.

A pixel fires when its light has changed by a threshold. DVXplorers have two numbers for it, from
0 to 17. The older sensors have currents instead, whose ratios are the thresholds (Lichtsteiner,
Posch and Delbruck 2008, eq. 5)::

    θ_on ∝ ln(I_on / I_diff)        θ_off ∝ ln(I_diff / I_off)

so a preset multiplies I_on and divides I_off by the same factor; ``default`` is what the camera
comes with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from nodes.camera.device import Wanted

THRESHOLDS = {"very-low": 0.6, "low": 0.3, "default": 0.0, "high": -0.4, "very-high": -0.75}
"""How far a threshold goes from its default towards its most (or, below zero, its least)."""

CURRENTS = {"very-low": 2.5, "low": 1.6, "default": 1.0, "high": 1 / 1.4, "very-high": 1 / 1.9}
"""Factor of I_on, and divisor of I_off."""

_MOST_THRESHOLD = 17
_TICK_US = 250


def towards(default: int, least: int, most: int, share: float) -> int:
    """Return the number that lies ``share`` of the way from ``default`` to ``most`` or ``least``.

    Below zero the way goes to ``least``.
    """
    return round(default + (share * (most - default) if share > 0 else -share * (least - default)))


def scaled(coarse: int, fine: int, by: float) -> tuple[int, int]:
    """Return the coarse and fine value of a DAVIS's current, times ``by``.

    A step of the coarse value is a factor of eight, the fine value goes up to 255.
    """
    if by == 1:
        return coarse, fine
    current = 8.0**coarse * max(fine, 1) * by
    for step in range(8):
        value = round(current / 8.0**step)
        if value <= 255:
            return step, max(1, value)
    return 7, 255


class Tuner:
    """What all classes share: region of interest and mirrors. Others add their own.

    Raises RuntimeError as dv-processing does where the camera refuses.
    """

    def __init__(self, camera: Any, name: str, width: int, height: int) -> None:
        self.camera = camera
        self.name = name
        self.size = width, height

    def apply(self, wanted: Wanted) -> list[str]:
        """Set everything; return what this camera cannot do."""
        words = self._roi(wanted.roi)
        self.camera.setFlipHorizontal(wanted.flip_horizontal)
        self.camera.setFlipVertical(wanted.flip_vertical)
        words += self.sensitivity(wanted.sensitivity)
        words += self.noise(wanted.noise_us)
        words += self.refractory(wanted.refractory_us)
        words += self.readout(wanted.readout)
        if wanted.rate_limit is not None:
            words += [self.lacks("rate_limit", "a node 'filter' limits the rate")]
        # What is named goes before any preset.
        for key, value in wanted.biases:
            words += self.bias(key, value)
        return words

    def actual(self) -> dict[str, object]:
        """Read everything back."""
        x0, y0, width, height = self.camera.getCropArea()
        whole = (x0, y0, width, height) == (0, 0, *self.size)
        return {
            "roi": "" if whole else f"{x0},{y0},{width},{height}",
            "flip_horizontal": self.camera.getFlipHorizontal(),
            "flip_vertical": self.camera.getFlipVertical(),
            "biases": ",".join(f"{key}={value}" for key, value in self.biases().items()),
        }

    def lacks(self, setting: str, instead: str) -> str:
        """Say that this camera has no such thing."""
        return f"{self.name} has no {setting} in hardware: {instead}"

    def sensitivity(self, preset: str) -> list[str]:
        """Set the thresholds to a preset."""
        return [] if preset == "default" else [self.lacks("sensitivity", "it stays as it is")]

    def noise(self, us: int | None) -> list[str]:
        """Set the background-activity filter."""
        return [] if us is None else [self.lacks("noise_us", "a node 'filter' removes noise")]

    def refractory(self, us: int | None) -> list[str]:
        """Set the refractory filter."""
        instead = "a node 'filter' has a refractory time"
        return [] if us is None else [self.lacks("refractory_us", instead)]

    def readout(self, mode: str) -> list[str]:
        """Set how often the sensor is read out."""
        return [] if mode == "default" else [self.lacks("readout", "it stays as it is")]

    def biases(self) -> dict[str, str]:
        """Return every bias that can be set, by name."""
        return {}

    def bias(self, key: str, value: str) -> list[str]:
        """Set one bias."""
        known = self.biases()
        if key not in known:
            return [f"{self.name} has no bias '{key}' (it has: {', '.join(known) or 'none'})"]
        try:
            self.set_bias(key, value)
        except (ValueError, TypeError, OverflowError) as error:
            return [f"{self.name}: bias {key}={value} is not possible ({error})"]
        return []

    def set_bias(self, key: str, value: str) -> None:
        """Set a known bias; raises ValueError where the value is none for it."""
        raise NotImplementedError(key)

    def _roi(self, roi: tuple[int, int, int, int] | None) -> list[str]:
        width, height = self.size
        area = roi or (0, 0, width, height)
        if area[0] + area[2] > width or area[1] + area[3] > height:
            return [f"{self.name}: roi {area} does not fit {width}×{height} pixels"]
        if tuple(self.camera.getCropArea()) != area:
            self.camera.setCropArea(area)
        return []


class DVXplorerTuner(Tuner):
    """DVXplorer and its kin: two thresholds, and the frequency of the readout."""

    def __init__(self, camera: Any, name: str, width: int, height: int) -> None:
        super().__init__(camera, name, width, height)
        self._on = camera.getContrastThresholdOn()
        self._off = camera.getContrastThresholdOff()
        self._readout = camera.getReadoutFPS()

    def sensitivity(self, preset: str) -> list[str]:
        """Set both thresholds; a low sensitivity is a high threshold."""
        share = THRESHOLDS[preset]
        self.camera.setContrastThresholdOn(towards(self._on, 0, _MOST_THRESHOLD, share))
        self.camera.setContrastThresholdOff(towards(self._off, 0, _MOST_THRESHOLD, share))
        return []

    def readout(self, mode: str) -> list[str]:
        """Set the readout's frequency."""
        wanted = self._readout
        if mode != "default":
            wanted = getattr(type(wanted), mode.replace("-", "_").upper())
        if self.camera.getReadoutFPS() != wanted:
            self.camera.setReadoutFPS(wanted)
        return []

    def biases(self) -> dict[str, str]:
        """Return the thresholds."""
        return {
            "on": str(self.camera.getContrastThresholdOn()),
            "off": str(self.camera.getContrastThresholdOff()),
        }

    def set_bias(self, key: str, value: str) -> None:
        """Set one threshold."""
        number = _number(value, _MOST_THRESHOLD)
        if key == "on":
            self.camera.setContrastThresholdOn(number)
        else:
            self.camera.setContrastThresholdOff(number)

    def actual(self) -> dict[str, object]:
        """Read the readout back too."""
        mode = self.camera.getReadoutFPS().name.replace("_", "-").lower()
        return {**super().actual(), "readout": mode}


class DVS128Tuner(Tuner):
    """DVS128: twelve currents of 24 bits."""

    def __init__(self, camera: Any, name: str, width: int, height: int) -> None:
        super().__init__(camera, name, width, height)
        self._names = {bias.lower(): value for bias, value in _members(camera.Bias).items()}
        self._on = camera.getBias(camera.Bias.DIFF_ON)
        self._off = camera.getBias(camera.Bias.DIFF_OFF)

    def sensitivity(self, preset: str) -> list[str]:
        """Set the currents that stand for the thresholds."""
        camera, factor = self.camera, CURRENTS[preset]
        camera.setBias(camera.Bias.DIFF_ON, min(2**24 - 1, round(self._on * factor)))
        camera.setBias(camera.Bias.DIFF_OFF, max(1, round(self._off / factor)))
        return []

    def biases(self) -> dict[str, str]:
        """Return all currents."""
        return {key: str(self.camera.getBias(bias)) for key, bias in self._names.items()}

    def set_bias(self, key: str, value: str) -> None:
        """Set one current."""
        self.camera.setBias(self._names[key], _number(value, 2**24 - 1))


class DavisTuner(Tuner):
    """DAVIS: coarse and fine currents, two filters in the logic beside the sensor."""

    _SETS: ClassVar[dict[str, tuple[str, str]]] = {
        "DAVIS240A": ("Davis240", ""),
        "DAVIS240B": ("Davis240", ""),
        "DAVIS240C": ("Davis240", ""),
        "DAVIS346": ("Davis346", "Davis346"),
        "CDAVIS": ("CDavis", "CDavis"),
    }

    def __init__(self, camera: Any, name: str, width: int, height: int) -> None:
        super().__init__(camera, name, width, height)
        current, voltage = self._SETS.get(camera.getSensorModel().name, ("", ""))
        self._currents = _members(getattr(camera, f"{current}BiasCF")) if current else {}
        self._voltages = _members(getattr(camera, f"{voltage}BiasVDAC")) if voltage else {}
        self._current: Callable[[Any], tuple[int, int]]
        if current:
            self._current = getattr(camera, f"get{current}BiasCoarseFine")
            self._set_current = getattr(camera, f"set{current}BiasCoarseFine")
            self._on = self._current(self._currents["On"])
            self._off = self._current(self._currents["Off"])
        if voltage:
            self._voltage = getattr(camera, f"get{voltage}BiasVoltage")
            self._set_voltage = getattr(camera, f"set{voltage}BiasVoltage")
        self._noise = camera.getBackgroundActivityFilter()
        self._refractory = camera.getRefractoryPeriodFilter()

    def sensitivity(self, preset: str) -> list[str]:
        """Set the currents that stand for the thresholds."""
        if not self._currents:
            return super().sensitivity(preset)
        factor = CURRENTS[preset]
        for key, current, by in (("On", self._on, factor), ("Off", self._off, 1 / factor)):
            self._set_current(self._currents[key], *scaled(*current, by))
        return []

    def noise(self, us: int | None) -> list[str]:
        """Set the background-activity filter, in steps of 250 µs."""
        ticks = self._noise if us is None else min(2**16 - 1, -(-us // _TICK_US))
        if self.camera.getBackgroundActivityFilter() != ticks:
            self.camera.setBackgroundActivityFilter(ticks)
        return []

    def refractory(self, us: int | None) -> list[str]:
        """Set the refractory filter, in steps of 250 µs."""
        ticks = self._refractory if us is None else min(2**16 - 1, -(-us // _TICK_US))
        if self.camera.getRefractoryPeriodFilter() != ticks:
            self.camera.setRefractoryPeriodFilter(ticks)
        return []

    def biases(self) -> dict[str, str]:
        """Return currents as ``coarse/fine`` and voltages as they are."""
        found = {}
        for key, bias in self._currents.items():
            coarse, fine = self._current(bias)
            found[key.lower()] = f"{coarse}/{fine}"
        for key, bias in self._voltages.items():
            found[key.lower()] = str(self._voltage(bias))
        return found

    def set_bias(self, key: str, value: str) -> None:
        """Set one current or voltage."""
        for name, bias in self._currents.items():
            if name.lower() == key:
                coarse, slash, fine = value.partition("/")
                if not slash:
                    raise ValueError("expected coarse/fine")
                self._set_current(bias, _number(coarse, 7), _number(fine, 255))
        for name, bias in self._voltages.items():
            if name.lower() == key:
                self._set_voltage(bias, _number(value, 63))

    def actual(self) -> dict[str, object]:
        """Read the filters back too."""
        return {
            **super().actual(),
            "noise_us": self.camera.getBackgroundActivityFilter() * _TICK_US,
            "refractory_us": self.camera.getRefractoryPeriodFilter() * _TICK_US,
        }


def tuner_of(camera: Any, name: str, width: int, height: int) -> Tuner:
    """Return what tunes this camera, told by what it has."""
    kind = Tuner
    if hasattr(camera, "setContrastThresholdOn"):
        kind = DVXplorerTuner
    elif hasattr(camera, "getSensorModel"):
        kind = DavisTuner
    elif hasattr(camera, "setBias"):
        kind = DVS128Tuner
    return kind(camera, name, width, height)


def _members(enum: Any) -> dict[str, Any]:
    return dict(enum.__members__)


def _number(text: str, most: int) -> int:
    number = int(text)
    if not 0 <= number <= most:
        raise ValueError(f"expected 0 to {most}")
    return number
