"""The true images of recordings: shown by the stream itself, or found by name in a folder."""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from pipeline import ImagePacket
from pipeline.errors import RecordingError, SettingError


class Truth:
    """Knows the true image of the sample that is being shown.

    ``folder`` holds ``<sample's name>.png``; ``samples`` stands for the shipped recordings', None
    for none. Raises SettingError, opened by ``where``, where there is no such folder.
    """

    def __init__(self, folder: str | None, where: str) -> None:
        self._root = None
        if folder is not None:
            # Who has no folder of images need not wait for what reads them.
            from recordings.folder import SAMPLES_DIR, SHIPPED, TARGETS

            self._root = SAMPLES_DIR / TARGETS if folder == SHIPPED else Path(folder)
            if not self._root.is_dir():
                raise SettingError(
                    f'{where}: targets = "{folder}" is no folder, expected one of true images'
                    f" (<split>/<label>/NNNNN.png) or {SHIPPED!r} (the shipped ones)"
                )
        self._sample: str | None = None
        self._image: NDArray[np.float32] | None = None

    def show(self, packet: ImagePacket) -> None:
        """Take the image that the stream says its sample is of."""
        self._sample = packet.header.sample
        self._image = packet.pixels.mean(2, dtype=np.float32) / np.float32(255)

    def of(self, sample: str | None) -> NDArray[np.float32] | None:
        """Return a sample's image ``[H, W]`` float32 in [0, 1], None where there is none.

        An image that cannot be read is told on standard error, and there is none.
        """
        if sample != self._sample:
            self._sample = sample
            self._image = self._find(sample)
        return self._image

    def _find(self, sample: str | None) -> NDArray[np.float32] | None:
        if self._root is None or not sample or "\0" in sample:
            return None
        name = PurePosixPath(sample)
        # The name may come from another host: it leads nowhere but into the folder.
        if name.is_absolute() or ".." in name.parts or not name.name:
            return None
        from models import images

        path = self._root / name.with_suffix(".png")
        try:
            return images.read(path) if path.is_file() else None
        except (RecordingError, OSError) as error:
            sys.stderr.write(f"{error}\n")
            sys.stderr.flush()
            return None
