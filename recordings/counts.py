"""What was met while a recording was read, as counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """Counts of one reading of a recording; ``policy.py`` says what becomes of each.

    events         events given on, before a window of time is cut out of them
    late           events whose time stepped back a little and was lifted
    jumps          times at which the clock was set anew, back or far forward
    duplicates     events that repeat the event ahead of them (same t, x, y, p)
    outside        events dropped: outside the sensor, or beyond ±2**61 µs
    skipped_bytes  bytes that are no part of any event or other known content
    cuts           1 where the file ends within an event or a packet, which is skipped, else 0
    wraps          times at which the format's clock began again at zero
    """

    events: int = 0
    late: int = 0
    jumps: int = 0
    duplicates: int = 0
    outside: int = 0
    skipped_bytes: int = 0
    cuts: int = 0
    wraps: int = 0
