"""A reconstructor beside a non-spiking network of the same size, and beside plain integration.

    python -m benchmarks.count_images --data DIR --targets DIR [--model NAME|FILE] [--epochs N]
        [--saccades N]

``DIR`` has N-MNIST's layout with the splits Train and Test. The peer has the reconstructor's
layers with biases, ReLU between them and a sigmoid at the end. It sees each recording's count
image, all events of the window summed per pixel and polarity, and learns with the reconstructor's
own recipe: the same recordings, shifts, loss, batches and schedule. With ``--saccades 3`` it sees a
count image of each third of the window instead: it then knows where the eye went. Integration is
the count image itself. All are measured on the split Test, which chooses nothing.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from models.dataset import Cache, Dataset, read
from models.metrics import psnr, ssim
from models.module import dense
from models.network import Conv, Network
from models.store import Model, load
from models.targets import TEST, Targets, open_targets
from models.training import recipe
from models.training.batches import Batches
from models.training.config import ReconstructorConfig
from models.training.objective import Reconstruct
from models.training.optimiser import share_of_rate
from models.whole import Whole
from pipeline.binning import bin_events
from recordings.folder import open_samples

RATE = 3e-3
"""Adam's learning rate for the peer."""

_BRIGHTEST = 4.0
"""Counts are divided by this, so that they are near 1."""

Image = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Figure:
    """Mean and standard deviation over the recordings."""

    ssim: tuple[float, float]
    psnr_db: tuple[float, float]


class CountNetwork(nn.Module):
    """A network's convolutions as a common network, ReLU between them."""

    def __init__(self, network: Network, saccades: int = 1) -> None:
        super().__init__()
        self.saccades = saccades
        parts: list[nn.Module] = []
        for layer, before in zip(network.layers, network.shapes, strict=False):
            if not isinstance(layer, Conv):
                raise TypeError(f"{layer} is no convolution")
            channels = before[0] if parts else 2 * saccades
            parts += [
                nn.Conv2d(channels, layer.features, layer.kernel, layer.stride, layer.padding)
            ]
            parts += [nn.ReLU()]
        self.layers = nn.Sequential(*parts[:-1])

    def forward(self, spikes: Tensor) -> Tensor:
        """Return images ``[B, 1, H, W]`` in [0, 1] from binned events ``[T, B, C, H, W]``."""
        counts = torch.cat([part.sum(0) for part in spikes.tensor_split(self.saccades)], 1)
        return torch.sigmoid(self.layers(counts * self.saccades / _BRIGHTEST))


def train(config: ReconstructorConfig, batches: Batches, saccades: int = 1) -> CountNetwork:
    """Train the peer on the recipe's batches."""
    torch.manual_seed(config.seed)
    peer = CountNetwork(batches.network, saccades)
    optimiser = torch.optim.Adam(peer.parameters(), RATE)
    distance = Reconstruct(config, None).distance
    updates = config.epochs * len(batches)
    for epoch in range(config.epochs):
        for update, batch in enumerate(batches.epoch(epoch)):
            done = epoch * len(batches) + update
            for group in optimiser.param_groups:
                group["lr"] = RATE * share_of_rate(config.schedule, done, updates)
            spikes = dense(batch.bins, (2, *batches.network.input_shape[1:]))
            assert batch.images is not None
            optimiser.zero_grad()
            distance(peer(spikes), batch.images).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return peer


def compare(
    model: Model, config: ReconstructorConfig, data: str, targets: Targets, saccades: int = 1
) -> dict[str, Figure]:
    """Return the figures on the split Test of ours, the peer and plain integration."""
    training, test = read(data), _test(data)
    network = model.network
    batches = Batches(training, network, config, _truth(training, targets))
    peer = train(config, batches, saccades).eval()
    whole = Whole(model)
    shown: dict[str, list[Image]] = {
        "silicon-retina": [],
        "count-image network": [],
        "integration": [],
    }
    _, height, width = network.input_shape
    for i in range(len(test.labels)):
        bins = bin_events(test.events(i), height, width, model.bin_us, model.n_bins)
        spikes = whole.run(bins).sum(0)
        shown["silicon-retina"].append(model.intensity.of(spikes).reshape(model.output_shape[1:]))
        events = dense([bins], model.input_shape)
        with torch.no_grad():
            shown["count-image network"].append(peer(events)[0, 0].numpy())
        counts = events.sum((0, 1, 2)).numpy()
        shown["integration"].append(_integrated(counts, model.output_shape[1:]))
    truth = _truth(test, targets)
    # N-MNIST's test recordings saw their digits one row higher than its training recordings did.
    lower = {f"{who}, one row lower": list(map(_lower, images)) for who, images in shown.items()}
    return {who: _figure(images, truth) for who, images in (shown | lower).items()}


def _lower(image: Image) -> Image:
    moved = np.zeros_like(image)
    moved[1:] = image[:-1]
    return moved


def _integrated(counts: Image, shape: tuple[int, int]) -> Image:
    """Return the middle of a count image, its largest count white."""
    top, left = ((a - b) // 2 for a, b in zip(counts.shape, shape, strict=True))
    middle: Image = counts[top : top + shape[0], left : left + shape[1]]
    return middle / max(float(middle.max()), 1.0)


def _test(data: str) -> Dataset:
    samples = open_samples(data, TEST)
    return Dataset(samples, [s.label or 0 for s in samples], Cache(1024))


def _truth(data: Dataset, targets: Targets) -> Image:
    found = []
    for sample, label in zip(data.samples, data.labels, strict=True):
        split = PurePosixPath(sample.name).parts[0]
        found.append(targets.image(label, sample.path.stem, split))
    return np.stack(found)


def _figure(images: list[Image], truth: Image) -> Figure:
    both = [(ssim(a, b), psnr(a, b)) for a, b in zip(images, truth, strict=True)]
    (s, p), (ds, dp) = np.mean(both, 0), np.std(both, 0)
    return Figure((float(s), float(ds)), (float(p), float(dp)))


def main() -> None:
    """Train the peer, measure all and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--data", required=True, help="N-MNIST's layout, splits Train and Test")
    parser.add_argument("--targets", required=True, help="the true images")
    parser.add_argument("--model", default="nmnist-reconstructor")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--saccades", type=int, default=1, help="count images a window")
    given = parser.parse_args()
    model = load(given.model)
    whole_window = [f"epochs={given.epochs}", f"full_epochs={given.epochs}"]
    config = recipe.read(ReconstructorConfig, "reconstructor", whole_window)
    found = compare(model, config, given.data, open_targets(given.targets), given.saccades)
    table = Table("on the split Test", "SSIM", "PSNR, dB", title=model.network.spec)
    for who, figure in found.items():
        (s, ds), (p, dp) = figure.ssim, figure.psnr_db
        table.add_row(who, f"{s:.3f} ± {ds:.3f}", f"{p:.2f} ± {dp:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
