"""The recorder as a node: everything is in its files, or it says INCOMPLETE and what was missed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.continuity import Continuity
from nodes.record import Record
from pipeline import EventPacket
from pipeline.errors import RecordingError, RetinaError, SettingError, UsageError
from pipeline.events import Events
from pipeline.packets import EventHeader
from pipeline.status import NodeStatus, SettingStatus
from pipeline.tuning import tune
from recordings.opening import open_recording
from recordings.writing import WRITABLE
from tests.recordings.known import known_stream
from tests.recordings.written import name_of
from tests.strategies import event_packet, events_of

STEP = 10_000


def packets(n: int = 10, begin: int = 0, seq: int = 0, **head: Any) -> list[EventPacket]:
    """Return ``n`` packets of 10 ms of the known stream, numbered from ``seq`` on."""
    events = known_stream(9_000 * (begin + n))
    return [
        event_packet(
            events, k * STEP, (k + 1) * STEP, 200, 180, seq=seq + k - begin, stream="s/events",
            reset=k == begin, **head,
        )
        for k in range(begin, begin + n)
    ]  # fmt: skip


def kept(given_: Iterable[EventPacket]) -> Events:
    return np.concatenate([packet.events for packet in given_])


def read(*paths: Path | str) -> Events:
    found = []
    for path in paths:
        with open_recording(path) as recording:
            found.append(recording.read())
    return np.concatenate(found)


class Recorded:
    """A recorder, what it wrote into the report, and what it printed."""

    def __init__(self, **settings: Any) -> None:
        self.entries: list[dict[str, Any]] = []
        self.node = Record(**settings)
        self.node.journal = self.entries.append

    def all(self, given_: Iterable[EventPacket]) -> dict[str, Any]:
        assert list(self.node(given_)) == []
        (entry,) = self.entries
        return entry


@pytest.mark.parametrize("format_", [name for name in WRITABLE if name != "nmnist"])
def test_everything_is_in_the_file(
    format_: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name_of(format_)
    given_ = packets(30)
    entry = Recorded(path=str(path)).all(given_)
    events = kept(given_)
    np.testing.assert_array_equal(read(path), events)
    assert entry == {
        "recording": [str(path)], "events": len(events), "bytes": path.stat().st_size,
        "duration_s": 0.3, "complete": True, "missing": [], "missed_packets": 0, "missed_s": 0.0,
        "late_events": 0,
    }  # fmt: skip
    said = capsys.readouterr().out
    size = path.stat().st_size / 1e6
    assert said == f"{path}: {len(events):,} events, 0.300 s, {size:.1f} MB\n"


def test_silence_is_recorded_as_duration(tmp_path: Path) -> None:
    none = events_of([], [], [], [])
    silent = [event_packet(none, k * STEP, (k + 1) * STEP, seq=k) for k in range(5)]
    entry = Recorded(path=str(tmp_path / "x.aedat4")).all(silent)
    assert (entry["events"], entry["duration_s"], entry["complete"]) == (0, 0.05, True)
    assert len(read(tmp_path / "x.aedat4")) == 0


@pytest.mark.parametrize("format_", ["es", "nmnist"])
def test_a_format_that_begins_near_zero_counts_from_the_first_packet(
    format_: str, tmp_path: Path
) -> None:
    events = known_stream(5_000, 200, 180)
    events["t"] += 1_589_163_147_368_868
    first = int(events["t"][0])
    packet = event_packet(events, first - 100, first + STEP, 200, 180)
    path = tmp_path / name_of(format_)
    Recorded(path=str(path)).all([packet])
    found = read(path)
    assert found["t"][0] == 100
    np.testing.assert_array_equal(np.diff(found["t"]), np.diff(events["t"]))


MISSING = [
    (packets(4) + packets(6, 4, seq=6), "2 packets, 0.000 s missed in 1 gap"),
    (packets(4) + packets(4, 6, seq=6), "2 packets, 0.020 s missed in 1 gap"),
    (packets(4) + packets(4, 6, seq=4), "0.020 s missed in 1 gap"),
    (packets(2) + packets(2, 4, seq=4) + packets(2, 8, seq=8), "4 packets, 0.040 s missed in 2 g"),
    (packets(4) + packets(4, 4, seq=0), "the stream began anew 1 times"),
]


@pytest.mark.parametrize(("given_", "why"), MISSING)
def test_what_never_came_is_said(
    given_: list[EventPacket], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.aedat4"
    recorded = Recorded(path=str(path))
    entry = recorded.all(given_)
    np.testing.assert_array_equal(read(path), kept(given_))
    assert not entry["complete"]
    (word,) = entry["missing"]
    assert word.startswith(why)
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert f"; INCOMPLETE: {why}" in said
    assert recorded.node.words() == [f"INCOMPLETE: {word}"]


def test_resets_without_a_gap_are_nothing_missed(tmp_path: Path) -> None:
    given_ = packets(6)
    for packet in given_:
        packet.header.reset = True
    assert Recorded(path=str(tmp_path / "x.aedat4")).all(given_)["complete"]


def test_who_joins_a_running_stream_has_missed_nothing(tmp_path: Path) -> None:
    given_ = packets(3, 7, seq=4711)
    assert Recorded(path=str(tmp_path / "x.aedat4")).all(given_)["complete"]


def test_two_streams_are_not_one_recording(tmp_path: Path) -> None:
    other = packets(1, 2)
    other[0].header.stream = "other/events"
    with pytest.raises(RetinaError, match=r"holds one stream, got 's/events' and 'other/events'"):
        Recorded(path=str(tmp_path / "x.aedat4")).all(packets(2) + other)
    np.testing.assert_array_equal(read(tmp_path / "x.aedat4"), kept(packets(2)))


def test_a_clock_that_is_set_back_goes_on_in_a_new_file(tmp_path: Path) -> None:
    first, second = packets(3), packets(4, seq=3)
    entry = Recorded(path=str(tmp_path / "x.aedat4")).all(first + second)
    files = [str(tmp_path / "x.aedat4"), str(tmp_path / "x-0002.aedat4")]
    assert entry["recording"] == files
    np.testing.assert_array_equal(read(files[0]), kept(first))
    np.testing.assert_array_equal(read(files[1]), kept(second))
    assert entry["duration_s"] == pytest.approx(0.07)


def test_another_sensor_goes_on_in_a_new_file(tmp_path: Path) -> None:
    small = event_packet(known_stream(30_000, 20, 20), 2 * STEP, 3 * STEP, 20, 20, seq=2)
    small.header.stream = "s/events"
    entry = Recorded(path=str(tmp_path / "x.aedat4")).all([*packets(2), small])
    assert len(entry["recording"]) == 2
    with open_recording(entry["recording"][1]) as recording:
        assert (recording.width, recording.height) == (20, 20)


def test_files_of_so_long(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given_ = packets(10)
    entry = Recorded(path=str(tmp_path / "x.npz"), rotate_s=0.03).all(given_)
    files = [tmp_path / f"x-000{i}.npz" for i in (1, 2, 3, 4)]
    assert entry["recording"] == [str(file) for file in files]
    assert sorted(tmp_path.iterdir()) == files
    for i, file in enumerate(files):
        np.testing.assert_array_equal(read(file), kept(given_[3 * i : 3 * i + 3]))
    assert entry["duration_s"] == pytest.approx(0.1)
    assert capsys.readouterr().out.startswith(f"{files[0]} to x-0004.npz: ")


def test_files_of_so_much(tmp_path: Path) -> None:
    given_ = packets(150)
    settings = {"rotate_mb": 1, "compression": "none"}
    entry = Recorded(path=str(tmp_path / "x.aedat4"), **settings).all(given_)
    sizes = [Path(file).stat().st_size for file in entry["recording"]]
    assert len(sizes) == 10
    # A packet of a file has up to 1 MiB.
    assert all(1e6 <= size <= 2.2e6 for size in sizes[:-1])
    np.testing.assert_array_equal(read(*entry["recording"]), kept(given_))


def test_what_was_taken_is_in_the_file_within_a_second(tmp_path: Path) -> None:
    path = tmp_path / "x.aedat4"
    node = Record(path=str(path))
    node.start()
    few = known_stream(100)

    def second(k: int) -> EventPacket:
        events = few.copy()
        events["t"] += k * 1_000_000
        header = EventHeader(
            t_begin=k * 1_000_000, t_end=(k + 1) * 1_000_000, width=200, height=180, n=0, seq=k
        )
        return EventPacket.of(events, header)

    for k in range(3):
        list(node.feed(second(k)))
        assert len(read(path)) == 100 * (k + 1)
    node.stop()


def test_events_that_come_late_are_lifted_and_those_outside_dropped(tmp_path: Path) -> None:
    events = events_of([10, 30, 20, 40], [1, 2, 3, 400], [1, 1, 1, 1], [1, 0, 1, 0])
    header = EventHeader(t_begin=0, t_end=STEP, width=200, height=180, n=0)
    path = tmp_path / "x.aedat4"
    entry = Recorded(path=str(path)).all([EventPacket.of(events, header)])
    assert read(path)["t"].tolist() == [10, 30, 30]
    assert entry["late_events"] == 1
    assert entry["missing"] == ["1 events outside the sensor"]


def test_recording_is_stopped_and_begun_again(tmp_path: Path) -> None:
    path = tmp_path / "x.es"
    recorded = Recorded(path=str(path))
    node = recorded.node

    def stream() -> Iterator[EventPacket]:
        for k, packet in enumerate(packets(12)):
            if k == 4:
                tune(node, "recording", "false")
                assert node.condition == "paused"
                # The file is whole while the node still runs.
                np.testing.assert_array_equal(read(path), kept(packets(4)))
            if k == 8:
                tune(node, "recording", "true")
                assert node.condition == ""
            yield packet

    entry = recorded.all(stream())
    files = [str(path), str(tmp_path / "x-0002.es")]
    assert entry["recording"] == files
    second = kept(packets(12)[8:])
    second["t"] -= 8 * STEP
    np.testing.assert_array_equal(read(files[1]), second)
    # What passed by in between was not wanted.
    assert entry["complete"]
    assert entry["duration_s"] == pytest.approx(0.08)


def test_recording_that_begins_later(tmp_path: Path) -> None:
    recorded = Recorded(path=str(tmp_path / "x.es"), recording=False)
    assert recorded.all(packets(3))["recording"] == []
    assert not list(tmp_path.iterdir())


def test_only_recording_can_be_changed(tmp_path: Path) -> None:
    node = Record(path=str(tmp_path / "x.es"))
    node.start()
    with pytest.raises(SettingError):
        tune(node, "path", "y.es")
    node.stop()


def test_facts(tmp_path: Path) -> None:
    path = tmp_path / "x.aedat4"
    node = Record(path=str(path))
    node.start()
    assert node.facts()["file"] == ""
    for packet in packets(3):
        list(node.feed(packet))
    facts = node.facts()
    assert facts["file"] == str(path)
    assert facts["events"] == len(kept(packets(3)))
    assert facts["duration_s"] == 0.03
    assert node.words() == []
    node.stop()


def test_a_stream_that_was_broken_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.aedat4"
    recorded = Recorded(path=str(path))
    recorded.node.start()
    for packet in packets(3):
        list(recorded.node.feed(packet))
    recorded.node.stop()
    np.testing.assert_array_equal(read(path), kept(packets(3)))
    assert capsys.readouterr().out.endswith("INCOMPLETE: ended before the stream did\n")
    assert not recorded.entries[0]["complete"]


class Around:
    """A camera up the stream."""

    def ask(self, node: str, key: str, value: str) -> int:
        return 0

    def statuses(self) -> dict[str, NodeStatus]:
        settings = [SettingStatus("bias", "7", "6"), SettingStatus("roi", "", "<0 & 1>")]
        facts = {"model": "DAVIS346", "serial": "00000002", "firmware": 18, "events": 5}
        camera = NodeStatus(name="source", facts=facts, settings=settings)
        return {"source": camera, "record": NodeStatus(name="record")}


def test_the_header_says_which_camera_it_was(tmp_path: Path) -> None:
    path = tmp_path / "x.aedat4"
    recorded = Recorded(path=str(path))
    recorded.node.surroundings = Around()
    recorded.all(packets(2))
    with open_recording(path) as recording:
        (stream,) = recording._decoder.header.streams  # type: ignore[attr-defined]
    assert stream.source == "DAVIS346_00000002"
    assert dict(stream.more) == {
        "model": "DAVIS346", "serial": "00000002", "firmware": "18",
        "setting.bias": "6", "setting.roi": "<0 & 1>",
    }  # fmt: skip
    dv = pytest.importorskip("dv_processing")
    assert dv.io.MonoCameraRecording(str(path)).getCameraName() == "DAVIS346_00000002"


def test_no_packet_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry = Recorded(path=str(tmp_path / "x.aedat4")).all([])
    assert entry["recording"] == []
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr().out == f"{tmp_path / 'x.aedat4'}: no file, for no packet came\n"


def test_a_successor_leaves_the_files_of_who_died(tmp_path: Path) -> None:
    path = tmp_path / "x.aedat4"
    first = Record(path=str(path), overwrite=True)
    first.start()
    for packet in packets(3):
        list(first.feed(packet))
    cursor = first.cursor
    assert first._writer is not None
    first._writer.flush()
    recorded = Recorded(path=str(path), overwrite=True)
    recorded.node.cursor = cursor
    entry = recorded.all(packets(4, 3, seq=3))
    assert entry["recording"] == [str(tmp_path / "x-0002.aedat4")]
    np.testing.assert_array_equal(read(path), kept(packets(3)))
    np.testing.assert_array_equal(read(*entry["recording"]), kept(packets(4, 3)))
    assert entry["missing"] == ["the recorder was started anew: what it had not written is missing"]


@pytest.mark.parametrize(
    ("settings", "error", "why"),
    [
        ({"path": "{}/there.aedat4"}, RecordingError, "is there already"),
        ({"path": "{}/none/x.aedat4"}, RecordingError, "is no folder that there is"),
        ({"path": "{}/x.dat"}, UsageError, "'.dat' is no ending that is written"),
        ({"path": "{}/x.csv", "compression": "lz4"}, UsageError, "x.csv: csv has no option"),
        ({"path": "{}/x.npz", "compression": "lz4"}, UsageError, "x.npz: compression 'lz4'"),
    ],
)
def test_what_cannot_be_is_said_before_the_first_packet(
    settings: dict[str, Any], error: type[Exception], why: str, tmp_path: Path
) -> None:
    (tmp_path / "there.aedat4").write_bytes(b"precious")
    settings["path"] = settings["path"].format(tmp_path)
    node = Record(**settings)
    with pytest.raises(error, match=why) as raised:
        node.start()
    assert "\n" not in str(raised.value)
    assert (tmp_path / "there.aedat4").read_bytes() == b"precious"


def test_a_path_is_needed() -> None:
    with pytest.raises(SettingError, match="missing setting 'path'"):
        Record()


def test_a_sensor_that_the_format_does_not_hold(tmp_path: Path) -> None:
    recorded = Recorded(path=str(tmp_path / "x.bin"))
    events = known_stream(10, 346, 260)
    with pytest.raises(RecordingError, match=r"INCOMPLETE: .*346×260 pixels does not fit nmnist"):
        recorded.all([event_packet(events, 0, STEP, 346, 260)])
    assert not recorded.entries[0]["complete"]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=20),
    st.integers(0, 2**40),
)
def test_what_is_missed_is_counted_exactly(gaps: list[tuple[int, int]], begin: int) -> None:
    account = Continuity()
    account.see(EventHeader(t_begin=begin, t_end=begin + 7, seq=5, width=1, height=1, n=0))
    seq, end = 5, begin + 7
    for packets_, silent in gaps:
        seq, at = seq + 1 + packets_, end + silent
        end = at + 7
        account.see(EventHeader(t_begin=at, t_end=end, seq=seq, width=1, height=1, n=0))
    assert account.missed_packets == sum(packets_ for packets_, _ in gaps)
    assert account.missed_us == sum(silent for _, silent in gaps)
    assert account.gaps == sum(gap != (0, 0) for gap in gaps)
    assert account.restarts == 0
    assert bool(account.words()) == any(gap != (0, 0) for gap in gaps)
