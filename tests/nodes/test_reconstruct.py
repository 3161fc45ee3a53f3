"""reconstruct: live equals offline, windows fixed and sliding, sensors of any size."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.stepper import Stepper
from models.store import load
from nodes.bins import Bins
from nodes.infer import Infer
from nodes.reconstruct import Reconstruct
from nodes.source import Source
from pipeline import ReconstructionPacket, SpikePacket
from pipeline.binning import bin_events
from pipeline.errors import ModelError, SettingError
from recordings.folder import SAMPLES_DIR, samples
from tests.nodes.small import reconstructor
from tests.strategies import cut, random_events

LIMIT = 3


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reconstructor(tmp_path_factory.mktemp("model") / "tiny.safetensors")


def bins(limit: int = LIMIT, **settings: int) -> list[SpikePacket]:
    source = Source(path="samples", split="Test", pace="fast", limit=limit, sample_ms=300, gap_ms=0)
    made = Bins(**{"width": 34, "height": 34, **settings})(source)
    return [packet for packet in made if isinstance(packet, SpikePacket)]


def nameless(packets: list[SpikePacket]) -> list[SpikePacket]:
    for packet in packets:
        packet.header.sample = packet.header.label = None
        packet.header.reset = False
    return packets


@cache
def two_hundred() -> list[SpikePacket]:
    """200 ms of a recording; nothing downstream changes a packet that it is given."""
    return nameless(bins(1)[:200])


def images(model: Path, packets: list[SpikePacket], **settings: int) -> list[ReconstructionPacket]:
    made = list(Reconstruct(model=str(model), **settings)(packets))
    for packet in made:
        assert isinstance(packet, ReconstructionPacket)
        packet.check(packet.pixels.nbytes)
    return [packet for packet in made if isinstance(packet, ReconstructionPacket)]


@pytest.fixture(scope="module")
def knowing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that is told which saccade it sees."""
    path = tmp_path_factory.mktemp("knowing") / "tiny.safetensors"
    return reconstructor(path, "6-4c5-1c5p0", (0, 105, 210))


@pytest.mark.parametrize("which", ["model", "knowing"])
def test_the_stream_sees_exactly_what_the_whole_recording_shows(
    which: str, request: pytest.FixtureRequest
) -> None:
    model: Path = request.getfixturevalue(which)
    finals = [packet for packet in images(model, bins()) if packet.header.final]
    shown = samples(SAMPLES_DIR, "Test")[:LIMIT]
    assert [packet.header.sample for packet in finals] == [sample.name for sample in shown]
    for packet, sample in zip(finals, shown, strict=True):
        made = load(model)
        counts = Stepper(made).run(*bin_events(sample.read(), 34, 34, 1000, 300)).sum(axis=0)
        assert counts.any()
        np.testing.assert_array_equal(packet.pixels, made.intensity.of(counts.reshape(28, 28)))
        assert packet.header.label == sample.label
        assert packet.header.t_end - packet.header.t_begin == packet.header.window_us == 300_000


def test_without_samples_the_saccades_begin_anew_after_every_window(knowing: Path) -> None:
    packets = nameless(bins()[: 300 * LIMIT])
    last = images(knowing, packets, every_ms=300)[-1]
    stepper = Stepper(load(knowing))
    apart = [
        stepper.step(packet.index[lo:hi], packet.count[lo:hi])
        for packet in packets
        for lo, hi in pairwise(packet.offsets.tolist())
    ]
    assert len(apart) == 300 * LIMIT
    shown = load(knowing).intensity.of(np.sum(apart[-300:], 0).reshape(28, 28))
    np.testing.assert_array_equal(last.pixels, shown)


def test_images_come_every_so_often_and_at_the_windows_end(model: Path) -> None:
    packets = images(model, bins(), every_ms=70)
    spans = [70_000, 140_000, 210_000, 280_000, 300_000]
    assert [p.header.t_end - p.header.t_begin for p in packets] == spans * LIMIT
    assert [p.header.final for p in packets] == [False, False, False, False, True] * LIMIT
    assert [p.header.reset for p in packets] == [True, False, False, False, False] * LIMIT


def test_the_image_so_far_is_the_rate_so_far(model: Path) -> None:
    first = images(model, bins(1), every_ms=100)[0]
    made = load(model)
    sample = samples(SAMPLES_DIR, "Test")[0]
    counts = Stepper(made).run(*bin_events(sample.read(), 34, 34, 1000, 300))[:100].sum(axis=0)
    np.testing.assert_array_equal(first.pixels, made.intensity.of(counts.reshape(28, 28) * 3.0))


