"""view: what is kept of opinions, binned spikes, layers and gaze, without Qt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.view.palette import PALETTES
from nodes.view.scene import Scene
from nodes.view.tracks.activity import COLUMNS, Activity
from nodes.view.tracks.gaze import SPAN_US, Gaze
from nodes.view.tracks.opinions import Opinions
from nodes.view.tracks.show import Show
from nodes.view.tracks.spikes import Spikes
from pipeline import ActivityPacket, GazePacket, PredictionPacket, SpikePacket
from pipeline.packets import GAZE, ActivityHeader, GazeHeader, PredictionHeader, SpikeHeader
from tests.strategies import packets

INKS = PALETTES["blue-orange"].dark


def opinion(scores: Sequence[float], ms: int, *, sample: str = "a", begin: int = 0,
            final: bool = False) -> PredictionPacket:  # fmt: skip
    n = len(scores)
    header = PredictionHeader(
        t_begin=begin, t_end=begin + ms * 1000, classes=tuple(range(n)),
        answer=int(np.argmax(scores)), final=final, window_us=300_000, label=0, sample=sample,
    )  # fmt: skip
    counts = np.array([round(10 * s) for s in scores], np.int64)
    return PredictionPacket.of(counts, np.array(scores, np.float32), header)


def bins(
    rows: Sequence[Sequence[tuple[int, int]]], *, t_begin: int = 0, channels: int = 2,
    side: int = 4, sample: str | None = None,
) -> SpikePacket:  # fmt: skip
    """Return a packet of 1 ms bins, each a list of (flat index, count)."""
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.uint32)
    entries = [entry for row in rows for entry in row]
    header = SpikeHeader(
        t_begin=t_begin, t_end=t_begin + 1000 * len(rows), channels=channels, height=side,
        width=side, bin_us=1000, n_bins=0, n=0, sample=sample,
    )  # fmt: skip
    return SpikePacket.of(
        offsets,
        np.array([i for i, _ in entries], np.uint32),
        np.array([c for _, c in entries], np.uint8),
        header,
    )


def layers(
    spikes: Sequence[Sequence[Sequence[int]]], *, t_begin: int = 0, sample: str = "a",
    shapes: tuple[tuple[int, int, int], ...] = ((1, 1, 4), (10, 10, 2)),
) -> ActivityPacket:  # fmt: skip
    """Return a packet of 1 ms bins; ``spikes`` [bin][layer] are neurons."""
    cells = [cell for row in spikes for cell in row]
    offsets = np.cumsum([0, *map(len, cells)]).astype(np.uint32)
    index = np.array([i for cell in cells for i in cell], np.uint32)
    names = ("input", "hidden")[: len(shapes)]
    header = ActivityHeader(
        t_begin=t_begin, t_end=t_begin + 1000 * len(spikes), names=names,
        shapes=shapes, bin_us=1000, n_bins=0, n=0, sample=sample,
    )  # fmt: skip
    packet = ActivityPacket.of(offsets, index, header)
    packet.check(packet.payload.nbytes)  # type: ignore[union-attr]
    return packet


def gaze(t: Sequence[int], x: Sequence[float], y: Sequence[float]) -> GazePacket:
    samples = np.zeros(len(t), GAZE)
    samples["t"], samples["x"], samples["y"] = t, x, y
    header = GazeHeader(t_begin=0, t_end=max(t, default=0), n=len(t))
    return GazePacket(header, samples.tobytes())


def test_the_course_of_a_window() -> None:
    opinions = Opinions()
    assert opinions.course() is None
    for ms, scores in ((10, (0.5, 0.5)), (20, (0.25, 0.75)), (30, (0.75, 0.25))):
        opinions.add(opinion(scores, ms))
    course = opinions.course()
    assert course is not None
    assert course.ms.tolist() == [10, 20, 30]
    np.testing.assert_array_equal(course.score, [(0.5, 0.5), (0.25, 0.75), (0.75, 0.25)])
    assert opinions.now is not None
    assert opinions.now.since_ms == 30
    for fresh in (opinion((1, 0), 10, sample="b"), opinion((1, 0), 5, sample="b"),
                  opinion((1, 0, 0), 7, sample="b"), opinion((1, 0, 0), 7, begin=9)):  # fmt: skip
        opinions.add(fresh)
        course = opinions.course()
        assert course is not None
        assert len(course.ms) == 1
    opinions.forget()
    assert opinions.course() is None


def test_a_very_long_window_does_not_grow_without_end() -> None:
    opinions = Opinions()
    for k in range(10_000):
        opinions.add(opinion((1, 0), k + 1))
    course = opinions.course()
    assert course is not None
    assert len(course.ms) <= 4096
    assert course.ms[0] == 1
    assert course.ms[-1] == 10_000
    assert (np.diff(course.ms) > 0).all()


def test_bins_become_a_picture_of_on_and_off() -> None:
    spikes = Spikes()
    # Channel 0 is OFF, channel 1 ON: pixel 5 OFF in the first bin, pixel 6 ON in the second.
    spikes.add(bins([[(5, 1)], [(16 + 6, 1)]]))
    window = spikes.window(10_000)
    picture, n_bins = spikes.paint(window, 10_000, INKS)
    assert n_bins == 2
    rgb = np.stack([picture >> shift & 255 for shift in (16, 8, 0)], -1).astype(int)
    off, on, ground = (np.array(ink) for ink in (INKS.off, INKS.on, INKS.ground))
    for place, ink in (((1, 1), off), ((1, 2), on)):
        share = (rgb[place] - ground) / (ink - ground)
        assert share == pytest.approx([0.6] * 3, abs=0.02)
    lit = (rgb != ground).any(-1)
    assert lit.sum() == 2
    # The last bin alone.
    picture, n_bins = spikes.paint(spikes.window(1000), 1000, INKS)
    assert n_bins == 1
    assert np.argwhere(picture != picture[0, 0]).tolist() == [[1, 2]]


def test_the_newest_bin_is_always_shown_and_long_packets_are_cut() -> None:
    spikes = Spikes()
    spikes.add(bins([[(k, 1)] for k in range(10)]))
    for span_us, n in ((1, 1), (1000, 1), (1001, 2), (4000, 4), (10**9, 10)):
        picture, n_bins = spikes.paint(spikes.window(span_us), span_us, INKS)
        assert n_bins == n
        assert (picture != picture[3, 3]).sum() == n
    spikes.add(bins([], t_begin=10_000))
    picture, n_bins = spikes.paint(spikes.window(1000), 1000, INKS)
    assert n_bins == 1, "a packet without bins moves nothing on"


@pytest.mark.parametrize("channels", [1, 3])
def test_other_numbers_of_channels_are_shown_too(channels: int) -> None:
    spikes = Spikes()
    spikes.add(bins([[(16 * c + 5 + c, 1) for c in range(channels)]], channels=channels))
    picture, _ = spikes.paint(spikes.window(1000), 1000, INKS)
    assert (picture != picture[0, 0]).sum() == channels


def test_bins_begin_anew_with_another_sample_shape_or_time() -> None:
    spikes = Spikes()
    spikes.add(bins([[(1, 1)]], t_begin=5000))
    for fresh in (bins([[(2, 1)]], t_begin=6000, sample="b"), bins([[(3, 1)]], sample="b"),
                  bins([[(3, 1)]], t_begin=9000, side=5, sample="b")):  # fmt: skip
        spikes.add(fresh)
        assert len(spikes.window(10**9)) == 1
    spikes.forget()
    assert spikes.window(10**9) == []


def test_bins_that_nobody_looks_at_do_not_pile_up() -> None:
    spikes = Spikes()
    for k in range(2000):
        spikes.add(bins([[(1, 1)]], t_begin=1000 * k))
    assert len(spikes.window(10**12)) == 512
    many = [(k % 32, 1) for k in range(1_000_000)]
    for k in range(20):
        spikes.add(bins([many], t_begin=10**7 + 1000 * k))
    assert len(spikes.window(10**12)) * 5_000_000 <= 2**25 + 5_000_000


def test_a_raster_of_layers() -> None:
    activity = Activity()
    assert activity.raster() is None
    activity.add(layers([[[0], [199]], [[1, 2], []]]))
    raster = activity.raster()
    assert raster is not None
    small, large = raster.bands
    assert (small.name, small.top, small.rows, small.neurons) == ("input", 0, 4, 4)
    assert (large.name, large.top, large.neurons) == ("hidden", 4, 200)
    assert large.rows < 200
    lit = np.argwhere(raster.share)
    assert lit.tolist() == [[0, COLUMNS - 2], [1, COLUMNS - 1], [2, COLUMNS - 1],
                            [4 + large.rows - 1, COLUMNS - 2]]  # fmt: skip
    assert raster.share[0, -2] == 1
    assert raster.share[-1, -2] == pytest.approx(large.rows / 200)
    # Three spikes of four neurons, one of two hundred, in 2 ms.
    assert small.rate_hz == pytest.approx(3 / 4 / 0.002)
    assert large.rate_hz == pytest.approx(1 / 200 / 0.002)


def test_a_raster_keeps_the_last_bins() -> None:
    activity = Activity()
    for k in range(COLUMNS + 50):
        activity.add(layers([[[k % 4], []]], t_begin=1000 * k))
    raster = activity.raster()
    assert raster is not None
    rows, columns = np.nonzero(raster.share)
    assert sorted(columns.tolist()) == list(range(COLUMNS))
    expected = (np.arange(COLUMNS) + 50) % 4
    assert (rows[np.argsort(columns)] == expected).all()
    # A packet of more bins than there are columns.
    activity.add(layers([[[1], []]] * (COLUMNS + 7), t_begin=10**9))
    raster = activity.raster()
    assert raster is not None
    assert (raster.share[1] == 1).all()
    assert raster.share[[0, 2, 3]].sum() == 0


def test_a_raster_begins_anew_with_another_sample_or_network() -> None:
    activity = Activity()
    activity.add(layers([[[0], []]] * 5, t_begin=5000))
    for fresh in (layers([[[1], []]], t_begin=10_000, sample="b"),
                  layers([[[1], []]], sample="b"),
                  layers([[[1]]], t_begin=20_000, shapes=((3, 1, 1),))):  # fmt: skip
        activity.add(fresh)
        raster = activity.raster()
        assert raster is not None
        assert np.count_nonzero(raster.share) == 1
    activity.forget()
    assert activity.raster() is None
    assert activity.names == [""]


def test_each_network_has_a_raster_of_its_own() -> None:
    activity = Activity()
    for k in range(5):
        one = layers([[[k % 4]]], t_begin=1000 * k, shapes=((1, 1, 4),))
        two = layers([[[k], [0]]], t_begin=1000 * k, shapes=((2, 1, 4), (3, 1, 1)))
        for name, packet in (("infer", one), ("reconstruct", two)):
            packet.header.stream = f"{name}/activity"
            activity.add(packet)
    assert activity.names == ["infer", "reconstruct"]
    for name, rows in (("infer", 4), ("reconstruct", 11)):
        raster = activity.raster(name)
        assert raster is not None
        assert raster.share.shape[0] == rows
        assert np.count_nonzero(raster.share[:8]) == 5
    assert activity.raster("nobody") is None
    for k in range(100):
        packet.header.stream = f"{k}/activity"
        activity.add(packet)
    assert len(activity.names) == 16


def test_the_path_of_the_gaze_is_of_the_last_second() -> None:
    track = Gaze()
    assert track.path().shape == (0, 2)
    for t in range(0, 2 * SPAN_US, 10_000):
        track.add(gaze([t], [t / 1000], [-t / 1000]))
    track.add(gaze([], [], []))
    path = track.path()
    assert path[-1].tolist() == [1990, -1990]
    assert path[0].tolist() == [990, -990]
    assert len(path) == 101
    track.add(gaze([5, 6, 7], [1, np.nan, 2], [1, 2, np.inf]))
    assert track.path().tolist() == [[1, 1]], "time jumped back; what is no number is left out"
    track.add(gaze([-(2**63)], [3], [4]))
    assert track.path().tolist() == [[3, 4]], "nothing is earlier than that"


@settings(max_examples=25)
@given(st.lists(packets(), max_size=6))
def test_any_packets_are_borne(stream: list[object]) -> None:
    scene = Scene(Show("count"))
    for packet in stream:
        if isinstance(packet, SpikePacket):
            scene.add_spikes(packet, 1)
        elif isinstance(packet, ActivityPacket):
            scene.add_activity(packet, 1)
        elif isinstance(packet, GazePacket):
            scene.add_gaze(packet, 1)
        elif isinstance(packet, PredictionPacket):
            scene.add_prediction(packet, 1)
    scene.binned(10_000)
    scene.activity.raster()
    scene.gaze()
    scene.course()
    scene.forget()
    assert scene.binned(10_000) is None
    assert scene.activity.raster() is None
