"""view: the reconstruction beside the events, and the true image where it is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PySide6 import QtCore, QtGui

from models import images
from nodes.view.node import View
from nodes.view.tracks.canvas import grey
from nodes.view.truth import Truth
from nodes.view.window import Window
from pipeline import ReconstructionPacket
from pipeline.errors import SettingError
from pipeline.packets import ReconstructionHeader
from recordings.folder import SAMPLES_DIR
from tests.nodes.test_view import events, offscreen, opinion, show

__all__ = ["offscreen"]

SAMPLE = "Test/5/00009.bin"


def image(
    pixels: NDArray[np.float32], sample: str | None = SAMPLE, *, ms: int = 300
) -> ReconstructionPacket:
    header = ReconstructionHeader(
        t_begin=0, t_end=ms * 1000, height=0, width=0, final=ms == 300, window_us=300_000,
        sample=sample,
    )  # fmt: skip
    return ReconstructionPacket.of(pixels, header)


RAMP = np.linspace(0, 1, 28 * 28, dtype=np.float32).reshape(28, 28)


def test_the_image_and_the_true_one_stand_beside_the_events(tmp_path: Path) -> None:
    path = tmp_path / "shot.png"
    truth = images.read(SAMPLES_DIR / "targets" / "Test/5/00009.png")
    places: list[tuple[tuple[int, int], int]] = []

    def look(window: Window) -> None:
        assert window.reconstruction.isVisible()
        assert window.truth.isVisible()
        assert window.reconstruction.note == "120 of 300 ms"
        edge = window.picture.mapTo(window, window.picture.rect().topRight()).x()
        assert window.reconstruction.mapTo(window, QtCore.QPoint(0, 0)).x() > edge
        for card, pixels in ((window.reconstruction, RAMP), (window.truth, truth)):
            target = card.pixels.target()
            side = target.width() / 28
            assert side == int(side) >= 4
            for y, x in ((0, 0), (14, 14), (9, 17), (27, 27)):
                at = target.topLeft()
                place = card.pixels.mapTo(
                    window, (at + type(at)((x + 0.5) * side, (y + 0.5) * side)).toPoint()
                )
                places.append(((place.x(), place.y()), round(float(pixels[y, x]) * 255)))

    view = View(targets="samples", screenshot=str(path))
    show(view, [events(sample=SAMPLE), opinion(5, 5), image(RAMP, ms=120)], look)
    saved = QtGui.QImage(str(path))
    for (x, y), level in places:
        assert saved.pixelColor(x, y).getRgb()[:3] == pytest.approx([level] * 3, abs=1)


def test_without_reconstructions_nothing_of_them_is_seen() -> None:
    show(View(targets="samples"), [events(sample=SAMPLE)],
         lambda window: _equal(window.reconstruction.isVisible(), False))  # fmt: skip


def test_the_true_image_goes_with_its_sample() -> None:
    def look(window: Window) -> None:
        assert window.reconstruction.isVisible()
        assert not window.truth.isVisible()

    show(View(targets="samples"), [image(RAMP), image(RAMP, "Test/5/99999.bin")], look)
    show(View(), [image(RAMP)], look)


def _equal(a: object, b: object) -> None:
    assert a == b


def test_the_scene_keeps_the_last_image_and_forgets_it() -> None:
    view = View()
    view.start()
    pixels = RAMP.copy()
    for packet in (image(pixels, ms=20), image(1 - pixels, ms=40)):
        for _ in view.feed(packet):
            pass
    pixels.fill(0)
    seen = view.scene.seen()
    assert seen is not None
    np.testing.assert_array_equal(seen.pixels, 1 - RAMP)
    assert (seen.ms, seen.window_ms, seen.final, seen.truth) == (40, 300, False, None)
    assert view.scene.images_seen == 2
    assert view.scene.heard_ns is not None
    view.reset()
    assert view.scene.seen() is None
    view.stop()


@given(hnp.arrays(np.float32, (3, 5), elements=st.floats(0, 1, width=32)))
def test_intensities_become_grey(pixels: NDArray[np.float32]) -> None:
    shown = grey(pixels)
    assert shown.dtype == np.uint32
    for shift in (0, 8, 16):
        assert (np.abs((shown >> shift & 255) / 255 - pixels) < 0.502 / 255).all()
    assert (shown >> 24 == 255).all()


def test_true_images_are_found_by_name() -> None:
    truth = Truth("samples", "view")
    first = truth.of(SAMPLE)
    assert first is not None
    assert first.shape == (28, 28)
    assert truth.of(SAMPLE) is first
    for missing in (None, "", "Test/5/99999.bin", "00009.bin", "Test", "a\0b"):
        assert truth.of(missing) is None
    assert Truth(None, "view").of(SAMPLE) is None


@pytest.mark.parametrize("name", ["../secret.bin", "a/../../secret.bin", "{tmp}/secret.bin", ".."])
def test_a_name_from_outside_leads_nowhere_but_into_the_folder(tmp_path: Path, name: str) -> None:
    source = SAMPLES_DIR / "targets" / "Test/5/00009.png"
    (tmp_path / "secret.png").write_bytes(source.read_bytes())
    (tmp_path / "targets").mkdir()
    assert Truth(str(tmp_path), "view").of("secret.bin") is not None
    assert Truth(str(tmp_path / "targets"), "view").of(name.format(tmp=tmp_path)) is None


def test_an_image_that_cannot_be_read_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG and then nothing")
    truth = Truth(str(tmp_path), "view")
    assert truth.of("a.bin") is truth.of("a.bin") is None
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "a.png: is no image" in told


def test_targets_that_are_no_folder_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r'targets = ".*none" is no folder'):
        View(targets=str(tmp_path / "none")).start()
