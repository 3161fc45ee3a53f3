"""Settings of ``filter``: every stage is off until it is asked for."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pipeline import Meta, Settings
from pipeline.events import MAX_SIDE

MOST_US = 600_000_000
"""No stage looks further back than this, in µs."""

_Period = Annotated[int, Meta(ge=0, le=MOST_US)]


class Rectangle(NamedTuple):
    """Columns ``x0`` to ``x0 + width`` and rows ``y0`` to ``y0 + height`` of a sensor."""

    x0: int
    y0: int
    width: int
    height: int


class FilterSettings(Settings):
    """Settings of ``filter``, in the order in which the stages work."""

    hot_pixels: Annotated[
        bool, Meta(description="learn which pixels fire all by themselves, then mask them")
    ] = False
    hot_learn_ms: Annotated[
        int, Meta(ge=1, le=600_000, description="event time in which hot pixels are learnt")
    ] = 1000
    hot_hz: Annotated[
        float, Meta(gt=0, le=1e6, description="a hot pixel fires at least so often a second")
    ] = 20.0
    hot_factor: Annotated[
        float,
        Meta(
            ge=1,
            le=1e6,
            description="... and so many times as often as its second busiest neighbour",
        ),
    ] = 5.0
    crop: Annotated[
        str, Meta(description="keep 'x0,y0,width,height' of the sensor, which becomes the new 0,0")
    ] = ""
    refractory_us: Annotated[
        _Period, Meta(description="a pixel that fired is not heard for so long (0: off)")
    ] = 0
    background_us: Annotated[
        _Period,
        Meta(description="drop events that no neighbour preceded within so long (0: off)"),
    ] = 0
    polarity: Annotated[
        Literal["both", "on", "off", "merge"],
        Meta(description="events to keep; 'merge' keeps both and calls them all ON"),
    ] = "both"
    pool: Annotated[
        int, Meta(ge=1, le=64, description="squares of so many pixels become one (1: off)")
    ] = 1
    pool_count: Annotated[
        int,
        Meta(ge=1, le=4096, description="a square fires when ON outnumber OFF by this, or OFF ON"),
    ] = 1
    pool_refractory_us: Annotated[
        _Period, Meta(description="a square that fired does not count for so long (0: off)")
    ] = 0
    flip: Annotated[
        Literal["none", "horizontal", "vertical", "both"],
        Meta(description="mirror: left and right, top and bottom"),
    ] = "none"
    rotate: Annotated[
        Literal[0, 90, 180, 270], Meta(description="degrees clockwise, after the flip")
    ] = 0
    noise_per_pixel: Annotated[
        float, Meta(ge=0, le=1000, description="noise spikes a pixel gets in noise_over_ms")
    ] = 0.0
    noise_over_ms: Annotated[
        int, Meta(ge=1, le=3_600_000, description="the time that noise_per_pixel is for")
    ] = 300
    noise_hz: Annotated[
        float, Meta(ge=0, le=1000, description="noise spikes a pixel and second, besides")
    ] = 0.0
    noise_seed: Annotated[int, Meta(ge=0, le=2**62, description="another seed, other noise")] = 1
    limit_hz: Annotated[
        int, Meta(ge=0, le=10**9, description="most events a second, the rest dropped (0: all)")
    ] = 0
    limit_burst_us: Annotated[
        int, Meta(ge=1, le=10_000_000, description="so much of that may come at once, in µs")
    ] = 1000

    def __post_init__(self) -> None:
        rectangle(self.crop)


def rectangle(text: str) -> Rectangle | None:
    """Read ``x0,y0,width,height``; None where it is empty. Raises ValueError."""
    if not text.strip():
        return None
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if (
        len(numbers) != 4
        or not all(0 <= at < MAX_SIDE for at in numbers[:2])
        or not all(1 <= side <= MAX_SIDE for side in numbers[2:])
    ):
        raise ValueError(
            f'crop = "{text}" is not x0,y0,width,height: whole numbers, such as 10,10,34,34'
        )
    return Rectangle(*numbers)
