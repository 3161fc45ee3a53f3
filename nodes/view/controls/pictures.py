"""Pictures of the events and of the window: PNG and SVG files, and the clipboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6 import QtCore, QtGui

from pipeline.errors import RetinaError

if TYPE_CHECKING:
    from nodes.view.window import Window

KINDS = "Pictures (*.png *.svg)"

_LEAST_PIXELS = 512
_MOST_RUNS = 400_000


def events_of(window: Window) -> NDArray[np.uint32]:
    """Return what the picture of the events shows: ``[H, W] u4``, one for each of the sensor's."""
    return window.scene.picture()


def enlargement(pixels: NDArray[np.uint32]) -> int:
    """Return by how much a small sensor is enlarged, so that its pixels can be seen."""
    return max(1, -(-_LEAST_PIXELS // int(max(pixels.shape))))


def image_of(pixels: NDArray[np.uint32]) -> QtGui.QImage:
    """Return pixels as an image, those of small sensors enlarged to squares."""
    k = enlargement(pixels)
    large = np.ascontiguousarray(pixels.repeat(k, 0).repeat(k, 1))
    height, width = large.shape
    image = QtGui.QImage(large.data, width, height, 4 * width, QtGui.QImage.Format.Format_RGB32)
    return image.copy()


def svg_of(pixels: NDArray[np.uint32]) -> str:
    """Return pixels as SVG: a rectangle for each run of one colour in a row, the ground as one.

    Raises RetinaError where that would be too many to be of use.
    """
    height, width = pixels.shape
    colours, counts = np.unique(pixels, return_counts=True)
    ground = int(colours[counts.argmax()])
    # A run ends where the next pixel has another colour, and with its row.
    ends = np.ones(pixels.shape, bool)
    ends[:, :-1] = pixels[:, 1:] != pixels[:, :-1]
    rows, lasts = np.nonzero(ends)
    firsts = np.zeros_like(lasts)
    firsts[1:] = np.where(rows[1:] == rows[:-1], lasts[:-1] + 1, 0)
    shades = pixels[rows, lasts]
    keep = shades != ground
    if keep.sum() > _MOST_RUNS:
        raise RetinaError(f"an SVG of {int(keep.sum()):,} pieces is of no use: save it as PNG")
    k = enlargement(pixels)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{k * width}" height="{k * height}"'
        f' viewBox="0 0 {width} {height}" shape-rendering="crispEdges">',
        f'<rect width="{width}" height="{height}" fill="#{ground & 0xFFFFFF:06x}"/>',
    ]
    found = zip(firsts[keep].tolist(), rows[keep].tolist(), lasts[keep].tolist(),
                shades[keep].tolist(), strict=True)  # fmt: skip
    lines += [
        f'<rect x="{x}" y="{y}" width="{last - x + 1}" height="1" fill="#{c & 0xFFFFFF:06x}"/>'
        for x, y, last, c in found
    ]
    return "\n".join([*lines, "</svg>\n"])


def save_events(window: Window, path: Path) -> None:
    """Save the events' picture of this moment; raises RetinaError."""
    pixels = events_of(window)
    if _ending(path) == ".svg":
        _write(path, svg_of(pixels))
    elif not image_of(pixels).save(str(path)):
        raise RetinaError(f"{path}: the picture cannot be written there")


def save_window(window: Window, path: Path) -> None:
    """Save the whole window; raises RetinaError."""
    if _ending(path) == ".png":
        window.save(str(path))
        return
    # Loaded here: a window that saves nothing is there the sooner.
    from PySide6 import QtSvg

    buffer = QtCore.QBuffer()
    generator = QtSvg.QSvgGenerator()
    generator.setOutputDevice(buffer)
    # Type is in points: it must be as large as on the screen.
    generator.setResolution(window.logicalDpiX())
    generator.setSize(window.size())
    generator.setViewBox(window.rect())
    generator.setTitle(window.windowTitle())
    buffer.open(QtCore.QIODevice.OpenModeFlag.WriteOnly)
    painter = QtGui.QPainter(generator)
    window.render(painter, QtCore.QPoint(0, 0))
    painter.end()
    _write(path, buffer.data().toStdString())


def copy_events(window: Window) -> None:
    """Put the events' picture on the clipboard."""
    QtGui.QGuiApplication.clipboard().setImage(image_of(events_of(window)))


def copy_window(window: Window) -> None:
    """Put a picture of the whole window on the clipboard."""
    QtGui.QGuiApplication.clipboard().setImage(window.grab().toImage())


def _ending(path: Path) -> str:
    ending = path.suffix.lower()
    if ending not in (".png", ".svg"):
        raise RetinaError(f"{path}: a picture ends in .png or .svg")
    return ending


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RetinaError(f"{path}: {error.strerror}") from None
