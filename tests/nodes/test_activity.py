"""infer and reconstruct tell what their layers do where anyone takes it, and can be retuned."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.stepper import Stepper
from models.store import load
from nodes.bins import Bins
from nodes.infer import Infer
from nodes.reconstruct import Reconstruct
from nodes.source import Source
from pipeline import (
    ActivityPacket,
    Node,
    Packet,
    PredictionPacket,
    ReconstructionPacket,
    SpikePacket,
)
from pipeline.errors import SettingError
from pipeline.tuning import tune
from tests.nodes.small import reconstructor

CLASSIFIER = "nmnist-classifier"


def bins(limit: int = 2, window_us: int = 1000) -> list[SpikePacket]:
    source = Source(path="samples", split="Test", pace="fast", limit=limit, sample_ms=300, gap_ms=0)
    made = Bins(width=34, height=34, window_us=window_us)(source)
    return [packet for packet in made if isinstance(packet, SpikePacket)]


def through(node: Node, packets: Iterable[Packet]) -> list[Packet]:
    node.start()
    return [out for packet in packets for out in node.feed(packet)]


def activity(packets: Iterable[Packet]) -> list[ActivityPacket]:
    found = [packet for packet in packets if isinstance(packet, ActivityPacket)]
    for packet in found:
        packet.check(np.asarray(packet.payload).nbytes)
    return found


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reconstructor(tmp_path_factory.mktemp("model") / "tiny.safetensors")


@pytest.fixture(params=["infer", "reconstruct"])
def kind(request: pytest.FixtureRequest, model: Path) -> Any:
    """Make a node of either kind."""
    if request.param == "infer":
        return lambda **settings: Infer(device="cpu", **settings)
    return lambda **settings: Reconstruct(model=str(model), **settings)


def test_nobody_takes_it_nobody_is_told(kind: Any) -> None:
    assert activity(through(kind(), bins(1))) == []
    node = kind(activity="off")
    node.taken = lambda what: True
    assert activity(through(node, bins(1))) == []


@pytest.mark.parametrize("window_us", [1000, 7000])
def test_every_bin_of_the_window_is_told_once(kind: Any, window_us: int) -> None:
    packets = bins(2, window_us)
    node = kind(activity="auto", activity_ms=20)
    node.taken = lambda what: what is ActivityPacket
    told = activity(through(node, packets))
    stepper = Stepper(load(node.settings.model))
    assert told[0].header.names == stepper.network.names
    assert told[0].header.shapes == stepper.network.shapes
    assert [p.header.seq for p in told] == list(range(len(told)))
    for sample in (packets[0].header.sample, packets[-1].header.sample):
        mine = [p for p in told if p.header.sample == sample]
        given = [p for p in packets if p.header.sample == sample]
        first = given[0].header.t_begin
        bounds = [(p.header.t_begin - first, p.header.t_end - first) for p in mine]
        assert bounds == [(t, t + 20_000) for t in range(0, 300_000, 20_000)]
        assert [p.header.reset for p in mine] == [True] + [False] * (len(mine) - 1)
        # The recordings are a little longer than the window.
        steps = [
            (p.index[lo:hi], p.count[lo:hi])
            for p in given
            for lo, hi in pairwise(p.offsets.tolist())
        ][:300]
        inputs = np.concatenate([p.layer(0)[1] for p in mine])
        assert inputs.tolist() == np.concatenate([index for index, _ in steps]).tolist()
        stepper.reset()
        counts = []
        for index, count in steps:
            stepper.step(index, count)
            ends, _ = stepper.spiked()
            counts.append(np.diff(ends, prepend=0).tolist())
        assert np.concatenate([p.counts[:, 1:] for p in mine]).tolist() == counts
    answers = through(kind(), packets)
    same = [p for p in through(node, packets) if not isinstance(p, ActivityPacket)]
    assert [bytes(np.asarray(p.payload)) for p in same] == [
        bytes(np.asarray(p.payload)) for p in answers
    ]


def test_it_can_be_turned_on_and_off_and_the_end_is_told(kind: Any) -> None:
    packets = bins(1)
    node = kind(activity_ms=7)
    assert activity(through(node, packets[:10])) == []
    tune(node, "activity", "on")
    told = activity(through(node, packets[10:27]))
    assert [(p.header.t_begin, p.header.t_end) for p in told] == [
        (10_000, 17_000),
        (17_000, 24_000),
    ]
    rest = activity(node.finish())
    assert [(p.header.t_begin, p.header.t_end) for p in rest] == [(24_000, 27_000)]
    through(node, packets[27:30])
    tune(node, "activity", "off")
    assert through(node, packets[30:31]) == activity(node.finish()) == []
    tune(node, "activity", "on")
    later = activity(through(node, packets[31:38]))
    assert [(p.header.t_begin, p.header.t_end) for p in later] == [(31_000, 38_000)]
    through(node, packets[38:41])
    packets[41].header.reset = True
    before, *_ = activity(through(node, packets[41:42]))
    assert (before.header.t_begin, before.header.t_end) == (38_000, 41_000)
    assert not before.header.reset
    assert activity(node.finish())[0].header.n_bins == 1


def finals(packets: Iterable[Packet]) -> list[PredictionPacket]:
    return [p for p in packets if isinstance(p, PredictionPacket) and p.header.final]


def test_an_answer_comes_once_the_leader_is_far_enough_ahead() -> None:
    packets = bins(3)
    whole = finals(through(Infer(device="cpu", every_ms=1), packets))
    all_ = [
        p
        for p in through(Infer(device="cpu", every_ms=1), packets)
        if isinstance(p, PredictionPacket)
    ]
    early = finals(through(Infer(device="cpu", every_ms=0, margin=4), packets))
    assert len(early) == len(whole) == 3
    for packet in early:
        same = [p for p in all_ if p.header.sample == packet.header.sample]
        lead = [np.diff(np.sort(p.counts)[-2:])[0] for p in same]
        k = next(i for i, ahead in enumerate(lead) if ahead >= 4)
        assert packet.header.t_end == same[k].header.t_end
        assert packet.counts.tolist() == same[k].counts.tolist()
        assert packet.header.window_us == packet.header.t_end - packet.header.t_begin < 300_000
    never = finals(through(Infer(device="cpu", margin=10**6), packets))
    assert [p.counts.tolist() for p in never] == [p.counts.tolist() for p in whole]


def test_window_and_opinions_change_in_mid_window() -> None:
    packets = bins(1)
    node = Infer(device="cpu", every_ms=50)
    first = through(node, packets[:100])
    assert [p.header.t_end for p in first] == [50_000, 100_000]
    assert node.actual() == {"device": "cpu", "window_ms": 300, "every_ms": 50}
    tune(node, "every_ms", "0")
    tune(node, "window_ms", "200")
    assert node.actual()["window_ms"] == 200
    (answer,) = through(node, packets[100:])
    assert (answer.header.t_end, answer.header.final, answer.header.window_us) == (
        200_000,
        True,
        200_000,
    )
    # A window that is over when it is asked for ends with the next bin.
    node = Infer(device="cpu", every_ms=0)
    through(node, packets[:100])
    tune(node, "window_ms", "40")
    (late,) = through(node, packets[100:])
    assert (late.header.t_end, late.header.window_us) == (101_000, 101_000)
    tune(node, "window_ms", "")
    assert node.actual()["window_ms"] == 300
    with pytest.raises(SettingError, match="at least 1"):
        tune(node, "window_ms", "0")
    with pytest.raises(SettingError, match="cannot be changed while it runs"):
        tune(node, "model", "x")


def test_windows_of_images_change_in_mid_stream(model: Path) -> None:
    packets = bins(2)
    for packet in packets:
        packet.header.sample = packet.header.label = None
        packet.header.reset = False
    node = Reconstruct(model=str(model), window_ms=100, every_ms=50)
    first = through(node, packets[:150])
    tune(node, "window_ms", "60")
    tune(node, "every_ms", "30")
    second = through(node, packets[150:300])
    tune(node, "window_ms", "150")
    third = through(node, packets[300:])
    ends = [
        [(p.header.t_end // 1000, p.header.final) for p in part] for part in (first, second, third)
    ]
    assert ends[0] == [(50, False), (100, True), (150, False)]
    assert ends[1] == [(160, True), (180, False), (210, False), (220, True), (240, False),
                       (270, False), (280, True), (300, False)]  # fmt: skip
    assert ends[2][:5] == [(330, False), (360, False), (390, False), (420, False), (430, True)]
    for part, most in ((first, 100), (second, 60), (third, 150)):
        for packet in part:
            assert isinstance(packet, ReconstructionPacket)
            packet.check(packet.pixels.nbytes)
            # Before a longer window has gone by less is seen, and never more than the window.
            assert packet.header.t_end - packet.header.t_begin <= most * 1000
            assert packet.header.window_us == most * 1000


def test_a_higher_threshold_makes_a_network_sleep_and_a_lower_one_wakes_it(kind: Any) -> None:
    packets = bins(1)
    spikes = []
    for times in (0.7, 1.0, 1.5, 1000.0):
        node = kind(threshold=1.0, activity="on")
        node.start()
        tune(node, "threshold", str(times))
        spikes.append(sum(int(p.counts[:, 1:].sum()) for p in activity(through(node, packets))))
    assert spikes[0] > spikes[1] > spikes[2] > spikes[3] >= 0
    node = kind(threshold=1.5, activity="on")
    told = sum(int(p.counts[:, 1:].sum()) for p in activity(through(node, packets)))
    assert told == spikes[2]
    for value in ("0", "-1", "nan", "1001"):
        with pytest.raises(SettingError, match="threshold"):
            tune(node, "threshold", value)
    assert node.settings.threshold == 1.5


LISTENER = """
from pipeline import ActivityPacket, Node


