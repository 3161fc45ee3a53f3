"""log: says in the terminal what was shown, what was answered, and how often that was right."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated

from pipeline import Meta, Node, Packet, PredictionPacket, Settings


class LogSettings(Settings):
    """Settings of ``log``."""

    quiet: Annotated[bool, Meta(description="write the report's entries but print nothing")] = False


class Log(Node):
    """PredictionPackets in, lines out; every final answer also goes into the run's report.

    ``ms`` is the event time from the window's beginning to the moment from which the network
    gave the answer that it kept.
    """

    settings_type = LogSettings
    accepts = (PredictionPacket,)
    settings: LogSettings

    def open(self) -> None:
        """Begin with an empty account."""
        self.right = 0
        self.labelled = 0
        self.reset()

    def reset(self) -> None:
        """Forget the opinions of the window that is open."""
        self._opinion: int | None = None
        self._since_us = 0

    def process(self, packet: Packet) -> Iterator[Packet]:
        """Print a line for each final answer."""
        assert isinstance(packet, PredictionPacket)
        head = packet.header
        # Before the first output spike the answer is no more than the first of equals.
        if head.answer != self._opinion and (packet.counts.any() or head.final):
            self._opinion = head.answer
            self._since_us = head.t_end - head.t_begin
        if head.final:
            self._answer(packet, self._since_us / 1000)
            self.reset()
        yield from ()

    def _answer(self, packet: PredictionPacket, ms: float) -> None:
        head = packet.header
        self.journal({"sample": head.sample, "label": head.label, "answer": head.answer, "ms": ms})
        name = head.sample or head.stream
        if not name.isprintable():
            # It may come from another host: no word of it drives this terminal.
            name = ascii(name)
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
        if not self.settings.quiet:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
