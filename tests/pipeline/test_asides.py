"""The messages beside the packets as bytes: true ones go through, foreign ones are refused."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.channel.protocol import MAX_BYTES, Ask, decode, encode, fitting, is_aside
from pipeline.errors import PacketError
from pipeline.status import Answer, EdgeStatus, NodeStatus, SettingStatus
from tests.pipeline.ends import Wire, until

COUNT = st.integers(0, 2**62)
SHORT = st.text(max_size=200)
NUMBER = st.floats(allow_nan=False) | st.integers(-(2**62), 2**62)

ASKS = st.builds(
    Ask, number=COUNT, node=st.text(max_size=128), key=SHORT, value=st.text(max_size=600)
)
EDGES = st.builds(
    EdgeStatus,
    peer=SHORT,
    direction=st.sampled_from(["in", "out"]),
    sent_packets=COUNT,
    backlog_ms=st.floats(0, 1e9),
    p99_ms=st.none() | st.floats(0, 1e9),
)
SETTINGS = st.builds(SettingStatus, SHORT, SHORT, SHORT, live=st.booleans())
STATUSES = st.builds(
    NodeStatus,
    name=st.text(max_size=128),
    state=SHORT,
    pid=COUNT,
    time_ns=COUNT,
    edges=st.lists(EDGES, max_size=4),
    settings=st.lists(
        st.builds(SettingStatus, SHORT, SHORT, SHORT, live=st.booleans()), max_size=4
    ),
    facts=st.dictionaries(SHORT, SHORT | NUMBER, max_size=5),
    words=st.lists(SHORT, max_size=5),
    timeline=st.lists(COUNT, max_size=400),
    answers=st.lists(st.builds(Answer, COUNT, SHORT, SHORT, SHORT), max_size=5),
)
WORDS = ASKS | STATUSES


@given(WORDS)
def test_what_is_said_is_heard(word: Ask | NodeStatus) -> None:
    frame = encode(word)
    assert is_aside(frame[:4])
    assert decode(frame) == word


@given(WORDS, st.data())
def test_any_damage_is_noticed_or_still_a_message(
    word: Ask | NodeStatus, data: st.DataObject
) -> None:
    frame = bytearray(encode(word))
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(frame) - 1))
        frame[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(frame)))
    for damaged in (bytes(frame), bytes(frame[:cut])):
        try:
            read = decode(damaged)
        except PacketError:
            continue
        # Whatever is read can be told on; repr, for what is no number equals nothing.
        assert repr(decode(encode(read))) == repr(read)


@pytest.mark.parametrize(
    "word",
    [
        Ask(-1, "a", "b", "c"),
        Ask(2**63, "a", "b", "c"),
        Ask(1, "a" * 129, "b", "c"),
        Ask(1, "a", "b" * 201, "c"),
        Ask(1, "a", "b", "c" * 601),
        Ask(1, "a", "b", 5),
        NodeStatus(name="a" * 129),
        NodeStatus(name="a", words=["x"] * 51),
        NodeStatus(name="a", words=["x" * 601]),
        NodeStatus(name="a", timeline=[1] * 401),
        NodeStatus(name="a", timeline=[-1]),
        NodeStatus(name="a", facts={"x": [1]}),
        NodeStatus(name="a", facts={str(i): 1 for i in range(101)}),
        NodeStatus(name="a", edges=[EdgeStatus("p", "sideways")]),
        NodeStatus(name="a", cpu_ns=-5),
    ],
)
def test_what_is_out_of_bounds_is_refused(word: Ask | NodeStatus) -> None:
    with pytest.raises(PacketError, match="control message: "):
        decode(encode(word))


def test_a_message_is_no_longer_than_it_may_be() -> None:
    frame = encode(NodeStatus(name="a", words=["x" * 600] * 50)) + bytes(MAX_BYTES)
    with pytest.raises(PacketError, match="bytes are no message of ours, at most 65536"):
        decode(frame)


def test_a_field_of_a_later_version_does_no_harm() -> None:
    status = msgspec.to_builtins(NodeStatus(name="a", pid=3)) | {"mood": "fine"}
    frame = encode(NodeStatus(name="a"))[:4] + msgspec.msgpack.encode(status)
    assert decode(frame) == NodeStatus(name="a", pid=3)


def test_a_node_with_too_much_to_say_still_says_the_most_important() -> None:
    wordy = [SettingStatus(f"s{i}", "v", "v", "h" * 600, "m" * 600) for i in range(100)]
    read = decode(fitting(NodeStatus(name="a", settings=wordy, words=["it is hot"])))
    assert isinstance(read, NodeStatus)
    assert len(read.settings) == 100
    assert read.words == ["it is hot"]
    longer = [SettingStatus(f"s{i}", "v" * 600, "v" * 600) for i in range(100)]
    read = decode(fitting(NodeStatus(name="a", settings=longer, words=["it is hot"])))
    assert isinstance(read, NodeStatus)
    assert read.words == ["it has more to say of itself than can be told", "it is hot"]


def test_who_has_not_said_hello_is_not_heard(wire: Wire, ipc: str) -> None:
    outlet, at = wire.outlet(ipc)
    heard: list[object] = []
    outlet.aside = lambda word, frame, edge: heard.append(word)
    taker = wire.taker(at)
    taker.inlet.socket.disconnect(at)
    import zmq

    stranger = wire.context().socket(zmq.DEALER)
    stranger.linger = 0
    stranger.connect(at)
    for word in (Ask(1, "p", "a", "b"), NodeStatus(name="evil")):
        stranger.send(encode(word))
    until(lambda: outlet.rejected == 2, lambda: outlet.service(5))
    assert heard == []
    stranger.close()
