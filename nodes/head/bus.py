"""Questions and answers on a line of Dynamixel servos, through dynamixel-sdk."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nodes.head import xseries
from nodes.head.port import Port, needed
from pipeline.clock import Clock
from pipeline.errors import DeviceError

TRIES = 3

_NO_ANSWER = -3001


class ServoId(NamedTuple):
    """A servo's id on the line, and what messages call it."""

    id: int
    label: str


class Bus:
    """Asks and tells servos, and asks some of them together without waiting.

    A lost or damaged answer is asked for again, ``TRIES`` times in all; then DeviceError.
    """

    def __init__(self, path: str, baud: int, answer_ms: int, clock: Clock) -> None:
        self.port = Port(path, baud)
        self._answer_ms = answer_ms
        self._clock = clock
        self._line = Line(self.port, answer_ms, clock)
        self._sdk: Any = None
        self._goals: Any = None
        self._asked_ns: int | None = None
        self._failures = 0

    @property
    def is_open(self) -> bool:
        """Whether there is a line to talk on."""
        return self.port.is_open and self._sdk is not None

    def open(self) -> None:
        """Open the port."""
        try:
            import dynamixel_sdk
        except ImportError:
            raise needed("dynamixel-sdk", "a head of Dynamixel servos") from None
        self.port.open()
        self._sdk = dynamixel_sdk.Protocol2PacketHandler()
        self._goals = dynamixel_sdk.GroupSyncWrite(self._line, self._sdk, *xseries.GOAL)

    def close(self) -> None:
        """Give the port back."""
        self.port.close()

    def least_tick_us(self, servos: int, most: int) -> int:
        """Return how long goals, a question for ``most`` bytes and the answers are on the line."""
        goals, question, answers = 14 + 5 * servos, 14 + servos, (11 + most) * servos
        return math.ceil((goals + question + answers) * 1e7 / self.port.baud)

    def model(self, servo: ServoId) -> int:
        """Return a servo's model number."""
        self._forget()
        for _ in range(TRIES):
            model, result, _ = self._sdk.ping(self._line, servo.id)
            if result == 0:
                return int(model)
        raise DeviceError(
            f"{self.port.path}: {servo.label} does not answer at {self.port.baud} baud; are its id "
            "and baud rate right, and is it powered?"
        )

    def ask(self, servo: ServoId, address: int, length: int) -> int:
        """Read an entry, unsigned, and wait for it."""
        self._forget()
        result = 0
        for _ in range(TRIES):
            data, result, _ = self._sdk.readTxRx(self._line, servo.id, address, length)
            if result == 0 and len(data) == length:
                return int.from_bytes(bytes(data), "little")
        raise self._silent(servo, result)

    def tell(self, servo: ServoId, address: int, length: int, value: int) -> None:
        """Write an entry and wait for the acknowledgement."""
        self._forget()
        data = list(value.to_bytes(length, "little"))
        result, refusal = 0, 0
        for _ in range(TRIES):
            result, refusal = self._sdk.writeTxRx(self._line, servo.id, address, length, data)
            # The highest bit says that there is a hardware error, which is asked for elsewhere.
            refusal &= 0x7F
            if result == 0 and refusal == 0:
                return
        if result:
            raise self._silent(servo, result)
        raise DeviceError(
            f"{self.port.path}: {servo.label} refuses {value} at address {address}: "
            f"{xseries.REFUSALS.get(refusal, f'error {refusal}')}"
        )

    def send(self, goals: Mapping[int, int]) -> None:
        """Send goal positions by id in one packet, which nobody answers."""
        for servo_id, goal in goals.items():
            data = list(goal.to_bytes(4, "little"))
            if not self._goals.changeParam(servo_id, data):
                self._goals.addParam(servo_id, data)
        self._goals.txPacket()

    def poll(
        self, servos: Sequence[ServoId], address: int, length: int
    ) -> list[tuple[ServoId, list[int]]]:
        """Ask all ``servos`` at once, or return what they answered once all have; never waits."""
        now = self._clock.now_ns()
        if self._asked_ns is None:
            ids = [servo.id for servo in servos]
            self._sdk.syncReadTx(self._line, address, length, ids, len(ids), False)
            self._asked_ns = now
            self._line.keep = True
            return []
        complete = self.port.waiting() >= len(servos) * (11 + length)
        if not complete and now - self._asked_ns < self._answer_ms * 1_000_000:
            return []
        self._forget()
        self._line.expire()
        answers = []
        for servo in servos:
            data, result, _ = self._sdk.readRx(self._line, servo.id, length)
            if result != 0 or len(data) != length:
                self._failures += 1
                if self._failures >= TRIES:
                    raise self._silent(servo, result)
                return []
            answers.append((servo, data))
        self._failures = 0
        return answers

    def _forget(self) -> None:
        self._asked_ns, self._line.keep = None, False

    def _silent(self, servo: ServoId, result: int) -> DeviceError:
        what = "no answer" if result == _NO_ANSWER else "no valid answer (wrong checksum)"
        return DeviceError(
            f"{self.port.path}: {servo.label} gives {what}, asked {TRIES} times, "
            f"{self._answer_ms} ms each"
        )


class Line:
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
