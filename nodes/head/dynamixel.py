"""Two Dynamixel servos of the X series (or MX with protocol 2) on one serial line.

Goals leave as one packet for both servos, unanswered. The status is read in pieces between them,
so that no goal waits for an answer. The servos keep the limits too: their position limits and
motion profile are set when the head is opened, and a watchdog of their own stops them when
nothing reaches them any more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Literal

from nodes.head import xseries
from nodes.head.bus import Bus, ServoId
from nodes.head.head import AXES, Limits
from nodes.head.motion import glide, never, settle
from pipeline import Meta, Settings
from pipeline.clock import Clock, MonotonicClock
from pipeline.errors import DeviceError, UsageError

_POLLS = (xseries.TORQUE_TO_ERROR, xseries.WATCHDOG)


class DynamixelSettings(Settings):
    """Settings of a head of two Dynamixel servos."""

    port: Annotated[str, Meta(description="the serial port")] = "/dev/ttyUSB0"
    baud: Annotated[
        int, Meta(ge=9600, le=4_500_000, description="the servos' baud rate; they come with 57600")
    ] = 1_000_000
    pan_id: Annotated[int, Meta(ge=0, le=252, description="the pan servo's id")] = 1
    tilt_id: Annotated[int, Meta(ge=0, le=252, description="the tilt servo's id")] = 2
    model: Annotated[
        Annotated[int, Meta(ge=0, le=65535)] | None,
        Meta(description="the model number that both must have (none: any known one)"),
    ] = None
    pan_zero: Annotated[
        int, Meta(ge=0, le=4095, description="the pan servo's position at 0°, 4096 a turn")
    ] = 2048
    tilt_zero: Annotated[
        int, Meta(ge=0, le=4095, description="the tilt servo's position at 0°, 4096 a turn")
    ] = 2048
    pan_reversed: Annotated[bool, Meta(description="positions grow to the left")] = False
    tilt_reversed: Annotated[bool, Meta(description="positions grow downwards")] = False
    on_stop: Annotated[
        Literal["hold", "release"],
        Meta(description="after a stop: 'hold' the position, or 'release' the torque"),
    ] = "hold"
    watchdog_ms: Annotated[
        int, Meta(ge=20, le=2540, description="the servos stop when nothing reaches them so long")
    ] = 200
    answer_ms: Annotated[
        int, Meta(ge=1, le=1000, description="how long an answer may take; asked three times")
    ] = 30


class _Servo:
    """One servo, and how its positions stand for degrees."""

    def __init__(self, axis: int, servo_id: int, zero: int, reverse: bool, limits: Limits) -> None:
        self.at = ServoId(servo_id, f"servo {servo_id} ({AXES[axis]})")
        self._zero = zero
        self._scale = -xseries.UNITS_PER_DEG if reverse else xseries.UNITS_PER_DEG
        low, high = sorted(zero + self._scale * angle for angle in limits.spans[axis])
        self.least, self.most = math.ceil(low - 1e-9), math.floor(high + 1e-9)
        # A turn has no position 4096: half a turn from the middle is one step short.
        if self.least < 0 or self.most > 4096:
            raise UsageError(
                f"{AXES[axis]}: its limits need servo positions {self.least} to {self.most} about "
                f"{AXES[axis]}_zero = {zero}; the servo has 0 to 4095"
            )
        self.most = min(self.most, 4095)

    def units(self, degrees: float) -> int:
        return self.clamped(round(self._zero + self._scale * degrees))

    def degrees(self, units: int) -> float:
        return (units - self._zero) / self._scale

    def clamped(self, units: int) -> int:
        return min(max(units, self.least), self.most)


class Dynamixel:
    """A ``Head`` of two servos, in which profile and position limits are set to ``limits``."""

    def __init__(
        self, settings: DynamixelSettings, limits: Limits, clock: Clock | None = None
    ) -> None:
        if settings.pan_id == settings.tilt_id:
            raise UsageError(f"pan_id and tilt_id are both {settings.pan_id}; they must differ")
        self.settings = settings
        self.limits = limits
        self._servos = (
            _Servo(0, settings.pan_id, settings.pan_zero, settings.pan_reversed, limits),
            _Servo(1, settings.tilt_id, settings.tilt_zero, settings.tilt_reversed, limits),
        )
        self._both = [servo.at for servo in self._servos]
        self._bus = Bus(settings.port, settings.baud, settings.answer_ms, clock or MonotonicClock())
        self._delays_us = 500 * len(self._servos)
        self._polls = 0

    @property
    def name(self) -> str:
        """The port."""
        return self.settings.port

    @property
    def least_tick_us(self) -> int:
        """A goal, a question and both answers on the line, and the servos' delay in answering."""
        _, most = xseries.TORQUE_TO_ERROR
        return self._bus.least_tick_us(len(self._servos), most) + self._delays_us

    @property
    def hold_note(self) -> str:
        """The servos' watchdog."""
        return f"the servos' watchdog stops them after {self.settings.watchdog_ms} ms"

    def open(self) -> None:
        """Find both servos, set their limits and let them hold where they stand.

        Turns the torque off for a moment where a setting in the servos' EEPROM must change.
        """
        self._bus.open()
        try:
            for servo in self._both:
                self._known(servo)
            self.check()
            self._delays_us = sum(2 * self._bus.ask(s, *xseries.RETURN_DELAY) for s in self._both)
            for each in self._servos:
                self._prepare(each)
        except BaseException:
            self._bus.close()
            raise

    def home(self, stop: Callable[[], bool] = never) -> None:
        """Glide to (0, 0) and wait until the servos say that they are there."""
        if glide(self, self.limits, self.position(), (0.0, 0.0), stop):
            settle(self, (0.0, 0.0), stop)

    def send(self, pan_deg: float, tilt_deg: float) -> tuple[float, float]:
        """Command angles to both servos in one packet."""
        pan, tilt = self._servos
        goals = pan.units(pan_deg), tilt.units(tilt_deg)
        self._bus.send({pan.at.id: goals[0], tilt.at.id: goals[1]})
        return pan.degrees(goals[0]), tilt.degrees(goals[1])

    def position(self) -> tuple[float, float]:
        """Read where both servos stand."""
        pan, tilt = (
            servo.degrees(xseries.signed(self._bus.ask(servo.at, *xseries.POSITION)))
            for servo in self._servos
        )
        return pan, tilt

    def check(self) -> None:
        """Read both servos' hardware errors."""
        for servo in self._both:
            self._judge(servo, self._bus.ask(servo, *xseries.HARDWARE_ERROR))

    def poll(self) -> None:
        """Ask both servos for their status, or take their answers when they have come."""
        address, length = _POLLS[self._polls % len(_POLLS)]
        answers = self._bus.poll(self._both, address, length)
        for servo, data in answers:
            self._take(servo, address, data)
        self._polls += bool(answers)

    def stop(self) -> None:
        """Brake and hold, or release the torque; both servos are tried, whatever one does."""
        if not self._bus.is_open:
            return
        failed = []
        for servo in self._servos:
            try:
                self._stop(servo)
            except DeviceError as error:
                failed.append(str(error))
        if failed:
            raise DeviceError("; ".join(dict.fromkeys(failed)))

    def close(self) -> None:
        """Give the port back."""
        self._bus.close()

    def _known(self, servo: ServoId) -> None:
        model, wanted = self._bus.model(servo), self.settings.model
        if wanted is not None and model != wanted:
            raise DeviceError(f"{self.name}: {servo.label} is model {model}, not {wanted}")
        if wanted is None and model not in xseries.MODELS:
            raise DeviceError(
                f"{self.name}: {servo.label} is model {model}, not one of the X series; set "
                f"'model = {model}' if its control table is theirs"
            )

    def _prepare(self, servo: _Servo) -> None:
        ask, tell, at = self._bus.ask, self._bus.tell, servo.at
        tell(at, *xseries.WATCHDOG, 0)
        mode = ask(at, *xseries.DRIVE_MODE) & ~xseries.PROFILE_BY_TIME_OR_TORQUE_BY_GOAL
        lasting = [
            (xseries.DRIVE_MODE, mode),
            (xseries.OPERATING_MODE, xseries.POSITION_MODE),
            (xseries.MIN_POSITION, servo.least),
            (xseries.MAX_POSITION, servo.most),
        ]
        changed = [(entry, value) for entry, value in lasting if ask(at, *entry) != value]
        if changed:
            tell(at, *xseries.TORQUE, 0)
            for entry, value in changed:
                tell(at, *entry, value)
        speed = xseries.profile(
            self.limits.speed_deg_s, xseries.DEG_S_PER_UNIT, ask(at, *xseries.VELOCITY_LIMIT)
        )
        acceleration = xseries.profile(
            self.limits.acceleration_deg_s2,
            xseries.DEG_S2_PER_UNIT,
            xseries.HIGHEST_ACCELERATION,
        )
        tell(at, *xseries.PROFILE_ACCELERATION, acceleration)
        tell(at, *xseries.PROFILE_VELOCITY, speed)
        here = xseries.signed(ask(at, *xseries.POSITION))
        tell(at, *xseries.GOAL, servo.clamped(here))
        tell(at, *xseries.TORQUE, 1)
        watchdog = math.ceil(self.settings.watchdog_ms / xseries.WATCHDOG_UNIT_MS)
        tell(at, *xseries.WATCHDOG, watchdog)

    def _stop(self, servo: _Servo) -> None:
        ask, tell, at = self._bus.ask, self._bus.tell, servo.at
        if self.settings.on_stop == "release":
            tell(at, *xseries.TORQUE, 0)
            tell(at, *xseries.WATCHDOG, 0)
            return
        both = ask(at, *xseries.VELOCITY_AND_POSITION)
        speed = xseries.signed(both & 0xFFFFFFFF) * xseries.DEG_S_PER_UNIT
        here = xseries.signed(both >> 32)
        # Where it can stop without turning back; at once would be past the acceleration's limit.
        way = speed * abs(speed) / (2 * self.limits.acceleration_deg_s2) * xseries.UNITS_PER_DEG
        try:
            tell(at, *xseries.GOAL, servo.clamped(here + round(way)))
        except DeviceError:
            if ask(at, *xseries.WATCHDOG) == xseries.WATCHDOG_TRIPPED:
                return
            raise
        tell(at, *xseries.WATCHDOG, 0)

    def _take(self, servo: ServoId, address: int, data: list[int]) -> None:
        if address == xseries.WATCHDOG[0]:
            if data[0] == xseries.WATCHDOG_TRIPPED:
                raise DeviceError(
                    f"{self.name}: {servo.label} stopped by itself: nothing had reached it for "
                    f"{self.settings.watchdog_ms} ms"
                )
            return
        self._judge(servo, data[xseries.HARDWARE_ERROR[0] - address])
        if not data[xseries.TORQUE[0] - address]:
            raise DeviceError(f"{self.name}: {servo.label} has lost its torque; was its power cut?")

    def _judge(self, servo: ServoId, status: int) -> None:
        what = xseries.fault(status)
        if what:
            raise DeviceError(
                f"{self.name}: {servo.label} reports {what}; its torque is off until its power is "
                "cycled"
            )
