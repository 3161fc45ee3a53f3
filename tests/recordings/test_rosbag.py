"""ROS bags: every encoding and container, state across messages, broken messages."""

from __future__ import annotations

import shutil
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import RecordingError
from pipeline.events import Events
from recordings.opening import open_recording
from recordings.rosbag_messages import MessageError, parse
from tests.recordings import bags
from tests.strategies import random_events

pytest.importorskip("rosbags", reason="rosbags is not installed (the extra ros)")

EVENTS = random_events(3000, 34, 30, 40_000)


def types(storage: str) -> Any:
    return bags.store(storage == "bag").types


def evt2(events: Events) -> bytes:
    """Encode plainly: a TIME_HIGH wherever it changes."""
    words: list[int] = []
    high = -1
    for t, x, y, p in events.tolist():
        if t >> 6 != high:
            high = t >> 6
            words.append(8 << 28 | high)
        words.append(p << 28 | (t & 63) << 22 | x << 11 | y)
    return np.array(words, "<u4").tobytes()


def evt21(events: Events) -> bytes:
    words: list[int] = []
    high = -1
    for t, x, y, p in events.tolist():
        if t >> 6 != high:
            high = t >> 6
            words.append((8 << 28 | high) << 32)
        words.append((p << 28 | (t & 63) << 22 | (x & ~31) << 11 | y) << 32 | 1 << (x & 31))
    return np.array(words, "<u8").tobytes()


def evt3(events: Events) -> bytes:
    words: list[int] = []
    before = -1
    for t, x, y, p in events.tolist():
        if t >> 12 != before >> 12 or before < 0:
            words.append(8 << 12 | t >> 12)
        if t != before:
            words.append(6 << 12 | t & 0xFFF)
        before = t
        words += [y, 2 << 12 | p << 11 | x]
    return np.array(words, "<u2").tobytes()


def mono(events: Events, base_us: int) -> bytes:
    t, x, y, p = (events[name].astype("u8") for name in "txyp")
    return ((t - np.uint64(base_us)) * 1000 | x << 32 | y << 48 | p << 63).astype("<u8").tobytes()


