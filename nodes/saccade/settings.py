"""The settings of ``saccade``, and what its modes have in common."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pipeline import EventPacket, GazePacket, ImagePacket, Meta, Node, Packet, Settings


class SaccadeSettings(Settings):
    """Settings of ``saccade``."""

    mode: Annotated[
        Literal["simulate", "drive", "stabilise"],
        Meta(description="move a modelled retina, drive a pan-tilt head, or hold the scene still"),
    ] = "simulate"
    trajectory: Annotated[
        str,
        Meta(description="a path's name or CSV file, 'a+b' adds, 'a,b' follows; stabilise: 'gaze'"),
    ] = "nmnist"
    pixels_per_degree: Annotated[
        float, Meta(gt=0, le=1e5, description="pixels of the sensor that one degree is")
    ] = 6.0
    duration_ms: Annotated[
        Annotated[int, Meta(ge=1, le=86_400_000)] | None,
        Meta(description="how long to look at an image (none: as long as the path)"),
    ] = None
    loop: Annotated[bool, Meta(description="begin again at the end")] = False
    seed: Annotated[int, Meta(ge=0, description="of paths, pixels' mismatch and noise")] = 0

    images: Annotated[
        str,
        Meta(
            description="simulate: an image, a folder, an IDX file, 'samples', 'photograph', "
            "'screen' or 'camera:N'"
        ),
    ] = "samples"
    retina: Annotated[
        str, Meta(description="simulate: preset: 'ideal', 'atis', 'davis346', 'dvxplorer'")
    ] = "atis"
    width: Annotated[
        Annotated[int, Meta(ge=1, le=8192)] | None,
        Meta(description="simulate: pixels in a row (none: the preset's)"),
    ] = None
    height: Annotated[
        Annotated[int, Meta(ge=1, le=8192)] | None,
        Meta(description="simulate: rows of pixels (none: the preset's)"),
    ] = None
    fit: Annotated[
        Literal["cover", "contain"] | Annotated[float, Meta(gt=0, le=1000)] | None,
        Meta(
            description="simulate: 'cover' the sensor with the image, 'contain' it, or sensor "
            "pixels per pixel (none: the preset's)"
        ),
    ] = None
    pace: Annotated[
        Literal["real", "fast"] | Annotated[float, Meta(ge=1e-6, le=1e6)],
        Meta(description="simulate: 'real' time, as 'fast' as possible, or a factor of real time"),
    ] = "real"
    packet_us: Annotated[
        int, Meta(ge=100, le=1_000_000, description="simulate: event time in a packet, in µs")
    ] = 1000
    gap_ms: Annotated[
        int, Meta(ge=0, le=60_000, description="simulate: silence after each image, in ms")
    ] = 20
    limit: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="simulate: show only so many images")
    ] = None

    head: Annotated[
        Literal["dynamixel", "hobby"], Meta(description="drive: the protocol of the head's servos")
    ] = "dynamixel"
    port: Annotated[str, Meta(description="drive: the head's serial port")] = "/dev/ttyUSB0"
    baud: Annotated[
        Annotated[int, Meta(ge=1200, le=10_000_000)] | None,
        Meta(description="drive: bits a second (none: the protocol's usual)"),
    ] = None
    pan_id: Annotated[int, Meta(ge=0, le=252, description="drive: dynamixel: pan's id")] = 1
    tilt_id: Annotated[int, Meta(ge=0, le=252, description="drive: dynamixel: tilt's id")] = 2
    pan_zero: Annotated[
        int, Meta(ge=0, le=4095, description="drive: dynamixel: pan's position at 0°, 4096 a turn")
    ] = 2048
    tilt_zero: Annotated[
        int, Meta(ge=0, le=4095, description="drive: dynamixel: tilt's position at 0°")
    ] = 2048
    pan_reversed: Annotated[bool, Meta(description="drive: pan's angles grow to the left")] = False
    tilt_reversed: Annotated[bool, Meta(description="drive: tilt's angles grow downwards")] = False
    on_stop: Annotated[
        Literal["hold", "release"],
        Meta(description="drive: after a stop 'hold' the position, or 'release' the servos"),
    ] = "hold"
    max_angle_deg: Annotated[
        float, Meta(gt=0, le=180, description="drive: neither axis goes further from the middle")
    ] = 30.0
    max_speed: Annotated[
        float, Meta(gt=0, le=10_000, description="drive: most degrees a second")
    ] = 200.0
    max_acceleration: Annotated[
        float, Meta(gt=0, le=1_000_000, description="drive: most degrees a second, a second")
    ] = 10_000.0
    tick_us: Annotated[
        int, Meta(ge=500, le=100_000, description="drive: time from command to command, in µs")
    ] = 2000


class Mode(Node):
    """A mode of the kind ``saccade``."""

    settings_type = SaccadeSettings
    blas = False
    emits: ClassVar[tuple[type[Packet], ...]] = (EventPacket, GazePacket, ImagePacket)
    settings: SaccadeSettings
