"""The packets of networks: binned spikes, predictions, reconstructions, activity."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PacketError
from pipeline.packet import ERA, Header, Packet, check_side

MAX_LAYERS = 64
"""A packet tells the activity of so many layers at most, the input among them."""


class SpikeHeader(Header, array_like=True, kw_only=True, gc=False):
    """Header of binned spikes: shape of a bin, its length and the numbers of bins and entries."""

    channels: int
    height: int
    width: int
    bin_us: int
    n_bins: int
    n: int


class SpikePacket(Packet):
    """Binned spikes, sparse: which inputs were active in each bin, and how often."""

    __slots__ = ()
    kind = "spikes"
    code = ord("S")
    header_type = SpikeHeader
    header: SpikeHeader

    @classmethod
    def of(
        cls,
        offsets: NDArray[np.uint32],
        index: NDArray[np.uint32],
        count: NDArray[np.uint8],
        header: SpikeHeader,
    ) -> Self:
        """Build from ``offsets`` [n_bins + 1], flat ``index`` [n] into (C, H, W), ``count`` [n]."""
        header.n_bins = len(offsets) - 1
        header.n = len(index)
        payload = np.concatenate(
            [
                np.ascontiguousarray(offsets, np.uint32).view(np.uint8),
                np.ascontiguousarray(index, np.uint32).view(np.uint8),
                np.ascontiguousarray(count, np.uint8),
            ]
        )
        return cls(header, payload)

    @property
    def offsets(self) -> NDArray[np.uint32]:
        """Where each bin's entries begin, ``[n_bins + 1] u4``."""
        return np.frombuffer(self.payload, np.uint32, self.header.n_bins + 1)

    @property
    def index(self) -> NDArray[np.uint32]:
        """Flat index of each entry into a bin's (C, H, W), ``[n] u4``."""
        return np.frombuffer(self.payload, np.uint32, self.header.n, 4 * (self.header.n_bins + 1))

    @property
    def count(self) -> NDArray[np.uint8]:
        """How many events each entry stands for, ``[n] u1``, saturated at 255."""
        start = 4 * (self.header.n_bins + 1 + self.header.n)
        return np.frombuffer(self.payload, np.uint8, self.header.n, start)

    @property
    def size(self) -> int:
        """How many entries the packet carries."""
        return self.header.n

    def check(self, nbytes: int) -> None:
        """Raise PacketError where the header and a payload of ``nbytes`` cannot be true."""
        super().check(nbytes)
        head = self.header
        if min(head.n_bins, head.n) < 0 or 4 * (head.n_bins + 1) + 5 * head.n != nbytes:
            raise PacketError(
                f"{head.n_bins} bins with {head.n} entries do not make a payload of {nbytes} bytes"
            )
        if not 1 <= head.channels <= 4096:
            raise PacketError(f"{head.channels} channels are not 1 to 4096")
        check_side(head.width, head.height)
        if head.bin_us < 1 or head.t_end - head.t_begin != head.n_bins * head.bin_us:
            raise PacketError(f"{head.n_bins} bins of {head.bin_us} µs are not the interval")
        offsets = self.offsets.astype(np.int64)
        if offsets[0] != 0 or offsets[-1] != head.n or (np.diff(offsets) < 0).any():
            raise PacketError("the bins' offsets do not rise from 0 to the number of entries")
        if head.n and int(self.index.max()) >= head.channels * head.height * head.width:
            raise PacketError(f"entry {int(self.index.max())} lies outside a bin")


class PredictionHeader(Header, array_like=True, kw_only=True, gc=False):
    """Header of a prediction; ``window_us`` is the length that the counts will cover when final."""

    classes: tuple[int, ...]
    answer: int
    final: bool
    window_us: int


class PredictionPacket(Packet):
    """What a network answers: spike count and score of each class."""

    __slots__ = ()
    kind = "prediction"
    code = ord("P")
    header_type = PredictionHeader
    header: PredictionHeader

    @classmethod
    def of(
        cls, counts: NDArray[np.int64], score: NDArray[np.float32], header: PredictionHeader
    ) -> Self:
        """Build from spike ``counts`` [n_classes] and ``score`` [n_classes] (sums to 1)."""
        parts = [np.asarray(counts, np.int64).tobytes(), np.asarray(score, np.float32).tobytes()]
        return cls(header, b"".join(parts))

    @property
    def counts(self) -> NDArray[np.int64]:
        """Output spikes of each class since the window began, ``[n_classes] i8``."""
        return np.frombuffer(self.payload, np.int64, len(self.header.classes))

    @property
    def score(self) -> NDArray[np.float32]:
        """Share of each class, ``[n_classes] f4``."""
        n = len(self.header.classes)
        return np.frombuffer(self.payload, np.float32, n, 8 * n)

    def check(self, nbytes: int) -> None:
        """Raise PacketError where the header and a payload of ``nbytes`` cannot be true."""
        super().check(nbytes)
        head = self.header
        if 12 * len(head.classes) != nbytes:
            raise PacketError(f"{len(head.classes)} classes do not make {nbytes} bytes")
        if head.answer not in head.classes:
            raise PacketError(f"answer {head.answer} is none of the classes {head.classes}")


class ReconstructionHeader(Header, array_like=True, kw_only=True, gc=False):
    """Header of a reconstructed image: what a network makes of ``[t_begin, t_end)``.

    ``window_us`` is the length that the interval has when ``final``.
    """

    height: int
    width: int
    final: bool
    window_us: int


