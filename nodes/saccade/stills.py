"""What a modelled retina is shown: files, what ships, a webcam's frame, the screen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.images import grey
from models.stills import Still, open_stills
from pipeline.errors import DeviceError
from recordings.folder import SAMPLES_DIR, SHIPPED, TARGETS

PHOTOGRAPH = "photograph"
"""The word that stands for the photograph that ships."""

_CAMERA = "camera:"


def open_images(path: str, where: str) -> list[Still]:
    """List the images that ``path`` stands for; errors of webcam and screen begin with ``where``.

    A path as ``open_stills`` takes it, ``samples`` (the shipped digits), ``photograph``,
    ``screen`` or ``camera:N`` (both are looked at anew each time).
    """
    if path == SHIPPED:
        return open_stills(SAMPLES_DIR / TARGETS)
    if path == PHOTOGRAPH:
        return open_stills(Path(__file__).parents[2] / "recordings" / "samples" / "photograph.png")
    if path == "screen":
        return [Still("screen", None, lambda: _screen(where))]
    if path.startswith(_CAMERA):
        return [Still("camera", None, _webcam(path.removeprefix(_CAMERA), where))]
    return open_stills(path)


def _screen(where: str) -> NDArray[np.float32]:
    from PIL import ImageGrab

    try:
        return grey(ImageGrab.grab())
    except (OSError, ValueError) as error:
        raise DeviceError(f"{where}: the screen cannot be grabbed: {error}") from None


def _webcam(number: str, where: str) -> Callable[[], NDArray[np.float32]]:
    """Return what reads a frame of webcam ``number`` (empty: the first)."""

    def read() -> NDArray[np.float32]:
        try:
            import cv2
        except ImportError:
            raise DeviceError(
                f"{where}: a webcam needs OpenCV: pip install opencv-python-headless"
            ) from None
        if number and not number.isdecimal():
            raise DeviceError(f"{where}: images = camera:{number} is no number of a webcam")
        camera = cv2.VideoCapture(int(number or 0))
        try:
            good, frame = camera.read() if camera.isOpened() else (False, None)
        finally:
            camera.release()
        if not good:
            raise DeviceError(f"{where}: webcam {number or 0} gives no image: is it plugged in?")
        found: NDArray[np.float32] = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY).astype(np.float32)
        return found / np.float32(255)

    return read
