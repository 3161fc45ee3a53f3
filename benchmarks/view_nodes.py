"""Nodes for timing the viewer: the viewer with a witness of each frame, and one that overloads."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.nodes import Count
from nodes.view.node import View, ViewSettings
from pipeline import EventPacket, Meta, Node, Packet, Settings, SpikePacket, header_of

if TYPE_CHECKING:
    import threading

    from PySide6 import QtGui

    from nodes.view.window import Window
    from pipeline.clock import Clock


class Frames(NamedTuple):
    """What a viewer has painted, frame by frame, each ``[n] i8``.

    ``at_ns`` is when Qt painted the picture (monotonic), ``t_us`` the event time that it shows at
    least, ``born_ns`` when its newest event happened; 0 where there was none yet.
    """

    at_ns: NDArray[np.int64]
    t_us: NDArray[np.int64]
    born_ns: NDArray[np.int64]

    @property
    def age_ms(self) -> NDArray[np.float64]:
        """How old the newest event of each frame was when it was painted."""
        return (self.at_ns - self.born_ns) / 1e6

    def between(self, begin_ns: int, end_ns: int) -> Frames:
        """Return the frames that were painted from ``begin_ns`` up to ``end_ns``."""
        chosen = (self.at_ns >= begin_ns) & (self.at_ns < end_ns)
        return Frames(*(column[chosen] for column in self))


def frames_of(path: Path) -> Frames:
    """Return what a ``Witness`` wrote to ``path``, without the frames before the first event."""
    rows = np.fromfile(path, np.int64).reshape(-1, 3)
    return Frames(*np.ascontiguousarray(rows[rows[:, 2] > 0].T))


class WitnessSettings(ViewSettings):
    """Settings of ``Witness``."""

    frames: Annotated[str, Meta(description="where what was painted is written at the end")] = ""


class Witness(View):
    """The viewer itself; it notes what every picture shows at the moment when Qt paints it.

    What has come is asked for before the picture is made: no frame is taken for newer than it is.
    """

    settings_type = WitnessSettings
    settings: WitnessSettings

    def __init__(
        self, settings: Settings | None = None, *, clock: Clock | None = None, **values: object
    ) -> None:
        super().__init__(settings, clock=clock, **values)
        # The window may show its first frame before the node is open.
        self._frames = array("q")
        self._taken = self._painted = (0, 0)
        self._watched = False

    def process(self, packet: Packet) -> Iterator[Packet]:
        """Take a packet into the scene, and note that it has come."""
        nothing = super().process(packet)
        if isinstance(packet, EventPacket):
            self._taken = (packet.header.t_end, packet.header.born_ns)
        return nothing

    def _frame(self, window: Window) -> None:
        if not self._watched:
            self._watched = True
            window.picture.pixels.overlays.append(self._note)
        self._painted = self._taken
        super()._frame(window)

    def _note(self, painter: QtGui.QPainter) -> None:
        self._frames.extend((self._clock.now_ns(), *self._painted))

    def main_thread(self, stop: threading.Event) -> None:
        """Show the window, then write down what was painted."""
        super().main_thread(stop)
        with Path(self.settings.frames).open("wb") as file:
            self._frames.tofile(file)


class LabourSettings(Settings):
    """Settings of ``Labour``."""

    us: Annotated[int, Meta(ge=0, description="processor time for a packet, in µs")] = 200
    heavy_us: Annotated[int, Meta(ge=0, description="the same while it is overloaded")] = 2000
    begin_s: Annotated[float, Meta(ge=0, description="event time at which that begins")] = 0
    end_s: Annotated[float, Meta(ge=0, description="event time at which that ends")] = 0


class Labour(Node):
    """Passes events on after working on them as long as it is told to."""

    settings_type = LabourSettings
    accepts = (EventPacket,)
    emits = (EventPacket,)
    settings: LabourSettings

    def process(self, packet: Packet) -> Iterator[Packet]:
        """Work, and pass a packet on."""
        assert isinstance(packet, EventPacket)
        s, head = self.settings, packet.header
        heavy = s.begin_s * 1e6 <= head.t_begin < s.end_s * 1e6
        # Its own processor time: on a machine that is shared it is not less overloaded.
        until = time.thread_time_ns() + 1000 * (s.heavy_us if heavy else s.us)
        while time.thread_time_ns() < until:
            pass
        fields = {"width": head.width, "height": head.height, "n": head.n}
        yield EventPacket(header_of(packet, EventPacket, **fields), packet.payload)


class Tally(Count):
    """Counts binned spikes."""

    accepts: ClassVar[tuple[type[Packet], ...]] = (SpikePacket,)
