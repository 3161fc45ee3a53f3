"""Our own LZ4 of events: every decoder of LZ4 gives the packet back."""

from __future__ import annotations

import struct
from pathlib import Path

import lz4.block
import lz4.frame
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.events import Events
from recordings import lz4_events
from recordings.lz4_events import packed
from recordings.opening import open_recording
from recordings.writing import PACKET_EVENTS, create_recording
from tests.recordings.test_writing_others import aedat_read, dv_read, faery_read, same
from tests.strategies import events_of, random_events

HEAD = bytes(range(100, 132))


def words_of(events: Events) -> NDArray[np.int64]:
    return events.view(np.int64).reshape(-1, 2)


def dense(n: int, width: int = 346, height: int = 260, per_us: int = 12) -> Events:
    """Return a stream of several events to the µs."""
    events = random_events(n, width, height, max(1, n // per_us), seed=n)
    events["t"] += 1_589_163_147_368_868
    return events


def opened(events: Events) -> bytes:
    """Return what others make of the packet, after what the format demands of a block."""
    parts = packed(HEAD, words_of(events))
    assert parts is not None
    found = b"".join(parts)
    context = lz4.frame.create_compression_context()
    assert found[:7] == lz4.frame.compress_begin(context, **FRAME)
    (length,) = struct.unpack_from("<I", found, 7)
    assert len(found) == 7 + 4 + length + 4
    size = 32 + 16 * len(events)
    block = found[11:-4]
    assert lz4.block.decompress(block, uncompressed_size=size) == lz4.frame.decompress(found)
    # A block's last five bytes are no match, and no match begins in its last twelve.
    starts = matches(block)
    assert starts == [] or starts[-1][0] <= size - 12
    assert starts == [] or starts[-1][0] + starts[-1][1] <= size - 5
    plain: bytes = lz4.frame.decompress(found)
    return plain


FRAME = {"block_size": lz4.frame.BLOCKSIZE_MAX4MB, "block_linked": False}


def matches(block: bytes) -> list[tuple[int, int]]:
    """Return where the matches of a block begin in what it stands for, and how long they are."""
    found = []
    at = place = 0
    while at < len(block):
        token = block[at]
        at += 1
        literals = token >> 4
        if literals == 15:
            while block[at] == 255:
                literals += 255
                at += 1
            literals += block[at]
            at += 1
        at += literals
        place += literals
        if at >= len(block):
            break
        at += 2
        length = (token & 15) + 4
        assert length < 19, "the encoder writes no longer ones"
        found.append((place, length))
        place += length
    return found


@st.composite
def streams(draw: st.DrawFn) -> Events:
    n = draw(st.integers(16, 600))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    steps = rng.integers(0, draw(st.sampled_from([1, 2, 300, 2**17, 2**33, 2**42])), n)
    steps[rng.random(n) < draw(st.sampled_from([0, 0.5, 0.95, 1]))] = 0
    first = draw(st.integers(-(2**50), 2**50))
    rows = draw(st.sampled_from([1, 200, 300, 2**15]))
    return events_of(
        first + np.cumsum(steps), rng.integers(0, 2**15, n), rng.integers(0, rows, n),
        rng.integers(0, draw(st.sampled_from([1, 2])), n),
    )  # fmt: skip


@given(streams())
@settings(max_examples=300)
def test_any_events_come_back(events: Events) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lz4_events, "_SAME", -1)
        found = packed(HEAD, words_of(events))
        if found is None:
            # It would have been no shorter.
            return
        assert opened(events) == HEAD + events.tobytes()


@pytest.mark.parametrize("n", [16, 17, 4095, 4096, 4097, 5000, PACKET_EVENTS])
def test_packets_of_any_size_come_back(n: int) -> None:
    events = dense(n)
    assert opened(events) == HEAD + events.tobytes()


def test_matches_reach_no_further_than_lz4s() -> None:
    events = dense(20_000)
    # A row's high byte that comes back after 65,536 bytes and more.
    events["y"] = 1
    events["y"][[10, 10 + 4095, 10 + 2 * 4095 + 1, 15_000, 19_096]] = 0x0301
    assert opened(events) == HEAD + events.tobytes()


def test_it_is_smaller_than_what_lz4_finds_itself() -> None:
    events = dense(PACKET_EVENTS)
    parts = packed(HEAD, words_of(events))
    assert parts is not None
    found = b"".join(parts)
    assert len(found) < len(lz4.frame.compress(HEAD + events.tobytes()))


def test_slow_streams_are_left_to_lz4() -> None:
    assert packed(HEAD, words_of(random_events(1000, 346, 260, 100_000))) is None
    assert packed(HEAD, words_of(dense(15))) is None
    assert packed(HEAD, np.zeros((0, 2), np.int64)) is None


def test_the_writer_uses_it_and_others_read_it(tmp_path: Path) -> None:
    events = dense(2 * PACKET_EVENTS + 999)
    path = tmp_path / "x.aedat4"
    with create_recording(path, 346, 260, compression="lz4") as writer:
        writer.write(events)
    assert path.read_bytes().count(lz4_events._FRAME) == 3
    with open_recording(path) as recording:
        np.testing.assert_array_equal(recording.read(), events)
    for read in (dv_read, faery_read, aedat_read):
        same(read(path), events)
