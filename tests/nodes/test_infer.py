"""infer: live equals offline, windows, resets, and models that do not fit."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from models.readout import answer
from models.stepper import Stepper
from models.store import load
from nodes.bins import Bins
from nodes.infer import Infer
from nodes.source import Source
from pipeline import PredictionPacket, SpikePacket
from pipeline.binning import bin_events
from pipeline.errors import ModelError, SettingError
from recordings.folder import SAMPLES_DIR, samples

LIMIT = 4


def stream(**settings: object) -> list[PredictionPacket]:
    source = Source(path="samples", split="Test", pace="fast", limit=LIMIT)
    packets = Infer(**settings)(Bins(width=34, height=34)(source))
    return [packet for packet in packets if isinstance(packet, PredictionPacket)]


def test_the_stream_counts_exactly_what_the_whole_recording_counts() -> None:
    finals = [packet for packet in stream() if packet.header.final]
    shown = samples(SAMPLES_DIR, "Test")[:LIMIT]
    assert [packet.header.sample for packet in finals] == [sample.name for sample in shown]
    for packet, sample in zip(finals, shown, strict=True):
        stepper = Stepper(load("nmnist-classifier"))
        whole = stepper.run(*bin_events(sample.read(), 34, 34, 1000, 300)).sum(axis=0)
        assert (packet.counts == whole).all()
        assert packet.header.answer == answer(whole, stepper.classes)
        assert packet.header.label == sample.label


def test_opinions_come_every_so_often_and_only_grow() -> None:
    packets = stream(every_ms=50)
    assert len(packets) == LIMIT * 6
    for k in range(0, len(packets), 6):
        window = packets[k : k + 6]
        assert [p.header.t_end - p.header.t_begin for p in window] == [
            50_000 * (i + 1) for i in range(6)
        ]
        assert [p.header.final for p in window] == [False] * 5 + [True]
        for before, after in pairwise(window):
            assert (after.counts >= before.counts).all()
        assert window[-1].score.sum() == pytest.approx(1, abs=1e-5)


def test_the_first_packet_of_a_window_passes_the_reset_on() -> None:
    packets = stream(every_ms=100)
    assert [p.header.reset for p in packets] == [True, False, False] * LIMIT


def test_bins_of_another_shape_are_refused_with_the_way_out() -> None:
    source = Source(path="samples", pace="fast", limit=1)
    with pytest.raises(ModelError, match="set width, height and bin_us"):
        list(Infer()(Bins(width=20, height=20)(source)))


def test_a_window_shorter_than_a_bin_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingError, match="window_ms"):
        Infer(window_ms=0)


def test_without_samples_one_window_follows_another() -> None:
    def nameless() -> list[SpikePacket]:
        source = Source(path="samples", pace="fast", limit=2, sample_ms=300, gap_ms=0)
        found = []
        for packet in Bins(width=34, height=34)(source):
            assert isinstance(packet, SpikePacket)
            packet.header.sample = packet.header.label = None
            packet.header.reset = False
            found.append(packet)
        return found

    finals = [p for p in Infer()(nameless()) if isinstance(p, PredictionPacket) and p.header.final]
    assert [p.header.t_begin for p in finals] == list(300_000 * np.arange(len(finals)))
    assert len(finals) >= 2
