"""Two Dynamixel servos of the X series (or MX with protocol 2) on one serial line.

Goals leave as one GroupSyncWrite for both servos, unanswered. The status is read in pieces
between them, so that no goal waits for an answer. The servos keep the limits too: their position
limits and motion profile are set when the head is opened, and a watchdog of their own stops them
when nothing reaches them any more. The numbers are those of Robotis's control table for the X
series.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, Literal

from nodes.head.head import AXES, Limits
from nodes.head.motion import glide, never, settle
from nodes.head.port import Port, needed
from pipeline import Meta, Settings
from pipeline.clock import Clock, MonotonicClock
from pipeline.errors import DeviceError, UsageError

_UNITS_PER_DEG = 4096 / 360
_DEG_S_PER_UNIT = 0.229 * 6
_DEG_S2_PER_UNIT = 214.577 / 10
_HIGHEST_PROFILE = 32767

# Address and length in bytes.
_RETURN_DELAY = (9, 1)
_DRIVE_MODE = (10, 1)
_OPERATING_MODE = (11, 1)
_MAX_POSITION = (48, 4)
_MIN_POSITION = (52, 4)
_TORQUE = (64, 1)
_HARDWARE_ERROR = (70, 1)
_WATCHDOG = (98, 1)
_PROFILE_ACCELERATION = (108, 4)
_PROFILE_VELOCITY = (112, 4)
_GOAL = (116, 4)
_VELOCITY_AND_POSITION = (128, 8)
_POSITION = (132, 4)

_POLLS = ((64, 7), _WATCHDOG)
"""What is read between commands, in turn: torque to hardware error, and the watchdog."""

_POSITION_MODE = 3
_PROFILE_BY_TIME_OR_TORQUE_BY_GOAL = 0b1100
_TRIPPED = 255
_WATCHDOG_MS = 20

_FAULTS = {
    0: "a supply voltage out of range",
    2: "over-temperature",
    3: "a broken encoder",
    4: "an electrical shock or too little power",
    5: "overload",
}
_REFUSALS = {
    1: "it could not carry it out",
    2: "it does not know the instruction",
    3: "the checksum that reached it was wrong",
    4: "the value is out of range",
    5: "the length is wrong",
    6: "the value is past a limit",
    7: "the entry cannot be written now",
}
_MODELS = frozenset(
    {30, 311, 321, 1000, 1001, 1010, 1011, 1020, 1030, 1040, 1050, 1060, 1070, 1080, 1090, 1100}
    | {1101, 1110, 1111, 1120, 1130, 1140, 1150, 1160, 1170, 1180, 1190, 1200, 1210, 1220, 1230}
    | {1240, 1270, 1280, 1310, 1700}
)
"""Model numbers of servos with this control table (MX-28/64/106 with protocol 2, and X)."""

_RETRIES = 2


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
    """One servo's id and how its positions stand for degrees."""

    def __init__(self, axis: int, servo_id: int, zero: int, reverse: bool, limits: Limits) -> None:
        self.id = servo_id
        self.label = f"servo {servo_id} ({AXES[axis]})"
        self._zero = zero
        self._scale = -_UNITS_PER_DEG if reverse else _UNITS_PER_DEG
        ends = sorted(zero + self._scale * angle for angle in limits.spans[axis])
        # A turn has no position 4096: half a turn is one step short.
        self.least, self.most = math.ceil(ends[0] - 1e-9), math.floor(min(ends[1], 4095) + 1e-9)
        if ends[0] < -0.5 or ends[1] > 4096.5:
            raise UsageError(
                f"{AXES[axis]}: its limits need servo positions {self.least} to "
                f"{math.floor(ends[1])} about {AXES[axis]}_zero = {zero}; the servo has 0 to 4095"
            )
        self.least = max(self.least, 0)

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
        self._clock = clock or MonotonicClock()
        self._servos = (
            _Servo(0, settings.pan_id, settings.pan_zero, settings.pan_reversed, limits),
            _Servo(1, settings.tilt_id, settings.tilt_zero, settings.tilt_reversed, limits),
        )
        self._port = Port(settings.port, settings.baud)
        self._line = _Line(self._port, settings.answer_ms, self._clock)
        self._sdk: Any = None
        self._goals: Any = None
        self._delays_us = 500 * len(self._servos)
        self._polled = 0
        self._asked_ns: int | None = None
        self._failures = 0

    @property
    def name(self) -> str:
        """The port."""
        return self.settings.port

    @property
    def least_tick_us(self) -> int:
        """A goal, a question and both answers on the line, and the servos' delay in answering."""
        goal, question, answers = 14 + 2 * 5, 14 + 2, 2 * (11 + 7)
        return math.ceil((goal + question + answers) * 1e7 / self.settings.baud) + self._delays_us

    @property
    def hold_note(self) -> str:
        """The servos' watchdog."""
        return f"the servos' watchdog stops them after {self.settings.watchdog_ms} ms"

    def open(self) -> None:
        """Find both servos, set their limits and let them hold where they stand.

        Turns the torque off for a moment where a setting in the servos' EEPROM must change.
        """
        try:
            import dynamixel_sdk
        except ImportError:
            raise needed("dynamixel-sdk", "a head of Dynamixel servos") from None
        self._port.open()
        try:
            self._sdk = dynamixel_sdk.Protocol2PacketHandler()
            self._goals = dynamixel_sdk.GroupSyncWrite(self._line, self._sdk, *_GOAL)
            for servo in self._servos:
                self._find(servo)
            self.check()
            delays = [2 * self._ask(servo, *_RETURN_DELAY) for servo in self._servos]
            self._delays_us = sum(delays)
            for servo in self._servos:
                self._prepare(servo)
        except BaseException:
            self._port.close()
            raise

    def home(self, stop: Callable[[], bool] = never) -> None:
        """Glide to (0, 0) and wait until the servos say that they are there."""
        if glide(self, self.limits, self.position(), (0.0, 0.0), stop):
            settle(self, (0.0, 0.0), stop)

    def send(self, pan_deg: float, tilt_deg: float) -> tuple[float, float]:
        """Command angles to both servos in one packet."""
        pan, tilt = self._servos
        goals = pan.units(pan_deg), tilt.units(tilt_deg)
        for servo, goal in zip(self._servos, goals, strict=True):
            data = list(goal.to_bytes(4, "little"))
            if not self._goals.changeParam(servo.id, data):
                self._goals.addParam(servo.id, data)
        self._goals.txPacket()
        return pan.degrees(goals[0]), tilt.degrees(goals[1])

    def position(self) -> tuple[float, float]:
        """Read where both servos stand."""
        pan, tilt = self._servos
        return (
            pan.degrees(_signed(self._ask(pan, *_POSITION))),
            tilt.degrees(_signed(self._ask(tilt, *_POSITION))),
        )

    def check(self) -> None:
        """Read both servos' hardware errors."""
        for servo in self._servos:
            self._judge(servo, self._ask(servo, *_HARDWARE_ERROR))

    def poll(self) -> None:
        """Ask both servos for their status, or take their answers when they have come."""
        address, length = _POLLS[self._polled % len(_POLLS)]
        now = self._clock.now_ns()
        if self._asked_ns is None:
            ids = [servo.id for servo in self._servos]
            self._sdk.syncReadTx(self._line, address, length, ids, len(ids), False)
            self._asked_ns = now
            self._line.keep = True
            return
        complete = self._port.waiting() >= len(self._servos) * (11 + length)
        if not complete and now - self._asked_ns < self.settings.answer_ms * 1_000_000:
            return
        self._asked_ns = None
        self._line.keep = False
        self._line.expire()
        for servo in self._servos:
            data, result, _ = self._sdk.readRx(self._line, servo.id, length)
            if result != 0 or len(data) != length:
                self._failures += 1
                if self._failures > _RETRIES:
                    raise self._silent(servo, result)
                return
            self._take(servo, address, data)
        self._failures = 0
        self._polled += 1

    def stop(self) -> None:
        """Brake and hold, or release the torque; both servos are tried, whatever one does."""
        if not self._port.is_open or self._sdk is None:
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
        self._port.close()

    def _find(self, servo: _Servo) -> None:
        for _ in range(1 + _RETRIES):
            model, result, _ = self._sdk.ping(self._line, servo.id)
            if result == 0:
                break
        else:
            raise DeviceError(
                f"{self.name}: {servo.label} does not answer at {self.settings.baud} baud; are "
                "its id and baud rate right, and is it powered?"
            )
        wanted = self.settings.model
        if wanted is not None and model != wanted:
            raise DeviceError(f"{self.name}: {servo.label} is model {model}, not {wanted}")
        if wanted is None and model not in _MODELS:
            raise DeviceError(
                f"{self.name}: {servo.label} is model {model}, not one of the X series; set "
                f"'model = {model}' if its control table is theirs"
            )

    def _prepare(self, servo: _Servo) -> None:
        self._tell(servo, *_WATCHDOG, 0)
        drive = self._ask(servo, *_DRIVE_MODE)
        lasting = [
            (_DRIVE_MODE, drive & ~_PROFILE_BY_TIME_OR_TORQUE_BY_GOAL),
            (_OPERATING_MODE, _POSITION_MODE),
            (_MIN_POSITION, servo.least),
            (_MAX_POSITION, servo.most),
        ]
        changed = [(entry, value) for entry, value in lasting if self._ask(servo, *entry) != value]
        if changed:
            self._tell(servo, *_TORQUE, 0)
            for entry, value in changed:
                self._tell(servo, *entry, value)
        limits = self.limits
        self._tell(
            servo, *_PROFILE_ACCELERATION, _profile(limits.acceleration_deg_s2, _DEG_S2_PER_UNIT)
        )
        self._tell(servo, *_PROFILE_VELOCITY, _profile(limits.speed_deg_s, _DEG_S_PER_UNIT))
        here = _signed(self._ask(servo, *_POSITION))
        self._tell(servo, *_GOAL, servo.clamped(here))
        self._tell(servo, *_TORQUE, 1)
        self._tell(servo, *_WATCHDOG, math.ceil(self.settings.watchdog_ms / _WATCHDOG_MS))

    def _stop(self, servo: _Servo) -> None:
        if self.settings.on_stop == "release":
            self._tell(servo, *_TORQUE, 0)
            self._tell(servo, *_WATCHDOG, 0)
            return
        both = self._ask(servo, *_VELOCITY_AND_POSITION)
        velocity = _signed(both & 0xFFFFFFFF) * _DEG_S_PER_UNIT
        here = _signed(both >> 32)
        # Where it can stop without turning back; at once would be past the acceleration's limit.
        way = velocity * abs(velocity) / (2 * self.limits.acceleration_deg_s2) * _UNITS_PER_DEG
        try:
            self._tell(servo, *_GOAL, servo.clamped(here + round(way)))
        except DeviceError:
            if self._ask(servo, *_WATCHDOG) == _TRIPPED:
                return
            raise
        self._tell(servo, *_WATCHDOG, 0)

    def _take(self, servo: _Servo, address: int, data: list[int]) -> None:
        if address == _WATCHDOG[0]:
            if data[0] == _TRIPPED:
                raise DeviceError(
                    f"{self.name}: {servo.label} stopped by itself: nothing had reached it for "
                    f"{self.settings.watchdog_ms} ms"
                )
            return
        self._judge(servo, data[_HARDWARE_ERROR[0] - address])
        if not data[0]:
            raise DeviceError(f"{self.name}: {servo.label} has lost its torque; was its power cut?")

    def _judge(self, servo: _Servo, status: int) -> None:
        faults = [text for bit, text in _FAULTS.items() if status & 1 << bit]
        if status:
            what = " and ".join(faults) or f"hardware error {status:#x}"
            raise DeviceError(
                f"{self.name}: {servo.label} reports {what}; its torque is off until its power is "
                "cycled"
            )

    def _ask(self, servo: _Servo, address: int, length: int) -> int:
        """Read an entry and wait for it; unsigned."""
        self._asked_ns, self._line.keep = None, False
        result = 0
        for _ in range(1 + _RETRIES):
            data, result, _ = self._sdk.readTxRx(self._line, servo.id, address, length)
            if result == 0 and len(data) == length:
                return int.from_bytes(bytes(data), "little")
        raise self._silent(servo, result)

    def _tell(self, servo: _Servo, address: int, length: int, value: int) -> None:
        """Write an entry and wait for the acknowledgement."""
        self._asked_ns, self._line.keep = None, False
        data = list(value.to_bytes(length, "little"))
        result, refusal = 0, 0
        for _ in range(1 + _RETRIES):
            result, refusal = self._sdk.writeTxRx(self._line, servo.id, address, length, data)
            refusal &= 0x7F
            if result == 0 and refusal == 0:
                return
        if result:
            raise self._silent(servo, result)
        raise DeviceError(
            f"{self.name}: {servo.label} refuses {value} at address {address}: "
            f"{_REFUSALS.get(refusal, f'error {refusal}')}"
        )

    def _silent(self, servo: _Servo, result: int) -> DeviceError:
        what = "no answer" if result == -3001 else "no valid answer (wrong checksum)"
        return DeviceError(
            f"{self.name}: {servo.label} gives {what}, asked {1 + _RETRIES} times, "
            f"{self.settings.answer_ms} ms each"
        )


