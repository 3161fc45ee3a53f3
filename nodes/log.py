"""log: says in the terminal what was shown, what was answered, and how often that was right."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Annotated

from nodes.blocks import blocks
from pipeline import Meta, Node, Packet, PredictionPacket, ReconstructionPacket, Settings

_PATIENCE = 4
"""So many answers and images wait for each other at most: one of them may never come."""

_Window = tuple[str | None, int]
"""Sample and beginning of a window, which an answer and an image have in common."""


class LogSettings(Settings):
    """Settings of ``log``."""

    quiet: Annotated[bool, Meta(description="write the report's entries but print nothing")] = False


class Log(Node):
    """PredictionPackets in, lines out; every final answer also goes into the run's report.

    ``ms`` is the event time from the window's beginning to the moment from which the network
    gave the answer that it kept. Where ReconstructionPackets come as well, the final image of the
    same window stands beside the answer.
    """

    settings_type = LogSettings
    blas = False
    accepts = (PredictionPacket, ReconstructionPacket)
    settings: LogSettings

    def open(self) -> None:
        """Begin with an empty account."""
        self.right = 0
        self.labelled = 0
        self._sees = False
        self._lines: deque[tuple[_Window, str]] = deque()
        self._images: dict[_Window, list[str]] = {}
        self.reset()

    def reset(self) -> None:
        """Forget the opinions of the window that is open."""
        self._opinion: int | None = None
        self._since_us = 0

    def feed(self, packet: Packet) -> Iterator[Packet]:
        """Process one packet; an image's reset mark says nothing of the opinions."""
        if isinstance(packet, ReconstructionPacket):
            return self.process(packet)
        return super().feed(packet)

    def process(self, packet: Packet) -> Iterator[Packet]:
        """Print a line for each final answer, beside the image where there is one."""
        if isinstance(packet, ReconstructionPacket):
            self._sees = True
            if packet.header.final and not self.settings.quiet:
                self._images[_window(packet)] = blocks(packet.pixels)
                self._print()
            return
        assert isinstance(packet, PredictionPacket)
        head = packet.header
        # Before the first output spike the answer is no more than the first of equals.
        if head.answer != self._opinion and (packet.counts.any() or head.final):
            self._opinion = head.answer
            self._since_us = head.t_end - head.t_begin
        if head.final:
            line = self._answer(packet, self._since_us / 1000)
            self.reset()
            if not self.settings.quiet:
                self._lines.append((_window(packet), line))
                self._print()
        yield from ()

    def finish(self) -> Iterator[Packet]:
        """Print the answers that waited for an image to the end."""
        self._print(patience=0)
        yield from ()

    def _answer(self, packet: PredictionPacket, ms: float) -> str:
        """Enter a final answer into the report and the account; return its line."""
        head = packet.header
        self.journal({"sample": head.sample, "label": head.label, "answer": head.answer, "ms": ms})
        name = _printable(head.sample or head.stream)
        line = f"{name:<24} answered {head.answer} after {ms:3.0f} ms"
        if head.label is not None:
            right = head.answer == head.label
            self.labelled += 1
            self.right += right
            line += (
                f"   shown {head.label}  {'✓' if right else '✗'}"
                f"   right so far {self.right}/{self.labelled}"
                f" = {100 * self.right / self.labelled:.1f} %"
            )
        return line

    def _print(self, patience: int = _PATIENCE) -> None:
        """Print the answers in their order, each when its image is there or has been given up."""
        while self._lines:
            window, line = self._lines[0]
            image = self._images.pop(window, None)
            if image is None and self._sees and len(self._lines) <= patience:
                break
            self._lines.popleft()
            _say(_beside(image, line) if image else [line])
        while len(self._images) > patience:
            # Nobody has answered here.
            (sample, begin_us) = window = next(iter(self._images))
            name = f"{begin_us / 1000:.0f} ms" if sample is None else _printable(sample)
            _say(_beside(self._images.pop(window), name))


def _window(packet: PredictionPacket | ReconstructionPacket) -> _Window:
    return packet.header.sample, packet.header.t_begin


def _printable(name: str) -> str:
    """Return a name that may come from another host: no word of it drives this terminal."""
    return name if name.isprintable() else ascii(name)


def _beside(image: list[str], line: str) -> list[str]:
    """Return the image's lines with ``line`` at the right of its middle."""
    middle = len(image) // 2
    return [f"{row}  {line}" if i == middle else row for i, row in enumerate(image)]


def _say(lines: Sequence[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
