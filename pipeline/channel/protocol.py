"""What the two ends of a channel say to each other, besides packets.

The producer binds a ROUTER socket, each consumer connects a DEALER socket.

consumer → producer
    Hello   who I am, which kinds I take, how I want to be served, what I have had so far
    Grant   what I have had so far (and so: how much more I can take); also "I am still here"
    Bye     I am leaving for good
producer → consumer
    Welcome  who I am; a new incarnation tells the consumer that state must be forgotten
    Who      I do not know you (I was started after you): say Hello
    End      that was the last packet
    Refused  I do not serve you, and why: another consumer has your name
    (packets: see ``pipeline.wire``)
either way, beside the packets and never counted among them
    Ask         a node, however far away, is to change a setting or to act
    NodeStatus  what a node says of itself (``pipeline.status``), passed on from node to node

Control messages are one frame: ``b"SC"``, version, type, then MessagePack. Counts are cumulative,
so a lost or repeated Grant does no harm.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

from pipeline.errors import PacketError
from pipeline.packets import Buffer
from pipeline.status import NodeName, NodeStatus, Text, Word
from pipeline.wire import PROTOCOL_VERSION

Policy: TypeAlias = Literal["lossless", "latest"]

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
Room: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=2**20)]

MAX_BYTES = 1 << 16
"""The longest control message."""

_MAGIC = b"SC" + bytes([PROTOCOL_VERSION])


class Hello(msgspec.Struct, array_like=True):
    """First words of a consumer.

    name         the consumer's name, unique among the consumers of one output
    incarnation  drawn anew by every process, so that a restart is noticed
    ledger       which producer's account the three counts (see Grant) belong to (0: none)
    kinds        codes of the kinds of packet that it takes
    window       how many packets may be under way to it at once
    capacity     policy ``latest``: how many packets may wait for it before old ones are dropped
    """

    name: str
    incarnation: int
    ledger: Count
    packets: Count
    events: Count
    rejected: Count
    kinds: bytes
    policy: Policy
    window: Room
    capacity: Room


class Grant(msgspec.Struct, array_like=True):
    """Everything that the consumer has taken so far.

    packets   packets taken, delivered and rejected together
    events    events in the packets delivered
    rejected  packets that were no valid packets
    idle      the consumer has nothing more to read: whatever is under way should arrive now
    """

    packets: Count
    events: Count
    rejected: Count = 0
    idle: bool = False


class Bye(msgspec.Struct, array_like=True):
    """The consumer leaves and will not come back."""


class Welcome(msgspec.Struct, array_like=True):
    """First words of a producer; ``host`` tells whether its clock is the consumer's clock."""

    name: str
    incarnation: int
    ledger: Count
    host: str


class Who(msgspec.Struct, array_like=True):
    """The producer does not know this consumer."""


class End(msgspec.Struct, array_like=True):
    """The producer has sent its last packet."""


class Refused(msgspec.Struct, array_like=True):
    """The producer does not serve this consumer."""

    why: Annotated[str, msgspec.Meta(max_length=500)]


class Ask(msgspec.Struct, array_like=True, frozen=True):
    """A node is to change a live setting, or to act once.

    number  drawn by who asks; the answer in the node's status bears it, and who has heard it
            once does not hear it again
    node    the name of the node; whoever has another name passes the Ask on
    key     a setting or an action
    value   as text, as on a command line
    """

    number: Count
    node: NodeName
    key: Word
    value: Text


Message: TypeAlias = Hello | Grant | Bye | Welcome | Who | End | Refused | Ask | NodeStatus

_TYPES: dict[type, int] = {
    Hello: 1,
    Grant: 2,
    Bye: 3,
    Welcome: 4,
    Who: 5,
    End: 6,
    Refused: 7,
    Ask: 8,
    NodeStatus: 9,
}
_encoder = msgspec.msgpack.Encoder()
_prefix = {kind: _MAGIC + bytes([code]) for kind, code in _TYPES.items()}
_decoders: dict[bytes, msgspec.msgpack.Decoder[Message]] = {
    _prefix[kind]: msgspec.msgpack.Decoder(kind) for kind in _TYPES
}

_ASIDE = frozenset((_prefix[Ask], _prefix[NodeStatus]))


def encode(message: Message) -> bytes:
    """Return the frame of a control message."""
    return _prefix[type(message)] + _encoder.encode(message)


def fitting(status: NodeStatus) -> bytes:
    """Return the frame of a status; one that is too long goes without its explanations."""
    frame = encode(status)
    if len(frame) <= MAX_BYTES:
        return frame
    for setting in status.settings:
        setting.help = setting.may_be = ""
    frame = encode(status)
    if len(frame) > MAX_BYTES:
        status.settings, status.facts, status.timeline = [], {}, []
        status.words = ["it has more to say of itself than can be told", *status.words[:20]]
        status.answers = status.answers[-5:]
        frame = encode(status)
    return frame


def is_aside(prefix: Buffer) -> bool:
    """Whether the first four bytes are those of a message that may overtake packets."""
    return bytes(prefix) in _ASIDE


def decode(frame: Buffer) -> Message:
    """Read a control message; raise PacketError where the frame is none."""
    prefix = bytes(frame[:4])
    if len(frame) > MAX_BYTES:
        raise PacketError(f"{len(frame)} bytes are no message of ours, at most {MAX_BYTES}")
    decoder = _decoders.get(prefix)
    if decoder is None:
        if prefix[:2] == b"SC" and len(prefix) == 4 and prefix[2] != PROTOCOL_VERSION:
            raise PacketError(
                f"protocol version {prefix[2]}, this program speaks {PROTOCOL_VERSION}"
            )
        raise PacketError(f"starts with {prefix!r}: this is no message of ours")
    try:
        return decoder.decode(memoryview(frame)[4:])
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise PacketError(f"control message: {error}") from None
