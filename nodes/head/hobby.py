"""Two hobby servos behind a microcontroller that speaks plain lines (docs/heads.md).

A line is ``NUMBER WORD...*CC``: a number from 0 to 9999 that the answer repeats, words, and the
CRC-8 (polynomial 0x07, from 0) of all before the star as two hex digits. Angles are hundredths of
a degree. The answer is ``NUMBER ok WORD...*CC`` or ``NUMBER err WHAT*CC``; where the checksum was
wrong the number is ``-``. Goals are sent without waiting; their answers are taken in ``poll``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Literal

from nodes.head.head import AXES, Limits
from nodes.head.motion import glide, never, settle
from nodes.head.port import Port
from pipeline import Meta, Settings
from pipeline.clock import Clock, MonotonicClock
from pipeline.errors import DeviceError

_TRIES = 3
_NUMBERS = 10_000
_ASK_EVERY = 10
_LONGEST = 80

_REFUSALS = {
    "syntax": "it does not know the line",
    "limit": "the angle is past the limits that it was given",
    "off": "it has lost its state; was its power cut?",
    "stopped": "it was told to stop",
    "held": "nothing had reached it for {watchdog} ms, so it holds still",
}


class HobbySettings(Settings):
    """Settings of a head of two hobby servos."""

    port: Annotated[str, Meta(description="the board's serial port")] = "/dev/ttyACM0"
    baud: Annotated[
        int, Meta(ge=9600, le=4_000_000, description="baud rate, the same in the board's program")
    ] = 500_000
    pan_reversed: Annotated[bool, Meta(description="the pan servo's angles grow to the left")] = (
        False
    )
    tilt_reversed: Annotated[bool, Meta(description="the tilt servo's angles grow downwards")] = (
        False
    )
    on_stop: Annotated[
        Literal["hold", "release"],
        Meta(description="after a stop: 'hold' the position, or 'release' the servos (no pulses)"),
    ] = "hold"
    watchdog_ms: Annotated[
        int, Meta(ge=20, le=10_000, description="the board holds still when it hears nothing")
    ] = 200
    answer_ms: Annotated[
        int, Meta(ge=1, le=1000, description="how long an answer may take; asked three times")
    ] = 50
    boot_ms: Annotated[
        int, Meta(ge=0, le=60_000, description="how long the board may take to start")
    ] = 4000


def crc8(data: bytes) -> int:
    """Return the CRC-8 with polynomial x⁸ + x² + x + 1, from 0."""
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value << 1 ^ 0x07 if value & 0x80 else value << 1) & 0xFF
    return value


def line(text: str) -> bytes:
    """Return ``text`` as it goes over the line."""
    data = text.encode("ascii")
    return data + b"*%02X\n" % crc8(data)


def words(data: bytes) -> list[str] | None:
    """Return the words of a line without its end, or None where it is not whole."""
    text, star, check = data.rstrip().rpartition(b"*")
    if not star or check.upper() != b"%02X" % crc8(text):
        return None
    try:
        return text.decode("ascii").split()
    except UnicodeDecodeError:
        return None


class _NoAnswer(DeviceError):
    """The board says nothing."""


class Hobby:
    """A ``Head`` of two hobby servos. They tell nothing back: a position is what was sent last."""

    def __init__(self, settings: HobbySettings, limits: Limits, clock: Clock | None = None) -> None:
        self.settings = settings
        self.limits = limits
        self._clock = clock or MonotonicClock()
        self._port = Port(settings.port, settings.baud)
        self._signs = (-1 if settings.pan_reversed else 1, -1 if settings.tilt_reversed else 1)
        self._number = 0
        self._buffer = b""
        self._open: dict[str, int] = {}
        self._garbled = 0
        self._polls = 0

    @property
    def name(self) -> str:
        """The port."""
        return self.settings.port

    @property
    def least_tick_us(self) -> int:
        """The longest goal and a question about the status, on the line upwards."""
        goal, question = len("9999 G -18000 -18000*CC\n"), len("9999 Q*CC\n")
        return math.ceil((goal + question) * 1e7 / self.settings.baud)

    @property
    def hold_note(self) -> str:
        """The board's watchdog."""
        return f"the board's watchdog holds it after {self.settings.watchdog_ms} ms"

    def open(self) -> None:
        """Wait for the board to start, give it the limits and let it hold where it stands."""
        self._port.open()
        try:
            self._hello()
            ends = []
            for sign, (least, most) in zip(self._signs, self.limits.spans, strict=True):
                low, high = sorted((sign * least, sign * most))
                ends += [math.ceil(100 * low - 1e-6), math.floor(100 * high + 1e-6)]
            self._ask("L", *ends)
            self._ask("W", self.settings.watchdog_ms)
            self._ask("A")
        except BaseException:
            self._port.close()
            raise

    def home(self, stop: Callable[[], bool] = never) -> None:
        """Glide to (0, 0) from where the servos were sent last."""
        if glide(self, self.limits, self.position(), (0.0, 0.0), stop):
            settle(self, (0.0, 0.0), stop)

    def send(self, pan_deg: float, tilt_deg: float) -> tuple[float, float]:
        """Command both angles in one line."""
        sent = []
        for angle, (least, most) in zip((pan_deg, tilt_deg), self.limits.spans, strict=True):
            low, high = math.ceil(100 * least - 1e-6), math.floor(100 * most + 1e-6)
            sent.append(min(max(round(100 * angle), low), high))
        self._say("G", *(s * angle for s, angle in zip(self._signs, sent, strict=True)))
        return sent[0] / 100, sent[1] / 100

    def position(self) -> tuple[float, float]:
        """Ask where the servos were sent last."""
        answer = self._ask("P")
        try:
            pan, tilt = (int(word) for word in answer)
        except ValueError:
            raise self._nonsense("P", answer) from None
        return self._signs[0] * pan / 100, self._signs[1] * tilt / 100

    def check(self) -> None:
        """Ask for the board's state."""
        self._judge(self._ask("Q"))

    def poll(self) -> None:
        """Take the answers that have come; now and then ask for the state."""
        self._take()
        if self._open:
            oldest = next(iter(self._open.values()))
            if self._clock.now_ns() - oldest > _TRIES * self.settings.answer_ms * 1_000_000:
                raise self._silent()
        self._polls += 1
        if self._polls % _ASK_EVERY == 0:
            self._say("Q")

    def stop(self) -> None:
        """Hold at the last position, or release the servos."""
        if not self._port.is_open:
            return
        self._garbled = 0
        # Ends a line that Ctrl-C may have cut.
        self._port.write(b"\n")
        self._ask("R" if self.settings.on_stop == "release" else "S")

    def close(self) -> None:
        """Give the port back."""
        self._port.close()

    def _hello(self) -> None:
        end = self._clock.now_ns() + self.settings.boot_ms * 1_000_000
        while True:
            try:
                answer = self._ask("H")
                break
            except _NoAnswer:
                # A board that starts says nothing, or what its boot loader says.
                if self._clock.now_ns() > end:
                    raise
        if answer != ["head", "1"]:
            raise DeviceError(
                f"{self.name}: the board speaks '{' '.join(answer)}', not version 1 of this "
                "protocol; load docs/examples/head.ino onto it"
            )

    def _say(self, *parts: object) -> str:
        """Send a line and return its number."""
        self._number = (self._number + 1) % _NUMBERS
        number = str(self._number)
        self._open[number] = self._clock.now_ns()
        self._port.write(line(" ".join(str(part) for part in (number, *parts))))
        return number

    def _ask(self, *parts: object) -> list[str]:
        """Send a line, wait for its answer and return its words; raises on a refusal."""
        for _ in range(_TRIES):
            self._open.clear()
            number = self._say(*parts)
            end = self._clock.now_ns() + self.settings.answer_ms * 1_000_000
            while self._clock.now_ns() < end:
                answer = self._take(number)
                if answer is not None:
                    return answer
                self._port.wait(min((end - self._clock.now_ns()) / 1e9, 0.005))
        self._open.clear()
        raise self._silent()

    def _take(self, wanted: str = "") -> list[str] | None:
        """Take all answers that have come; return the one with the number ``wanted``."""
        found = None
        self._buffer += self._port.read(4096)
        while b"\n" in self._buffer:
            whole, _, self._buffer = self._buffer.partition(b"\n")
            answer = words(whole)
            if answer is None or len(answer) < 2 or answer[:2] == ["-", "err"]:
                self._garble(answer)
                continue
            if self._open.pop(answer[0], None) is None:
                continue
            self._garbled = 0
            if answer[1] == "err":
                raise self._refused(answer[2:])
            if answer[0] == wanted:
                found = answer[2:]
            elif len(answer) > 2:
                self._judge(answer[2:])
        self._buffer = self._buffer[-_LONGEST:]
        return found

    def _garble(self, answer: list[str] | None) -> None:
        self._garbled += 1
        # What a boot loader says before the first answer is no fault.
        if self._garbled >= _TRIES and self._polls:
            what = "the board hears" if answer else "the board's answers come with"
            raise DeviceError(f"{self.name}: {what} wrong checksums, {self._garbled} in a row")

    def _judge(self, state: list[str]) -> None:
        if state[:1] == ["fault"]:
            what = " ".join(state[1:]) or "a fault"
            raise DeviceError(f"{self.name}: the board reports {what}")
        if state in (["held"], ["off"]):
            raise self._refused(state)

    def _refused(self, what: list[str]) -> DeviceError:
        word = " ".join(what)
        text = _REFUSALS.get(word, word).format(watchdog=self.settings.watchdog_ms)
        return DeviceError(f"{self.name}: the board refuses: {text}")

    def _silent(self) -> _NoAnswer:
        return _NoAnswer(
            f"{self.name}: the board gives no answer at {self.settings.baud} baud, asked {_TRIES} "
            f"times, {self.settings.answer_ms} ms each"
        )

    def _nonsense(self, question: str, answer: list[str]) -> DeviceError:
        return DeviceError(
            f"{self.name}: the board answers {question} with '{' '.join(answer)}'; "
            f"{' and '.join(AXES)} in hundredths of a degree would be right"
        )
