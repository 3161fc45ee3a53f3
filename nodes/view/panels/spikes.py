"""What the network gets: the binned spikes, as a picture."""

from __future__ import annotations

from nodes.view.card import Card
from nodes.view.pixels import Pixels
from nodes.view.scene import Scene


class Binned(Card):
    """The sum of the bins of the accumulation time, in the colours of ON and OFF."""

    def __init__(self) -> None:
        super().__init__(
            "BINNED SPIKES",
            "What the network gets: the bins of the accumulation time (ms of event time), summed."
            " A pixel's strength is its number of events",
        )
        self.pixels = Pixels(
            None, 6, "no binned spikes come in: an edge from bins to view is wanted"
        )
        self._version = 0
        self.hold(self.pixels)

    @staticmethod
    def has_data(scene: Scene) -> bool:
        """Whether there have been binned spikes."""
        return scene.spikes_seen > 0

    def restyle(self) -> None:
        """Take on a new look."""
        self._version = 0
        super().restyle()

    def refresh(self, scene: Scene, now_ns: int) -> bool:
        """Show what is new; return whether anything was."""
        if scene.spikes_seen == self._version:
            return False
        self._version = scene.spikes_seen
        binned = scene.binned(round(1000 * scene.show.span_ms))
        if binned is None:
            return False
        head = binned.head
        bins = "1 bin" if binned.n_bins == 1 else f"{binned.n_bins} bins"
        self.note = f"{bins} of {head.bin_us / 1000:g} ms"
        self.pixels.setToolTip(
            f"{head.channels} × {head.height} × {head.width} inputs; {head.n:,} of them in the"
            f" newest {head.n_bins} bins"
        )
        self.pixels.hint("")
        self.pixels.show_pixels(binned.pixels)
        return True
