"""Dynamixel servos of the X series on a pseudo-terminal: protocol 2, control table and motion.

They answer ping, read, write, sync read, sync write and reboot, with checksums, byte stuffing and
status errors as in Robotis's description of protocol 2.0, refuse what a servo refuses, and move
with the profile that is set. Faults can be set at any moment: see ``Servo``.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from nodes.head.simulated.terminal import Terminal

_HEADER = b"\xff\xff\xfd\x00"
_BROADCAST = 0xFE
_PING, _READ, _WRITE, _REBOOT, _SYNC_READ, _SYNC_WRITE = 1, 2, 3, 8, 0x82, 0x83
_BAD_INSTRUCTION, _BAD_CRC, _BAD_RANGE, _BAD_LENGTH, _PAST_LIMIT, _NO_ACCESS = 2, 3, 4, 5, 6, 7
_ALERT = 0x80
_WRITABLE_FROM = 5
_RAM_FROM = 64
_STEP_S = 0.0005

# Address and length of what has 4 bytes, and the ids of single bytes.
_VELOCITY_LIMIT, _MAX, _MIN = 44, 48, 52
_TORQUE, _ERROR, _WATCHDOG = 64, 70, 98
_ACCELERATION, _VELOCITY, _GOAL, _NOW_VELOCITY, _NOW_POSITION = 108, 112, 116, 128, 132


def crc(data: bytes) -> int:
    """Return the CRC-16 of protocol 2: polynomial 0x8005, from 0, no reflection."""
    value = 0
    for byte in data:
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ 0x8005 if value & 0x8000 else value << 1) & 0xFFFF
    return value


def packet(servo: int, instruction: int, parameters: bytes) -> bytes:
    """Return a packet with its stuffing and checksum."""
    body = bytes([instruction]) + parameters
    body = body.replace(b"\xff\xff\xfd", b"\xff\xff\xfd\xfd")
    head = _HEADER + bytes([servo]) + (len(body) + 2).to_bytes(2, "little")
    return head + body + crc(head + body).to_bytes(2, "little")


@dataclass
class Servo:
    """One servo and its faults.

    ``errors`` are hardware error bits (32: overload); ``mute``: it hears but does not answer;
    ``deaf``: it is not there at all; ``garbled``: so many of its answers have a wrong checksum.
    """

    id: int
    model: int = 1060
    position: float = 2048.0
    errors: int = 0
    mute: bool = False
    deaf: bool = False
    garbled: int = 0
    blocked: bool = False
    speed: float = 0.0
    table: bytearray = field(default_factory=lambda: bytearray(256))
    heard: float = field(default_factory=time.monotonic)
    moved: float = field(default_factory=time.monotonic)
    fastest: float = 0.0

    def __post_init__(self) -> None:
        self._set(0, self.model, 2)
        self.table[7] = self.id
        self.table[9] = 250
        self.table[11] = 3
        self._set(_VELOCITY_LIMIT, 265)
        self._set(_MAX, 4095)
        self.table[_RAM_FROM + 4] = 2
        self._set(_GOAL, round(self.position))

    def entry(self, address: int, length: int = 4) -> int:
        """Return an entry of the control table, unsigned."""
        return int.from_bytes(self.table[address : address + length], "little")

    @property
    def torque(self) -> bool:
        """Whether the motor holds."""
        return bool(self.table[_TORQUE])

    @property
    def goal(self) -> int:
        """Where it is sent."""
        return self.entry(_GOAL)

    @property
    def stopped(self) -> bool:
        """Whether its watchdog has stopped it."""
        return self.table[_WATCHDOG] == 255

    def live(self, now: float) -> None:
        """Let the time up to ``now`` pass."""
        if self.errors:
            self.table[_TORQUE] = 0
        self.table[_ERROR] = self.errors
        watchdog = self.table[_WATCHDOG]
        if self.torque and 0 < watchdog < 128 and now - self.heard > watchdog * 0.02:
            self.table[_WATCHDOG] = 255
        self._move(now)
        self._set(_NOW_POSITION, round(self.position) & 0xFFFFFFFF)
        self._set(_NOW_VELOCITY, round(self.speed * 60 / 4096 / 0.229) & 0xFFFFFFFF)

    def write(self, address: int, data: bytes) -> int:
        """Write entries; return the protocol's error number."""
        value = int.from_bytes(data, "little")
        if address < _WRITABLE_FROM or address + len(data) > 120:
            return _NO_ACCESS
        if address < _RAM_FROM and self.torque:
            return _NO_ACCESS
        if address == _GOAL and self.stopped:
            return _BAD_RANGE
        if address == _GOAL and not self.entry(_MIN) <= value <= self.entry(_MAX):
            return _PAST_LIMIT
        if address == _VELOCITY and value > self.entry(_VELOCITY_LIMIT):
            return _PAST_LIMIT
        if address == _WATCHDOG and 127 < value < 255:
            return _BAD_RANGE
        if address == _TORQUE and value and self.errors:
            return 1
        self.table[address : address + len(data)] = data
        return 0

    def _set(self, address: int, value: int, length: int = 4) -> None:
        self.table[address : address + length] = value.to_bytes(length, "little")

    def _move(self, now: float) -> None:
        most = self.entry(_VELOCITY) * 0.229 / 60 * 4096 or math.inf
        push = self.entry(_ACCELERATION) * 214.577 / 3600 * 4096 or 1e6
        n = max(1, math.ceil((now - self.moved) / _STEP_S)) if now > self.moved else 0
        dt = (now - self.moved) / n if n else 0.0
        for _ in range(min(n, 2000)):
            way = self.goal - self.position
            wanted = math.copysign(min(math.sqrt(2 * push * abs(way)), most, abs(way) / dt), way)
            if not self.torque or self.blocked:
                self.speed = 0.0
                break
            if self.stopped:
                wanted = 0.0
            change = min(max(wanted - self.speed, -push * dt), push * dt)
            self.speed += change
            self.position += self.speed * dt
            self.fastest = max(self.fastest, abs(self.speed))
        self.moved = now


