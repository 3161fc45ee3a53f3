"""How alike N-MNIST's recordings and simulated ones of the same digits are.

    python -m benchmarks.realism NMNIST MNIST [--figure docs/simulated.png]

Of file ``00123.bin`` the digit is row 123 of MNIST, counted from one. The preset was fitted to the
training recordings (``benchmarks/calibrate.py``), the test recordings were not looked at then.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models import idx
from models.calibration import DURATION_US, nmnist
from models.likeness import likeness, signs
from models.retina import PRESETS
from models.simulator import simulate
from pipeline.events import Events
from recordings.folder import Sample, samples

_FILES = {"Train": "train-images-idx3-ubyte.gz", "Test": "t10k-images-idx3-ubyte.gz"}


def main(arguments: list[str]) -> None:
    """Print one line for each split, and the figure if it is asked for."""
    words = argparse.ArgumentParser(prog="python -m benchmarks.realism")
    words.add_argument("nmnist", type=Path)
    words.add_argument("mnist", type=Path)
    words.add_argument("--figure", type=Path)
    told = words.parse_args(arguments)
    for split in _FILES:
        there, images = pairs(told.nmnist, told.mnist, split)
        real = signs([sample.read() for sample in there], 34, 34)
        made = signs([again(image, i) for i, image in enumerate(images)], 34, 34)
        like = likeness(made, real)
        print(
            f"{split.lower():5} {len(there):4} recordings: events {like.median_ratio:.3f} of the "
            f"real, within a quarter {like.within_quarter:.1%}, ON share {like.on_share:+.4f}, "
            f"rate {like.rate:.3f}, count image {like.image:.3f}, events a pixel differ "
            f"{like.per_pixel:.3f}, intervals {like.intervals:.3f}"
        )
    if told.figure:
        there, images = pairs(told.nmnist, told.mnist, "Test")
        draw(there, images, told.figure)


def pairs(
    recordings: Path, digits: Path, split: str
) -> tuple[list[Sample], list[NDArray[np.float32]]]:
    """Return recordings and the images they are of, float32 in [0, 1]."""
    there = samples(recordings, split)
    rows = idx.read(digits / _FILES[split], 3)
    return there, [
        rows[int(sample.path.stem) - 1].astype(np.float32) / np.float32(255) for sample in there
    ]


def again(image: NDArray[np.float32], noise_seed: int) -> Events:
    """Return what the model of N-MNIST's sensor makes of a digit."""
    return simulate(
        image, nmnist(), PRESETS["atis"], noise_seed=noise_seed, duration_us=DURATION_US
    )


def draw(there: list[Sample], images: list[NDArray[np.float32]], path: Path) -> None:
    """Draw real above simulated: 10 ms of each saccade of some digits, and the rate over time."""
    from PIL import Image, ImageDraw

    from models.preview import preview

    scale, moments = 4, (45_000, 155_000, 255_000)
    picks = [next(i for i, sample in enumerate(there) if sample.label == d) for d in (3, 5, 7)]
    side, gap, margin, plot = 34 * scale, 6, 88, 150
    n = len(picks) * len(moments)
    width = margin + n * (side + gap)
    page = Image.new("RGB", (width, 24 + 2 * (side + gap) + plot + 40), "white")
    pen = ImageDraw.Draw(page)
    for row, name in enumerate(("real", "simulated")):
        pen.text((8, 24 + row * (side + gap) + side // 2 - 8), name, "black", font_size=15)
    for k, (i, begin) in enumerate((i, begin) for i in picks for begin in moments):
        x = margin + k * (side + gap)
        pen.text((x, 2), f"{begin // 1000} ms", "black", font_size=13)
        for row, events in enumerate((there[i].read(), again(images[i], i))):
            shown = preview(events, 34, 34, begin).resize((side, side), Image.Resampling.NEAREST)
            page.paste(shown, (x, 24 + row * (side + gap)))
            pen.rectangle(
                [x, 24 + row * (side + gap), x + side - 1, 23 + row * (side + gap) + side],
                outline=(200, 200, 200),
            )
    top = 24 + 2 * (side + gap) + 12
    rates = [
        signs(list(recordings), 34, 34).rate.sum(0)
        for recordings in (
            [sample.read() for sample in there],
            [again(image, i) for i, image in enumerate(images)],
        )
    ]
    most = max(float(rate.max()) for rate in rates)
    right = width - 10
    pen.line([margin, top, margin, top + plot, right, top + plot], (120, 120, 120))
    for rate, colour in zip(rates, ((0, 0, 0), (214, 39, 40)), strict=True):
        line = [
            (margin + (k + 0.5) * (right - margin) / len(rate), top + plot * (1 - v / most))
            for k, v in enumerate(rate)
        ]
        pen.line(line, colour, 2)
    pen.text((8, top + 6), f"{most / 10:.0f}/ms", "black", font_size=13)
    pen.text((margin, top + plot + 4), "0 ms", "black", font_size=13)
    pen.text((right - 50, top + plot + 4), "320 ms", "black", font_size=13)
    pen.text(
        (margin + 200, top + plot + 4),
        "events, mean of the test recordings:",
        "black",
        font_size=13,
    )
    pen.text((margin + 440, top + plot + 4), "real", "black", font_size=13)
    pen.text((margin + 480, top + plot + 4), "simulated", (214, 39, 40), font_size=13)
    page.quantize(64).save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
