"""A picture of a source's events at one moment, without a window and without Qt."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nodes.source import Source, SourceSettings
from nodes.view.tracks.canvas import Canvas
from nodes.view.tracks.show import Show
from pipeline.errors import RecordingError, RetinaError, UsageError
from pipeline.node import SourceNode
from pipeline.packets import EventPacket

USUAL_US = 100_000
"""So long after the first event a picture is taken unless another moment is asked for."""

_LEAST_SIDE = 480
_UNITS = {"us": 1, "µs": 1, "ms": 1000, "s": 1_000_000}
_PATIENCE_S = 10.0


def moment_us(text: str, option: str = "--at") -> int:
    """Return a time such as ``120ms``, ``1.5s`` or ``800us`` in µs; raises UsageError."""
    for unit in ("us", "µs", "ms", "s"):
        number = text.strip().removesuffix(unit)
        if number != text.strip():
            with contextlib.suppress(ValueError, OverflowError):
                found = round(float(number) * _UNITS[unit])
                if 0 < found <= 10**15:
                    return found
            break
    raise UsageError(f"{option} {text}: expected a time above 0, such as 120ms or 1.5s")


def snapshot(
    source: str,
    path: Path,
    at_us: int | None = None,
    show: Show | None = None,
    *,
    patience_s: float = _PATIENCE_S,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[int, int]:
    """Save what ``source`` shows ``at_us`` after its beginning; return (µs shown, events so far).

    Where a recording is shorter, its end is shown. ``path`` ends in .png. A live source is given
    up after ``patience_s`` without an event.

    Raises UsageError, RecordingError, DeviceError; RetinaError where the file cannot be written.
    """
    _check(path)
    wanted = USUAL_US if at_us is None else at_us
    canvas = Canvas(show)
    begin = end = None
    events = 0
    for packet in _packets(source, patience_s, clock):
        head = packet.header
        if begin is not None and head.reset and events:
            # Another recording of a folder, or another scene.
            break
        if begin is None:
            if not head.n and at_us is None:
                continue
            begin = head.t_begin
        if head.t_begin - begin >= wanted:
            break
        canvas.add(packet)
        end = head.t_end
        events += head.n
    if begin is None or end is None:
        if Path(source).exists() or ("://" not in source and not source.startswith("camera:")):
            raise RecordingError(f"{source}: holds no events, there is nothing to show")
        raise RecordingError(f"{source}: no events came in {patience_s:g} s: is it running?")
    pixels = np.empty(canvas.shape, np.uint32)
    canvas.paint(pixels)
    _save(pixels, path)
    return end - begin, events


def rgb_of(pixels: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """Return ``pixels`` [H, W] u4, each 0xFFRRGGBB, as [H, W, 3] u1."""
    return np.stack([pixels >> shift & 0xFF for shift in (16, 8, 0)], -1).astype(np.uint8)


def image_of(pixels: NDArray[np.uint32], least_side: int = _LEAST_SIDE) -> Image.Image:
    """Return ``pixels`` [H, W] u4, each 0xFFRRGGBB, as an image, small ones enlarged."""
    scale = max(1, -(-least_side // max(pixels.shape)))
    height, width = pixels.shape
    image = Image.fromarray(rgb_of(pixels))
    return image.resize((width * scale, height * scale), Image.Resampling.NEAREST)


def _packets(source: str, patience_s: float, clock: Callable[[], float]) -> Iterator[EventPacket]:
    settings = SourceSettings(path=source)
    cls = Source.variant(settings)
    if cls is Source:
        settings.pace, settings.limit, settings.gap_ms = "fast", 1, 0
    node = cls(settings)
    assert isinstance(node, SourceNode)
    heard = clock()
    # A live source says "nothing yet" by packets that have no event, or none at all.
    node.stopping = lambda: clock() - heard > patience_s
    with contextlib.closing(iter(node)) as packets:  # type: ignore[type-var]
        for packet in packets:
            if not isinstance(packet, EventPacket):
                continue
            if packet.header.n:
                heard = clock()
            elif cls is not Source and node.stopping():
                break
            yield packet


def _check(path: Path) -> None:
    if path.suffix.lower() != ".png":
        raise UsageError(f"--snapshot {path}: expected a name that ends in .png")
    if not path.parent.is_dir():
        raise UsageError(f"--snapshot {path}: there is no such folder {path.parent}")


def _save(pixels: NDArray[np.uint32], path: Path) -> None:
    partial = path.with_name(f".{path.name}.partial")
    try:
        image_of(pixels).save(partial, "PNG")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise RetinaError(f"{path}: cannot be written: {error.strerror or error}") from None