def parts(data: bytes, n: int) -> list[bytes]:
    """Cut into messages wherever, but between words."""
    step = -(-len(data) // n // 8) * 8
    return [data[i : i + step] for i in range(0, len(data), step)]


@pytest.mark.parametrize("storage", bags.STORAGES)
@pytest.mark.parametrize("encode", [evt2, evt21, evt3])
def test_words_keep_their_state_across_messages(tmp_path: Path, storage: str, encode: Any) -> None:
    messages = [
        bags.packet(types(storage), storage == "bag", part, encode.__name__)
        for part in parts(encode(EVENTS), 40)
    ]
    path = bags.write(tmp_path / "a.bag", storage, "packet", messages)
    with open_recording(path) as recording:
        assert recording.format == "rosbag"
        assert (recording.width, recording.height) == (34, 30)
        assert (recording.read() == EVENTS).all()
        assert recording.counts.skipped_bytes == 0


@pytest.mark.parametrize("storage", bags.STORAGES)
def test_mono_and_triggers(tmp_path: Path, storage: str) -> None:
    ros1 = storage == "bag"
    messages = []
    for begin in range(0, len(EVENTS), 500):
        some = EVENTS[begin : begin + 500]
        base = int(some["t"][0]) - 3
        kind = types(storage)
        messages.append(
            bags.packet(kind, ros1, mono(some, max(base, 0)), "mono", max(base, 0) * 1000)
        )
        messages.append(bags.packet(kind, ros1, bytes(16), "trigger"))
    path = bags.write(tmp_path / "a.bag", storage, "packet", messages)
    with open_recording(path) as recording:
        assert (recording.read() == EVENTS).all()


@pytest.mark.parametrize("storage", bags.STORAGES)
def test_arrays(tmp_path: Path, storage: str) -> None:
    bounds = [0, 0, 1, 3, 900, len(EVENTS)]
    messages = [
        bags.array(types(storage), storage == "bag", EVENTS[a:b]) for a, b in pairwise(bounds)
    ]
    path = bags.write(tmp_path / "a.bag", storage, "array", messages)
    with open_recording(path) as recording:
        assert (recording.read() == EVENTS).all()


def test_one_file_of_ros_2_by_its_first_bytes(tmp_path: Path) -> None:
    for storage, ending in (("mcap", ".mcap"), ("sqlite3", ".db3")):
        message = bags.packet(types(storage), False, evt3(EVENTS), "evt3")
        folder = bags.write(tmp_path / storage, storage, "packet", [message])
        (file,) = folder.glob(f"*{ending}")
        shutil.copy(file, tmp_path / f"nameless {storage}")
        for path in (file, tmp_path / f"nameless {storage}"):
            with open_recording(path) as recording:
                assert (recording.read() == EVENTS).all()


@pytest.mark.parametrize("storage", bags.STORAGES)
def test_a_later_reading_goes_on_from_a_mark(tmp_path: Path, storage: str) -> None:
    events = random_events(700_000, 34, 30, 2_000_000)
    # Messages larger than a block, two at a time.
    messages = [
        bags.packet(types(storage), storage == "bag", part, "evt2")
        for part in parts(evt2(events), 5)
    ]
    path = bags.write(tmp_path / "a.bag", storage, "packet", messages)
    with open_recording(path) as recording:
        blocks = list(recording._decoder.blocks(recording.counts))
        assert (np.concatenate([block for block, _ in blocks]) == events).all()
        assert all(after.at > before.at for (_, before), (_, after) in pairwise(blocks))
        done = len(blocks[0][0])
        for block, mark in blocks[1:]:
            rest = [part for part, _ in recording._decoder.blocks(recording.counts, mark)]
            done += len(block)
            got = np.concatenate([*rest, events[:0]])
            assert (got == events[done:]).all()


def test_two_topics_the_first_by_name(tmp_path: Path) -> None:
    from rosbags.rosbag1 import Writer

    found = bags.store(True)
    with Writer(tmp_path / "a.bag") as writer:
        for topic, n in (("/right/events", 10), ("/left/events", 20)):
            connection = writer.add_connection(topic, bags.NAMES["packet"], typestore=found)
            message = bags.packet(found.types, True, evt3(EVENTS[:n]), "evt3")
            writer.write(connection, 1, found.serialize_ros1(message, bags.NAMES["packet"]))
    with open_recording(tmp_path / "a.bag") as recording:
        assert (recording.read() == EVENTS[:20]).all()


def test_nothing_of_events(tmp_path: Path) -> None:
    for storage in bags.STORAGES:
        path = bags.write(tmp_path / storage, storage, "packet", [])
        with open_recording(path) as recording:
            assert len(recording.read()) == 0
    from rosbags.rosbag1 import Writer

    with Writer(tmp_path / "a.bag") as writer:
        writer.add_connection("/chatter", "std_msgs/msg/String", typestore=bags.store(True))
    with pytest.raises(RecordingError, match="holds std_msgs/msg/String, expected messages of"):
        open_recording(tmp_path / "a.bag")


def test_an_encoding_that_is_not_known(tmp_path: Path) -> None:
    message = bags.packet(types("bag"), True, bytes(16), "libcaer_cmp")
    path = bags.write(tmp_path / "a.bag", "bag", "packet", [message])
    with open_recording(path) as recording, pytest.raises(RecordingError) as error:
        recording.read()
    assert "/events has the encoding 'libcaer_cmp', expected evt2" in str(error.value)


def test_half_a_word_is_counted(tmp_path: Path) -> None:
    message = bags.packet(types("bag"), True, evt2(EVENTS) + b"\1\2\3", "evt2")
    path = bags.write(tmp_path / "a.bag", "bag", "packet", [message])
    with open_recording(path) as recording:
        assert (recording.read() == EVENTS).all()
        assert recording.counts.skipped_bytes == 3


@pytest.mark.parametrize("ros1", [True, False])
@pytest.mark.parametrize("kind", ["packet", "array"])
def test_a_message_that_is_cut_anywhere(ros1: bool, kind: str) -> None:
    found = bags.store(ros1)
    make = {
        "packet": lambda: bags.packet(found.types, ros1, b"12345678", "evt3"),
        "array": lambda: bags.array(found.types, ros1, EVENTS[:3]),
    }[kind]
    name = bags.NAMES[kind]
    serialize = found.serialize_ros1 if ros1 else found.serialize_cdr
    raw = bytes(serialize(make(), name))
    parse(raw, name, not ros1)
    for n in range(len(raw)):
        with pytest.raises(MessageError):
            parse(raw[:n], name, not ros1)


def test_a_message_that_claims_more_than_there_is(tmp_path: Path) -> None:
    found = bags.store(True)
    name = bags.NAMES["array"]
    raw = bytearray(found.serialize_ros1(bags.array(found.types, True, EVENTS[:3]), name))
    at = len(raw) - 3 * 13 - 4
    raw[at : at + 4] = b"\xff\xff\xff\xff"
    with pytest.raises(MessageError, match=r"ends at \d+ bytes, 558345\d+ expected"):
        parse(bytes(raw), name, False)


def test_big_endian_is_refused() -> None:
    found = bags.store(True)
    message = bags.packet(found.types, True, b"", "evt3", big=True)
    raw = bytes(found.serialize_ros1(message, bags.NAMES["packet"]))
    with pytest.raises(MessageError, match="big-endian"):
        parse(raw, bags.NAMES["packet"], False)
    raw = bytes(found.serialize_ros1(message, bags.NAMES["packet"]))
    with pytest.raises(MessageError, match="expected CDR 0001"):
        parse(b"\0\0" + raw, bags.NAMES["packet"], True)


def test_a_bag_that_is_cut(tmp_path: Path) -> None:
    message = bags.packet(types("bag"), True, evt2(EVENTS), "evt2")
    path = bags.write(tmp_path / "a.bag", "bag", "packet", [message])
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(RecordingError, match=r"a.bag: cannot be read: "):
        open_recording(path).read()


def test_without_rosbags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = bags.write(tmp_path / "a.bag", "bag", "packet", [])
    monkeypatch.setitem(sys.modules, "rosbags.rosbag1", None)
    with pytest.raises(RecordingError, match=r"needs rosbags: pip install 'silicon-retina\[ros\]'"):
        open_recording(path)
