"""Prophesee's files: RAW (EVT2, EVT2.1, EVT3) and DAT, both behind lines ``% key value``."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recordings import evt_kernels
from recordings.decoder import OWN, ByteDecoder, Decoder, head_of

_SENSORS = {
    "gen31": (640, 480),
    "gen3": (640, 480),
    "gen41": (1280, 720),
    "gen4": (1280, 720),
    "imx636": (1280, 720),
    "imx646": (1280, 720),
    "genx320": (320, 320),
}
"""Sensors' sizes by a word in ``plugin_name``, where no line tells the size itself."""

_MAX_SIDE = 1 << 14
_CD_TYPES = (0x00, 0x0C)
"""Event types of a DAT file that are changes of contrast; a trigger's is 0x0E."""


class _Words(ByteDecoder):
    def __init__(self, path: Path, begin: int, size: tuple[int, int] | None) -> None:
        super().__init__(path, begin)
        if size is not None:
            self.width, self.height = size


class Evt2(_Words):
    """Decodes RAW files of EVT2 words."""

    format = "evt2"
    kernel = evt_kernels.evt2
    state_size = evt_kernels.EVT2_STATE


class Evt21(_Words):
    """Decodes RAW files of EVT2.1 words; ``swapped``: each word's high half comes first."""

    format = "evt2.1"
    kernel = evt_kernels.evt21
    state_size = evt_kernels.EVT2_STATE + 1

    def __init__(self, path: Path, begin: int, size: tuple[int, int] | None, swapped: bool) -> None:
        super().__init__(path, begin, size)
        self.swapped = swapped

    def initial(self) -> NDArray[np.int64]:
        """Return the kernel's state at the first byte."""
        state = super().initial()
        state[OWN + evt_kernels.EVT2_STATE] = self.swapped
        return state


class Evt3(_Words):
    """Decodes RAW files of EVT3 words."""

    format = "evt3"
    kernel = evt_kernels.evt3
    state_size = evt_kernels.EVT3_STATE


class Dat(_Words):
    """Decodes DAT files of contrast changes, version 2."""

    format = "dat"
    kernel = evt_kernels.dat
    state_size = evt_kernels.DAT_STATE


class Dat1(Dat):
    """Decodes DAT files of version 1."""

    kernel = evt_kernels.dat1


def open_prophesee(path: Path) -> Decoder:
    """Return the decoder of a file that begins with ``% ``; raises RecordingError."""
    head = head_of(path)
    lines, begin = header(head)
    size = sensor_size(lines)
    # The one tells the version, the other the name: "3.0", "EVT21;height=720;width=1280".
    told = lines.get("format", "").partition(";")[0].upper().replace(".", "")
    told = told or "EVT" + lines.get("evt", "").replace(".0", "").replace(".", "")
    if told == "EVT2":
        return Evt2(path, begin, size)
    if told == "EVT3":
        return Evt3(path, begin, size)
    if told == "EVT21":
        return Evt21(path, begin, size, swapped(lines, head[begin:]))
    error = Decoder.fail
    probe = _Words(path, begin, size)
    if told != "EVT":
        raise error(probe, f"holds {told[:40]!r}, expected EVT2, EVT2.1 or EVT3, in the header")
    if len(head) < begin + 2:
        raise error(probe, "ends with its header, expected 'evt' or 'format' there or DAT events")
    kind, n_bytes = head[begin], head[begin + 1]
    if kind not in _CD_TYPES or n_bytes != 8:
        raise error(
            probe,
            f"has neither 'evt' nor 'format' in its header, and no DAT events of contrast changes "
            f"behind it (type {kind}, {n_bytes} bytes; expected type 0 or 12, 8 bytes)",
            begin,
        )
    decoder = Dat1 if lines.get("version") == "1" else Dat
    return decoder(path, begin + 2, size)


def header(head: bytes) -> tuple[dict[str, str], int]:
    """Return the header's lines by their keys, in lower case, and where the data begins."""
    lines: dict[str, str] = {}
    at = 0
    while head.startswith(b"% ", at):
        end = head.find(b"\n", at)
        if end < 0:
            break
        key, _, value = head[at + 2 : end].decode("latin-1").strip().partition(" ")
        at = end + 1
        if key == "end":
            break
        lines[key.lower()] = value.strip()
    return lines, at


def sensor_size(lines: dict[str, str]) -> tuple[int, int] | None:
    """Return the sensor's width and height as a header tells them, or None."""
    told = lines.get("format", "")
    pairs = (
        (lines.get("width"), lines.get("height")),
        _pair(r"^(\d+)x(\d+)$", lines.get("geometry", "")),
        (_number("width", told), _number("height", told)),
    )
    for width, height in pairs:
        if width and height and width.isdecimal() and height.isdecimal():
            # Digits beyond any sensor's are not turned into a number at all.
            size = int(width[:6]), int(height[:6])
            if min(size) > 0 and max(size) <= _MAX_SIDE:
                return size
    plugin = lines.get("plugin_name", "").lower()
    return next((size for name, size in _SENSORS.items() if name in plugin), None)


def _pair(pattern: str, text: str) -> tuple[str | None, str | None]:
    found = re.search(pattern, text)
    return (found[1], found[2]) if found else (None, None)


def _number(name: str, text: str) -> str | None:
    found = re.search(rf"{name}=(\d+)", text)
    return found[1] if found else None


def swapped(lines: dict[str, str], data: bytes) -> bool:
    """Tell whether the 32-bit halves of EVT2.1 words have changed places.

    IMX636 sends the high half first, which newer headers call ``endianness=legacy``; older ones do
    not say. Then the order counts in which TIME_HIGH words rise by small steps.
    """
    told = re.search(r"endianness=(\w+)", lines.get("format", ""))
    if told:
        return told[1] == "legacy"
    words = np.frombuffer(data[: len(data) // 8 * 8], np.uint32).reshape(-1, 2)

    def steady(top: NDArray[np.uint32]) -> int:
        high = np.diff((top[top >> 28 == 8] & 0xFFFFFFF).astype(np.int64))
        return int(np.count_nonzero((high >= 0) & (high <= 64)))

    return steady(words[:, 0]) > steady(words[:, 1])
