"""AEDAT4's header and packets as bytes: whole through every compression, and any bytes refused."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.errors import PacketError
from pipeline.events import Events
from recordings.evts import (
    COMPRESSIONS,
    MAX_STREAMS,
    NONE,
    PREFIX,
    SIZE,
    IOHeader,
    Stream,
    compress,
    decode_events,
    decode_header,
    decompress,
    encode_events,
    encode_header,
    kind_of,
)
from tests.strategies import random_events, recordings

words = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn")), max_size=30)

FROM_DV = (
    '<dv version="2.0">\n    <node name="outInfo" path="/outInfo/">\n'
    '        <node name="0" path="/outInfo/0/">\n'
    '            <attr key="compression" type="string">NONE</attr>\n'
    '            <attr key="originalModuleName" type="string">dv-processing</attr>\n'
    '            <attr key="originalOutputName" type="string">events</attr>\n'
    '            <attr key="typeIdentifier" type="string">EVTS</attr>\n'
    '            <node name="info" path="/outInfo/0/info/">\n'
    '                <attr key="sizeX" type="int">640</attr>\n'
    '                <attr key="sizeY" type="int">480</attr>\n'
    '                <attr key="source" type="string">cam</attr>\n'
    "            </node>\n        </node>\n    </node>\n</dv>\n"
)
"""What dv-processing 2.0.4 sends of one stream."""


def packet(events: Events, compression: int = NONE) -> bytes:
    return b"".join(encode_events(events, 3, compression))


@pytest.mark.parametrize("compression", range(len(COMPRESSIONS)))
@given(events=recordings(width=2**15, height=2**15, length_us=2**50, ordered=False))
def test_events_come_back_whole(compression: int, events: Events) -> None:
    sent = packet(events, compression)
    stream, size = PREFIX.unpack_from(sent)
    assert (stream, size) == (3, len(sent) - PREFIX.size)
    plain = decompress(sent[PREFIX.size :], compression)
    assert kind_of(plain) == b"EVTS"
    found = decode_events(plain)
    np.testing.assert_array_equal(found, events)
    assert found.view(np.uint8).reshape(-1, 16)[:, 13:].any() == np.False_
    assert found.flags.writeable


def test_an_uncompressed_packet_is_what_dv_processing_writes() -> None:
    events = random_events(3, 640, 480, 1000)
    body = struct.pack("<I4s2x3HiII", 16, b"EVTS", 6, 8, 4, 6, 4, 3) + events.tobytes()
    assert packet(events) == PREFIX.pack(3, len(body) + 4) + SIZE.pack(len(body)) + body


def test_the_header_is_what_dv_processing_writes() -> None:
    stream = Stream(0, "EVTS", "events", 640, 480, "cam", "dv-processing")
    sent = encode_header(IOHeader(NONE, (stream,)))
    assert FROM_DV.encode() in sent
    assert SIZE.unpack_from(sent)[0] == len(sent) - 4
    assert len(sent) == 720
    table = struct.pack("<I4s6x5HiiIq4xI", 24, b"IOHE", 10, 24, 4, 12, 8, 10, 0, 16, -1, 662)
    assert sent[4:56] == table


@given(
    st.lists(
        st.builds(
            Stream,
            id=st.integers(0, 999_999_999),
            type=st.sampled_from(["EVTS", "FRME", "IMUS", "TRIG"]),
            name=words,
            width=st.none() | st.just(346),
            height=st.just(260),
            source=words,
            module=words,
            more=st.just(()) | st.tuples(st.tuples(st.just("tsOffset"), words)),
        ),
        max_size=5,
        unique_by=lambda stream: stream.id,
    ),
    st.integers(0, 4),
    st.integers(-1, 2**62),
)
def test_a_header_comes_back(streams: list[Stream], compression: int, table_at: int) -> None:
    found = decode_header(encode_header(IOHeader(compression, tuple(streams), table_at))[4:])
    assert (found.compression, found.table_at) == (compression, table_at)
    for ours, theirs in zip(
        sorted(streams, key=lambda stream: stream.id), found.streams, strict=True
    ):
        whole = ours if ours.width else ours._replace(width=None, height=None)
        assert theirs == whole


HEADER = encode_header(IOHeader(NONE, (Stream(width=640, height=480),)))[4:]
PACKET = packet(random_events(20, 640, 480, 1000))[PREFIX.size :]


@pytest.mark.parametrize("whole", [HEADER, PACKET], ids=["header", "packet"])
@given(data=st.data())
def test_changed_bytes_are_refused_or_read_within_their_bounds(
    whole: bytes, data: st.DataObject
) -> None:
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, 63) | st.integers(0, len(whole) - 1))
        changed[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255))
    cut = data.draw(st.just(len(whole)) | st.integers(0, len(whole)))
    read = decode_header if whole is HEADER else decode_events
    try:
        found = read(bytes(changed[:cut]))
    except PacketError:
        return
    if isinstance(found, np.ndarray):
        assert found.nbytes <= len(whole)


@given(st.binary(max_size=300), st.integers(0, 4))
def test_any_bytes_are_refused_or_decompressed(data: bytes, compression: int) -> None:
    try:
        found = decompress(data, compression, 1000)
    except PacketError:
        return
    assert len(found) <= 1000


@pytest.mark.parametrize("compression", [1, 3])
@given(size=st.integers(0, 5000))
@example(size=1000)
@example(size=1001)
def test_what_is_too_long_when_decompressed_is_refused(compression: int, size: int) -> None:
    packed = compress(bytes(size), compression)
    if size <= 1000:
        assert bytes(decompress(packed, compression, 1000)) == bytes(size)
        return
    with pytest.raises(PacketError, match="over 1000"):
        decompress(packed, compression, 1000)


@pytest.mark.parametrize("compression", [1, 3])
def test_what_is_cut_off_is_refused(compression: int) -> None:
    packed = compress(random_events(100, 640, 480, 1000).tobytes(), compression)
    for cut in (1, 4, len(packed) // 2, len(packed) - 1):
        with pytest.raises(PacketError):
            decompress(packed[:cut], compression)


def header_of(text: str) -> bytes:
    body = encode_header(IOHeader(NONE, ()))[4:]
    at = body.index(b"<dv")
    return body[: at - 4] + SIZE.pack(len(text)) + text.encode() + b"\0"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<dv><node", "broken"),
        ("<dv>" * 40, "nested deeper"),
        ('<!DOCTYPE dv [<!ENTITY a "b">]><dv>&a;</dv>', "entities"),
        (
            '<dv><node name="outInfo">'
            + "".join(f'<node name="{k}"></node>' for k in range(MAX_STREAMS + 1))
            + "</node></dv>",
            "more than 256 streams",
        ),
    ],
)
def test_xml_that_is_none_of_dvs_is_refused(text: str, said: str) -> None:
    with pytest.raises(PacketError, match=said):
        decode_header(header_of(text))


def test_sizes_that_are_none_are_not_told() -> None:
    for size in ("0", "-3", "99999", "1e3", "x", ""):
        text = (
            '<dv><node name="outInfo"><node name="0"><node name="info">'
            f'<attr key="sizeX">{size}</attr><attr key="sizeY">260</attr>'
            "</node></node></node></dv>"
        )
        (stream,) = decode_header(header_of(text)).streams
        assert (stream.width, stream.height) == (None, None)


def test_a_polarity_that_is_no_bit_is_one() -> None:
    raw = bytearray(PACKET)
    raw[32 + 12] = 200
    raw[32 + 13 : 32 + 16] = b"abc"
    events = decode_events(bytes(raw))
    assert events["p"][0] == 1
    assert not events.view(np.uint8).reshape(-1, 16)[:, 13:].any()
