"""An animation of a reconstruction being drawn: the events beside the image so far."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.evaluate import respond
from models.evaluate_images import shown
from models.stepper import Stepper
from models.store import Model
from nodes.plots.paper import check
from nodes.view.snapshot import rgb_of
from nodes.view.tracks.canvas import Canvas, grey
from pipeline.errors import DeviceError, RetinaError
from pipeline.packets import EventHeader, EventPacket
from recordings.folder import Sample

ENDINGS = (".gif", ".mp4")
_SIDE = 280
_GAP = 10
_HOLD = 12
"""The last picture stands for so many frames more."""


def draw(model: Model, sample: Sample, out: Path, step_ms: int = 5, fps: int = 25) -> int:
    """Write the animation, a frame every ``step_ms`` of event time; return the frames.

    Raises RetinaError where the file cannot be written, DeviceError where MP4 needs a package
    that is missing.
    """
    check(out, ENDINGS)
    frames = _frames(model, sample, step_ms)
    frames += [frames[-1]] * _HOLD
    partial = out.with_name(f".{out.name}.partial{out.suffix}")
    try:
        if out.suffix.lower() == ".gif":
            first, *rest = (Image.fromarray(frame).quantize(64) for frame in frames)
            first.save(partial, save_all=True, append_images=rest, duration=1000 // fps, loop=0)
        else:
            _movie(partial, frames, fps)
        partial.replace(out)
    except OSError as error:
        raise RetinaError(f"{out}: cannot be written: {error.strerror or error}") from None
    finally:
        partial.unlink(missing_ok=True)
    return len(frames)


def _movie(path: Path, frames: list[NDArray[np.uint8]], fps: int) -> None:
    try:
        import imageio.v3 as imageio

        # It looks for its ffmpeg only here.
        imageio.imwrite(path, np.stack(frames), fps=fps, codec="libx264", macro_block_size=2)
    except ImportError:
        raise DeviceError(
            f"{path.name}: MP4 needs imageio (pip install 'silicon-retina[clips]'); GIF does not"
        ) from None


def _frames(model: Model, sample: Sample, step_ms: int) -> list[NDArray[np.uint8]]:
    events = sample.read()
    _, height, width = model.network.input_shape
    counts = np.cumsum(respond(Stepper(model), events, model.n_bins, sample.name), axis=0)
    canvas = Canvas()
    step, end = step_ms * 1000, model.window_us
    frames = []
    for begin in range(0, end, step):
        until = min(begin + step, end)
        low, high = np.searchsorted(events["t"], [begin, until])
        header = EventHeader(t_begin=begin, t_end=until, width=width, height=height, n=0)
        canvas.add(EventPacket.of(events[low:high], header))
        seen = np.empty(canvas.shape, np.uint32)
        canvas.paint(seen)
        image = grey(shown(model, counts, max(1, until // model.bin_us)))
        frames.append(_beside(rgb_of(seen), rgb_of(image)))
    return frames


def _beside(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return two pictures side by side, each as large as ``_SIDE``, in an even number of pixels."""
    out = np.full((_SIDE, 2 * _SIDE + _GAP, 3), 20, np.uint8)
    for at, picture in ((0, left), (_SIDE + _GAP, right)):
        large = Image.fromarray(picture).resize((_SIDE, _SIDE), Image.Resampling.NEAREST)
        out[:, at : at + _SIDE] = np.asarray(large)
    return out
