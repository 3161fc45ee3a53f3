"""AEDAT4's packets as bytes: the header (IOHeader) and packets of events (EVTS), strictly checked.

A file is ``#!AER-DAT4.0\\r\\n`` and what follows here; a DV server sends it without that line::

    u4          length of the IOHeader
    IOHeader    flatbuffer: compression, where the table of packets is (files), XML of the streams
    packets     i4 stream, i4 length, and so many bytes, compressed as the header says; they are
                u4 length and a flatbuffer, whose identifier tells its kind (EVTS, FRME, ...)

An event is 16 bytes, ``pipeline.events.EVENT``. Everything here raises PacketError where bytes
cannot be true; nothing is allocated by a length that they claim.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

import lz4.frame
import numba
import numpy as np
import zstandard

from pipeline.errors import PacketError
from pipeline.events import EVENT, Events
from pipeline.packets import Buffer
from recordings.flatbuf import Table

MAGIC = b"#!AER-DAT4.0\r\n"
NONE, LZ4, LZ4_HIGH, ZSTD, ZSTD_HIGH = range(5)
COMPRESSIONS = ("NONE", "LZ4", "LZ4_HIGH", "ZSTD", "ZSTD_HIGH")
"""Names by number, as the header's XML and the IOHeader have them."""

HEADER_BYTES = 1 << 20
"""The longest IOHeader that is read."""

PACKET_BYTES = 1 << 26
"""The longest packet that is read, compressed or not (4 million events)."""

MAX_STREAMS = 256
_MAX_DEPTH = 16

PREFIX = struct.Struct("<ii")
"""Ahead of each packet: stream and length."""

SIZE = struct.Struct("<I")
"""Ahead of each flatbuffer: its length."""

