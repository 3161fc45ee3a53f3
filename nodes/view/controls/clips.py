"""Clips of the events' picture: GIF by Pillow, MP4 by imageio where it is installed."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6 import QtCore

from pipeline.errors import RetinaError

if TYPE_CHECKING:
    from nodes.view.window import Window

KINDS = "Clips (*.gif *.mp4)"
FPS = 20
LONGEST_S = 20

_MOST_SIDE = 640
_LEAST_SIDE = 320
_MOST_WAITING = 4 * FPS

Frame = NDArray[np.uint8]


class Clip(QtCore.QObject):
    """Takes pictures until it is stopped, at most ``LONGEST_S``; written in a thread of its own.

    ``ended`` is emitted, in the window's thread, with what there is to say. Raises RetinaError
    where such a file cannot be written.
    """

    ended = QtCore.Signal(str)

    def __init__(self, window: Window, path: Path) -> None:
        super().__init__(window)
        self._window = window
        self.path = path
        self._write = _writer(path)
        self._frames: queue.Queue[Frame | None] = queue.Queue(_MOST_WAITING)
        self.taken = self.missed = 0
        self._shape: tuple[int, int] | None = None
        self._problem = ""
        self._timer = QtCore.QTimer(self)
        self._timer.setInterval(1000 // FPS)
        self._timer.timeout.connect(self.take)
        self._thread = threading.Thread(target=self._work, name="clip", daemon=True)
        self._look = QtCore.QTimer(self)
        self._look.setInterval(20)
        self._look.timeout.connect(self._see)
        self._thread.start()
        self._timer.start()
        self.take()

    def take(self) -> None:
        """Take a picture now."""
        pixels = self._window.scene.picture()
        if self._shape is None:
            self._shape = pixels.shape
        # A film has one size: another sensor would need another clip.
        if pixels.shape != self._shape or self.taken >= FPS * LONGEST_S or self._problem:
            self.stop()
            return
        try:
            self._frames.put_nowait(frame_of(pixels))
            self.taken += 1
        except queue.Full:
            self.missed += 1

    def stop(self) -> None:
        """Take no more; ``ended`` says when the file is there."""
        if self._timer.isActive():
            self._timer.stop()
            self._put_end()
            self._look.start()

    def finish(self) -> str:
        """Take no more, wait until the file is there, and return what there is to say."""
        self.stop()
        self._look.stop()
        self._thread.join()
        return self._said()

    def _put_end(self) -> None:
        while True:
            try:
                self._frames.put_nowait(None)
            except queue.Full:
                # The last picture gives way: the window must not wait for the file.
                with contextlib.suppress(queue.Empty):
                    self._frames.get_nowait()
                    self.taken, self.missed = self.taken - 1, self.missed + 1
            else:
                return

    def _see(self) -> None:
        if not self._thread.is_alive():
            self._look.stop()
            self.ended.emit(self._said())

    def _said(self) -> str:
        if self._problem:
            return self._problem
        missed = f", {self.missed} missed" if self.missed else ""
        return f"{self.path}: {self.taken} pictures, {self.taken / FPS:.1f} s{missed}"

    def _until_the_end(self) -> Iterator[Frame]:
        while (frame := self._frames.get()) is not None:
            yield frame

    def _work(self) -> None:
        try:
            self._write(self.path, self._until_the_end())
        except Exception as error:
            self._problem = f"{self.path}: {error}"
            while self._frames.get() is not None:
                pass


def frame_of(pixels: NDArray[np.uint32]) -> Frame:
    """Return ``[H, W, 3] u1`` of pixels 0xFFRRGGBB, at a size that is sound for a clip."""
    side = max(pixels.shape)
    shrink = -(-side // _MOST_SIDE)
    small = pixels[::shrink, ::shrink]
    k = max(1, _LEAST_SIDE // max(small.shape))
    large = small.repeat(k, 0).repeat(k, 1)
    # An MP4's sides are even.
    large = np.pad(large, ((0, large.shape[0] % 2), (0, large.shape[1] % 2)), "edge")
    frame = np.empty((*large.shape, 3), np.uint8)
    for i, shift in enumerate((16, 8, 0)):
        frame[..., i] = large >> shift
    return frame


def _writer(path: Path) -> Callable[[Path, Iterator[Frame]], None]:
    """Return what writes files with this ending; raises RetinaError."""
    ending = path.suffix.lower()
    if ending == ".gif":
        return _write_gif
    if ending != ".mp4":
        raise RetinaError(f"{path}: a clip ends in .gif or .mp4")
    if importlib.util.find_spec("imageio_ffmpeg") is None:
        raise RetinaError(
            f"{path}: an MP4 needs the package imageio (pip install 'silicon-retina[clips]');"
            " a .gif needs nothing"
        )
    return _write_mp4


def _write_gif(path: Path, frames: Iterator[Frame]) -> None:
    from PIL import Image

    images = (Image.fromarray(frame).quantize(256, Image.Quantize.FASTOCTREE) for frame in frames)
    first = next(images, None)
    if first is not None:
        first.save(path, save_all=True, append_images=images, duration=1000 // FPS, loop=0)


def _write_mp4(path: Path, frames: Iterator[Frame]) -> None:
    from imageio_ffmpeg import write_frames

    first = next(frames, None)
    if first is None:
        return
    height, width, _ = first.shape
    writer = write_frames(str(path), (width, height), fps=FPS, macro_block_size=2, quality=9)
    writer.send(None)
    try:
        for frame in itertools.chain([first], frames):
            writer.send(frame.tobytes())
    finally:
        writer.close()
