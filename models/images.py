"""Grey images from files of any common format, through Pillow.

Colours become luminance (ITU-R BT.601), what is transparent becomes black, and a photograph is
turned as its camera says.
"""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.errors import RecordingError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".pgm", ".ppm")
"""Files that a folder of images is searched for."""

_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)


def read(path: Path) -> NDArray[np.float32]:
    """Return an image ``[H, W]`` float32 in [0, 1]; raises RecordingError naming the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                image.load()
                return grey(ImageOps.exif_transpose(image))
    except FileNotFoundError:
        raise RecordingError(f"{path}: no such file, expected an image") from None
    except IsADirectoryError:
        raise RecordingError(f"{path}: is a folder, expected an image") from None
    except UnidentifiedImageError:
        raise RecordingError(f"{path}: is no image of a format that is known") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        most = (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
        raise RecordingError(f"{path}: has more than {most} million pixels") from None
    except (OSError, SyntaxError, ValueError, struct.error, IndexError) as error:
        raise RecordingError(f"{path}: cannot be read: {error}") from None


def grey(image: Image.Image) -> NDArray[np.float32]:
    """Return an open image as ``[H, W]`` float32 in [0, 1]."""
    mode = image.mode
    if mode in ("P", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
    elif mode not in ("1", "L", "LA", "RGB", "RGBA", "F") and not mode.startswith("I"):
        image = image.convert("RGB")
    pixels = np.asarray(image)
    if pixels.dtype == np.bool_:
        return pixels.astype(np.float32)
    most = {"u1": 255, "u2": 65535, "i4": 65535, "i2": 65535}.get(pixels.dtype.str[1:], 1)
    values = pixels.astype(np.float32) / np.float32(most)
    if values.ndim == 3:
        n = values.shape[2]
        shown = values[:, :, :3] @ _LUMINANCE if n >= 3 else values[:, :, 0]
        values = shown * values[:, :, -1] if n in (2, 4) else shown
    found: NDArray[np.float32] = np.clip(np.nan_to_num(values), 0, 1)
    return found