class Listener(Node):
    accepts = (ActivityPacket,)

    def open(self):
        self.bins = self.spikes = 0

    def process(self, packet):
        self.bins += packet.header.n_bins
        self.spikes += int(packet.counts[:, 1:].sum())
        yield from ()

    def finish(self):
        self.journal({"sample": self.name, "label": self.bins, "answer": self.spikes, "ms": 0})
        yield from ()
"""


def test_as_processes_it_is_told_to_those_alone_who_take_it(tmp_path: Path) -> None:
    (tmp_path / "listener.py").write_text(LISTENER)
    graph = tmp_path / "g.toml"
    graph.write_text("""
edges = [
  { from = "source", to = "bins" },
  { from = "bins", to = "infer" },
  { from = "infer", to = "log" },
  { from = "infer", to = "listener" },
]
[nodes.source]
path = "samples"
split = "Test"
pace = "fast"
limit = 2
sample_ms = 300
gap_ms = 0
[nodes.bins]
width = 34
height = 34
[nodes.infer]
device = "cpu"
[nodes.log]
[nodes.listener]
kind = "listener.py:Listener"
""")
    runs = tmp_path / "r"
    runs.mkdir()
    result = subprocess.run(
        [sys.executable, "-m", "pipeline", "run", str(graph), "--headless", "--report", "-"],
        capture_output=True, text=True, timeout=120, check=False, cwd=Path(__file__).parents[2],
        env={**os.environ, "XDG_RUNTIME_DIR": str(runs)},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    stepper = Stepper(load(CLASSIFIER))
    spikes = n_bins = 0
    for packet in bins(2):
        if packet.header.reset:
            stepper.reset()
            n_bins = 0
        n_bins += 1
        if n_bins <= 300:
            stepper.step(packet.index, packet.count)
            ends, _ = stepper.spiked()
            spikes += int(ends[-1])
    told = next(p for p in report["predictions"] if p["sample"] == "listener")
    assert (told["label"], told["answer"]) == (600, spikes)
    sent = {e["to"]: e for e in report["edges"] if e["from"] == "infer"}
    assert sent["listener"]["sent_packets"] == sent["listener"]["delivered_packets"] == 60
    assert sent["log"]["sent_packets"] == 60
    assert sent["log"]["sent_events"] == 0
