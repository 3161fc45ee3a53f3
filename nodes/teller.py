"""What the nodes with a network in them tell of its layers: activity, where anyone wants it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from models.activity import Activity
from pipeline import ActivityPacket, Meta, Node, SpikePacket, header_of
from pipeline.packets import MAX_LAYERS

if TYPE_CHECKING:
    from models.stepper import Stepper
    from models.torch_stepper import TorchStepper

Telling = Annotated[
    Literal["auto", "on", "off"],
    Meta(description="tell who spiked in every layer ('auto': where anyone takes it)"),
]
TellEvery = Annotated[
    int, Meta(ge=1, le=10_000, description="tell of so many ms of activity in a packet")
]


class Teller:
    """Collects the activity of a stepper and gives it as packets of consecutive bins."""

    def __init__(self, node: Node, stepper: Stepper | TorchStepper, bin_us: int) -> None:
        self._node = node
        self._activity = Activity(stepper)
        self._bin_us = bin_us
        self._begin = self._end = 0
        self._last: SpikePacket | None = None
        self._few = len(self._activity.names) <= MAX_LAYERS

    def wanted(self) -> bool:
        """Whether there is anyone to tell; where not, what was collected is left."""
        how = self._node.settings.activity
        wanted = how == "on" or (how == "auto" and self._node.taken(ActivityPacket))
        if not wanted and self._activity.n_bins:
            self._activity.forget()
        return wanted and self._few

    def add(
        self, packet: SpikePacket, t_begin: int, index: NDArray[np.uint32]
    ) -> Iterator[ActivityPacket]:
        """Add the bin of ``packet`` that was just stepped; yield a packet where one is full.

        ``t_begin`` (µs) is the bin's beginning, ``index`` [n] its active inputs.
        """
        if self._activity.n_bins and t_begin != self._end:
            yield from self.rest()
        if not self._activity.n_bins:
            self._begin = t_begin
        self._activity.add(index)
        self._end = t_begin + self._bin_us
        self._last = packet
        if self._end - self._begin >= self._node.settings.activity_ms * 1000:
            yield from self.rest()

    def rest(self) -> Iterator[ActivityPacket]:
        """Yield what was collected, where there is any."""
        if not self._activity.n_bins or self._last is None:
            return
        header = header_of(
            self._last,
            ActivityPacket,
            t_begin=self._begin,
            t_end=self._end,
            names=self._activity.names,
            shapes=self._activity.shapes,
            bin_us=self._bin_us,
            n_bins=0,
            n=0,
        )
        yield ActivityPacket.of(*self._activity.take(), header)
