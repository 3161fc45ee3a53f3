"""AEDAT 2.0, jAER's format: a header of text, then pairs of an address and a time, big-endian u4.

    DVS128   bit 15 external, 14 to 8 y, 7 to 1 x, 0 polarity (0: ON)
    DAVIS    bit 31 APS or IMU, 30 to 22 y, 21 to 12 x, 11 polarity (1: ON), 10 external

Both count x from the right and y from the bottom, and DVS128's polarity is the other way round than
one would think, as jAER's own extractors have it; here x counts from the left and y from the top.
APS and IMU words and external events are passed over. The header's line ``AEChip`` tells the
camera; without one, the addresses do: none of DVS128's is above 16 bits.
"""

from __future__ import annotations

import re
from pathlib import Path

import numba
import numpy as np
from numpy.typing import NDArray

from recordings.decoder import OWN, ByteDecoder, head_of
from recordings.policy import undo_wrap
from recordings.unaligned import load64, swap64

_DAVIS = {
    "davis128": (128, 128),
    "davis208": (208, 192),
    "davis240": (240, 180),
    "davis346": (346, 260),
    "davis640": (640, 480),
}
_DVS128 = ("dvs128", "tmpdiff128")
_LINE = re.compile(rb"#[\t\x20-\x7e\x80-\xff]*\r?\n")
_END = b"#End Of ASCII Header"


@numba.njit(cache=True, nogil=True)
def _decode(raw, words, state):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Decode pairs.

    The kernel's own state: width, height, is DAVIS, last time, wraps in µs, begun.
    """
    n = 0
    m = min(len(raw) // 8, words.shape[0])
    right, bottom, davis = state[4] - 1, state[5] - 1, state[6] == 1
    if state[9] == 0 and m > 0:
        state[7] = swap64(load64(raw, 0)) & 0xFFFFFFFF
        state[9] = 1
    before, wrap = state[7], state[8]
    for i in range(m):
        pair = swap64(load64(raw, 8 * i))
        t = pair & 0xFFFFFFFF
        a = pair >> 32 & 0xFFFFFFFF
        wrapped = undo_wrap(t, before, 1 << 32)
        wrap += wrapped << 32
        state[2] += wrapped
        before = t
        if davis:
            x, y, p = a >> 12 & 0x3FF, a >> 22 & 0x1FF, a >> 11 & 1
            is_event = a & 0x8000_0400 == 0
        else:
            x, y, p = a >> 1 & 0x7F, a >> 8 & 0x7F, 1 - (a & 1)
            is_event = a & 0xFFFF_8000 == 0
            state[1] += 8 * np.int64(a > 0xFFFF)
        words[n, 0] = t + wrap
        words[n, 1] = ((right - x) & 0xFFFF) | ((bottom - y) & 0xFFFF) << 16 | p << 32
        n += 1 if is_event else 0
    state[7], state[8] = before, wrap
    state[0] = 8 * m
    return n


class Aedat2(ByteDecoder):
    """Decodes AEDAT 2.0 of a DVS128 or a DAVIS."""

    format = "aedat2"
    kernel = _decode
    state_size = 6

    def __init__(self, path: Path) -> None:
        head = head_of(path)
        lines, begin = _header(head)
        super().__init__(path, begin)
        self._davis, size = True, (128, 128)
        chip = next((line for line in lines if "aechip" in line), "")
        known = next((size for name, size in _DAVIS.items() if name in chip), None)
        if known is not None:
            size = known
        elif any(name in chip for name in _DVS128):
            self._davis = False
        elif chip:
            name = chip.partition(":")[2].strip()[:80]
            raise self.fail(
                f"addresses of {name!r} are not known, expected a DVS128's or a DAVIS's"
            )
        else:
            self._davis, size = _guess(head[begin:])
        self.width, self.height = self._size = size

    def initial(self) -> NDArray[np.int64]:
        """Return the kernel's state at the first byte."""
        state = super().initial()
        state[OWN : OWN + 3] = *self._size, self._davis
        return state


def _header(head: bytes) -> tuple[list[str], int]:
    """Return the header's lines in lower case, and where the pairs begin.

    A pair may begin with ``#`` too, but is no line of text.
    """
    lines: list[str] = []
    at = 0
    while found := _LINE.match(head, at):
        at = found.end()
        lines.append(found[0].decode("latin-1").strip().lower())
        if found[0].startswith(_END):
            break
    return lines, at


def _guess(data: bytes) -> tuple[bool, tuple[int, int]]:
    """Return whether addresses are a DAVIS's, and the size of the smallest sensor that has them."""
    a = np.frombuffer(data[: len(data) // 8 * 8], ">u4")[::2].astype(np.int64)
    if not (a > 0xFFFF).any():
        return False, (128, 128)
    a = a[(a & 0x8000_0400) == 0]
    x, y = (a >> 12 & 0x3FF).max(initial=0), (a >> 22 & 0x1FF).max(initial=0)
    sizes = (size for size in _DAVIS.values() if x < size[0] and y < size[1])
    return True, next(sizes, (1024, 512))
