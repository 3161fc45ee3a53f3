"""A test that tells real recordings from simulated ones: the nearer to a coin's, the better.

    python -m benchmarks.discriminator NMNIST MNIST

A small convolutional network looks at 10 ms of a recording, counts of OFF and ON events, and says
whether they are N-MNIST's or the model's of the same digit. It learns on one half of the
recordings (and of their twins) and is asked about the other half; a recording's verdict is the
mean over its frames.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.realism import again, pairs
from pipeline.events import Events

_FRAMES, _FRAME_US = 30, 10_000
_EPOCHS, _BATCH, _SEED = 8, 128, 1


def main(arguments: list[str]) -> None:
    """Print how often the network is right about single frames and about whole recordings."""
    words = argparse.ArgumentParser(prog="python -m benchmarks.discriminator")
    words.add_argument("nmnist", type=Path)
    words.add_argument("mnist", type=Path)
    told = words.parse_args(arguments)
    real, made = [], []
    for split in ("Train", "Test"):
        there, images = pairs(told.nmnist, told.mnist, split)
        real += [frames(sample.read()) for sample in there]
        made += [frames(again(image, i)) for i, image in enumerate(images)]
    x = torch.from_numpy(np.stack([np.stack(real), np.stack(made)], 1))
    order = torch.from_numpy(np.random.default_rng(_SEED).permutation(len(x)))
    half = len(x) // 2
    network = learn(x[order[:half]])
    says = verdicts(network, x[order[half:]])
    truth = torch.tensor([0.0, 1.0])[None, :, None]
    by_frame = ((says > 0) == (truth > 0)).float().mean()
    by_recording = ((says.mean(2) > 0) == (truth[..., 0] > 0)).float().mean()
    print(
        f"{len(x) - half} recordings and their twins: right about {by_frame:.1%} of frames of "
        f"{_FRAME_US // 1000} ms, about {by_recording:.1%} of recordings"
    )


def frames(events: Events) -> NDArray[np.float32]:
    """Return the counts of ``events`` on 34×34 pixels, ``[30, 2, 34, 34]`` float32."""
    out = np.zeros((_FRAMES, 2, 34, 34), np.float32)
    early = events[events["t"] < _FRAMES * _FRAME_US]
    np.add.at(out, (early["t"] // _FRAME_US, early["p"], early["y"], early["x"]), 1)
    return out


def learn(x: torch.Tensor) -> nn.Module:
    """Train on ``x`` [n, 2, 30, 2, 34, 34]: of each recording the real one, then its twin."""
    torch.manual_seed(_SEED)
    network = nn.Sequential(
        nn.Conv2d(2, 16, 5, stride=2), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2), nn.ReLU(),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(32 * 7 * 7, 64), nn.ReLU(), nn.Linear(64, 1),
    )  # fmt: skip
    labels = torch.arange(2.0).view(1, 2, 1).expand(len(x), 2, _FRAMES).reshape(-1)
    flat = x.reshape(-1, 2, 34, 34)
    optimiser = torch.optim.Adam(network.parameters(), 1e-3, weight_decay=1e-4)
    for _ in range(_EPOCHS):
        for batch in torch.split(torch.randperm(len(flat)), _BATCH):
            loss = nn.functional.binary_cross_entropy_with_logits(
                network(flat[batch])[:, 0], labels[batch]
            )
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return network.eval()


def verdicts(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return the network's logits for "simulated", ``[n, 2, 30]``."""
    with torch.no_grad():
        parts = [network(part) for part in torch.split(x.reshape(-1, 2, 34, 34), 4096)]
    return torch.cat(parts).reshape(len(x), 2, _FRAMES)


if __name__ == "__main__":
    main(sys.argv[1:])
