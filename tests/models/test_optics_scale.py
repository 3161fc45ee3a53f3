"""How large an image is on the sensor, to a fraction of a pixel, and that none of it is lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.optics import FINE, View, view
from models.retina import Retina

HERE = np.zeros((2, 2))


def seen(found: View, x: float, y: float, retina: Retina) -> NDArray[np.float64]:
    """Return what all pixels see at a gaze that lies on the fine grid."""
    ix, iy = round((x - found.left) * FINE), round((y - found.top) * FINE)
    plane = found.planes[iy % FINE, ix % FINE].astype(np.float64)
    top, left = iy // FINE, ix // FINE
    return plane[top : top + retina.height, left : left + retina.width]


def grey_ramp(side: int) -> NDArray[np.float32]:
    """Return an image whose grey is the share of its width that lies to the left."""
    row = (np.arange(side) + 0.5) / side
    return np.tile(row, (side, 1)).astype(np.float32)


@given(
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    sensor=st.tuples(st.integers(1, 25), st.integers(1, 25)),
    optics=st.fixed_dictionaries(
        {
            "aperture": st.floats(0, 3),
            "blur": st.floats(0, 2),
            "fit": st.sampled_from(["cover", "contain"]) | st.floats(0.05, 20),
            "shift_x": st.floats(-20, 20),
        }
    ),
    corner=st.tuples(st.floats(-9, 0), st.floats(-9, 0)),
    seed=st.integers(0, 100),
)
@settings(max_examples=40)
def test_a_look_is_a_mean_of_the_image(
    shape: tuple[int, int],
    sensor: tuple[int, int],
    optics: dict[str, Any],
    corner: tuple[float, float],
    seed: int,
) -> None:
    image = np.random.default_rng(seed).uniform(0.2, 0.7, shape).astype(np.float32)
    retina = Retina(width=sensor[0], height=sensor[1], **optics)
    found = view(image, retina, np.array([corner, (4.0, 2.5)]))
    # Room for every pixel at the farthest gaze, and for the bilinear look beside it.
    rows, columns = found.planes.shape[2:]
    assert columns >= retina.width + int(found.right - found.left) + 1
    assert rows >= retina.height + int(found.bottom - found.top) + 1
    assert found.planes.min() >= image.min() - 1e-5
    assert found.planes.max() <= image.max() + 1e-5


@pytest.mark.parametrize("fit", [0.7, 1.0, 2.3])
def test_a_number_is_sensor_pixels_per_pixel_of_the_image(fit: float) -> None:
    retina = Retina(width=80, height=20, fit=fit)

    def place(column: int) -> float:
        image = np.zeros((9, 31), np.float32)
        image[:, column] = 1
        row = seen(view(image, retina, HERE), 0, 0, retina).mean(0)
        return float((row * (np.arange(80) + 0.5)).sum() / row.sum())

    # The image's middle, its column 15, lies in the middle of the sensor.
    assert place(15) == pytest.approx(40, abs=1e-3)
    # An aperture is a sum over points: within 0.02 pixels of its integral.
    assert place(18) - place(11) == pytest.approx(7 * fit, abs=2e-2)


@pytest.mark.parametrize("span", [0.0, 6.0])
def test_cover_ends_where_the_image_ends(span: float) -> None:
    retina = Retina(width=20, height=20, aperture=0.0)
    found = view(grey_ramp(60), retina, np.array([[-span, 0.0], [0.0, 0.0]]))
    row = (np.arange(20) + 0.5) / (20 + span)
    np.testing.assert_allclose(seen(found, -span, 0, retina)[10], row, atol=2e-3)
    np.testing.assert_allclose(seen(found, 0, 0, retina)[10], row + span / (20 + span), atol=2e-3)


def test_contain_leaves_room_for_the_way() -> None:
    retina = Retina(width=26, height=26, aperture=0.0, fit="contain")
    found = view(grey_ramp(60), retina, np.array([[-6.0, 0.0], [0.0, 0.0]]))
    # 20 pixels of image, from column 6 on at the left end of the way, from 0 on at the right.
    row = np.clip((np.arange(26) + 0.5) / 20, 0.5 / 60, 1 - 0.5 / 60)
    np.testing.assert_allclose(seen(found, 0, 0, retina)[10], row, atol=2e-3)
    left = np.clip((np.arange(26) - 6 + 0.5) / 20, 0.5 / 60, 1 - 0.5 / 60)
    np.testing.assert_allclose(seen(found, -6, 0, retina)[10], left, atol=2e-3)


def test_the_longer_side_decides() -> None:
    """Of an image twice as wide as high, cover shows half and contain all."""
    wide = np.repeat(grey_ramp(40)[:20], 1, 0)
    for fit, share in (("cover", 0.5), ("contain", 1.0)):
        retina = Retina(width=20, height=20, fit=fit)
        row = seen(view(wide, retina, HERE), 0, 0, retina)[10]
        assert row[-1] - row[0] == pytest.approx(share * 19 / 20, abs=0.01)


def test_what_is_too_fine_becomes_grey() -> None:
    y, x = np.mgrid[:300, :300]
    board = ((x + y) % 2).astype(np.float32)
    retina = Retina(width=20, height=20)
    inside = seen(view(board, retina, HERE), 0, 0, retina)[1:-1, 1:-1]
    np.testing.assert_allclose(inside, 0.5, atol=0.02)
    # Nothing between two pixels is overlooked: a lone row lands where it is.
    line = np.zeros((300, 300), np.float32)
    line[:, 157] = 1
    row = seen(view(line, retina, HERE), 0, 0, retina)[10]
    assert row.sum() == pytest.approx(20 / 300, rel=0.1)
    assert row.argmax() == int(157.5 / 15)


def test_blur_is_a_standard_deviation() -> None:
    edge = np.zeros((80, 80), np.float32)
    edge[:, 40:] = 1
    places = np.arange(80) + 0.5
    for blur in (1.0, 3.0):
        retina = Retina(width=80, height=80, aperture=0.0, blur=blur, fit=1.0)
        spread = np.diff(seen(view(edge, retina, HERE), 0, 0, retina)[40])
        at = (places[1:] + places[:-1]) / 2
        mean = (spread * at).sum()
        assert mean == pytest.approx(40, abs=0.01)
        # The image's own pixels add the width of a straight step.
        found = np.sqrt((spread * (at - mean) ** 2).sum() - 1 / 6)
        assert found == pytest.approx(blur, rel=0.05)


def test_a_gaze_to_the_right_sees_what_is_to_the_right() -> None:
    image = np.zeros((21, 21), np.float32)
    image[10, 10] = 1
    retina = Retina(width=21, height=21, aperture=0.0, fit=1.0)
    found = view(image, retina, np.array([[-4.0, -4.0], [4.0, 4.0]]))
    for x, y in ((0, 0), (3, 0), (-2, 4)):
        row, column = np.unravel_index(seen(found, x, y, retina).argmax(), (21, 21))
        assert (column, row) == (10 - x, 10 - y)


def test_a_long_way_up_is_told_too() -> None:
    with pytest.raises(ValueError, match=r"^a path over 5×200000 pixels is too long$"):
        view(np.ones((4, 4), np.float32), Retina(), np.array([[0.0, -200000.0], [5.0, 0.0]]))