_NOT_IN_XML = re.compile("[^\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LEVELS = {LZ4: 0, LZ4_HIGH: 9, ZSTD: 3, ZSTD_HIGH: 9}


class Stream(NamedTuple):
    """What a header says of one stream; ``more`` are further attributes, as text."""

    id: int = 0
    type: str = "EVTS"
    name: str = "events"
    width: int | None = None
    height: int | None = None
    source: str = "silicon-retina"
    module: str = "silicon-retina"
    more: tuple[tuple[str, str], ...] = ()


class IOHeader(NamedTuple):
    """What an AEDAT4 file or a DV server begins with; ``table_at`` is -1 where there is none."""

    compression: int = NONE
    streams: tuple[Stream, ...] = (Stream(),)
    table_at: int = -1


def encode_header(header: IOHeader) -> bytes:
    """Return an IOHeader with its length ahead; its size does not depend on ``table_at``."""
    text = _xml(header).encode()
    # vtable at 14 (size 10, table of 24 bytes, fields at 4, 12, 8), table at 24, string behind it.
    body = struct.pack(
        "<I4s6x5HiiIq4xI", 24, b"IOHE", 10, 24, 4, 12, 8, 10, header.compression, 16,
        header.table_at, len(text),
    )  # fmt: skip
    body += text + b"\0"
    body += bytes(-(len(body) + 4) % 8)
    return SIZE.pack(len(body)) + body


def decode_header(body: Buffer) -> IOHeader:
    """Read an IOHeader (without its length)."""
    table = Table.root(memoryview(body), b"IOHE")
    compression = table.integer(0, "i")
    if not 0 <= compression < len(COMPRESSIONS):
        raise PacketError(f"compression {compression} is none of 0 to {len(COMPRESSIONS) - 1}")
    return IOHeader(compression, _streams(bytes(table.vector(2, 1))), table.integer(1, "q", -1))


def encode_events(events: Events, stream: int = 0, compression: int = NONE) -> list[Buffer]:
    """Return a packet of events ``[n] EVENT`` as buffers that follow one another.

    Uncompressed events are not copied: the last buffer is the caller's own array. Bytes 13 to 15
    of each event should be zero.
    """
    events = np.ascontiguousarray(events)
    if events.dtype != EVENT:
        raise ValueError(f"events have dtype {events.dtype}, expected {EVENT}")
    data = events.view(np.uint8).data
    size = 32 + len(data)
    if size > PACKET_BYTES:
        raise ValueError(f"{len(events)} events do not fit a packet of {PACKET_BYTES} bytes")
    # vtable at 14 (size 6, table of 8 bytes, field at 4), table at 20, the vector behind it.
    head = struct.pack("<II4s2x3HiII", size - 4, 16, b"EVTS", 6, 8, 4, 6, 4, len(events))
    if compression == NONE:
        return [PREFIX.pack(stream, size) + head, data]
    packed = compress(b"".join((head, data)), compression)
    return [PREFIX.pack(stream, len(packed)), packed]


def decode_events(packet: Buffer) -> Events:
    """Read an uncompressed packet of events (with its length): a new array ``[n] EVENT``."""
    raw = flatbuffer(packet).vector(0, EVENT.itemsize)
    words = np.empty((len(raw) // EVENT.itemsize, 2), np.int64)
    words.view(np.uint8).reshape(-1)[:] = np.frombuffer(raw, np.uint8)
    _clean(words)
    return words.reshape(-1).view(EVENT)


def kind_of(packet: Buffer) -> bytes:
    """Return the identifier of an uncompressed packet's flatbuffer."""
    return bytes(packet[8:12])


def flatbuffer(packet: Buffer, kind: bytes = b"EVTS") -> Table:
    """Return the root table of an uncompressed packet (with its length) of that kind."""
    view = memoryview(packet)
    size = SIZE.unpack_from(view)[0] if len(view) >= 4 else -1
    if size != len(view) - 4:
        raise PacketError(f"a packet of {len(view)} bytes says that {size} bytes follow its length")
    return Table.root(view[4:], kind)


def compress(data: Buffer, compression: int) -> bytes:
    """Return ``data`` compressed (LZ4 frames, Zstandard frames)."""
    level = _LEVELS[compression]
    if compression in (LZ4, LZ4_HIGH):
        packed: bytes = lz4.frame.compress(data, compression_level=level, store_size=False)
    else:
        packed = zstandard.ZstdCompressor(level=level).compress(data)
    return packed


def decompress(data: Buffer, compression: int, limit: int = PACKET_BYTES) -> Buffer:
    """Return what ``data`` was before it was compressed, of at most ``limit`` bytes."""
    if compression == NONE:
        return data
    try:
        if compression in (LZ4, LZ4_HIGH):
            lz4_frame = lz4.frame.LZ4FrameDecompressor()
            plain: bytes = lz4_frame.decompress(data, max_length=limit + 1)
            whole = lz4_frame.eof
        else:
            size = zstandard.frame_content_size(data)
            if size > limit:
                raise PacketError(f"a packet of {size} bytes when decompressed is over {limit}")
            plain = zstandard.ZstdDecompressor().decompress(data, max_output_size=limit)
            whole = True
    except (RuntimeError, ValueError, EOFError, MemoryError, zstandard.ZstdError) as error:
        raise PacketError(f"a packet cannot be decompressed: {error}") from None
    if len(plain) > limit or not whole:
        raise PacketError(f"a packet when decompressed is cut off or over {limit} bytes")
    return plain


@numba.njit(cache=True, nogil=True)
def _clean(words):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Leave of ``words`` [n, 2] = (t, x | y << 16 | p << 32) nothing beside one bit of p."""
    for i in range(words.shape[0]):
        w = words[i, 1]
        polarity = np.int64((w >> 32 & 0xFF) != 0)
        words[i, 1] = (w & 0xFFFFFFFF) | polarity << 32


def _xml(header: IOHeader) -> str:
    lines = ['<dv version="2.0">', '    <node name="outInfo" path="/outInfo/">']
    for stream in header.streams:
        path = f"/outInfo/{stream.id}/"
        outer = {
            "compression": COMPRESSIONS[header.compression],
            "originalModuleName": stream.module,
            "originalOutputName": stream.name,
            "typeIdentifier": stream.type,
        }
        inner = {"source": ("string", stream.source)}
        if stream.width is not None and stream.height is not None:
            inner = {
                "sizeX": ("int", str(stream.width)),
                "sizeY": ("int", str(stream.height)),
                **inner,
            }
        inner |= {key: ("string", value) for key, value in stream.more}
        lines.append(f'        <node name="{stream.id}" path="{path}">')
        lines += [_attribute(3, key, "string", value) for key, value in outer.items()]
        lines.append(f'            <node name="info" path="{path}info/">')
        lines += [_attribute(4, key, *value) for key, value in inner.items()]
        lines += ["            </node>", "        </node>"]
    return "\n".join([*lines, "    </node>", "</dv>", ""])


def _attribute(depth: int, key: str, kind: str, value: str) -> str:
    value = _NOT_IN_XML.sub(" ", value)
    return f'{"    " * depth}<attr key={quoteattr(key)} type="{kind}">{escape(value)}</attr>'


def _streams(text: bytes) -> tuple[Stream, ...]:
    """Read the streams from the header's XML."""
    path: list[str] = []
    keys: list[str] = []
    said: dict[int, dict[str, str]] = {}

    def begin(name: str, attributes: dict[str, str]) -> None:
        path.append(attributes.get("name", "") if name == "node" else "")
        keys.append(attributes.get("key", "") if name == "attr" else "")
        if len(path) > _MAX_DEPTH:
            raise PacketError(f"a header's XML is nested deeper than {_MAX_DEPTH}")
        stream = _stream_of(path)
        if stream is not None:
            found = said.setdefault(stream, {})
            if keys[-1]:
                found.setdefault(keys[-1], "")
            if len(said) > MAX_STREAMS:
                raise PacketError(f"a header names more than {MAX_STREAMS} streams")

    def end(name: str) -> None:
        path.pop()
        keys.pop()

    def content(words: str) -> None:
        stream = _stream_of(path)
        if stream is not None and keys[-1]:
            found = said[stream]
            found[keys[-1]] = found.get(keys[-1], "") + words

    def refuse(*_: object) -> None:
        raise PacketError("a header's XML defines entities, which nothing of DV's does")

    parser = expat.ParserCreate()
    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.CharacterDataHandler = content
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(text.rstrip(b"\0"), True)
    except expat.ExpatError as error:
        raise PacketError(f"a header's XML is broken: {error}") from None
    return tuple(_stream(number, found) for number, found in sorted(said.items()))


def _stream_of(path: list[str]) -> int | None:
    """Return the number of the stream that a place in the XML belongs to."""
    number = path[2] if len(path) > 2 and path[1] == "outInfo" else ""
    return int(number) if number.isascii() and number.isdigit() and len(number) < 10 else None


def _stream(number: int, found: dict[str, str]) -> Stream:
    width, height = (_side(found.pop(key, "")) for key in ("sizeX", "sizeY"))
    found.pop("compression", None)
    return Stream(
        number,
        found.pop("typeIdentifier", ""),
        found.pop("originalOutputName", ""),
        width if height else None,
        height if width else None,
        found.pop("source", ""),
        found.pop("originalModuleName", ""),
        tuple(found.items()),
    )


def _side(text: str) -> int | None:
    """Return the pixels of a sensor's side, or None where the text tells none."""
    if text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= 2**15:
        return int(text)
    return None
