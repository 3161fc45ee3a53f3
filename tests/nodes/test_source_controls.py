"""The source while it runs: paused, stepped, sent elsewhere, slowed; its time line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.source import Source, SourceSettings
from nodes.survey import Histogram, Survey
from pipeline import EventPacket, Node, Packet
from pipeline.errors import DeviceError, SettingError
from pipeline.graph import build
from pipeline.status import SLICES
from pipeline.tuning import tune
from recordings import nmnist
from recordings.opening import open_recording
from tests.pipeline.ends import Wire, until
from tests.pipeline.planes import Nodes, named
from tests.strategies import events_of, random_events


def save(path: Path, n: int = 400, length_us: int = 100_000, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(nmnist.encode(random_events(n, 34, 34, length_us, seed=seed)))
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return save(tmp_path / "f" / "a.bin")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(4):
        save(tmp_path / "many" / f"{i}.bin", 50, 20_000, i)
    return tmp_path / "many"


class Keep(Node):
    """Keeps the headers and events that come."""

    accepts = (EventPacket,)

    def __init__(self) -> None:
        super().__init__()
        self.packets: list[EventPacket] = []

    def process(self, packet: Packet) -> Iterator[Packet]:
        assert isinstance(packet, EventPacket)
        self.packets.append(EventPacket(packet.header, bytes(packet.payload)))
        yield from ()


Play: TypeAlias = Callable[..., tuple[Source, Keep, Nodes]]


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire()
    yield made
    made.close()


@pytest.fixture
def play(wire: Wire, tmp_path: Path) -> Iterator[Play]:
    """Run a source and one that keeps what it gives, each in a thread of its own."""
    nodes = Nodes(wire)

    def run(path: Path, **settings: object) -> tuple[Source, Keep, Nodes]:
        given = {"pace": "fast", "sample_ms": 0, "gap_ms": 0, "loop": True, **settings}
        source, keep = named(Source(path=str(path), **given), "source"), named(Keep(), "keep")
        nodes.run(source, f"ipc://{tmp_path}/source", wait_for_consumer=True)
        nodes.run(keep, None, (f"source@ipc://{tmp_path}/source",))
        until(lambda: "source" in keep.statuses())
        return source, keep, nodes

    yield run
    nodes.stop()


def ask(keep: Keep, key: str, value: str) -> str:
    """Ask the source and return why it refused, empty where it did not."""
    number = keep.ask("source", key, value)

    def answers() -> list[str]:
        source = keep.statuses().get("source")
        return [a.refused for a in source.answers if a.number == number] if source else []

    until(answers)
    return answers()[0]


def settled(keep: Keep) -> int:
    """Return how many packets have come, when everything under way has."""
    status = lambda: keep.statuses()["source"]  # noqa: E731
    until(lambda: status().state == "paused" and status().packets_out == len(keep.packets))
    return len(keep.packets)


def joined(packets: list[EventPacket]) -> bool:
    return all(a.header.t_end == b.header.t_begin for a, b in pairwise(packets))


def test_paused_from_the_beginning_it_steps(play: Play, file: Path) -> None:
    source, keep, _ = play(file, paused=True)
    assert settled(keep) == 0
    assert ask(keep, "step", "3") == ""
    until(lambda: len(keep.packets) == 3)
    assert ask(keep, "step", "") == ""
    until(lambda: len(keep.packets) == 4)
    assert settled(keep) == 4
    assert ask(keep, "paused", "false") == ""
    until(lambda: len(keep.packets) > 500)
    assert joined(keep.packets)
    # A step pauses what runs; nothing is lost or told twice on the way.
    assert ask(keep, "step", "1") == ""
    until(lambda: keep.statuses()["source"].setting("paused").actual == "true")
    n = settled(keep)
    assert joined(keep.packets[:n])
    assert source.settings.paused


@pytest.mark.parametrize("value", ["0", "-1", "x", "nan", "1e9"])
def test_a_step_that_is_none_is_refused(value: str) -> None:
    source = Source()
    source.start()
    with pytest.raises(SettingError, match=rf'^source: step = "{value}" is not a number from 1 to'):
        tune(source, "step", value)
    assert not source.paused
    source.stop()


def test_it_goes_to_another_time_and_says_so_with_a_reset(play: Play, file: Path) -> None:
    _, keep, _ = play(file, paused=True)
    recording = nmnist.read(file)
    until(lambda: keep.statuses()["source"].facts["timeline"] == "so far")
    for at_ms in (60, 20, 99, 0):
        before = settled(keep)
        assert ask(keep, "seek_s", str(at_ms / 1000)) == ""
        # Paused, it shows a glance of where it is.
        until(lambda n=before: len(keep.packets) > n + 10)
        n = settled(keep)
        shown = keep.packets[before:n]
        assert shown[0].header.reset
        first = shown[0].header.t_begin
        found = np.concatenate([p.events for p in shown[:10]])
        found["t"] += at_ms * 1000 - first
        high = min(at_ms + 10, 100) * 1000
        expected = recording[(recording["t"] >= at_ms * 1000) & (recording["t"] < high)]
        np.testing.assert_array_equal(found[: len(expected)], expected)
    assert joined(keep.packets), "event time goes on whatever is shown"


def test_a_time_that_is_none_is_refused(play: Play, file: Path) -> None:
    _, keep, _ = play(file, paused=True)
    assert ask(keep, "seek_s", "-1") == 'source: seek_s = "-1" is not a number from 0 to 1e+09'
    assert ask(keep, "seek_s", "") == 'source: seek_s = "" is not a number from 0 to 1e+09'
    # Behind the end is the end.
    assert ask(keep, "seek_s", "1e9") == ""
    until(lambda: len(keep.packets) > 0)
    assert ask(keep, "seek_s", "0.05") == ""


def test_it_goes_to_another_recording(play: Play, folder: Path) -> None:
    _, keep, _ = play(folder, paused=True, loop=False, sample_ms=50)
    for value, name in (("2", "2.bin"), ("next", "3.bin"), ("previous", "2.bin"), ("0", "0.bin")):
        before = settled(keep)
        assert ask(keep, "show", value) == ""
        until(lambda n=before: len(keep.packets) > n + 5)
        settled(keep)
        assert keep.packets[before].header.sample == name
        assert keep.packets[before].header.reset
        until(lambda name=name: keep.statuses()["source"].facts["sample"] == name)
    assert "there are 4 recordings, from 0 on" in ask(keep, "show", "previous")
    assert "is not a number from 0 to 3" in ask(keep, "show", "4")
    assert "is not a number from 0 to 3" in ask(keep, "show", "nowhere")


def test_the_pace_is_changed_between_two_packets(play: Play, file: Path) -> None:
    _, keep, _ = play(file, pace=1e-6)
    # At this pace the next packet would come in a quarter of an hour.
    assert len(keep.packets) == 0
    begun = time.monotonic()
    assert ask(keep, "pace", "fast") == ""
    until(lambda: len(keep.packets) > 300)
    assert ask(keep, "pace", "0.000001") == ""
    until(lambda: keep.statuses()["source"].packets_out == len(keep.packets))
    assert ask(keep, "pace", "real") == ""
    n = len(keep.packets)
    until(lambda: len(keep.packets) > n + 100)
    assert time.monotonic() - begun < 20
    assert joined(keep.packets)
    assert 'pace = "slow" is not one of' in ask(keep, "pace", "slow")


def test_a_region_of_interest(play: Play, file: Path) -> None:
    _, keep, _ = play(file, paused=True)
    recording = nmnist.read(file)
    assert ask(keep, "roi", "10, 5, 7,20") == ""
    assert ask(keep, "step", "100") == ""
    until(lambda: len(keep.packets) == 100)
    found = np.concatenate([p.events for p in keep.packets])
    x, y = recording["x"], recording["y"]
    inside = (x >= 10) & (x < 17) & (y >= 5) & (y < 25)
    np.testing.assert_array_equal(found, recording[inside])
    assert {(p.header.width, p.header.height) for p in keep.packets} == {(34, 34)}
    assert ask(keep, "roi", "") == ""
    assert ask(keep, "step", "100") == ""
    until(lambda: len(keep.packets) == 200)
    assert sum(len(p.events) for p in keep.packets[100:]) == len(recording)


@pytest.mark.parametrize(
    "roi", ["1,2,3", "a", "0,0,0,5", "0,0,5,-1", "-1,0,5,5", "1.5,0,2,2", ",,,"]
)
def test_a_region_that_is_none_is_refused(roi: str) -> None:
    with pytest.raises(SettingError, match=r"Source: roi = .* is not X0,Y0,WIDTH,HEIGHT"):
        Source(roi=roi)
    source = Source()
    source.start()
    with pytest.raises(SettingError, match=r"source: roi = .* is not X0,Y0,WIDTH,HEIGHT"):
        tune(source, "roi", roi)
    assert source.settings.roi == ""
    source.stop()


def test_an_end_before_the_beginning_is_refused() -> None:
    with pytest.raises(SettingError, match=r"end_s = 1 is not after begin_s = 2"):
        Source(begin_s=2.0, end_s=1.0)


def test_held_at_the_end_it_can_be_sent_back(play: Play, folder: Path) -> None:
    _, keep, _ = play(folder, hold=True, loop=False)
    until(lambda: keep.statuses()["source"].state == "at the end")
    until(lambda: len(keep.packets) == keep.statuses()["source"].packets_out)
    n = len(keep.packets)
    assert [p.header.sample for p in keep.packets if p.header.reset] == [
        f"{i}.bin" for i in range(4)
    ]
    assert ask(keep, "seek_s", "0.01") == ""
    until(lambda: len(keep.packets) > n)
    assert keep.packets[n].header.sample == "3.bin"
    assert ask(keep, "paused", "false") == ""
    until(lambda: keep.statuses()["source"].state == "at the end")
    # Going on from the end means: from the beginning.
    until(lambda: len(keep.packets) == keep.statuses()["source"].packets_out)
    n = len(keep.packets)
    assert ask(keep, "paused", "false") == ""
    until(lambda: len(keep.packets) > n)
    assert keep.packets[n].header.sample == "0.bin"
    assert joined(keep.packets)


def test_held_at_the_end_without_a_runtime_it_ends(folder: Path) -> None:
    packets = list(Source(path=str(folder), hold=True, pace="fast", sample_ms=0, gap_ms=0))
    assert len([p for p in packets if p.header.reset]) == 4


def test_what_is_played_offline_obeys_too(file: Path) -> None:
    source = Source(path=str(file), pace="fast", sample_ms=0, gap_ms=0)
    stream = iter(source)
    first = [next(stream) for _ in range(30)]
    source.ask("source", "seek_s", "0.09")
    rest = list(stream)
    assert rest[0].header.reset
    assert len(rest) == 10
    assert joined([*first, *rest])
    assert source.statuses()["source"].words == []


# What it says of itself.


def test_it_tells_where_it_is(play: Play, file: Path) -> None:
    _, keep, _ = play(file, paused=True, pace="real")
    assert ask(keep, "step", "40") == ""
    until(lambda: len(keep.packets) == 40)
    status = lambda: keep.statuses()["source"]  # noqa: E731
    until(lambda: status().facts["timeline"] == "whole" and status().facts["position_s"] == 0.039)
    facts = status().facts
    assert (facts["sample"], facts["number"], facts["recordings"]) == ("a.bin", 0, 1)
    last = int(nmnist.read(file)["t"].max()) + 1
    assert facts["begin_s"] == 0.0
    assert facts["end_s"] == facts["duration_s"] == last / 1e6
    assert len(status().timeline) == SLICES
    assert sum(status().timeline) == 400


def test_a_part_of_a_recording_has_a_time_line_of_its_own(play: Play, file: Path) -> None:
    _, keep, _ = play(file, paused=True, pace="real", begin_s=0.02, end_s=0.05)
    until(lambda: keep.statuses()["source"].facts["timeline"] == "whole")
    recording = nmnist.read(file)
    inside = recording[(recording["t"] >= 20_000) & (recording["t"] < 50_000)]
    status = keep.statuses()["source"]
    assert sum(status.timeline) == len(inside)
    assert status.facts["begin_s"] == 0.02
    assert status.facts["end_s"] == pytest.approx(0.05, abs=0.001)
    assert ask(keep, "seek_s", "0.03") == ""
    until(lambda: len(keep.packets) > 10)
    found = keep.packets[0]
    expected = recording[(recording["t"] >= 30_000) & (recording["t"] < 31_000)]
    assert len(found.events) == len(expected)


def test_who_reads_as_fast_as_can_be_counts_on_the_way(file: Path) -> None:
    source = Source(path=str(file), pace="fast", sample_ms=0, gap_ms=30)
    stream = iter(source)
    for _ in range(50):
        next(stream)
    assert source.facts()["timeline"] == "so far"
    assert 0 < sum(source.timeline()) < 400
    for _ in range(60):
        next(stream)
    assert source.facts()["timeline"] == "whole"
    assert sum(source.timeline()) == 400
    assert source.facts()["duration_s"] == pytest.approx(0.1, abs=0.001)
    source.stop()


def test_what_a_jump_left_out_is_not_the_whole(file: Path) -> None:
    source = Source(path=str(file), pace="fast", sample_ms=0, gap_ms=0, loop=True)
    stream = iter(source)
    next(stream)
    source.ask("source", "seek_s", "0.05")
    for _ in range(80):
        next(stream)
    assert source.facts()["timeline"] == "so far"
    source.stop()


@given(st.lists(st.integers(0, 10_000_000), min_size=1, max_size=300), st.integers(1, 50))
def test_a_histogram_loses_no_event_however_long_it_grows(times: list[int], size: int) -> None:
    times = sorted(times)
    array = np.array(times, np.int64)
    whole, single = Histogram(), Histogram()
    for i in range(0, len(array), size):
        whole.add_all(array[i : i + size])
    for t in times:
        single.add(t, 1, 0)
    assert whole.slices() == single.slices()
    slices = np.array(whole.slices())
    assert (len(slices), slices.sum(), slices.min() >= 0) == (SLICES, len(times), True)
    # No event is told further off than by one of the histogram's own bins.
    reached = np.cumsum(slices)
    at = np.arange(1, SLICES + 1) * (times[-1] + 1) / SLICES
    assert (reached <= np.searchsorted(array, at + whole.bin_us) + 1).all()
    assert (reached >= np.searchsorted(array, at - whole.bin_us) - 1).all()


def test_a_histogram_of_nothing_is_nothing() -> None:
    assert Histogram().slices() == []


def test_a_survey_that_is_stopped_has_what_it_has(file: Path) -> None:
    with open_recording(file) as recording:
        survey = Survey(recording, 0, None)
        survey.stop()
        assert survey.seen.slices() == []
        survey.start()
        survey.stop()
        assert not survey.whole
    # A file that cannot be read is no fault of the survey's: whoever replays it says so.
    survey = Survey(recording, 0, None)
    survey._count()
    assert not survey.whole


# A path that is a live source.


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("camera:", "Camera"),
        ("camera:00000", "Camera"),
        ("dv://localhost:7777", "DvReader"),
        ("aer-udp://127.0.0.1:3333", "AerReceiver"),
        ("tcp://127.0.0.1:5555", "Remote"),
        ("ipc:///none", "Remote"),
    ],
)
def test_a_live_source_is_read_by_a_class_of_its_own(path: str, kind: str) -> None:
    settings = SourceSettings(path=path, packet_us=500)
    node = Source.variant(settings)(settings)
    assert type(node).__name__ == kind
    assert path.partition("?")[0] in (
        getattr(node.settings, "address", ""), getattr(node.settings, "source", "")
    )  # fmt: skip
    # And again from its own settings, as a successor that was changed.
    assert type(node)(node.settings).settings == node.settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pace": 2.0}, "pace = 2.0 does not apply to a live source (camera:): only to recordings"),
        ({"loop": True}, "loop = True does not apply to a live source"),
        ({"begin_s": 1.0}, "begin_s = 1.0 does not apply"),
        ({"path": "rtsp://x"}, 'path = "rtsp://x": no source begins so (known: camera:, dv://'),
    ],
)
def test_what_does_not_apply_to_it_is_refused(settings: dict[str, object], message: str) -> None:
    tables = {"source": {"path": "camera:", **settings}, "log": {}, "bins": {}}
    with pytest.raises(SettingError) as caught:
        build({"nodes": tables, "edges": []}, "g.toml")
    assert str(caught.value).startswith("g.toml: node 'source': ")
    assert message in str(caught.value)


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import nodes.live_sources as live

    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module", name="neuromorphic_drivers.x")

    live._class.cache_clear()
    monkeypatch.setattr(live.importlib, "import_module", missing)
    with pytest.raises(DeviceError) as caught:
        Source.variant(SourceSettings(path="camera:"))
    assert str(caught.value) == (
        "camera:: needs the package neuromorphic_drivers (pip install 'silicon-retina[prophesee]')"
    )
    live._class.cache_clear()


def test_a_late_event_is_where_it_belongs_after_a_jump(tmp_path: Path) -> None:
    events = events_of([0, 1000, 5000, 4990, 9000], range(5), range(5), [1] * 5)
    path = tmp_path / "late.bin"
    path.write_bytes(nmnist.encode(events))
    source = Source(path=str(path), pace="fast", sample_ms=0, gap_ms=0)
    stream = iter(source)
    next(stream)
    source.ask("source", "seek_s", "0.005")
    rest = list(stream)
    assert sum(p.header.n for p in rest) == 3


def test_a_file_that_grows_is_followed(play: Play, file: Path) -> None:
    """It waits at the end, obeys there, and goes on with what is written."""
    data = file.read_bytes()
    cut = len(data) // 10 * 5
    file.write_bytes(data[:cut])
    _, keep, nodes = play(file, follow=True, loop=False)
    recording = nmnist.decode(data, "a.bin")
    seen = recording[: cut // 5]
    # The last packet is held back: more of it may come.
    least = int((seen["t"] < int(seen["t"][-1]) // 1000 * 1000).sum())
    until(lambda: sum(p.header.n for p in keep.packets) >= least)
    assert ask(keep, "pace", "1000") == ""
    with file.open("ab") as more:
        more.write(data[cut:])
    least = int((recording["t"] < int(recording["t"][-1]) // 1000 * 1000).sum())
    until(lambda: sum(p.header.n for p in keep.packets) >= least)
    assert joined(keep.packets)
    assert len([p for p in keep.packets if p.header.reset]) == 1
    nodes.control.drain.set()
    until(
        lambda: (
            sum(p.header.n for p in keep.packets) <= len(recording)
            and not nodes.threads[0].is_alive()
        )
    )