class _Line:
    """The port as dynamixel-sdk wants it: its packet handlers call these names.

    Its own PortHandler opens the port for several programs at once and spins while it waits.
    """

    def __init__(self, port: Port, answer_ms: int, clock: Clock) -> None:
        self._port = port
        self._answer_ms = answer_ms
        self._clock = clock
        self._due_ns = 0
        self.keep = False

    @property
    def is_using(self) -> bool:
        """Never: one thread uses the line, and after Ctrl-C inside a packet it must be usable."""
        return False

    @is_using.setter
    def is_using(self, using: bool) -> None:
        pass

    def clearPort(self) -> None:
        """Forget old answers, but not those to the question that is open."""
        if not self.keep:
            self._port.drop_input()

    def writePort(self, packet: list[int]) -> int:
        """Write a packet."""
        self._port.write(bytes(packet))
        return len(packet)

    def readPort(self, length: int) -> bytes:
        """Return what has come; waits a little where nothing has."""
        data = self._port.read(length)
        if not data and length > 0:
            left = (self._due_ns - self._clock.now_ns()) / 1e9
            if left > 0:
                self._port.wait(min(left, 0.005))
                data = self._port.read(length)
        return data

    def setPacketTimeout(self, length: int) -> None:
        """Begin to wait for an answer."""
        self._due_ns = self._clock.now_ns() + self._answer_ms * 1_000_000

    def isPacketTimeout(self) -> bool:
        """Return whether the answer is overdue."""
        return self._clock.now_ns() >= self._due_ns

    def expire(self) -> None:
        """Take what has come and wait for nothing more."""
        self._due_ns = 0


def _profile(limit: float, unit: float) -> int:
    # 0 would mean no limit at all.
    return min(max(math.floor(limit / unit), 1), _HIGHEST_PROFILE)


def _signed(value: int) -> int:
    return value - (1 << 32) if value >= 1 << 31 else value
