"""infer: steps a spiking network through the bins with kept state and says what it sees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np

from models.device import pick
from models.readout import answer, scores
from models.stepper import Stepper
from models.store import Model, load
from nodes.teller import Teller, TellEvery, Telling
from pipeline import (
    ActivityPacket,
    Meta,
    Node,
    Packet,
    PredictionPacket,
    Settings,
    SpikePacket,
    header_of,
)
from pipeline.errors import ModelError, SettingError

if TYPE_CHECKING:
    from models.torch_stepper import TorchStepper


class InferSettings(Settings):
    """Settings of ``infer``."""

    model: Annotated[str, Meta(description="a shipped model's name or a .safetensors file")] = (
        "nmnist-classifier"
    )
    device: Annotated[
        Literal["auto", "cpu", "cuda"], Meta(description="where the network runs")
    ] = "auto"
    window_ms: Annotated[
        Annotated[int, Meta(ge=1, le=600_000)] | None,
        Meta(description="an answer after so many ms (none: the model's own window)"),
    ] = None
    every_ms: Annotated[
        int, Meta(ge=0, le=60_000, description="a first opinion every so many ms (0: none)")
    ] = 10
    margin: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)] | None,
        Meta(description="answer once the leader is so many spikes ahead (none: wait for the end)"),
    ] = None
    threshold: Annotated[
        float, Meta(gt=0, le=1000, description="times the threshold that the neurons learnt with")
    ] = 1.0
    activity: Telling = "auto"
    activity_ms: TellEvery = 10


class Infer(Node):
    """SpikePackets in, PredictionPackets out: opinions on the way and one final answer a window.

    Where the stream names its samples there is one window a sample, from its reset on; a stream
    without samples is one window after another. The answer comes at the window's end, or earlier
    where the leading class is ``margin`` spikes ahead of the next. Where anyone takes them, or
    ``activity`` is on, ActivityPackets tell who spiked in every layer.
    """

    settings_type = InferSettings
    blas = False
    accepts = (SpikePacket,)
    emits = (PredictionPacket, ActivityPacket)
    live = frozenset({"window_ms", "every_ms", "margin", "threshold", "activity", "activity_ms"})
    settings: InferSettings

    def open(self) -> None:
        """Load the model onto its device; raises ModelError or DeviceError."""
        s = self.settings
        device = pick(s.device)
        model = load(s.model)
        if model.task != "classifier":
            raise ModelError(f"{self.name}: {s.model} is a {model.task}, expected a classifier")
        self._device = device
        self._stepper = _on_device(model, device)
        self._bin_us = model.bin_us
        self._teller = Teller(self, self._stepper, model.bin_us)
        self.retuned({"window_ms", "every_ms", "threshold"})
        self.reset()

    def retuned(self, names: set[str]) -> None:
        """Put changed settings into force from the next bin on; raises SettingError."""
        s = self.settings
        window_us = self._stepper.window_us if s.window_ms is None else s.window_ms * 1000
        if window_us < self._bin_us:
            raise SettingError(
                f"{self.name}: window_ms = {s.window_ms} is shorter than a bin ({self._bin_us} µs)"
            )
        self._window_bins = window_us // self._bin_us
        self._every_bins = s.every_ms * 1000 // self._bin_us
        if s.threshold != self._stepper.threshold:
            self._stepper.threshold = s.threshold

    def actual(self) -> dict[str, object]:
        """Return what the model and the machine made of the settings."""
        ms = self._bin_us / 1000
        return {
            "device": self._device,
            "window_ms": round(self._window_bins * ms, 3),
            "every_ms": round(self._every_bins * ms, 3),
        }

    def facts(self) -> dict[str, str | int | float]:
        """Return what runs here."""
        network = self._stepper.network
        return {"network": network.spec, "neurons": network.neurons, "bin_us": self._bin_us}

    def reset(self) -> None:
        """Forget the window that is open: membranes at rest, counts at zero."""
        self._stepper.reset()
        self._counts = np.zeros(len(self._stepper.classes), np.int64)
        self._bins = 0
        self._answered = False

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
        """Yield an opinion every ``every_ms`` and the answer at the end of the window."""
        assert isinstance(packet, SpikePacket)
        head = packet.header
        shape = (head.channels, head.height, head.width)
        if shape != self._stepper.input_shape or head.bin_us != self._bin_us:
            raise ModelError(
                f"{self.name}: bins of shape {shape} and {head.bin_us} µs do not fit the model"
                f" ({self._stepper.input_shape}, {self._bin_us} µs): set width, height and bin_us"
                " of the bins node"
            )
        offsets, index, count = packet.offsets, packet.index, packet.count
        telling = self._teller.wanted()
        for k in range(head.n_bins):
            if self._answered:
                if head.sample is not None:
                    return
                self.reset()
            part = slice(int(offsets[k]), int(offsets[k + 1]))
            self._counts += self._stepper.step(index[part], count[part])
            self._bins += 1
            now_us = head.t_begin + k * self._bin_us
            if telling:
                yield from self._teller.add(packet, now_us, index[part])
            final = self._bins >= self._window_bins or self._decided()
            if final or (self._every_bins and self._bins % self._every_bins == 0):
                self._answered = final
                if final:
                    yield from self._teller.rest()
                yield self._say(packet, now_us + self._bin_us, final)

    def _decided(self) -> bool:
        """Whether the leader is as far ahead as is enough."""
        margin = self.settings.margin
        if margin is None:
            return False
        first, *rest = np.sort(self._counts)[::-1].tolist()
        return bool(first - max(rest, default=0) >= margin)

    def _say(self, packet: Packet, now_us: int, final: bool) -> PredictionPacket:
        classes = self._stepper.classes
        n_bins = self._bins if final else self._window_bins
        header = header_of(
            packet,
            PredictionPacket,
            t_begin=now_us - self._bins * self._bin_us,
            t_end=now_us,
            classes=classes,
            answer=answer(self._counts, classes),
            final=final,
            window_us=n_bins * self._bin_us,
        )
        return PredictionPacket.of(self._counts, scores(self._counts), header)


def _on_device(model: Model, device: str) -> Stepper | TorchStepper:
    if device == "cpu":
        return Stepper(model)
    # torch takes seconds to import; a stream on the CPU starts without it.
    from models.torch_stepper import TorchStepper

    return TorchStepper(model, device)
