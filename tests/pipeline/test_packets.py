"""Packets survive the wire; whatever else comes over it is refused and nothing worse."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.channel import protocol
from pipeline.errors import PacketError
from pipeline.events import MAX_PACKET_US
from pipeline.packets import (
    KINDS,
    ActivityPacket,
    EventHeader,
    EventPacket,
    GazePacket,
    ImageHeader,
    ImagePacket,
    Packet,
    PredictionPacket,
    ReconstructionPacket,
    SpikePacket,
)
from pipeline.wire import INLINE, PROTOCOL_VERSION, decode, decode_at, encode, extent
from tests.strategies import event_packets, events_of, packets


def frames_of(packet: Packet) -> list[bytes]:
    """The frames as they arrive: plain bytes."""
    return [
        bytes(frame) if isinstance(frame, (bytes, bytearray, memoryview)) else frame.tobytes()
        for frame in encode(packet)
    ]


def attempt(read: Callable[[], object]) -> None:
    """Read; the one error that may come of it is a PacketError of one line."""
    line = ""
    try:
        read()
    except PacketError as error:
        line = str(error)
    assert "\n" not in line


def touch(packet: Packet) -> None:
    """Read every view of a packet to its last element, and check that it stays inside."""
    head: Any = packet.header
    assert packet.size >= 0
    assert head.t_begin <= head.t_end
    repr(packet)
    match packet:
        case EventPacket():
            assert packet.events.shape == (head.n,)
            packet.wire["dt"].sum()
        case SpikePacket():
            assert packet.offsets.shape == (head.n_bins + 1,)
            assert packet.index.shape == packet.count.shape == (head.n,)
            assert packet.offsets[0] == 0
            assert packet.offsets[-1] == head.n
            cells = head.channels * head.height * head.width
            assert packet.index.max(initial=0) < cells or not head.n
            for a, b in zip(packet.offsets[:-1], packet.offsets[1:], strict=True):
                assert a <= b <= head.n
        case PredictionPacket():
            assert packet.counts.shape == packet.score.shape == (len(head.classes),)
            assert head.answer in head.classes
        case ImagePacket():
            assert packet.pixels.shape == (head.height, head.width, head.channels)
            packet.pixels.sum()
        case ReconstructionPacket():
            assert packet.pixels.shape == (head.height, head.width)
            assert 0 <= packet.pixels.min() <= packet.pixels.max() <= 1
        case GazePacket():
            assert packet.gaze.shape == (head.n,)
            packet.gaze["t"].sum()
        case ActivityPacket():
            layers = len(head.names)
            assert packet.counts.shape == (head.n_bins, layers)
            assert packet.counts.sum() == head.n == len(packet.index)
            seen = 0
            for which, (c, h, w) in enumerate(head.shapes):
                bins, index = packet.layer(which)
                assert len(bins) == len(index)
                assert (bins < head.n_bins).all()
                assert (index < c * h * w).all()
                seen += len(index)
            assert seen == head.n


@settings(max_examples=150)
@given(packets())
def test_every_kind_comes_back_the_same(packet: Packet) -> None:
    frames = frames_of(packet)
    again = decode(*frames)
    assert type(again) is type(packet)
    assert again.header == packet.header
    assert again.size == packet.size
    size = len(bytes(packet.payload))
    assert len(frames) == (1 if size < INLINE else 2)
    assert len(frames[0]) % 8 == 0
    assert bytes(again.payload) == bytes(packet.payload)
    touch(again)


@given(st.lists(packets().filter(lambda p: len(bytes(p.payload)) < INLINE), min_size=1, max_size=5))
def test_small_packets_stand_back_to_back(several: list[Packet]) -> None:
    view = memoryview(b"".join(frames_of(packet)[0] for packet in several))
    at = 0
    for packet in several:
        assert extent(view, at)[2] == at + len(frames_of(packet)[0])
        again, at = decode_at(view, at)
        assert again.header == packet.header
        assert bytes(again.payload) == bytes(packet.payload)
    assert at == len(view)


def test_payloads_are_views_of_the_frame_received() -> None:
    packet = EventPacket.of(events_of([1, 2], [3, 4], [5, 6], [0, 1]), header(n=0))
    frame = np.frombuffer(frames_of(packet)[0], np.uint8)
    again = decode(memoryview(frame))
    assert np.shares_memory(again.wire, frame)
    pixels = np.arange(INLINE, dtype=np.uint8)
    image = ImagePacket(ImageHeader(height=1, width=INLINE, channels=1), pixels)
    assert np.shares_memory(decode(frames_of(image)[0], pixels).pixels, pixels)


@given(st.binary(max_size=300), st.none() | st.binary(max_size=64))
@example(b"", None)
@example(b"SR", None)
@example(b"SR\x01E", b"")
def test_arbitrary_bytes_are_refused(frame: bytes, payload: bytes | None) -> None:
    with pytest.raises(PacketError):
        decode(frame, payload)
    with pytest.raises(PacketError):
        protocol.decode(frame)


@given(
    st.sampled_from([kind.code for kind in KINDS]),
    st.lists(st.integers(0, 2**32 - 1), min_size=3, max_size=3),
    st.binary(max_size=200),
    st.none() | st.binary(max_size=64),
)
def test_arbitrary_bytes_behind_a_true_prefix(
    code: int, lengths: list[int], rest: bytes, payload: bytes | None
) -> None:
    for words in (lengths, [len(rest), 0, 0], [len(rest) & ~7, 0xFFFFFFFF, 0]):
        frame = b"SR" + bytes([PROTOCOL_VERSION, code]) + struct.pack("<III", *words) + rest
        attempt(lambda frame=frame: touch(decode(frame, payload)))


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=5),
)
FIELDS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=20,
)


@settings(max_examples=200)
@given(st.sampled_from(KINDS), st.lists(FIELDS, max_size=16), st.binary(max_size=64))
def test_arbitrary_fields_in_a_true_frame(
    kind: type[Packet], fields: list[Any], payload: bytes
) -> None:
    frame = frame_of(kind.code, msgspec.msgpack.encode(fields), payload)
    attempt(lambda: touch(decode(frame)))


@settings(max_examples=150)
@given(packets(), st.data())
def test_mutations_are_refused_or_stay_inside(packet: Packet, data: st.DataObject) -> None:
    frames = [bytearray(frame) for frame in frames_of(packet)]
    # Most of the mischief that can be done stands in the first bytes.
    for _ in range(data.draw(st.integers(1, 4), "mutations")):
        frame = data.draw(st.sampled_from(frames), "frame")
        if not frame:
            continue
        at = data.draw(st.integers(0, min(len(frame), 160) - 1) | st.integers(0, len(frame) - 1))
        match data.draw(st.sampled_from(["flip", "set", "cut", "double", "drop"])):
            case "flip":
                frame[at] ^= 1 << data.draw(st.integers(0, 7))
            case "set":
                frame[at] = data.draw(st.integers(0, 255))
            case "cut":
                del frame[at:]
            case "double":
                frame[at:at] = frame[at : at + 8]
            case "drop":
                del frame[at : at + data.draw(st.integers(1, 16))]
    attempt(lambda: touch(decode(*frames)))


def header(**fields: Any) -> EventHeader:
    return EventHeader(**{"t_begin": 0, "t_end": 1000, "width": 34, "height": 34, "n": 1} | fields)


def frame_of(code: int, fields: bytes, payload: bytes, zero: int = 0) -> bytes:
    prefix = b"SR" + bytes([PROTOCOL_VERSION, code])
    pads = bytes(-len(fields) % 8), bytes(-len(payload) % 8)
    lengths = struct.pack("<III", len(fields), len(payload), zero)
    return prefix + lengths + fields + pads[0] + payload + pads[1]


def lie(kind: type[Packet], payload_bytes: int, **fields: Any) -> bytes:
    """The frame of a packet whose header says ``fields`` over so many bytes of payload."""
    common = {"t_begin": 0, "t_end": 1000}
    own = {
        "events": {"width": 34, "height": 34, "n": 1},
        "spikes": {"channels": 2, "height": 3, "width": 3, "bin_us": 500, "n_bins": 2, "n": 1},
        "prediction": {"classes": (0, 1), "answer": 0, "final": True, "window_us": 300_000},
        "image": {"height": 2, "width": 2, "channels": 1},
        "reconstruction": {"height": 2, "width": 2, "final": True, "window_us": 300_000},
        "gaze": {"n": 1},
        "activity": {
            "names": ("input", "10"),
            "shapes": ((2, 3, 3), (10, 1, 1)),
            "bin_us": 1000,
            "n_bins": 1,
            "n": 1,
        },
    }[kind.kind]
    head = kind.header_type(**{**common, **own, **fields})
    return frame_of(kind.code, msgspec.msgpack.encode(head), bytes(payload_bytes))


@pytest.mark.parametrize(
    ("kind", "nbytes", "fields", "message"),
    [
        (EventPacket, 8, {"n": 2}, "2 events need 16 bytes, the payload has 8"),
        (EventPacket, 8, {"n": -1}, "-1 events need"),
        (EventPacket, 8, {"n": 2**61 + 1}, "events need"),
        (EventPacket, 8, {"t_end": -1}, r"interval \[0, -1\) µs is not one"),
        (EventPacket, 8, {"t_begin": -(2**63)}, "is not one"),
        (EventPacket, 8, {"t_begin": 2**62, "t_end": 2**62 + 5}, "is not one"),
        (EventPacket, 8, {"t_end": 2**64 - 1}, "is not one"),
        (EventPacket, 8, {"t_end": MAX_PACKET_US + 1}, "is over"),
        (EventPacket, 8, {"width": 0}, "0×34 pixels"),
        (EventPacket, 8, {"height": 2**15 + 1}, "34×32769 pixels"),
        (SpikePacket, 17, {"n": 2}, "do not make a payload of 17 bytes"),
        (SpikePacket, 17, {"n": -1}, "do not make a payload"),
        (SpikePacket, 17, {"n_bins": -1}, "do not make a payload"),
        (SpikePacket, 17, {"n_bins": 2**40}, "do not make a payload"),
        (SpikePacket, 17, {"channels": 0}, "channels are not 1 to 4096"),
        (SpikePacket, 17, {"channels": 2**40}, "channels are not 1 to 4096"),
        (SpikePacket, 17, {"width": -3}, "pixels is not"),
        (SpikePacket, 17, {"bin_us": 0}, "bins of 0 µs are not the interval"),
        (SpikePacket, 17, {"bin_us": 499}, "are not the interval"),
        (SpikePacket, 17, {}, "offsets do not rise from 0 to the number of entries"),
        (PredictionPacket, 24, {"classes": (0, 1, 2)}, "3 classes do not make 24 bytes"),
        (PredictionPacket, 0, {"classes": ()}, "answer 0 is none of the classes"),
        (PredictionPacket, 24, {"answer": 7}, r"answer 7 is none of the classes \(0, 1\)"),
        (ImagePacket, 4, {"width": 3}, "3×2×1 pixels do not make 4 bytes"),
        (ImagePacket, 8, {"channels": 2}, "pixels do not make"),
        (ImagePacket, 4, {"height": -2, "width": -2}, "pixels is not"),
        (ReconstructionPacket, 16, {"width": 3}, "3×2 intensities do not make 16 bytes"),
        (ReconstructionPacket, 0, {"height": 0}, "pixels is not"),
        (ReconstructionPacket, 16, {"height": -2, "width": -2}, "pixels is not"),
        (ReconstructionPacket, 16, {"height": 2**31, "width": 2**31}, "pixels is not"),
        (ReconstructionPacket, 16, {"window_us": -1}, "a window of -1 µs"),
        (ReconstructionPacket, 16, {"window_us": 2**63}, "is none"),
        (ReconstructionPacket, 16, {"t_end": -1}, "is not one"),
        (GazePacket, 16, {"n": 2}, "2 gaze samples do not make 16 bytes"),
        (GazePacket, 16, {"n": -1}, "gaze samples do not make"),
        (GazePacket, 16, {"t_begin": 5000}, "is not one"),
        (ActivityPacket, 16, {"n": 2}, "1 bins of 2 layers with 2 spikes do not make a payload"),
        (ActivityPacket, 16, {"n": -1}, "do not make a payload of 16 bytes"),
        (ActivityPacket, 16, {"n_bins": 2**40}, "do not make a payload"),
        (ActivityPacket, 16, {"n_bins": -1}, "do not make a payload"),
        (ActivityPacket, 16, {"names": ()}, "0 names and 2 shapes are not those of 1 to 64"),
        (ActivityPacket, 16, {"names": ("a",) * 65, "shapes": ((1, 1, 1),) * 65}, "65 names"),
        (ActivityPacket, 16, {"names": ("a",)}, "1 names and 2 shapes"),
        (ActivityPacket, 16, {"shapes": ((2, 3, 3), (0, 1, 1))}, "0 channels are not 1 to"),
        (ActivityPacket, 16, {"shapes": ((2, 3, 3), (2**40, 1, 1))}, "channels are not 1 to"),
        (ActivityPacket, 16, {"shapes": ((2, 3, 3), (1, -1, -1))}, "pixels is not"),
        (ActivityPacket, 16, {"bin_us": 0}, "bins of 0 µs are not the interval"),
        (ActivityPacket, 16, {"bin_us": 999}, "bins of 999 µs are not the interval"),
        (ActivityPacket, 16, {}, "offsets do not rise from 0 to the number of spikes"),
    ],
)
def test_a_lying_header_is_refused(
    kind: type[Packet], nbytes: int, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(PacketError, match=message):
        decode(lie(kind, nbytes, **fields))


@pytest.mark.parametrize(
    ("offsets", "index", "message"),
    [
        ([0, 1, 1], 18, "entry 18 lies outside a bin"),
        ([0, 2, 1], 0, "do not rise"),
        ([1, 1, 1], 0, "do not rise"),
        ([0, 2**32 - 1, 1], 0, "do not rise"),
    ],
)
def test_lying_entries_are_refused(offsets: list[int], index: int, message: str) -> None:
    frame = bytearray(lie(SpikePacket, 17))
    begin = extent(memoryview(frame), 0)[0]
    frame[begin : begin + 16] = struct.pack("<4I", *offsets, index)
    with pytest.raises(PacketError, match=message):
        decode(frame)


@pytest.mark.parametrize(
    ("offsets", "index", "message"),
    [
        ([0, 1, 1], 18, "a spike lies outside its layer"),
        ([0, 0, 1], 10, "a spike lies outside its layer"),
        ([0, 2, 1], 0, "do not rise"),
        ([1, 1, 1], 0, "do not rise"),
        ([0, 2**32 - 1, 1], 0, "do not rise"),
    ],
)
def test_lying_spikes_are_refused(offsets: list[int], index: int, message: str) -> None:
    frame = bytearray(lie(ActivityPacket, 16))
    begin = extent(memoryview(frame), 0)[0]
    frame[begin : begin + 16] = struct.pack("<4I", *offsets, index)
    with pytest.raises(PacketError, match=message):
        decode(frame)


def test_the_activity_of_a_layer_is_told_bin_by_bin() -> None:
    frame = lie(ActivityPacket, 4 * 9, n_bins=2, n=4, t_end=2000)
    begin = extent(memoryview(frame), 0)[0]
    body = struct.pack("<9I", 0, 1, 1, 2, 4, 17, 3, 9, 0)
    packet = decode(frame[:begin] + body + bytes(-len(body) % 8))
    assert isinstance(packet, ActivityPacket)
    assert packet.counts.tolist() == [[1, 0], [1, 2]]
    assert [part.tolist() for part in packet.layer(0)] == [[0, 1], [17, 3]]
    assert [part.tolist() for part in packet.layer(1)] == [[1, 1], [9, 0]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.01, 1.01, 3e38])
def test_intensities_outside_their_range_are_refused(value: float) -> None:
    frame = bytearray(lie(ReconstructionPacket, 16))
    assert isinstance(decode(frame), ReconstructionPacket)
    begin = extent(memoryview(frame), 0)[0]
    struct.pack_into("<f", frame, begin + 8, value)
    with pytest.raises(PacketError, match="an intensity lies outside 0 to 1"):
        decode(frame)


@pytest.mark.parametrize(
    "fields",
    [
        {"width": 3.5},
        {"n": True},
        {"stream": 5},
        {"reset": 1},
        {"label": "cat"},
        {"sample": b"bytes"},
        {"born_ns": None},
    ],
)
def test_fields_of_another_type_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(PacketError, match="header of events: "):
        decode(lie(EventPacket, 8, **fields))


def test_lengths_that_lie_are_refused() -> None:
    good = frames_of(EventPacket(header(), bytes(8)))[0]
    assert decode(good).size == 1
    for offset, value in [(4, 2**32 - 8), (4, 4096), (8, 2**32 - 16), (8, 16), (12, 1)]:
        frame = bytearray(good)
        struct.pack_into("<I", frame, offset, value)
        with pytest.raises(PacketError, match=r"a packet of .* bytes in a frame of"):
            decode(frame)
    with pytest.raises(PacketError, match="8 bytes too many behind the packet"):
        decode(good + bytes(8))
    with pytest.raises(PacketError, match="in a frame of"):
        decode(good[:-8])


def test_a_missing_payload_frame_is_refused() -> None:
    first, second = frames_of(EventPacket(header(n=INLINE // 8), bytes(INLINE)))
    assert decode(first, second).size == INLINE // 8
    with pytest.raises(PacketError, match="the frame of the payload is missing"):
        decode(first)
    with pytest.raises(PacketError, match="the payload has 8"):
        decode(first, second[:8])


def test_another_version_and_other_programs_are_told_apart() -> None:
    frame = bytearray(frames_of(EventPacket(header(), bytes(8)))[0])
    frame[2] = PROTOCOL_VERSION + 1
    wanted = f"protocol version {PROTOCOL_VERSION + 1}, this program speaks {PROTOCOL_VERSION}"
    with pytest.raises(PacketError, match=wanted):
        decode(frame)
    frame[2:4] = bytes([PROTOCOL_VERSION, ord("Z")])
    with pytest.raises(PacketError, match="unknown kind of packet b'Z'"):
        decode(frame)
    with pytest.raises(PacketError, match="this is no packet of ours"):
        decode(b"GET / HTTP/1.1\r\n\r\n")


@given(event_packets())
def test_events_of_a_packet_are_absolute(packet: EventPacket) -> None:
    dt = packet.wire["dt"].astype(np.int64)
    np.testing.assert_array_equal(packet.events["t"], packet.header.t_begin + dt)


# The words that the ends of a channel exchange.

MESSAGES: list[protocol.Message] = [
    protocol.Hello("view", 5, 7, 3, 2, 1, b"EP", "latest", 64, 8),
    protocol.Grant(5, 1000, 1, True),
    protocol.Bye(),
    protocol.Welcome("source", 3, 9, "host"),
    protocol.Who(),
    protocol.End(),
    protocol.Refused("another has your name"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_words_come_back_the_same(message: protocol.Message) -> None:
    assert protocol.decode(protocol.encode(message)) == message


def test_words_of_another_version_are_refused() -> None:
    frame = bytearray(protocol.encode(protocol.Who()))
    frame[2] += 1
    with pytest.raises(PacketError, match="protocol version 2, this program speaks 1"):
        protocol.decode(frame)
    with pytest.raises(PacketError, match="no message of ours"):
        protocol.decode(b"SC\x01\xff")


@given(st.sampled_from(MESSAGES), st.lists(FIELDS, max_size=10), st.binary(max_size=40))
def test_lying_words_are_refused(message: protocol.Message, fields: list[Any], rest: bytes) -> None:
    prefix = protocol.encode(message)[:4]
    for body in (msgspec.msgpack.encode(fields), rest):
        attempt(lambda body=body: protocol.decode(prefix + body))
