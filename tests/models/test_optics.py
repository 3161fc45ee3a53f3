"""What a moving sensor sees of an image: apertures, fits, and looks between pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.optics import FINE, View, view
from models.retina import Retina

HERE = np.zeros((2, 2))


def seen(found: View, x: float, y: float, retina: Retina) -> NDArray[np.float64]:
    """Return what all pixels see at gaze (x, y): the bilinear mean that the kernels take."""
    fx, fy = (x - found.left) * FINE, (y - found.top) * FINE
    ix, iy = int(fx), int(fy)
    total = np.zeros((retina.height, retina.width))
    for dy, wy in ((0, 1 - (fy - iy)), (1, fy - iy)):
        for dx, wx in ((0, 1 - (fx - ix)), (1, fx - ix)):
            plane = found.planes[(iy + dy) % FINE, (ix + dx) % FINE]
            top, left = (iy + dy) // FINE, (ix + dx) // FINE
            total += wx * wy * plane[top : top + retina.height, left : left + retina.width]
    return total


def ramp(rows: int, columns: int) -> NDArray[np.float32]:
    """Return an image that grows evenly to the right and downwards."""
    y, x = np.mgrid[:rows, :columns]
    return ((x + 2 * y) / (columns + 2 * rows)).astype(np.float32)


@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    width=st.integers(1, 30),
    height=st.integers(1, 30),
    aperture=st.sampled_from([0.0, 0.5, 1.0, 3.0]),
    blur=st.sampled_from([0.0, 0.7]),
    fit=st.sampled_from(["cover", "contain", 0.2, 1.0, 3.7]),
    grey=st.floats(0, 1, width=32),
)
def test_one_grey_stays_that_grey(
    rows: int,
    columns: int,
    width: int,
    height: int,
    aperture: float,
    blur: float,
    fit: str | float,
    grey: float,
) -> None:
    retina = Retina(width=width, height=height, aperture=aperture, blur=blur, fit=fit)
    image = np.full((rows, columns), grey, np.float32)
    found = view(image, retina, np.array([[-2.0, -1.0], [1.5, 3.0]]))
    np.testing.assert_allclose(found.planes, grey, atol=2e-6)


def test_a_sensor_of_the_images_size_sees_the_image() -> None:
    image = np.random.default_rng(0).random((12, 17), np.float32)
    retina = Retina(width=17, height=12, aperture=0.0, fit=1.0)
    np.testing.assert_allclose(seen(view(image, retina, HERE), 0, 0, retina), image, atol=1e-6)


@given(x=st.floats(-3, 3), y=st.floats(-3, 3))
def test_a_look_between_pixels_is_their_mean(x: float, y: float) -> None:
    image = ramp(40, 40)
    retina = Retina(width=10, height=10, fit=1.0)
    found = view(image, retina, np.array([[-3.0, -3.0], [3.0, 3.0]]))
    rows, columns = np.mgrid[15:25, 15:25]
    expected = (columns + x + 2 * (rows + y)) / 120
    np.testing.assert_allclose(seen(found, x, y, retina), expected, atol=1e-4)


def test_an_edge_is_as_wide_as_the_aperture() -> None:
    image = np.zeros((20, 20), np.float32)
    image[:, 10:] = 1
    for aperture in (1.0, 2.0, 4.0):
        retina = Retina(width=20, height=20, aperture=aperture, fit=1.0)
        row = seen(view(image, retina, HERE), 0, 0, retina)[10]
        # From pixel to pixel the image itself is straight, half a pixel to either side.
        between = np.flatnonzero((row > 0.01) & (row < 0.99))
        assert abs(len(between) - aperture) <= 1
        assert row.sum() == pytest.approx(10, abs=0.02)


@pytest.mark.parametrize(
    ("fit", "corner"), [("contain", True), ("cover", False), (0.5, True), (2.0, False)]
)
def test_fits(fit: str | float, corner: bool) -> None:
    """A dot in the image's corner is seen where the image is contained."""
    image = np.zeros((30, 60), np.float32)
    image[0, 0] = 1
    retina = Retina(width=40, height=40, aperture=3.0, fit=fit)
    found = seen(view(image, retina, HERE), 0, 0, retina)
    # The edge goes on, so that a corner's dot fills all that is beyond it.
    assert bool(found.max() > 0.05) == corner


def test_contain_keeps_the_image_in_sight_throughout() -> None:
    image = np.zeros((20, 20), np.float32)
    image[8:12, :2] = image[8:12, -2:] = 1
    retina = Retina(width=34, height=34, fit="contain")
    reach = np.array([[-4.0, 0.0], [3.0, 2.0]])
    found = view(image, retina, reach)
    for x in (-4.0, 3.0):
        row = seen(found, x, 1.0, retina).max(0)
        assert row[:17].max() > 0.8
        assert row[17:].max() > 0.8


def test_what_the_monitor_makes_of_grey() -> None:
    image = np.full((4, 4), 0.25, np.float32)

    def shown(**values: object) -> float:
        retina = Retina(width=2, height=2, **values)  # type: ignore[arg-type]
        return float(view(image, retina, HERE).planes.mean())

    assert shown() == pytest.approx(0.25)
    assert shown(gamma=2.0) == pytest.approx(0.0625)
    assert shown(black=0.2) == pytest.approx(0.2 + 0.8 * 0.25)
    assert shown(negative=True) == pytest.approx(0.75)
    assert shown(negative=True, gamma=2.0, black=0.5) == pytest.approx(0.5 + 0.5 * 0.5625)


def test_a_shift_moves_the_image() -> None:
    image = np.zeros((20, 20), np.float32)
    image[10, 10] = 1
    for dx, dy in ((0, 0), (3, 0), (0, -2)):
        retina = Retina(width=20, height=20, fit=1.0, shift_x=float(dx), shift_y=float(dy))
        found = seen(view(image, retina, HERE), 0, 0, retina)
        assert np.unravel_index(found.argmax(), found.shape) == (10 + dy, 10 + dx)


def test_a_path_that_needs_too_much_memory_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a path over 1000000×0 pixels is too long"):
        view(np.ones((4, 4), np.float32), Retina(), np.array([[0.0, 0.0], [1e6, 0.0]]))
