"""The viewer on one machine with what it watches: frames, age, cost, memory, the first picture.

Real processes, real sockets, the real window, painted by the processor: on Qt's offscreen platform,
and on a virtual X server where Xvfb is installed; the rows say which. Frames are counted when Qt
paints the picture, their age is from the newest event's birth at the source to that moment. The
overload is a node that needs 2 ms of processor time for each packet of 1 ms, all edges ``latest``.
What a viewer costs is measured on source, bins and sink, ``lossless``, which run on while in turn
there is no viewer, ``retina view ADDRESS`` attached to the source, and the same one stopped
(SIGSTOP). The first picture is timed from the start of ``retina view FILE`` to when its screenshot
is on the disk.
"""

from __future__ import annotations

from benchmarks.harness import Row
from benchmarks.view_frames import age_rows, frame_rows
from benchmarks.view_guests import guest_rows
from benchmarks.view_replay import first_rows, memory_rows


def rows(*, quick: bool = False) -> list[Row]:
    """Measure; ``quick`` takes seconds for each figure instead of minutes."""
    parts = (frame_rows, age_rows, guest_rows, memory_rows, first_rows)
    return [each for part in parts for each in part(quick=quick)]
