"""The settings of ``source``."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pipeline import Meta, Settings


class Roi(NamedTuple):
    """A part of the sensor: its first column and row, and its size, in pixels."""

    x0: int
    y0: int
    width: int
    height: int


class SourceSettings(Settings):
    """Settings of ``source``; all but ``path`` and ``packet_us`` are those of a recording."""

    path: Annotated[
        str,
        Meta(
            description="a recording, a folder of recordings, 'samples' (shipped); or a live"
            " source: camera:, camera:SERIAL, dv://HOST:PORT, aer-udp://HOST:PORT, tcp:// or ipc://"
            " of a node of ours"
        ),
    ] = "samples"
    split: Annotated[str | None, Meta(description="only this split of the folder")] = None
    pace: Annotated[
        Literal["real", "fast"] | Annotated[float, Meta(ge=1e-6, le=1e6)],
        Meta(description="'real' time, as 'fast' as possible, or a factor of real time"),
    ] = "real"
    loop: Annotated[bool, Meta(description="begin again when all are shown")] = False
    paused: Annotated[bool, Meta(description="hold the stream; 'step' lets single packets go")] = (
        False
    )
    hold: Annotated[
        bool, Meta(description="when all are shown wait, paused, to be sent back; else end")
    ] = False
    roi: Annotated[
        str,
        Meta(
            max_length=100,
            description="only events of this part: X0,Y0,WIDTH,HEIGHT in pixels (none: the whole);"
            " the sensor keeps its size",
        ),
    ] = ""
    shuffle: Annotated[bool, Meta(description="show the recordings in random order")] = False
    seed: Annotated[int, Meta(ge=0, description="seed of the random order")] = 0
    limit: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="show only so many recordings")
    ] = None
    packet_us: Annotated[
        int, Meta(ge=10, le=1_000_000, description="event time in one packet, in µs")
    ] = 1000
    sample_ms: Annotated[
        int, Meta(ge=0, le=60_000, description="least time for a recording, padded with silence")
    ] = 300
    gap_ms: Annotated[
        int, Meta(ge=0, le=60_000, description="silence after each recording, in ms")
    ] = 20
    begin_s: Annotated[
        Annotated[float, Meta(ge=0, le=1e9)] | None,
        Meta(description="begin so long after a recording's beginning, in s"),
    ] = None
    end_s: Annotated[
        Annotated[float, Meta(gt=0, le=1e9)] | None,
        Meta(description="end so long after a recording's beginning, in s"),
    ] = None
    follow: Annotated[
        bool, Meta(description="a file that still grows: wait at its end for more of it")
    ] = False
    width: Annotated[
        Annotated[int, Meta(ge=1, le=2**15)] | None,
        Meta(description="the sensor's pixels in a row (none: the file's, or as its events need)"),
    ] = None
    height: Annotated[
        Annotated[int, Meta(ge=1, le=2**15)] | None,
        Meta(description="the sensor's rows (none: the file's, or as its events need)"),
    ] = None

    def __post_init__(self) -> None:
        """Refuse a region of interest that is none, and an end before the beginning."""
        self.region()
        if self.end_s is not None and self.end_s <= (self.begin_s or 0):
            raise ValueError(f"end_s = {self.end_s:g} is not after begin_s = {self.begin_s:g}")

    @property
    def begin_us(self) -> int:
        """How long after a recording's beginning to begin, in µs."""
        return round((self.begin_s or 0) * 1e6)

    def region(self) -> Roi | None:
        """Return the region of interest; None where it is the whole sensor."""
        if not self.roi.strip():
            return None
        try:
            roi = Roi(*(int(part) for part in self.roi.split(",")))
        except (ValueError, TypeError):
            roi = Roi(0, 0, 0, 0)
        inside = 0 <= roi.x0 < 2**15 and 0 <= roi.y0 < 2**15
        if not (inside and 0 < roi.width <= 2**15 and 0 < roi.height <= 2**15):
            raise ValueError(f'roi = "{self.roi}" is not X0,Y0,WIDTH,HEIGHT in whole pixels')
        return roi


OF_RECORDINGS = (
    "pace", "loop", "paused", "hold", "roi", "shuffle", "limit", "begin_s", "end_s", "follow",
    "width", "height",
)  # fmt: skip
"""What a live source has no use for."""
