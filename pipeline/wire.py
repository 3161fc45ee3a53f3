"""Packets as bytes: how the packets of ``pipeline.packets`` travel.

On the wire a packet is a header frame and a payload frame; a small payload (below ``INLINE``
bytes) travels in the header frame, behind the header, and then several packets may stand in one
frame, back to back. A packet in a header frame is::

    b"SR"             magic
    u1                version of the protocol
    u1                kind of packet
    u4 little-endian  length of the fields
    u4                length of the payload that follows here; all ones: it is the next frame
    u4                zero
    fields            the header as MessagePack, padded with zeros to a multiple of 8
    payload           where it is small, padded likewise
"""

from __future__ import annotations

import struct

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PacketError
from pipeline.packets import KINDS, Buffer, Packet

PROTOCOL_VERSION = 1
_MAGIC = b"SR" + bytes([PROTOCOL_VERSION])

INLINE = 1 << 15
"""Payloads below this size in bytes travel in the header frame."""

_encoder = msgspec.msgpack.Encoder()
_prefix = {kind: _MAGIC + bytes([kind.code]) for kind in KINDS}
_decoders = {
    _prefix[kind]: (kind, msgspec.msgpack.Decoder(kind.header_type, strict=True)) for kind in KINDS
}
_PAD = [bytes(n) for n in range(8)]
_lengths = struct.Struct("<III")
_prefixed = struct.Struct("<4sIII")
_NEXT_FRAME = 0xFFFFFFFF
_PREFIX = 16


def encode(packet: Packet) -> tuple[Buffer | NDArray[np.generic], ...]:
    """Return the one or two frames of a packet."""
    fields = _encoder.encode(packet.header)
    n = len(fields)
    payload = packet.payload
    prefix = _prefix[type(packet)]
    size = len(payload) if isinstance(payload, (bytes, bytearray)) else payload.nbytes
    if size < INLINE:
        lengths = _lengths.pack(n, size, 0)
        parts = (prefix, lengths, fields, _PAD[-n & 7], payload, _PAD[-size & 7])
        return (b"".join(parts),)  # type: ignore[arg-type]
    if isinstance(payload, (bytes, bytearray)):
        payload = memoryview(payload)
    return b"".join((prefix, _lengths.pack(n, _NEXT_FRAME, 0), fields, _PAD[-n & 7])), payload


def decode(frame: Buffer, payload: Buffer | None = None) -> Packet:
    """Read the one packet of a frame, or of a header frame and a ``payload`` frame.

    The payload is not copied. Raises PacketError where the frames come from another program,
    another version of the protocol, or where the header's words about the payload are not true.
    """
    view = memoryview(frame)
    packet, end = decode_at(view, 0, payload)
    if end != len(view):
        raise PacketError(f"{len(view) - end} bytes too many behind the packet")
    return packet


def extent(view: memoryview, start: int) -> tuple[int, int, int]:
    """Return where the packet at ``start`` has its payload, the payload's end and its own end.

    A payload in a frame of its own ends at -1. Raises PacketError where this is no packet.
    """
    if len(view) < start + _PREFIX or view[start : start + 3] != _MAGIC:
        raise PacketError(_why_unknown(bytes(view[start : start + 4])))
    return _extent(view, start, *_lengths.unpack_from(view, start + 4))


def _extent(view: memoryview, start: int, n: int, size: int, zero: int) -> tuple[int, int, int]:
    begin = start + _PREFIX + ((n + 7) & ~7)
    if size == _NEXT_FRAME:
        stop, end = -1, begin
    else:
        stop = begin + size
        end = (stop + 7) & ~7
    if end > len(view) or zero:
        raise PacketError(f"a packet of {end - start} bytes in a frame of {len(view)}")
    return begin, stop, end


def decode_at(view: memoryview, start: int, payload: Buffer | None = None) -> tuple[Packet, int]:
    """Read the packet at ``start`` of a header frame; return it and where the next one begins.

    ``payload`` is the frame that follows the header frame, if any. Raises PacketError as
    ``decode`` does.
    """
    if len(view) < start + _PREFIX:
        raise PacketError(_why_unknown(bytes(view[start : start + 4])))
    prefix, n, size, zero = _prefixed.unpack_from(view, start)
    known = _decoders.get(prefix)
    if known is None:
        raise PacketError(_why_unknown(prefix))
    kind, decoder = known
    begin, stop, end = _extent(view, start, n, size, zero)
    if stop >= 0:
        body = view[begin:stop]
    elif payload is not None:
        body = payload if isinstance(payload, memoryview) else memoryview(payload)
    else:
        raise PacketError("the frame of the payload is missing")
    fields = start + _PREFIX
    try:
        head = decoder.decode(view[fields : fields + n])
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise PacketError(f"header of {kind.kind}: {error}") from None
    packet = kind(head, body)
    packet.check(body.nbytes)
    return packet, end


def _why_unknown(prefix: bytes) -> str:
    if prefix[:2] != _MAGIC[:2] or len(prefix) < 4:
        return f"starts with {prefix!r}, not with {_MAGIC[:2]!r}: this is no packet of ours"
    if prefix[2] != PROTOCOL_VERSION:
        return f"protocol version {prefix[2]}, this program speaks {PROTOCOL_VERSION}"
    return f"unknown kind of packet {prefix[3:]!r}"
