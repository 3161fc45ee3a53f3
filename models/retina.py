"""The model of the silicon retina: its settings and the presets that ship.

A pixel sees an intensity I in [0, 1] and answers changes of its logarithm. In the order in which
light becomes events (Lichtsteiner, Posch and Delbruck, IEEE JSSC 2008; Hu, Liu and Delbruck,
"v2e", CVPRW 2021; Rebecq, Gehrig and Scaramuzza, "ESIM", CoRL 2018)::

    I = black + (1 - black) · image^gamma           the scene, as a monitor shows it (or 1 - image)
    u = 1 + ln(I / dark) where I > dark, else I / dark     logarithm, linear in the dark
    dv/dt = 2π f (u - v),  f = cutoff_hz · (cutoff_dark + (1 - cutoff_dark) · I)  photoreceptor
    ON where v - r >= threshold_on,  OFF where r - v >= threshold_off             comparators

and r, the memory of the pixel, is v at the moment when its refractory time after an event ends
(without a refractory time: the level that was crossed). The memory leaks, so that ON events come
without light; shot noise adds events of either polarity, more of them in the dark; hot pixels
fire by themselves; and the arbiter lets only so many events a second out.
"""

from __future__ import annotations

import difflib
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from pipeline.errors import SettingError
from pipeline.settings import Settings

Share = Annotated[float, Meta(ge=0, le=1)]


class Retina(Settings):
    """Settings of a silicon retina and of how it is shown an image; see the module."""

    width: Annotated[int, Meta(ge=1, le=8192, description="pixels in a row of the sensor")] = 346
    height: Annotated[int, Meta(ge=1, le=8192, description="rows of the sensor")] = 260
    threshold_on: Annotated[
        float, Meta(gt=0, le=10, description="rise of ln I that makes an ON event")
    ] = 0.2
    threshold_off: Annotated[
        float, Meta(gt=0, le=10, description="fall of ln I that makes an OFF event")
    ] = 0.2
    mismatch: Annotated[
        float, Meta(ge=0, le=1, description="spread of thresholds between pixels, as their share")
    ] = 0.0
    start: Annotated[
        Share,
        Meta(description="share of the thresholds over which the memories lie at the beginning"),
    ] = 0.0
    dark: Annotated[
        float, Meta(gt=0, le=1, description="intensity below which the response is linear")
    ] = 0.01
    cutoff_hz: Annotated[
        float, Meta(ge=0, le=1e6, description="photoreceptor's bandwidth at white; 0: unlimited")
    ] = 0.0
    cutoff_dark: Annotated[
        Share, Meta(description="share of the bandwidth that is left at black")
    ] = 0.1
    refractory_us: Annotated[
        float, Meta(ge=0, le=1e6, description="dead time of a pixel after an event, in µs")
    ] = 0.0
    refractory_mismatch: Annotated[
        float, Meta(ge=0, le=1, description="spread of dead times between pixels, as their share")
    ] = 0.0
    leak_hz: Annotated[
        float, Meta(ge=0, le=1e4, description="ON events a second and pixel from leakage")
    ] = 0.0
    shot_hz: Annotated[
        float, Meta(ge=0, le=1e4, description="noise events a second and pixel at black")
    ] = 0.0
    shot_bright: Annotated[Share, Meta(description="share of that rate that is left at white")] = (
        0.25
    )
    hot_share: Annotated[Share, Meta(description="share of pixels that fire by themselves")] = 0.0
    hot_hz: Annotated[
        float, Meta(ge=0, le=1e5, description="events a second of such a pixel, on average")
    ] = 0.0
    max_rate: Annotated[
        float, Meta(ge=0, le=1e12, description="events a second that get out; 0: unlimited")
    ] = 0.0
    aperture: Annotated[
        float, Meta(ge=0, le=8, description="side of a pixel's light-sensitive area, in pixels")
    ] = 1.0
    blur: Annotated[
        float, Meta(ge=0, le=64, description="standard deviation of the lens's blur, in pixels")
    ] = 0.0
    black: Annotated[Share, Meta(description="intensity of the image's black")] = 0.0
    gamma: Annotated[
        float, Meta(gt=0, le=10, description="exponent from grey value to intensity")
    ] = 1.0
    negative: Annotated[bool, Meta(description="the image is shown dark for bright")] = False
    fit: Annotated[
        Literal["cover", "contain"] | Annotated[float, Meta(gt=0, le=1000)],
        Meta(
            description="'cover': the sensor sees nothing but the image; 'contain': it sees all "
            "of it throughout; or sensor pixels per pixel of the image"
        ),
    ] = "cover"
    shift_x: Annotated[
        float, Meta(ge=-8192, le=8192, description="image right of the centre, in sensor pixels")
    ] = 0.0
    shift_y: Annotated[
        float, Meta(ge=-8192, le=8192, description="image below the centre, in sensor pixels")
    ] = 0.0


PRESETS: dict[str, Retina] = {
    "ideal": Retina(),
    "atis": Retina(
        width=34,
        height=34,
        threshold_on=0.05757,
        threshold_off=0.06038,
        mismatch=0.05372,
        start=1.0,
        cutoff_hz=413.2,
        cutoff_dark=0.2078,
        refractory_us=794.0,
        refractory_mismatch=0.3784,
        shot_hz=1.348,
        aperture=0.679,
        blur=0.4214,
        black=0.5711,
        gamma=0.4899,
        # The recordings' polarity says that their digits were dark on a bright screen.
        negative=True,
        fit=0.9789,
        shift_x=-0.09374,
        shift_y=1.14,
    ),
    "davis346": Retina(
        width=346,
        height=260,
        threshold_on=0.2,
        threshold_off=0.2,
        mismatch=0.15,
        start=1.0,
        cutoff_hz=200.0,
        refractory_us=500.0,
        leak_hz=0.1,
        shot_hz=1.0,
        hot_share=0.0005,
        hot_hz=20.0,
        max_rate=12e6,
        black=0.05,
        gamma=2.2,
    ),
    "dvxplorer": Retina(
        width=640,
        height=480,
        threshold_on=0.25,
        threshold_off=0.25,
        mismatch=0.1,
        start=1.0,
        cutoff_hz=300.0,
        refractory_us=200.0,
        leak_hz=0.02,
        shot_hz=0.5,
        hot_share=0.0002,
        hot_hz=20.0,
        max_rate=165e6,
        black=0.05,
        gamma=2.2,
    ),
}
"""The retinas that ship. ``atis`` is fitted to N-MNIST's recordings; the others follow figures
of data sheets and of the literature and were compared with no device of their kind."""


def preset(name: str, where: str = "retina") -> Retina:
    """Return the preset ``name``; raises SettingError, opened by ``where``, where there is none."""
    found = PRESETS.get(name)
    if found is None:
        close = difflib.get_close_matches(name, PRESETS, 1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        raise SettingError(f"{where}: no retina '{name}'{hint} (there are: {', '.join(PRESETS)})")
    return found


def changed(retina: Retina, **values: object) -> Retina:
    """Return ``retina`` with some settings replaced, unchecked."""
    return msgspec.structs.replace(retina, **values)