class Servos(Terminal):
    """Servos on one line; ``goals`` keeps (monotonic ns, {id: position}) of every sync write."""

    def __init__(self, *servos: Servo) -> None:
        super().__init__()
        self.servos = {servo.id: servo for servo in servos or (Servo(1), Servo(2))}
        self.goals: list[tuple[int, dict[int, int]]] = []
        self.bad_packets = 0
        self._buffer = b""

    def take(self, data: bytes) -> bytes:
        """Answer every packet that is complete."""
        now = time.monotonic()
        for servo in self.servos.values():
            servo.live(now)
        self._buffer += data
        answers = b""
        while (found := self._next()) is not None:
            who, instruction, parameters = found
            answers += self._carry_out(who, instruction, parameters, now)
        return answers

    def _next(self) -> tuple[int, int, bytes] | None:
        while True:
            start = self._buffer.find(_HEADER)
            self._buffer = self._buffer[start:] if start >= 0 else self._buffer[-3:]
            if start < 0 or len(self._buffer) < 7:
                return None
            length = int.from_bytes(self._buffer[5:7], "little")
            if not 3 <= length <= 1024:
                self._buffer = self._buffer[1:]
                continue
            if len(self._buffer) < 7 + length:
                return None
            whole, self._buffer = self._buffer[: 7 + length], self._buffer[7 + length :]
            if crc(whole[:-2]) != int.from_bytes(whole[-2:], "little"):
                self.bad_packets += 1
                continue
            body = whole[7:-2].replace(b"\xff\xff\xfd\xfd", b"\xff\xff\xfd")
            return whole[4], body[0], body[1:]

    def _carry_out(self, who: int, instruction: int, parameters: bytes, now: float) -> bytes:
        for servo in self.servos.values():
            servo.heard = now
        if instruction == _SYNC_READ:
            address, length = _word(parameters), _word(parameters[2:])
            found = [self.servos[i] for i in parameters[4:] if i in self.servos]
            return b"".join(self._read(servo, address, length) for servo in found)
        if instruction == _SYNC_WRITE:
            self._sync_write(parameters)
            return b""
        if who not in self.servos:
            return b""
        servo = self.servos[who]
        if instruction == _PING:
            return self._status(servo, 0, bytes(servo.table[0:2]) + bytes([servo.table[6]]))
        if instruction == _READ:
            return self._read(servo, _word(parameters), _word(parameters[2:]))
        if instruction == _WRITE:
            error = _NO_ACCESS if servo.deaf else servo.write(_word(parameters), parameters[2:])
            return self._status(servo, error)
        if instruction == _REBOOT:
            servo.errors = 0
            servo.table[_RAM_FROM:] = bytes(256 - _RAM_FROM)
            return self._status(servo, 0)
        return self._status(servo, _BAD_INSTRUCTION)

    def _read(self, servo: Servo, address: int, length: int) -> bytes:
        if address + length > len(servo.table):
            return self._status(servo, _BAD_LENGTH)
        return self._status(servo, 0, bytes(servo.table[address : address + length]))

    def _sync_write(self, parameters: bytes) -> None:
        address, length = _word(parameters), _word(parameters[2:])
        rest = parameters[4:]
        written = {}
        for k in range(0, len(rest), 1 + length):
            servo, data = self.servos.get(rest[k]), rest[k + 1 : k + 1 + length]
            if servo is not None and not servo.deaf and servo.write(address, data) == 0:
                written[servo.id] = int.from_bytes(data, "little")
        if address == _GOAL:
            self.goals.append((time.monotonic_ns(), written))

    def _status(self, servo: Servo, error: int, parameters: bytes = b"") -> bytes:
        if servo.mute or servo.deaf:
            return b""
        alert = _ALERT if servo.errors else 0
        whole = packet(servo.id, 0x55, bytes([error | alert]) + parameters)
        if servo.garbled > 0:
            servo.garbled -= 1
            whole = whole[:-1] + bytes([whole[-1] ^ 0x40])
        return whole


def _word(data: bytes) -> int:
    return int.from_bytes(data[:2], "little")
