"""The microcontroller of a head of hobby servos, on a pseudo-terminal (docs/heads.md)."""

from __future__ import annotations

import time

from nodes.head.hobby import line, words
from nodes.head.simulated.terminal import Terminal


class Board(Terminal):
    """Speaks version 1 of the protocol and keeps every goal: (monotonic ns, (pan, tilt)).

    Faults, to be set at any moment: ``fault`` (a word it reports as its state), ``mute`` (it
    hears, but does not answer), ``boots`` (so many lines go unheard), ``garbled`` (so many of
    its answers have a wrong checksum), ``noise`` (so many lines reach it damaged).
    """

    def __init__(self, position: tuple[int, int] = (0, 0)) -> None:
        super().__init__()
        self.position = position
        self.limits: tuple[int, ...] = (-9000, 9000, -9000, 9000)
        self.watchdog_ms = 500
        self.state = "off"
        self.fault = ""
        self.mute = False
        self.boots = 0
        self.garbled = 0
        self.noise = 0
        self.version = "head 1"
        self.goals: list[tuple[int, tuple[int, int]]] = []
        self._heard = time.monotonic()
        self._buffer = b""

    def take(self, data: bytes) -> bytes:
        """Answer every line that is complete."""
        now = time.monotonic()
        if self.state == "armed" and now - self._heard > self.watchdog_ms / 1000:
            self.state = "held"
        self._buffer += data
        answers = b""
        while b"\n" in self._buffer:
            whole, _, self._buffer = self._buffer.partition(b"\n")
            if not whole.strip():
                continue
            if self.noise > 0:
                self.noise -= 1
                whole = whole.replace(b" ", b"_", 1)
            answers += self._answer(whole, now)
        return answers

    def _answer(self, whole: bytes, now: float) -> bytes:
        if self.boots > 0:
            self.boots -= 1
            return b"boot loader\r\n"
        said = words(whole)
        if said is None:
            text = "- err checksum"
        elif len(said) < 2:
            text = "- err syntax"
        else:
            self._heard = now
            text = f"{said[0]} {self._carry_out(said[1], said[2:])}"
        if self.mute:
            return b""
        answer = line(text)
        if self.garbled > 0:
            self.garbled -= 1
            answer = answer.replace(b"ok", b"ko")
        return answer

    def _carry_out(self, command: str, arguments: list[str]) -> str:
        try:
            values = tuple(int(word) for word in arguments)
        except ValueError:
            return "err syntax"
        if len(values) != {"G": 2, "L": 4, "W": 1}.get(command, 0):
            return "err syntax"
        if command == "G":
            return self._go(values[0], values[1])
        if command == "L":
            self.limits = values
        elif command == "W":
            self.watchdog_ms = values[0]
        elif command == "A":
            self.state = "armed"
        elif command == "S":
            self.state = "stopped"
        elif command == "R":
            self.state = "off"
        elif command == "H":
            return f"ok {self.version}"
        elif command == "Q":
            return f"ok fault {self.fault}" if self.fault else f"ok {self.state}"
        elif command == "P":
            return f"ok {self.position[0]} {self.position[1]}"
        else:
            return "err syntax"
        return "ok"

    def _go(self, pan: int, tilt: int) -> str:
        if self.state != "armed":
            return f"err {self.state}"
        left, right, low, high = self.limits
        if not (left <= pan <= right and low <= tilt <= high):
            return "err limit"
        self.position = (pan, tilt)
        self.goals.append((time.monotonic_ns(), self.position))
        return "ok"
