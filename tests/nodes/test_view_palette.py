"""view: colours are told apart by everyone, whichever cones they have."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from nodes.view import theme
from nodes.view.palette import AGES, PALETTES, Colour, ages

# Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision
# Deficiency", IEEE TVCG 2009, severity 1.0; they act on linear RGB.
VISION = {
    "common": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
         [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
         [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
         [0.004733, 0.691367, 0.303900]]
    ),
}  # fmt: skip
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = XYZ.sum(1)


def linear(colour: Colour) -> NDArray[np.float64]:
    share = np.array(colour) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def lab(colour: Colour, vision: str) -> NDArray[np.float64]:
    """Return the colour as seen, in CIE L*a*b*."""
    seen = np.clip(VISION[vision] @ linear(colour), 0, 1)
    x, y, z = (
        np.cbrt(v) if v > 216 / 24389 else (841 / 108) * v + 4 / 29 for v in XYZ @ seen / WHITE
    )
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def distance(one: Colour, other: Colour, vision: str) -> float:
    return float(np.linalg.norm(lab(one, vision) - lab(other, vision)))


def contrast(one: Colour, other: Colour) -> float:
    """Return WCAG's contrast ratio, 1 to 21."""
    dark, light = sorted(float(XYZ[1] @ linear(colour)) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("name", PALETTES)
def test_on_off_and_ground_are_told_apart(name: str, scheme: str, vision: str) -> None:
    on, off, ground = PALETTES[name].inks(scheme)  # type: ignore[arg-type]
    # A just noticeable difference is about 2.3.
    assert distance(on, off, vision) > 30
    assert distance(on, ground, vision) > 30
    assert distance(off, ground, vision) > 30


def test_there_is_a_choice() -> None:
    assert len(PALETTES) >= 3
    assert "blue-orange" in PALETTES


def test_ages_are_told_apart_by_lightness_alone() -> None:
    lightness = [lab(colour, "common")[0] for colour in AGES]
    assert (np.diff(lightness) < -8).all()
    assert ages("light") == AGES[::-1]


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("palette", PALETTES)
def test_words_are_read_on_their_ground(scheme: str, palette: str) -> None:
    before = theme.look()
    try:
        theme.use(scheme, palette)  # type: ignore[arg-type]
        look = theme.look()
        for ground in (look.ground, look.window):
            for ink in (look.text, look.dim, look.right, look.wrong):
                ratio = contrast(ink.getRgb()[:3], ground.getRgb()[:3])  # type: ignore[arg-type]
                assert ratio >= 4.5
            for line in (look.accent, look.warm):
                assert contrast(line.getRgb()[:3], ground.getRgb()[:3]) >= 3  # type: ignore[arg-type]
        for vision in VISION:
            # A mark says the same; this is for those who look at colours first.
            right, wrong = look.right.getRgb()[:3], look.wrong.getRgb()[:3]
            assert distance(right, wrong, vision) > 15  # type: ignore[arg-type]
    finally:
        theme.use(before.scheme, before.palette)
