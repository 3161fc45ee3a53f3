"""The forms of address events: against encodings written out by hand, and against any bytes."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nodes.aer.forms import EVENT_BYTES, FORMS, Decoder, encode
from pipeline.events import Events, empty_events
from tests.strategies import events_of, recordings

streams = recordings(width=2**15, height=2**15, length_us=2**31)


def by_hand(events: Events, form: str) -> bytes:
    out = b""
    for t, x, y, p in events.tolist():
        if form == "spif":
            out += struct.pack("<II", (x << 16) | (p << 15) | y, t & 0xFFFFFFFF)
        elif form == "spif-untimed":
            out += struct.pack("<I", (1 << 31) | (x << 16) | (p << 15) | y)
        elif form == "t64_x16_y16_on8":
            out += struct.pack("<QHHB", t, x, y, p)
        else:
            out += struct.pack("<IHH", t & 0xFFFFFFFF, x, (y << 1) | p)
    return out


def decode(decoder: Decoder, *datagrams: bytes, arrived: int = 77) -> Events:
    raw = np.frombuffer(b"".join(datagrams), np.uint8).copy()
    ends = np.cumsum([len(d) for d in datagrams], dtype=np.int64)
    return decoder.decode(raw, ends, arrived + np.arange(len(datagrams), dtype=np.int64))


@pytest.mark.parametrize("form", FORMS)
@given(events=streams)
def test_encoding_is_what_is_written_by_hand(form: str, events: Events) -> None:
    assert encode(events, form).tobytes() == by_hand(events, form)


@pytest.mark.parametrize("form", FORMS)
@given(events=streams, cut=st.integers(0, 200))
def test_what_is_encoded_is_decoded(form: str, events: Events, cut: int) -> None:
    cut = min(cut, len(events))
    decoder = Decoder("spif" if form.startswith("spif") else form)
    found = decode(decoder, by_hand(events[:cut], form), by_hand(events[cut:], form))
    for name in "xyp":
        np.testing.assert_array_equal(found[name], events[name])
    if form == "spif-untimed":
        assert found["t"].tolist() == [77] * cut + [78] * (len(events) - cut)
        assert decoder.untimed == len(events)
    else:
        np.testing.assert_array_equal(found["t"], events["t"])
        assert decoder.untimed == 0
    assert decoder.bad_bytes == 0


@pytest.mark.parametrize("form", FORMS)
@given(datagrams=st.lists(st.binary(max_size=200), max_size=8))
def test_any_bytes_are_events_or_counted(form: str, datagrams: list[bytes]) -> None:
    decoder = Decoder("spif" if form.startswith("spif") else form)
    found = decode(decoder, *datagrams)
    words = found.view(np.int64).reshape(-1, 2)
    assert (words[:, 1] >> 33 == 0).all()
    total = sum(map(len, datagrams))
    if form.startswith("spif"):
        used = 4 * decoder.untimed + 8 * (len(found) - decoder.untimed)
    else:
        used = EVENT_BYTES[form] * len(found)
    assert used + decoder.bad_bytes == total


@pytest.mark.parametrize("form", ["spif", "t32_x16_y15_on1"])
@given(
    steps=hnp.arrays(np.int64, st.integers(1, 60), elements=st.integers(0, 2**31 - 1)),
    first=st.integers(0, 2**32 - 1),
)
def test_clocks_of_32_bits_wrap(form: str, steps: np.ndarray, first: int) -> None:
    t = first + np.cumsum(steps) - steps[0]
    zeros = np.zeros(len(t))
    events = events_of(t, zeros, zeros, zeros)
    decoder = Decoder(form)
    found = decode(decoder, *(encode(events[k : k + 1], form).tobytes() for k in range(len(t))))
    np.testing.assert_array_equal(found["t"], t)
    assert decoder.wraps == int(t[-1]) >> 32


def test_an_event_from_before_the_wrap_comes_late() -> None:
    t = [2**32 - 5, 2**32 + 3, 2**32 - 1, 2**32 + 4]
    events = events_of(t, [0] * 4, [0] * 4, [0] * 4)
    assert decode(Decoder("spif"), encode(events, "spif").tobytes())["t"].tolist() == t


def test_a_datagram_of_spif_may_mix_both() -> None:
    timed = events_of([5], [1], [2], [1])
    untimed = events_of([0], [3], [4], [0])
    raw = b"".join(
        encode(e, form).tobytes()
        for e, form in ((timed, "spif"), (untimed, "spif-untimed"), (timed, "spif"))
    )
    found = decode(Decoder("spif"), raw)
    assert found.tolist() == [(5, 1, 2, 1), (77, 3, 4, 0), (5, 1, 2, 1)]


def test_nothing_is_nothing() -> None:
    for form in FORMS:
        assert len(encode(empty_events(0), form)) == 0
    assert len(decode(Decoder("spif"))) == 0
