"""What the viewer shows, without Qt: the picture, what the network says, how much comes in.

Fed by the node's thread, looked at by the window's.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nodes.view.palette import Inks
from nodes.view.tracks.activity import Activity
from nodes.view.tracks.canvas import Canvas
from nodes.view.tracks.gaze import Gaze
from nodes.view.tracks.meter import Meter, Rates
from nodes.view.tracks.opinions import Course, Opinion, Opinions, Verdict
from nodes.view.tracks.ring import Recent
from nodes.view.tracks.show import Show
from nodes.view.tracks.spikes import Spikes
from pipeline.packets import (
    ActivityPacket,
    EventHeader,
    EventPacket,
    GazePacket,
    PredictionPacket,
    ReconstructionPacket,
    SpikeHeader,
    SpikePacket,
)

__all__ = ["Course", "Moment", "Opinion", "Scene", "Seen", "Verdict"]


class Seen(NamedTuple):
    """The image ``pixels`` [H, W] f4 that the network sees after ``ms`` of ``window_ms``.

    ``truth`` [H', W'] f4 is what the retina was shown, where known; all intensities in [0, 1].
    """

    pixels: NDArray[np.float32]
    truth: NDArray[np.float32] | None
    sample: str | None
    ms: float
    window_ms: float
    final: bool


class Binned(NamedTuple):
    """What a network gets: ``pixels`` [H, W] u4, the sum of the last ``n_bins`` bins.

    ``last`` is the number of spikes in the newest packet, ``head`` its header.
    """

    pixels: NDArray[np.uint32]
    n_bins: int
    last: int
    head: SpikeHeader


class Moment(NamedTuple):
    """What there is to say beside the picture, at one moment.

    ``t_us`` is the event time; ``sensor`` its width and height in pixels, None before there is
    one; ``age_ms`` how long ago the newest event that is shown happened, None where that is
    unknown (its source is on another host, or it was not born yet).
    """

    sample: str | None
    t_us: int
    sensor: tuple[int, int] | None
    opinion: Opinion | None
    recent: tuple[Verdict, ...]
    right: int
    answered: int
    age_ms: float | None = None


class Scene:
    """The viewer's state.

    ``events_seen``, ``images_seen`` and ``words_seen`` grow with what is to be shown anew.
    """

    def __init__(self, show: Show | None = None) -> None:
        self._lock = threading.Lock()
        self._canvas = Canvas(show)
        self._meter = Meter()
        self._sensor: tuple[int, int] | None = None
        self._shown: tuple[str | None, int | None] = (None, None)
        self._opinions = Opinions()
        self._spikes = Spikes()
        self._gaze = Gaze()
        self.activity = Activity()
        self._born_ns = 0
        self._seen: Seen | None = None
        self.heard_ns: int | None = None
        """When something came last, of the monotonic clock; None before that."""
        self.ended = False
        self.events_seen = 0
        self.images_seen = 0

    @property
    def words_seen(self) -> int:
        """Grows with every opinion."""
        return self._opinions.version

    @property
    def spikes_seen(self) -> int:
        """Grows with every packet of binned spikes."""
        return self._spikes.version

    @property
    def gaze_seen(self) -> int:
        """Grows with every packet of gaze samples."""
        return self._gaze.version

    @property
    def show(self) -> Show:
        """How events are shown."""
        return self._canvas.show

    def set_show(self, show: Show) -> None:
        """Show events in another way from now on."""
        with self._lock:
            if show != self._canvas.show:
                self._canvas.set(show)
                self.events_seen += 1

    def warm_up(self) -> None:
        """Compile what would else delay the first packet and the first picture."""
        for mode in ("decay", "count", "last-n"):
            canvas = Canvas(Show(mode=mode))
            canvas.add(EventPacket(EventHeader(width=1, height=1, n=0), b""))
            canvas.paint(np.empty((1, 1), np.uint32))

    def forget(self) -> None:
        """Forget the picture and the open window's opinions; not the score, nor the rates."""
        with self._lock:
            self._canvas.forget()
            self._opinions.forget()
            self._spikes.forget()
            self._gaze.forget()
            self._seen = None
            self.events_seen += 1
        self.activity.forget()

    def add_events(self, packet: EventPacket, now_ns: int) -> None:
        """Take in a packet of events that came at ``now_ns`` of the monotonic clock.

        The picture begins anew with a new sample. A gap within a sample leaves it as it is: what
        is missing was not seen, and what was seen fades by itself.
        """
        head = packet.header
        with self._lock:
            if (head.sample, head.label) != self._shown:
                self._shown = (head.sample, head.label)
                self._canvas.forget()
            self._canvas.add(packet)
            self._sensor = (head.width, head.height)
            self._born_ns = head.born_ns
            self._meter.count(now_ns, events=head.n, packets=1)
            self.heard_ns = now_ns
            self.events_seen += 1

    def add_prediction(self, packet: PredictionPacket, now_ns: int) -> None:
        """Take note of an opinion that came at ``now_ns``; final ones are held against the label.

        An opinion says everything of its window, so a window that begins needs no mark.
        """
        with self._lock:
            self._opinions.add(packet)
            self._note(now_ns)

    def add_reconstruction(
        self, packet: ReconstructionPacket, truth: NDArray[np.float32] | None, now_ns: int
    ) -> None:
        """Take note of an image that came at ``now_ns``, and of what the retina was shown."""
        head = packet.header
        seen = Seen(
            packet.pixels.copy(),
            truth,
            head.sample,
            (head.t_end - head.t_begin) / 1000,
            head.window_us / 1000,
            head.final,
        )
        with self._lock:
            self._seen = seen
            self._note(now_ns)
            self.images_seen += 1

    def add_spikes(self, packet: SpikePacket, now_ns: int) -> None:
        """Take note of what a network gets, which came at ``now_ns``."""
        with self._lock:
            self._spikes.add(packet)
            self._note(now_ns)

    def add_activity(self, packet: ActivityPacket, now_ns: int) -> None:
        """Take note of what a network's layers did, which came at ``now_ns``."""
        self.activity.add(packet)
        with self._lock:
            self._note(now_ns)

    def add_gaze(self, packet: GazePacket, now_ns: int) -> None:
        """Take note of where the retina was pointed, which came at ``now_ns``."""
        with self._lock:
            self._gaze.add(packet)
            self._note(now_ns)

    def _note(self, now_ns: int) -> None:
        self._meter.count(now_ns, packets=1)
        self.heard_ns = now_ns

    def binned(self, span_us: int) -> Binned | None:
        """Paint what the network got in the last ``span_us``, at least its last bin."""
        # Packets are never changed: painting need not keep the node's thread waiting.
        with self._lock:
            packets = self._spikes.window(span_us)
            inks: Inks = self._canvas.show.inks
        if not packets:
            return None
        pixels, n_bins = self._spikes.paint(packets, span_us, inks)
        return Binned(pixels, n_bins, packets[-1].header.n, packets[-1].header)

    def gaze(self) -> NDArray[np.float32]:
        """Return where the retina was pointed, ``[n, 2] f4`` pixels right and down."""
        with self._lock:
            return self._gaze.path()

    def want_recent(self, span_us: int) -> None:
        """Keep the events of the last ``span_us`` one by one from now on; 0: no longer."""
        with self._lock:
            self._canvas.want_recent(span_us)

    def recent(self, most: int) -> Recent | None:
        """Return events that were asked for, evenly thinned to ``most``; None: nobody asked."""
        with self._lock:
            return self._canvas.recent(most)

    def seen(self) -> Seen | None:
        """Return what the network sees, None where it has not said so."""
        return self._seen

    def end(self) -> None:
        """Note that nothing more will come."""
        self.ended = True

    def moment(self, now_ns: int) -> Moment:
        """Return what there is to say at ``now_ns`` of the monotonic clock."""
        with self._lock:
            opinions = self._opinions
            age_ms = (now_ns - self._born_ns) / 1e6
            return Moment(
                self._shown[0],
                self._canvas.now_us,
                self._sensor,
                opinions.now,
                tuple(opinions.recent),
                opinions.right,
                opinions.answered,
                # Clocks of two hosts differ: what lies in the future or before today is none.
                age_ms if self._born_ns and 0 <= age_ms < 60_000 else None,
            )

    def course(self) -> tuple[Opinion, Course] | None:
        """Return the opinion of this moment and how its window's scores went; None before any."""
        with self._lock:
            course = self._opinions.course()
            now = self._opinions.now
            return None if course is None or now is None else (now, course)

    def count_frame(self, now_ns: int, frames: int) -> None:
        """Count ``frames`` shown at ``now_ns``; also where it is 0, for time goes on in silence."""
        with self._lock:
            self._meter.count(now_ns, frames=frames)

    @property
    def slots(self) -> int:
        """Grows with every part of a second that has passed: then there are new rates."""
        return self._meter.closed

    def rates(self) -> Rates:
        """Return the rates of the last second, and the last seconds' event rate."""
        with self._lock:
            return self._meter.rates()

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the sensor that is drawn."""
        return self._canvas.shape

    def picture(self, out: NDArray[np.uint32] | None = None, shrink: int = 1) -> NDArray[np.uint32]:
        """Paint the picture of this moment of event time: ``[H, W] u4``, each 0xFFRRGGBB.

        ``out`` is painted and returned where it has the right size, else a new array is. Each of
        its pixels stands for ``shrink`` × ``shrink`` of the sensor's.
        """
        with self._lock:
            shape = self._canvas.shape_at(shrink)
            if out is None or out.shape != shape:
                out = np.empty(shape, np.uint32)
            self._canvas.paint(out, shrink)
            return out
