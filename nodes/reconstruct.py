"""reconstruct: steps a spiking network through the bins and shows the image that it sees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from models.stepper import Stepper
from models.store import Model, check, load
from nodes.teller import Teller, TellEvery, Telling
from pipeline import (
    ActivityPacket,
    Meta,
    Node,
    Packet,
    ReconstructionPacket,
    Settings,
    SpikePacket,
    header_of,
)
from pipeline.errors import ModelError, SettingError


class ReconstructSettings(Settings):
    """Settings of ``reconstruct``."""

    model: Annotated[str, Meta(description="a shipped model's name or a .safetensors file")] = (
        "nmnist-reconstructor"
    )
    window_ms: Annotated[
        Annotated[int, Meta(ge=1, le=600_000)] | None,
        Meta(description="an image is made of so many ms (none: the model's own window)"),
    ] = None
    every_ms: Annotated[
        int, Meta(ge=1, le=60_000, description="the image so far every so many ms")
    ] = 20
    threshold: Annotated[
        float, Meta(gt=0, le=1000, description="times the threshold that the neurons learnt with")
    ] = 1.0
    activity: Telling = "auto"
    activity_ms: TellEvery = 10


class Reconstruct(Node):
    """SpikePackets in, ReconstructionPackets out: the image so far, and one final image a window.

    An output neuron's spikes in a window are its pixel's intensity; before the window's end they
    count for as many as they would be at this rate. Where the stream names its samples there is
    one window a sample, from its reset on. A stream without samples is seen through a window that
    slides by ``every_ms``; there an image is final whenever a whole window has gone by.

    The network takes the size of the bins that come, where all its layers slide. Where anyone
    takes them, or ``activity`` is on, ActivityPackets tell who spiked in every layer.
    """

    settings_type = ReconstructSettings
    blas = False
    accepts = (SpikePacket,)
    emits = (ReconstructionPacket, ActivityPacket)
    live = frozenset({"window_ms", "every_ms", "threshold", "activity", "activity_ms"})
    settings: ReconstructSettings

    def open(self) -> None:
        """Load the model and compile its kernels; raises ModelError where it makes no images."""
        s = self.settings
        self._model = load(s.model)
        if self._model.task != "reconstructor":
            raise ModelError(
                f"{self.name}: {s.model} is a {self._model.task}, expected a reconstructor"
            )
        self._made(self._model)
        self.retuned({"window_ms", "every_ms"})
        self.reset()

    def _made(self, model: Model) -> None:
        """Make the network of a model."""
        self._stepper = Stepper(model)
        self._stepper.threshold = self.settings.threshold
        self._teller = Teller(self, self._stepper, model.bin_us)

    def retuned(self, names: set[str]) -> None:
        """Put changed settings into force from the next bin on; raises SettingError."""
        s = self.settings
        bin_us = self._model.bin_us
        window_us = self._model.window_us if s.window_ms is None else s.window_ms * 1000
        if window_us < bin_us:
            raise SettingError(
                f"{self.name}: window_ms = {s.window_ms} is shorter than a bin ({bin_us} µs)"
            )
        self._window_bins = window_us // bin_us
        self._every_bins = max(1, s.every_ms * 1000 // bin_us)
        self._stepper.threshold = s.threshold

    def actual(self) -> dict[str, object]:
        """Return what the model made of the settings."""
        ms = self._model.bin_us / 1000
        return {
            "window_ms": round(self._window_bins * ms, 3),
            "every_ms": round(self._every_bins * ms, 3),
        }

    def facts(self) -> dict[str, str | int | float]:
        """Return what runs here."""
        network = self._stepper.network
        return {"network": network.spec, "neurons": network.neurons, "bin_us": self._model.bin_us}

    def reset(self) -> None:
        """Forget what was seen: membranes at rest, no spikes counted."""
        self._stepper.reset()
        self._sample: str | None = None
        self._bins = 0
        self._window_begin = 0
        self._done = False
        self._counts = np.zeros(self._stepper.output_shape, np.int64)
        self._window: _SlidingCounts | None = None

    def feed(self, packet: Packet) -> Iterator[Packet]:
        """Process one packet; what was not told before a reset is told before it."""
        if packet.header.reset:
            for out in self._teller.rest():
                yield self.stamp(out)
        yield from super().feed(packet)

    def finish(self) -> Iterator[Packet]:
        """Yield the activity that was not told yet."""
        yield from self._teller.rest()

    def process(self, packet: Packet) -> Iterator[Packet]:
        """Yield the image so far every ``every_ms`` and the image at the end of the window."""
        assert isinstance(packet, SpikePacket)
        head = packet.header
        if (head.channels, head.height, head.width) != self._stepper.input_shape:
            yield from self._teller.rest()
        self._fit(packet)
        if head.sample != self._sample:
            if self._bins:
                yield from self._teller.rest()
                self.announce_reset()
                self.reset()
            self._sample = head.sample
        offsets, index, count = packet.offsets, packet.index, packet.count
        telling = self._teller.wanted()
        for k in range(head.n_bins):
            if self._done:
                return
            part = slice(int(offsets[k]), int(offsets[k + 1]))
            fired = self._stepper.step(index[part], count[part]).reshape(self._counts.shape)
            self._counts += fired
            self._bins += 1
            if telling:
                begin = head.t_begin + k * head.bin_us
                yield from self._teller.add(packet, begin, index[part])
            full = self._bins - self._window_begin >= self._window_bins
            if full:
                self._window_begin = self._bins
                yield from self._teller.rest()
            if full or self._bins % self._every_bins == 0:
                yield self._show(packet, head.t_begin + (k + 1) * head.bin_us, full)

    def _show(self, packet: SpikePacket, now_us: int, full: bool) -> ReconstructionPacket:
        counts, elapsed = self._counts, self._bins
        if packet.header.sample is None:
            if self._window is None:
                self._window = _SlidingCounts()
            counts, elapsed = self._window.add(self._counts, self._bins, self._window_bins)
        else:
            self._done = full
        share = self._window_bins / elapsed
        intensity = self._model.intensity.of(counts[0] * share)
        bin_us = packet.header.bin_us
        header = header_of(
            packet,
            ReconstructionPacket,
            t_begin=now_us - elapsed * bin_us,
            t_end=now_us,
            height=0,
            width=0,
            final=full,
            window_us=max(self._window_bins, elapsed) * bin_us,
        )
        return ReconstructionPacket.of(intensity, header)

    def _fit(self, packet: SpikePacket) -> None:
        """Lay the network on bins of this size; raises ModelError where it cannot be."""
        head = packet.header
        shape = (head.channels, head.height, head.width)
        channels = self._stepper.input_shape[0]
        if head.channels != channels or head.bin_us != self._model.bin_us:
            raise ModelError(
                f"{self.name}: bins of {head.channels} channels and {head.bin_us} µs do not fit the"
                f" model ({channels}, {self._model.bin_us} µs): set bin_us of the bins node"
            )
        if shape != self._stepper.input_shape:
            model = self._model.at(head.height, head.width)
            check(model, self.name)
            self._made(model)
            if self._bins:
                self.announce_reset()
            self.reset()


class _SlidingCounts:
    """Spikes in the last window of an endless stream, which slides from image to image."""

    def __init__(self) -> None:
        self._then: list[tuple[int, NDArray[np.int64]]] = []

    def add(
        self, counts: NDArray[np.int64], bins: int, window_bins: int
    ) -> tuple[NDArray[np.int64], int]:
        """Return the spikes within the window, and its bins, from all ``counts`` in ``bins``.

        The window is as long as ``window_bins`` allows and ends now; it begins where the stream
        did or where an earlier image ended. ``counts`` is copied.
        """
        then = self._then
        if not then:
            then.append((0, np.zeros_like(counts)))
        while len(then) > 1 and then[0][0] < bins - window_bins:
            then.pop(0)
        before, spikes = then[0]
        then.append((bins, counts.copy()))
        return counts - spikes, bins - before
