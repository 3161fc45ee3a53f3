"""How good a reconstructor is on recordings whose true images are known.

Beside it stands plain integration, the middle of the count image of all events with its largest
count white: what one sees without any network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

import msgspec
import numpy as np
from numpy.typing import NDArray

from models import energy
from models.evaluate import respond
from models.metrics import perceptual, psnr, ssim
from models.stepper import Stepper
from models.store import Model
from models.targets import Targets
from pipeline.errors import ModelError, RecordingError
from pipeline.events import Events
from recordings.folder import Sample

ANYTIME_MS = 20
"""Distance between the points of the anytime curve."""

Image = NDArray[np.float32]


class Moment(msgspec.Struct, frozen=True):
    """Likeness of the images that the spikes up to ``ms`` show."""

    ms: int
    ssim: float
    psnr_db: float


class Likeness(msgspec.Struct, frozen=True):
    """One recording's image beside the true one, and plain integration beside it."""

    sample: str
    ssim: float
    psnr_db: float
    integration_ssim: float
    integration_psnr_db: float


class Reconstruction(msgspec.Struct, frozen=True, kw_only=True):
    """What ``retina evaluate`` reports of a reconstructor: means over the recordings.

    ssim_sd, psnr_db_sd   standard deviations over the recordings
    lpips                 perceptual distance, where lpips is installed
    """

    model: str
    n: int
    ssim: float
    ssim_sd: float
    psnr_db: float
    psnr_db_sd: float
    lpips: float | None
    integration_ssim: float
    integration_psnr_db: float
    anytime: list[Moment]
    spikes_per_answer: float
    synaptic_operations_per_answer: float
    energy_nj_per_answer: float
    frame_energy_nj: float
    images: list[Likeness]


def evaluate_images(
    model: Model,
    samples: Sequence[Sample],
    targets: Targets,
    progress: Callable[[int], None] | None = None,
    change: Callable[[Events], Events] = lambda events: events,
) -> Reconstruction:
    """Reconstruct every recording and compare with its true image.

    ``change`` is done to a recording's events first. Raises RecordingError where one cannot be
    read, has no label or no true image, or does not fit the network's input, ModelError where
    the network's output is not as large as the true image.
    """
    stepper = Stepper(model)
    ticks = list(range(ANYTIME_MS, model.window_us // 1000 + 1, ANYTIME_MS))
    curve = np.zeros((len(ticks), 2))
    found: list[Likeness] = []
    distances: list[float] = []
    distance = perceptual()
    spikes = operations = 0
    for sample in samples:
        truth = _truth(sample, targets, model)
        events = change(sample.read())
        counts = np.cumsum(respond(stepper, events, model.n_bins, sample.name), axis=0)
        spikes += stepper.spikes
        operations += stepper.synaptic_operations
        for i, ms in enumerate(ticks):
            image = shown(model, counts, ms * 1000 // model.bin_us)
            curve[i] += ssim(image, truth), psnr(image, truth)
        image = shown(model, counts, model.n_bins)
        plain = integrated(events, model)
        found.append(
            Likeness(
                sample.name,
                ssim(image, truth),
                psnr(image, truth),
                ssim(plain, truth),
                psnr(plain, truth),
            )
        )
        if distance is not None:
            distances.append(distance(image, truth))
        if progress is not None:
            progress(len(found))
    if not found:
        raise RecordingError("no recording to reconstruct")
    n = len(found)
    table = np.array([msgspec.structs.astuple(likeness)[1:] for likeness in found])
    mean, spread = table.mean(0).tolist(), table.std(0).tolist()
    return Reconstruction(
        model=model.name,
        n=n,
        ssim=mean[0],
        ssim_sd=spread[0],
        psnr_db=mean[1],
        psnr_db_sd=spread[1],
        lpips=float(np.mean(distances)) if distances else None,
        integration_ssim=mean[2],
        integration_psnr_db=mean[3],
        anytime=[Moment(ms, *(row / n).tolist()) for ms, row in zip(ticks, curve, strict=True)],
        spikes_per_answer=spikes / n,
        synaptic_operations_per_answer=operations / n,
        energy_nj_per_answer=energy.spiking_nj(operations / n),
        frame_energy_nj=energy.frame_nj(model.network),
        images=found,
    )


def shown(model: Model, counts: NDArray[np.int64], bins: int) -> Image:
    """Return the image ``[H, W]`` that ``counts`` [n_bins, n_out], summed up, show after ``bins``.

    Spikes of a part of the window are scaled up to all of it.
    """
    image = model.intensity.of(counts[bins - 1] * (model.n_bins / bins))
    return image.reshape(model.output_shape[1:])


def integrated(events: Events, model: Model) -> Image:
    """Return the middle ``[H, W]`` of the events' count image, its largest count white."""
    _, height, width = model.network.input_shape
    due = events[events["t"] < model.window_us]
    flat = np.bincount(due["y"].astype(np.int64) * width + due["x"], minlength=height * width)
    _, rows, columns = model.output_shape
    top, left = (height - rows) // 2, (width - columns) // 2
    middle = flat.reshape(height, width)[top : top + rows, left : left + columns]
    return (middle / max(int(middle.max()), 1)).astype(np.float32)


def _truth(sample: Sample, targets: Targets, model: Model) -> Image:
    if sample.label is None:
        raise RecordingError(f"{sample.path}: has no label, expected <label>/NNNNN.bin")
    parts = PurePosixPath(sample.name).parts
    truth = targets.image(sample.label, sample.path.stem, parts[0] if len(parts) > 2 else "")
    if truth.shape != model.output_shape[1:]:
        raise ModelError(
            f"{model.name}: shows {model.output_shape[2]}×{model.output_shape[1]} pixels, the true "
            f"image of {sample.name} has {truth.shape[1]}×{truth.shape[0]}"
        )
    return truth
