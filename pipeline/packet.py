"""What every packet is: a typed header that states its interval of event time, and a payload."""

from __future__ import annotations

from typing import ClassVar, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PacketError
from pipeline.events import MAX_PACKET_US, MAX_SIDE

ERA = 2**62
"""Times are within ± this many µs, so that no sum of two can overflow."""

Buffer: TypeAlias = bytes | bytearray | memoryview


class Header(msgspec.Struct, array_like=True, kw_only=True, gc=False):
    """What every packet says of itself.

    stream   name of the stream, ``node/kind``; stamped by the runtime
    seq      number of the packet in its stream, from 0; stamped by the runtime
    t_begin, t_end   interval of event time in µs that the packet covers
    born_ns  monotonic time at the source when the packet's last event happened, in ns
    reset    state built from earlier packets of this stream must be forgotten before this one
    label    the true class, where known
    sample   the sample's name, where known
    """

    stream: str = ""
    seq: int = 0
    t_begin: int = 0
    t_end: int = 0
    born_ns: int = 0
    reset: bool = False
    label: int | None = None
    sample: str | None = None


class Packet:
    """A header and its payload; the payload is never changed once the packet was yielded."""

    __slots__ = ("header", "payload")

    kind: ClassVar[str]
    code: ClassVar[int]
    header_type: ClassVar[type[Header]]

    header: Header
    payload: Buffer | NDArray[np.generic]

    def __init__(self, header: Header, payload: Buffer | NDArray[np.generic]) -> None:
        self.header = header
        self.payload = payload

    def check(self, nbytes: int) -> None:
        """Raise PacketError where the header and a payload of ``nbytes`` cannot be true."""
        head = self.header
        if not -ERA < head.t_begin <= head.t_end < ERA - MAX_PACKET_US:
            raise PacketError(f"interval [{head.t_begin}, {head.t_end}) µs is not one")

    @property
    def size(self) -> int:
        """How many events the packet carries (0 for kinds that carry none)."""
        return 0

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.header!r})"


def check_side(width: int, height: int) -> None:
    """Raise PacketError where no sensor has these sides."""
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise PacketError(f"a sensor of {width}×{height} pixels is not 1 to {MAX_SIDE} each way")
