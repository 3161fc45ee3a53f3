"""infer: steps a spiking network through the bins with kept state and says what it sees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np

from models.device import pick
from models.readout import answer, scores
from models.stepper import Stepper
from models.store import Model, load
from pipeline import Meta, Node, Packet, PredictionPacket, Settings, SpikePacket, header_of
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


class Infer(Node):
    """SpikePackets in, PredictionPackets out: opinions on the way and one final answer a window.

    Where the stream names its samples there is one window a sample, from its reset on; a stream
    without samples is one window after another.
    """

    settings_type = InferSettings
    accepts = (SpikePacket,)
    emits = (PredictionPacket,)
    settings: InferSettings

    def open(self) -> None:
        """Load the model onto its device; raises ModelError or DeviceError."""
        s = self.settings
        device = pick(s.device)
        model = load(s.model)
        if model.task != "classifier":
            raise ModelError(f"{self.name}: {s.model} is a {model.task}, expected a classifier")
        self._stepper = _on_device(model, device)
        self._bin_us = model.bin_us
        window_us = model.window_us if s.window_ms is None else s.window_ms * 1000
        if window_us < model.bin_us:
            raise SettingError(
                f"{self.name}: window_ms = {s.window_ms} is shorter than a bin ({model.bin_us} µs)"
            )
        self._window_bins = window_us // self._bin_us
        self._every_bins = s.every_ms * 1000 // self._bin_us
        self.reset()

    def reset(self) -> None:
        """Forget the window that is open: membranes at rest, counts at zero."""
        self._stepper.reset()
        self._counts = np.zeros(len(self._stepper.classes), np.int64)
        self._bins = 0
        self._answered = False

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
        for k in range(head.n_bins):
            if self._answered:
                if head.sample is not None:
                    return
                self.reset()
            part = slice(int(offsets[k]), int(offsets[k + 1]))
            self._counts += self._stepper.step(index[part], count[part])
            self._bins += 1
            final = self._bins == self._window_bins
            if final or (self._every_bins and self._bins % self._every_bins == 0):
                self._answered = final
                yield self._say(packet, head.t_begin + (k + 1) * self._bin_us, final)

    def _say(self, packet: Packet, now_us: int, final: bool) -> PredictionPacket:
        classes = self._stepper.classes
        header = header_of(
            packet,
            PredictionPacket,
            t_begin=now_us - self._bins * self._bin_us,
            t_end=now_us,
            classes=classes,
            answer=answer(self._counts, classes),
            final=final,
            window_us=self._window_bins * self._bin_us,
        )
        return PredictionPacket.of(self._counts, scores(self._counts), header)


def _on_device(model: Model, device: str) -> Stepper | TorchStepper:
    if device == "cpu":
        return Stepper(model)
    # torch takes seconds to import; a stream on the CPU starts without it.
    from models.torch_stepper import TorchStepper

    return TorchStepper(model, device)
