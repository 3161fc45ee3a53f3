"""What the viewer shows, without Qt: the picture, what the network says, how much comes in.

Fed by the node's thread, looked at by the window's.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nodes.view.drawing import Canvas
from nodes.view.meter import Meter, Rates
from pipeline.packets import EventHeader, EventPacket, PredictionPacket, ReconstructionPacket

_SILENT_NS = 2_000_000_000
_RECENT = 24


class Opinion(NamedTuple):
    """What the network says after ``ms`` of its window of ``window_ms``.

    ``counts`` [n_classes] i8 are the output spikes so far. ``since_ms`` is the moment from which
    it has given this answer without a break; None before the first output spike.
    """

    classes: tuple[int, ...]
    counts: NDArray[np.int64]
    answer: int
    label: int | None
    sample: str | None
    ms: float
    window_ms: float
    since_ms: float | None
    final: bool


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


class Verdict(NamedTuple):
    """A final answer beside the true class, where known."""

    answer: int
    label: int | None


class Moment(NamedTuple):
    """What there is to say beside the picture, at one moment.

    ``state`` is WAITING (nothing has come for a while), LIVE or ENDED; ``t_us`` the event time;
    ``sensor`` its width and height in pixels, None before there is one.
    """

    state: str
    sample: str | None
    t_us: int
    sensor: tuple[int, int] | None
    opinion: Opinion | None
    recent: tuple[Verdict, ...]
    right: int
    answered: int


class Scene:
    """The viewer's state.

    ``events_seen``, ``images_seen`` and ``words_seen`` grow with what is to be shown anew.
    """

    def __init__(self, fade_ms: float = 30.0) -> None:
        self._lock = threading.Lock()
        self._canvas = Canvas(fade_ms)
        self._meter = Meter()
        self._slots_told = 0
        self._heard_ns: int | None = None
        self._sensor: tuple[int, int] | None = None
        self._shown: tuple[str | None, int | None] = (None, None)
        self._opinion: Opinion | None = None
        self._window: tuple[int, str | None] | None = None
        self._recent: deque[Verdict] = deque(maxlen=_RECENT)
        self._right = self._answered = 0
        self._ended = False
        self._seen: Seen | None = None
        self.events_seen = 0
        self.images_seen = 0
        self.words_seen = 0

    def warm_up(self) -> None:
        """Compile what would else delay the first packet and the first picture."""
        canvas = Canvas(1.0)
        canvas.add(EventPacket(EventHeader(width=1, height=1, n=0), b""))
        canvas.paint(np.empty((1, 1), np.uint32))

    def forget(self) -> None:
        """Forget the picture and the open window's opinions; not the score, nor the rates."""
        with self._lock:
            self._canvas.forget()
            self._opinion = self._window = self._seen = None
            self.events_seen += 1
            self.words_seen += 1

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
            self._meter.count(now_ns, events=head.n, packets=1)
            self._heard_ns = now_ns
            self.events_seen += 1

    def add_prediction(self, packet: PredictionPacket, now_ns: int) -> None:
        """Take note of an opinion that came at ``now_ns``; final ones are held against the label.

        An opinion says everything of its window, so a window that begins needs no mark.
        """
        head = packet.header
        counts = packet.counts.copy()
        ms = (head.t_end - head.t_begin) / 1000
        window = (head.t_begin, head.sample)
        with self._lock:
            # Before the first output spike the answer is no more than the first of equals.
            since = ms if counts.any() else None
            before = self._opinion
            if before and window == self._window and before.answer == head.answer:
                since = since if before.since_ms is None else before.since_ms
            self._window = window
            self._opinion = Opinion(
                head.classes,
                counts,
                head.answer,
                head.label,
                head.sample,
                ms,
                head.window_us / 1000,
                since,
                head.final,
            )
            if head.final:
                self._recent.append(Verdict(head.answer, head.label))
                if head.label is not None:
                    self._answered += 1
                    self._right += head.answer == head.label
            self._meter.count(now_ns, packets=1)
            self._heard_ns = now_ns
            self.words_seen += 1

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
            self._meter.count(now_ns, packets=1)
            self._heard_ns = now_ns
            self.images_seen += 1

    def seen(self) -> Seen | None:
        """Return what the network sees, None where it has not said so."""
        return self._seen

    def end(self) -> None:
        """Note that nothing more will come."""
        self._ended = True

    def moment(self, now_ns: int) -> Moment:
        """Return what there is to say at ``now_ns`` of the monotonic clock."""
        with self._lock:
            heard = self._heard_ns is not None and now_ns - self._heard_ns < _SILENT_NS
            state = "ENDED" if self._ended else "LIVE" if heard else "WAITING"
            return Moment(
                state,
                self._shown[0],
                self._canvas.now_us,
                self._sensor,
                self._opinion,
                tuple(self._recent),
                self._right,
                self._answered,
            )

    def rates(self, now_ns: int, frames: int = 0) -> Rates | None:
        """Count ``frames`` shown; return the rates where they are new, else None."""
        with self._lock:
            self._meter.count(now_ns, frames=frames)
            if self._meter.closed == self._slots_told:
                return None
            self._slots_told = self._meter.closed
            return self._meter.rates()

    def picture(self, out: NDArray[np.uint32] | None = None) -> NDArray[np.uint32]:
        """Paint the picture of this moment of event time: ``[H, W] u4``, each 0xFFRRGGBB.

        ``out`` is painted and returned where it has the sensor's size, else a new array is.
        """
        with self._lock:
            if out is None or out.shape != self._canvas.shape:
                out = np.empty(self._canvas.shape, np.uint32)
            self._canvas.paint(out)
            return out
