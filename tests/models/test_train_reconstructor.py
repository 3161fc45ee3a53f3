"""Training a reconstructor: its images go with its events, and it learns them."""

from __future__ import annotations

import gzip
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.dataset import read
from models.store import Intensity, load
from models.training.config import ReconstructorConfig, Validation
from models.training.objective import Reconstruct, psnr_db, similarity
from models.training.parallel import Group
from models.training.recipe import build
from models.training.run import Job, train
from models.training.shift import shift_events, shift_image
from models.training.trainer import Epoch
from pipeline.errors import SettingError
from tests.strategies import random_events

SMALL = ReconstructorConfig(
    network="2-4c5-1c5p0",
    epochs=4,
    full_epochs=1,
    batch=10,
    saccade_ms=40,
    window_ms=60,
    dropout=0.0,
    rate_penalty=0.0,
    intensity=Intensity(8.0, 0.0, "linear"),
    validation=Validation(every=2),
    threads=1,
)


@pytest.fixture
def targets(tmp_path: Path) -> Path:
    """Images in MNIST's own format, made from each recording's events."""
    data = read("samples")
    images = np.zeros((max(int(s.path.stem) for s in data.samples), 28, 28), np.uint8)
    for i, sample in enumerate(data.samples):
        events = data.events(i)
        seen = np.zeros((34, 34))
        np.add.at(seen, (events["y"], events["x"]), 1)
        images[int(sample.path.stem) - 1] = np.clip(seen[3:31, 3:31] * 20, 0, 255)
    head = b"\x00\x00\x08\x03" + np.array(images.shape, ">u4").tobytes()
    labels = np.zeros(len(images), np.uint8)
    for sample in data.samples:
        assert sample.label is not None
        labels[int(sample.path.stem) - 1] = sample.label
    named = tmp_path / "train-labels-idx1-ubyte.gz"
    named.write_bytes(
        gzip.compress(
            b"\x00\x00\x08\x01" + np.array(labels.shape, ">u4").tobytes() + labels.tobytes()
        )
    )
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(head + images.tobytes()))
    return tmp_path


def test_a_small_run_learns_and_is_saved(targets: Path, tmp_path: Path) -> None:
    told: list[Epoch] = []
    out = tmp_path / "small.safetensors"
    job = Job(data="samples", targets=str(targets), out=out)
    trained = train(SMALL, job, Group(torch.device("cpu")), lambda e, _: told.append(e))
    assert told[2].loss < told[0].loss
    assert trained.score is not None
    assert trained.score.psnr_db is not None
    assert load(out).intensity == SMALL.intensity
    assert load(out).task == "reconstructor"


def test_without_images_it_cannot_be_trained() -> None:
    with pytest.raises(SettingError, match="--targets is missing"):
        train(SMALL, Job(data="samples"), Group(torch.device("cpu")))
    wide = msgspec.structs.replace(SMALL, network="2-4c3")
    with pytest.raises(SettingError, match=r"ends in 4@34×34, expected 1@28×28"):
        train(wide, Job(data="samples"), Group(torch.device("cpu")))


def test_images_are_only_moved_by_whole_pixels() -> None:
    with pytest.raises(SettingError, match=r"augmentation\.scale = 0\.1: .* expected 0"):
        build(ReconstructorConfig, {"augmentation": {"scale": 0.1}}, "here")


@given(st.integers(-40, 40), st.integers(-40, 40))
def test_events_and_image_move_together(dx: int, dy: int) -> None:
    events = random_events(200, 28, 28, 1000)
    seen = np.zeros((28, 28), np.float32)
    np.add.at(seen, (events["y"], events["x"]), 1)
    moved = shift_events(events, (dx, dy), (28, 28))
    expected = np.zeros((28, 28), np.float32)
    np.add.at(expected, (moved["y"], moved["x"]), 1)
    np.testing.assert_array_equal(shift_image(seen, (dx, dy)), expected)


@pytest.mark.parametrize("intensity", [Intensity(), Intensity(40.0, 0.0, "linear")])
def test_an_image_is_what_the_model_says(intensity: Intensity) -> None:
    config = msgspec.structs.replace(SMALL, intensity=intensity)
    counts = torch.randint(0, 60, (2, 1, 28, 28)).float()
    # All spikes in the first of the window's bins: only their sum counts.
    out = torch.zeros(config.bins(60), 2, 1, 28, 28)
    out[0] = counts
    shown = Reconstruct(config, None).shown(out)
    np.testing.assert_allclose(shown.numpy(), intensity.of(counts.numpy()), atol=1e-6)


def test_measures_of_likeness() -> None:
    image = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(similarity(image, image), torch.ones(2))
    assert float(similarity(image, 1 - image).max()) < 0
    torch.testing.assert_close(psnr_db(image, image + 0.1), torch.full((2,), 20.0))