def test_bins_sent_together_change_nothing(model: Path) -> None:
    one, many = (images(model, bins(2, window_us=us)) for us in (1000, 60_000))
    assert len(one) == len(many)
    for a, b in zip(one, many, strict=True):
        np.testing.assert_array_equal(a.pixels, b.pixels)
        assert a.header.t_end == b.header.t_end


def test_a_new_sample_begins_anew_even_without_its_mark(model: Path) -> None:
    marked = images(model, bins())
    packets = bins()
    for packet in packets:
        packet.header.reset = False
    for a, b in zip(marked, images(model, packets), strict=True):
        np.testing.assert_array_equal(a.pixels, b.pixels)
        # Only what the stream itself begins with needs no mark.
        assert a.header.reset == b.header.reset or b.header.seq == 0


def test_an_endless_stream_is_seen_through_a_sliding_window(model: Path) -> None:
    packets = images(model, nameless(bins()), every_ms=50)
    fired = [0] * 18
    made = load(model)
    stepper = Stepper(made)
    per_bin = np.concatenate([
        stepper.run(packet.offsets, packet.index, packet.count) for packet in bins()
    ])  # fmt: skip
    assert len(packets) == len(fired)
    for k, packet in enumerate(packets, 1):
        begin, end = max(0, 50 * k - 300), 50 * k
        assert (packet.header.t_begin, packet.header.t_end) == (begin * 1000, end * 1000)
        counts = per_bin[begin:end].sum(axis=0).reshape(28, 28) * (300 / (end - begin))
        np.testing.assert_array_equal(packet.pixels, made.intensity.of(counts))
        assert packet.header.final == (k % 6 == 0)


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(window_ms=st.integers(1, 90), every_ms=st.integers(1, 90))
def test_windows_and_steps_of_any_length_fit_each_other(
    model: Path, window_ms: int, every_ms: int
) -> None:
    packets = images(model, two_hundred(), window_ms=window_ms, every_ms=every_ms)
    ends = [p.header.t_end // 1000 for p in packets]
    assert ends == [t for t in range(1, 201) if t % every_ms == 0 or t % window_ms == 0]
    assert [p.header.final for p in packets] == [t % window_ms == 0 for t in ends]
    for before, after in pairwise(packets):
        span = after.header.t_end - after.header.t_begin
        assert 0 < span <= max(window_ms, every_ms) * 1000
        assert after.header.t_begin >= before.header.t_begin


@pytest.mark.parametrize(("width", "height"), [(34, 34), (50, 20), (7, 9), (130, 97)])
def test_a_sensor_of_any_size(model: Path, width: int, height: int) -> None:
    events = random_events(3000, width, height, 100_000)
    packets = list(Bins()(cut(events, [50_000, 100_000], width, height)))
    made = images(model, [p for p in packets if isinstance(p, SpikePacket)], window_ms=100)
    assert {p.pixels.shape for p in made} == {(height - 6, width - 6)}
    counts = Stepper(load(model).at(height, width)).run(
        *bin_events(events, height, width, 1000, 100)
    )
    image = load(model).intensity.of(counts.sum(axis=0).reshape(height - 6, width - 6))
    np.testing.assert_array_equal(made[-1].pixels, image)


def test_a_sensor_may_change_its_size_in_mid_stream(model: Path) -> None:
    packets = [
        packet
        for side in (20, 34)
        for packet in Bins()(cut(random_events(500, side, side, 60_000), [60_000], side, side))
        if isinstance(packet, SpikePacket)
    ]
    made = images(model, nameless(packets))
    assert [p.pixels.shape for p in made] == [(14, 14)] * 3 + [(28, 28)] * 3
    assert [p.header.reset for p in made] == [False] * 3 + [True, False, False]


@pytest.mark.parametrize(
    ("cut_to", "message"),
    [
        ({"width": 4, "height": 4}, "tiny: .* does not fit"),
        ({"bin_us": 2000}, "set bin_us"),
        ({"width": 1 << 15, "height": 1 << 15}, "reconstruct: .* neurons"),
    ],
)
def test_bins_that_do_not_fit_are_refused(
    model: Path, cut_to: dict[str, int], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        images(model, bins(1, **cut_to))


def test_a_classifier_makes_no_images_and_a_reconstructor_no_answers(model: Path) -> None:
    with pytest.raises(ModelError, match="is a classifier, expected a reconstructor"):
        Reconstruct(model="nmnist-classifier").start()
    with pytest.raises(ModelError, match="is a reconstructor, expected a classifier"):
        Infer(model=str(model)).start()


def test_settings_out_of_range_are_refused() -> None:
    for wrong in ({"every_ms": 0}, {"window_ms": 0}):
        with pytest.raises(SettingError, match="at least 1"):
            Reconstruct(**wrong)
