"""The figures: what they show is what is there, in files of the kind that was asked for."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image, ImageSequence

from models.evaluate import respond
from models.stepper import Stepper
from models.store import Model, load
from models.targets import open_targets
from models.training.objective import Score
from models.training.trainer import Epoch
from nodes.plots import figures
from nodes.plots.drawing import draw
from nodes.plots.figures import plot_events, plot_raster, plot_reconstructions, plot_training
from nodes.plots.paper import OFF, ON, check, figure
from nodes.plots.rows import rows_of
from nodes.view.snapshot import snapshot
from pipeline.errors import DeviceError, ModelError, RecordingError, RetinaError, UsageError
from pipeline.events import EVENT
from recordings.folder import SAMPLES_DIR, TARGETS, Sample, open_samples
from recordings.writing import create_recording
from tests.command import Retina, retina

pytest.importorskip("matplotlib", reason="the extra 'plots' is not installed")


@pytest.fixture(scope="module")
def classifier() -> Model:
    return load("nmnist-classifier")


@pytest.fixture(scope="module")
def reconstructor() -> Model:
    return load("nmnist-reconstructor")


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return open_samples("samples", "Test")


def pixels(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return a picture as [H, W, 3] u1."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def coloured(path: Path, colour: str) -> int:
    """Return how many pixels have exactly a colour."""
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return int((pixels(path) == wanted).all(-1).sum())


# Events.


@pytest.fixture
def dots(tmp_path: Path) -> Path:
    """ON at the left for 5 ms, then many OFF at the right for 5 ms."""
    events = np.zeros(60, EVENT)
    events["t"] = np.r_[np.linspace(0, 4000, 20), np.linspace(10_000, 14_000, 40)]
    events["x"] = np.r_[np.full(20, 5), np.full(40, 30)]
    events["y"] = np.arange(60) % 20
    events["p"] = np.r_[np.ones(20), np.zeros(40)]
    path = tmp_path / "dots.aedat4"
    with create_recording(path, 40, 20) as writer:
        writer.write(events)
    return path


@pytest.mark.parametrize(
    ("at_us", "span_us", "n", "on", "off"),
    [(0, 5000, 20, True, False), (None, 5000, 40, False, True), (0, 20_000, 60, True, True)],
)
def test_events_are_red_and_blue(
    dots: Path, tmp_path: Path, at_us: int | None, span_us: int, n: int, on: bool, off: bool
) -> None:
    out = tmp_path / "events.png"
    assert plot_events(dots, out, at_us, span_us) == n
    assert (coloured(out, ON) > 100) == on
    assert (coloured(out, OFF) > 100) == off


def test_a_time_without_events_is_told(dots: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"dots\.aedat4: has no events from 6 to 7 ms"):
        plot_events(dots, tmp_path / "out.png", 6000, 1000)
    assert not (tmp_path / "out.png").exists()


def test_a_recording_without_a_size_is_as_large_as_its_events(tmp_path: Path) -> None:
    # N-MNIST's files do not say how large the sensor was.
    out = tmp_path / "out.svg"
    first = open_samples("samples", "Test")[0].path
    n = plot_events(first, out, None, 10_000)
    assert f"{n:,} events" in out.read_text()


# Files.


@pytest.mark.parametrize(
    ("ending", "begin"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_a_figure_is_of_the_kind_of_its_name_and_the_same_every_time(
    dots: Path, tmp_path: Path, ending: str, begin: bytes
) -> None:
    paths = [tmp_path / f"{k}.{ending}" for k in range(2)]
    for path in paths:
        plot_events(dots, path, 0, 20_000)
    first, second = (path.read_bytes() for path in paths)
    assert first.startswith(begin)
    assert first == second
    assert not list(tmp_path.glob(".*"))


def test_text_in_an_svg_is_text(dots: Path, tmp_path: Path) -> None:
    out = tmp_path / "events.svg"
    plot_events(dots, out, 0, 20_000)
    assert "dots.aedat4: 0 to 20 ms, 60 events" in out.read_text()


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"a\.jpg: expected a name that ends in \.png, \.svg, \.pdf"
    ):
        check(tmp_path / "a.jpg")
    with pytest.raises(UsageError, match="there is no such folder"):
        check(tmp_path / "none" / "a.png")
    blocked = tmp_path / "folder.png"
    blocked.mkdir()
    with pytest.raises(RetinaError, match=r"folder\.png: cannot be written"), figure(blocked):
        pass
    assert not list(tmp_path.glob(".*"))


def test_without_matplotlib_the_command_says_what_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    with (
        pytest.raises(DeviceError, match=r"pip install 'silicon-retina\[plots\]'"),
        figure(tmp_path / "a.png"),
    ):
        pass


# Trainings.


def history(path: Path, losses: list[float]) -> Path:
    """Write what ``retina train`` leaves."""
    n = len(losses)
    epochs = [
        Epoch(
            epoch=k + 1, epochs=n, window=True, loss=loss, measure=1 - loss, spikes=[9.0],
            seconds=1.0, score=Score(value=0.5, n=10, accuracy=0.5) if k % 2 else None,
        )
        for k, loss in enumerate(losses)
    ]  # fmt: skip
    path.write_bytes(msgspec.json.encode({"epochs": epochs}))
    return path


def test_trainings_are_drawn_beside_each_other(tmp_path: Path) -> None:
    out = tmp_path / "training.svg"
    read = [history(tmp_path / f"{name}.json", [0.9, 0.5, 0.3, 0.2]) for name in ("small", "large")]
    plot_training(read, out)
    text = out.read_text()
    for words in ("small, training", "large, validation", "loss", "accuracy", "epoch"):
        assert words in text
    assert "PSNR" not in text


def test_what_is_no_history_is_told(tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    with pytest.raises(ModelError, match=r"none\.json: cannot be read"):
        plot_training([tmp_path / "none.json"], out)
    bad = tmp_path / "bad.json"
    bad.write_text('{"epochs": 3}')
    with pytest.raises(ModelError, match=r"bad\.json: is no history of a training"):
        plot_training([bad], out)
    bad.write_text('{"epochs": []}')
    with pytest.raises(ModelError, match="without an epoch"):
        plot_training([bad], out)


# Networks.


def test_a_raster_has_the_spikes_that_the_network_has(
    classifier: Model, samples: list[Sample], tmp_path: Path
) -> None:
    out = tmp_path / "raster.svg"
    rows = plot_raster(classifier, samples[0], out)
    assert len(rows.names) == len(classifier.weights) + 1
    ms, neurons = rows.spikes[-1]
    counts = respond(Stepper(classifier), samples[0].read(), classifier.n_bins, "x")
    # The output layer's spikes are those that decide.
    assert np.bincount(neurons, minlength=rows.sizes[-1]).tolist() == counts.sum(0).tolist()
    bins = (ms * 1000 / classifier.bin_us).round().astype(int)
    assert np.bincount(bins, minlength=classifier.n_bins).tolist() == counts.sum(1).tolist()
    text = out.read_text()
    for name, (times, _) in zip(rows.names, rows.spikes, strict=True):
        assert f"{name}: {len(times):,} spikes" in text


def test_every_spike_is_of_a_neuron_and_within_the_window(
    classifier: Model, samples: list[Sample]
) -> None:
    rows = rows_of(classifier, samples[1])
    assert len(rows.names) == len(rows.sizes) == len(rows.spikes)
    for size, (ms, neurons) in zip(rows.sizes, rows.spikes, strict=True):
        assert len(ms) == len(neurons) > 0
        assert neurons.min() >= 0
        assert neurons.max() < size
        assert np.all(np.diff(ms) >= 0)
        assert 0 <= ms[0] <= ms[-1] < classifier.window_us / 1000


def test_very_many_spikes_are_thinned_and_that_is_said(
    classifier: Model, samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "_MOST_DOTS", 100)
    out = tmp_path / "raster.svg"
    plot_raster(classifier, samples[0], out)
    assert "th drawn" in out.read_text()


def test_events_outside_what_a_network_sees_are_refused(classifier: Model, tmp_path: Path) -> None:
    path = tmp_path / "wide.aedat4"
    with create_recording(path, 40, 20) as writer:
        writer.write(np.array([(5, 34, 3, 1)], EVENT))
    with pytest.raises(RecordingError, match=r"wide\.aedat4: has events outside the 34×34 pixels"):
        plot_raster(classifier, open_samples(str(path))[0], tmp_path / "out.png")


def test_reconstructions_stand_below_the_events_and_above_the_truth(
    reconstructor: Model, samples: list[Sample], tmp_path: Path
) -> None:
    out = tmp_path / "images.svg"
    targets = open_targets(str(SAMPLES_DIR / TARGETS))
    plot_reconstructions(reconstructor, samples[:3], targets, out)
    text = out.read_text()
    assert text.count("<image ") == 9
    assert text.index("events") < text.index("network") < text.index("true image")
    plot_reconstructions(reconstructor, samples[:2], None, out)
    assert out.read_text().count("<image ") == 4
    assert "true image" not in out.read_text()


def test_an_image_is_seen_being_drawn(
    reconstructor: Model, samples: list[Sample], tmp_path: Path
) -> None:
    out = tmp_path / "drawing.gif"
    n = draw(reconstructor, samples[0], out, step_ms=50, fps=20)
    with Image.open(out) as movie:
        frames = [np.asarray(frame.convert("L")) for frame in ImageSequence.Iterator(movie)]
        # What does not change is one frame that stands for longer.
        assert movie.info["duration"] >= 50
    steps = -(-reconstructor.window_us // 50_000)
    assert n == steps + 12
    assert steps <= len(frames) <= n
    assert frames[0].shape == (280, 570)
    image = [frame[:, 300:].astype(int) for frame in frames]
    assert np.abs(image[steps - 1] - image[0]).mean() > 5
    assert np.abs(image[-1] - image[steps - 1]).mean() < 1


# imageio leaves the pipes of a film that it has read to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_drawing_may_be_a_film(
    reconstructor: Model, samples: list[Sample], tmp_path: Path
) -> None:
    imageio = pytest.importorskip("imageio.v3", reason="the extra 'clips' is not installed")
    out = tmp_path / "drawing.mp4"
    n = draw(reconstructor, samples[0], out, step_ms=100, fps=25)
    film = imageio.imread(out)
    assert film.shape[0] == n
    assert film.shape[3] == 3
    assert film.shape[1:3] == (280, 570)
    assert not list(tmp_path.glob(".*"))


def test_a_film_without_imageio_says_what_mends_it(
    reconstructor: Model, samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("imageio", "imageio.v3"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DeviceError, match=r"pip install 'silicon-retina\[clips\]'.*GIF does not"):
        draw(reconstructor, samples[0], tmp_path / "out.mp4", step_ms=100)
    with pytest.raises(UsageError, match=r"ends in \.gif, \.mp4"):
        draw(reconstructor, samples[0], tmp_path / "out.avi")
    assert not list(tmp_path.iterdir())


# The command.


@pytest.mark.parametrize(
    ("words", "name", "says"),
    [
        (("events", "samples"), "a.png", r" events"),
        (("events", "samples", "--at", "100ms", "--span", "20ms"), "a.pdf", r" events"),
        (("raster", "nmnist-classifier", "samples"), "a.png", r" layers"),
        (
            ("reconstructions", "nmnist-reconstructor", "samples", "-n", "3"),
            "a.png",
            "3 recordings",
        ),
        (("drawing", "nmnist-reconstructor", "samples", "--step", "50ms"), "a.gif", "18 frames"),
    ],
)
def test_each_figure_is_a_command(
    tmp_path: Path, retina_here: Retina, words: tuple[str, ...], name: str, says: str
) -> None:
    out = tmp_path / name
    own = (*words[: 3 if words[0] in ("raster", "reconstructions", "drawing") else 2],)
    # The first in a process of its own, which has loaded nothing before.
    run = retina if words == ("events", "samples") else retina_here
    done = run("plot", *own, str(out), *words[len(own) :])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{out}: ")
    assert says in done.stdout
    assert out.stat().st_size > 1000


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("training", "out.png"), 2, "expected HISTORY.json... OUT"),
        (("events", "samples", "out.jpg"), 2, "expected a name that ends in .png"),
        (("events", "samples", "out.png", "--span", "10"), 2, "--span 10: expected a time"),
        (("drawing", "nmnist-classifier", "samples", "out.gif"), 2, "expected a reconstructor"),
        (
            ("reconstructions", "nmnist-classifier", "samples", "o.png"),
            2,
            "expected a reconstructor",
        ),
        (("raster", "nothing", "samples", "out.png"), 1, "nothing"),
        (("events", "nowhere.aedat4", "out.png"), 1, "nowhere.aedat4"),
    ],
)
def test_a_mistake_is_one_line(
    retina_here: Retina, words: tuple[str, ...], status: int, says: str
) -> None:
    done = retina_here("plot", *words)
    assert done.returncode == status, done.stderr
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_a_snapshot_and_a_figure_show_the_same_events(dots: Path, tmp_path: Path) -> None:
    shown = snapshot(str(dots), tmp_path / "a.png", 20_000)[1]
    assert shown == plot_events(dots, tmp_path / "b.png", 0, 20_000)
