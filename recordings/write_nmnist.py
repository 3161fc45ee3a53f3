"""N-MNIST's format: five bytes an event (``nmnist.py``), for 256 × 256 pixels, of no told size."""

from __future__ import annotations

import numpy as np

from pipeline.events import Events
from recordings.nmnist import WRAP_US, encode, foreign
from recordings.write_file import OutFile
from recordings.writing import Writer


class NMnistWriter(Writer):
    """Writes N-MNIST's format.

    Its clock has 23 bits, whose wraps a reader can undo while no silence that ends behind one lasts
    2**22 µs (4.2 s).
    """

    format = "nmnist"
    most_side = 256
    absolute = False

    def _begin(self, overwrite: bool) -> None:
        self._file = OutFile(self.path, overwrite=overwrite)

    def _refusal(self, events: Events, before_us: int | None) -> str | None:
        t = events["t"]
        if before_us is None:
            if t[0] >= WRAP_US:
                return (
                    f"the first event at {t[0]} µs does not fit nmnist's clock, which begins again "
                    f"at {WRAP_US} µs"
                )
            found = foreign(encode(events[:16]))
            if found is not None:
                return f"the first event's bytes would be taken for {found}'s"
            before_us = int(t[0])
        before = np.concatenate([[before_us], t[:-1]])
        lost = (t - before >= WRAP_US // 2) & (t % WRAP_US < before % WRAP_US)
        lost |= t - before >= WRAP_US
        if lost.any():
            i = int(np.argmax(lost))
            return (
                f"a silence of {(t[i] - before[i]) / 1e6:.1f} s before event {self.written + i} "
                "does not fit nmnist's clock of 23 bits, which holds 4.2 s"
            )
        return None

    def _put(self, events: Events) -> None:
        self._file.append(encode(events))
        self.bytes = self._file.size

    def _end(self) -> None:
        self._file.close()