class ReconstructionPacket(Packet):
    """The image that a network makes of a window of events, so far or ``final``."""

    __slots__ = ()
    kind = "reconstruction"
    code = ord("R")
    header_type = ReconstructionHeader
    header: ReconstructionHeader

    @classmethod
    def of(cls, pixels: NDArray[np.float32], header: ReconstructionHeader) -> Self:
        """Build from intensities ``pixels`` [height, width] in [0, 1]."""
        header.height, header.width = pixels.shape
        return cls(header, np.ascontiguousarray(pixels, np.float32))

    @property
    def pixels(self) -> NDArray[np.float32]:
        """The intensities, 0 black to 1 white, ``[height, width] f4``."""
        head = self.header
        return np.frombuffer(self.payload, np.float32).reshape(head.height, head.width)

    def check(self, nbytes: int) -> None:
        """Raise PacketError where the header and a payload of ``nbytes`` cannot be true."""
        super().check(nbytes)
        head = self.header
        check_side(head.width, head.height)
        if 4 * head.width * head.height != nbytes:
            raise PacketError(f"{head.width}×{head.height} intensities do not make {nbytes} bytes")
        if not 0 <= head.window_us < ERA:
            raise PacketError(f"a window of {head.window_us} µs is none")
        # Compared so that what is no number fails as well.
        if not ((pixels := self.pixels) >= 0).all() or not (pixels <= 1).all():
            raise PacketError("an intensity lies outside 0 to 1")


class ActivityHeader(Header, array_like=True, kw_only=True, gc=False):
    """Header of a network's activity.

    names    of the layers, the input first
    shapes   (C, H, W) of each layer
    bin_us, n_bins, n   length of a bin, number of bins and of spikes
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, int, int], ...]
    bin_us: int
    n_bins: int
    n: int


class ActivityPacket(Packet):
    """Which neurons of a network spiked in each bin, layer by layer; sparse."""

    __slots__ = ()
    kind = "activity"
    code = ord("A")
    header_type = ActivityHeader
    header: ActivityHeader

    @classmethod
    def of(
        cls, offsets: NDArray[np.uint32], index: NDArray[np.uint32], header: ActivityHeader
    ) -> Self:
        """Build from ``offsets`` [n_bins · n_layers + 1] and ``index`` [n].

        Those of layer l in bin k are ``index[offsets[i] : offsets[i + 1]]``, i = k · n_layers + l,
        flat into the layer's (C, H, W).
        """
        header.n_bins = (len(offsets) - 1) // len(header.names)
        header.n = len(index)
        return cls(header, np.concatenate([offsets, index]).astype(np.uint32, copy=False))

    @property
    def offsets(self) -> NDArray[np.uint32]:
        """Where the spikes of each bin's layers begin, ``[n_bins · n_layers + 1] u4``."""
        head = self.header
        return np.frombuffer(self.payload, np.uint32, head.n_bins * len(head.names) + 1)

    @property
    def index(self) -> NDArray[np.uint32]:
        """Who spiked, flat into its layer's (C, H, W), ``[n] u4``."""
        head = self.header
        start = 4 * (head.n_bins * len(head.names) + 1)
        return np.frombuffer(self.payload, np.uint32, head.n, start)

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many neurons of each layer spiked in each bin, ``[n_bins, n_layers] i8``."""
        offsets = self.offsets.astype(np.int64)
        steps: NDArray[np.int64] = offsets[1:] - offsets[:-1]
        return steps.reshape(self.header.n_bins, len(self.header.names))

    def layer(self, which: int) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """Return the spikes of a layer: each one's bin ``[m] i8`` and neuron ``[m] u4``."""
        counts = self.counts
        n_bins, n_layers = counts.shape
        mine = np.arange(n_bins * n_layers) % n_layers == which
        return np.repeat(np.arange(n_bins), counts[:, which]), self.index[
            np.repeat(mine, counts.reshape(-1))
        ]

    @property
    def size(self) -> int:
        """How many spikes the packet carries."""
        return self.header.n

    def check(self, nbytes: int) -> None:
        """Raise PacketError where the header and a payload of ``nbytes`` cannot be true."""
        super().check(nbytes)
        head = self.header
        layers = len(head.names)
        if not 1 <= layers <= MAX_LAYERS or layers != len(head.shapes):
            raise PacketError(
                f"{layers} names and {len(head.shapes)} shapes are not those of 1 to {MAX_LAYERS}"
                " layers"
            )
        for channels, height, width in head.shapes:
            if not 1 <= channels <= 1 << 20:
                raise PacketError(f"{channels} channels are not 1 to {1 << 20}")
            check_side(width, height)
        cells = head.n_bins * layers
        if min(head.n_bins, head.n) < 0 or 4 * (cells + 1 + head.n) != nbytes:
            raise PacketError(
                f"{head.n_bins} bins of {layers} layers with {head.n} spikes do not make a payload"
                f" of {nbytes} bytes"
            )
        if head.bin_us < 1 or head.t_end - head.t_begin != head.n_bins * head.bin_us:
            raise PacketError(f"{head.n_bins} bins of {head.bin_us} µs are not the interval")
        offsets = self.offsets.astype(np.int64)
        steps = np.diff(offsets)
        if offsets[0] != 0 or offsets[-1] != head.n or (steps < 0).any():
            raise PacketError("the layers' offsets do not rise from 0 to the number of spikes")
        sizes = np.array([c * h * w for c, h, w in head.shapes])
        if (self.index >= np.repeat(np.tile(sizes, head.n_bins), steps)).any():
            raise PacketError("a spike lies outside its layer")
