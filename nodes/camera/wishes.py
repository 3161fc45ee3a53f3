"""The settings of ``camera``, and what they ask of a device."""

from __future__ import annotations

from typing import Annotated, Literal

from nodes.camera.device import Wanted
from pipeline import Meta, Settings
from pipeline.errors import SettingError

SENSITIVITIES = ("very-low", "low", "default", "high", "very-high")
READOUTS = (
    "default",
    "constant-100",
    "constant-200",
    "constant-500",
    "constant-1000",
    "constant-lossy-2000",
    "constant-lossy-5000",
    "constant-lossy-10000",
    "variable-2000",
    "variable-5000",
    "variable-10000",
    "variable-15000",
)

Ticks = Literal["default"] | Annotated[int, Meta(ge=0, le=16_000_000)]


class CameraSettings(Settings):
    """Settings of ``camera``."""

    source: Annotated[
        str,
        Meta(
            description="'camera:' (first found), 'camera:<serial>', 'camera:virtual' (a stand-in),"
            " 'camera:<host>:<port>' (a virtual camera)"
        ),
    ] = "camera:"
    packet_us: Annotated[
        int, Meta(ge=10, le=1_000_000, description="event time in one packet, in µs")
    ] = 1000
    sensitivity: Annotated[
        Literal["very-low", "low", "default", "high", "very-high"],
        Meta(description="how small a change fires a pixel"),
    ] = "default"
    biases: Annotated[
        str,
        Meta(description="the camera's own biases, 'name=value,name=value'; they go before all"),
    ] = ""
    roi: Annotated[
        str, Meta(description="only this part of the sensor, 'x0,y0,width,height' (empty: all)")
    ] = ""
    noise_us: Annotated[
        Ticks, Meta(description="the camera's own background-activity filter, in µs (0: off)")
    ] = "default"
    refractory_us: Annotated[
        Ticks, Meta(description="the camera's own refractory filter, in µs (0: off)")
    ] = "default"
    rate_limit: Annotated[
        Literal["off"] | Annotated[float, Meta(gt=0, le=1e10)],
        Meta(description="the camera drops events beyond so many a second"),
    ] = "off"
    readout: Annotated[
        Literal[READOUTS],  # type: ignore[valid-type]
        Meta(description="how often a DVXplorer's sensor is read out, in Hz"),
    ] = "default"
    flip_horizontal: Annotated[bool, Meta(description="mirror left and right")] = False
    flip_vertical: Annotated[bool, Meta(description="mirror top and bottom")] = False
    patience_us: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="how long an event may be under way, in µs: silence is believed after it",
        ),
    ] = 20_000
    wait_s: Annotated[
        float, Meta(ge=0, le=1e6, description="wait so long for the first camera, in s")
    ] = 0.0
    give_up_s: Annotated[
        float,
        Meta(ge=0, le=1e6, description="end when a lost camera is away so long, in s (0: never)"),
    ] = 0.0
    scene: Annotated[
        str,
        Meta(description="what 'camera:virtual' sees: a recording, a folder or 'samples'"),
    ] = "samples"


LIVE = frozenset(
    {
        "sensitivity",
        "biases",
        "roi",
        "noise_us",
        "refractory_us",
        "rate_limit",
        "readout",
        "flip_horizontal",
        "flip_vertical",
        "patience_us",
        "give_up_s",
    }
)
"""The settings that may change while the camera runs."""


def wanted(settings: CameraSettings) -> Wanted:
    """Return what these settings ask of a device; raises SettingError."""
    return Wanted(
        sensitivity=settings.sensitivity,
        biases=_biases(settings.biases),
        roi=_roi(settings.roi),
        noise_us=None if isinstance(settings.noise_us, str) else settings.noise_us,
        refractory_us=(None if isinstance(settings.refractory_us, str) else settings.refractory_us),
        rate_limit=None if isinstance(settings.rate_limit, str) else settings.rate_limit,
        readout=settings.readout,
        flip_horizontal=settings.flip_horizontal,
        flip_vertical=settings.flip_vertical,
    )


def serial_of(source: str) -> str:
    """Return which camera ``camera:<serial>`` means, empty for the first; raises SettingError."""
    scheme, colon, serial = source.partition(":")
    if scheme != "camera" or not colon:
        raise SettingError(
            f"camera: source = \"{source}\" is no camera, expected 'camera:' or 'camera:<serial>'"
        )
    return serial


def _biases(text: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not (name and equals and value):
            raise SettingError(f"camera: biases: '{part}' is not 'name=value'")
        pairs.append((name.lower(), value))
    return tuple(pairs)


def _roi(text: str) -> tuple[int, int, int, int] | None:
    if not text.strip():
        return None
    try:
        x0, y0, width, height = (int(part) for part in text.split(","))
    except ValueError:
        x0 = y0 = width = height = -1
    if min(x0, y0) < 0 or min(width, height) < 1:
        raise SettingError(f"camera: roi = \"{text}\" is not 'x0,y0,width,height' in pixels")
    return x0, y0, width, height
