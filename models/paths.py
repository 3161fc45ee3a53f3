"""Paths by name: what a setting or a command line can ask for.

``nmnist``, ``caltech101``, ``triangle``, ``fixation``, ``microsaccades``, ``drift``, ``tremor``,
``pursuit``, ``circle``, ``still``, or a CSV file. ``a+b`` adds two up, ``a,b`` goes one after the
other.
"""

from __future__ import annotations

import csv
import difflib
import math
from collections.abc import Callable
from pathlib import Path as File

import numpy as np

from models import eye
from models.calibration import PIXELS_PER_DEGREE, nmnist
from models.trajectory import Knots, Path, Scaled, Sequence, Sum
from pipeline.errors import RecordingError, SettingError

# The isosceles triangle of Orchard et al., Front. Neurosci. 9 (2015): 1° wide and 1° high, one
# side every 100 ms; the retina goes up to the left, down to the left, and back to the right.
_TRIANGLE = [(0.0, 0.0), (-0.5, -1.0), (-1.0, 0.0), (0.0, 0.0)]
_SIDE_US = 100_000
_HEAD_US = 80_000

_DEGREES: dict[str, Callable[[int, int], Path]] = {
    "triangle": lambda duration, seed: eye.saccades(_TRIANGLE, _SIDE_US, _HEAD_US),
    "fixation": eye.fixation,
    "microsaccades": eye.micro_saccades,
    "drift": eye.drift,
    "tremor": lambda duration, seed: eye.Tremor(duration),
    "pursuit": lambda duration, seed: eye.pursuit((5.0, 0.0), duration),
    "circle": lambda duration, seed: eye.Circle(0.5, 500_000, duration),
    "still": lambda duration, seed: eye.still(duration),
}
NAMES = ("nmnist", "caltech101", *_DEGREES)
"""Every path that has a name."""


def named(
    spec: str,
    *,
    seed: int = 0,
    duration_us: int = 1_000_000,
    pixels_per_degree: float = PIXELS_PER_DEGREE,
    where: str = "trajectory",
) -> Path:
    """Return the path in pixels that ``spec`` asks for (see the module).

    duration_us        of a path that has no length of its own
    pixels_per_degree  what one degree is on the sensor

    Raises SettingError, opened by ``where``, for a name that is none; RecordingError for a CSV
    file that cannot be read.
    """
    parts = [
        _sum(part, seed + i, duration_us, pixels_per_degree, where)
        for i, part in enumerate(spec.split(","))
    ]
    return parts[0] if len(parts) == 1 else Sequence(tuple(parts))


def _sum(spec: str, seed: int, duration_us: int, scale: float, where: str) -> Path:
    parts = [_one(part.strip(), seed, duration_us, scale, where) for part in spec.split("+")]
    return parts[0] if len(parts) == 1 else Sum(tuple(parts))


def _one(name: str, seed: int, duration_us: int, scale: float, where: str) -> Path:
    if name == "nmnist":
        return nmnist()
    if name == "caltech101":
        # The same head and the same saccades, before a larger part of the sensor.
        return nmnist()
    if name in _DEGREES:
        return Scaled(_DEGREES[name](duration_us, seed), scale)
    if name.endswith(".csv"):
        return from_csv(File(name), scale)
    close = difflib.get_close_matches(name, NAMES, 1)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    raise SettingError(
        f"{where}: no trajectory '{name}'{hint} (there are: {', '.join(NAMES)}, a file .csv; "
        "'a+b' adds, 'a,b' follows)"
    )


_TIME = {"t_us": 1.0, "t_ms": 1e3, "t_s": 1e6}


def from_csv(file: File, pixels_per_degree: float = PIXELS_PER_DEGREE) -> Path:
    """Return the path of a CSV file: a line ``t,x,y`` a point, straight from point to point.

    Its first line names the columns with their units: ``t_us``, ``t_ms`` or ``t_s``; ``x_px`` and
    ``y_px``, or ``x_deg`` and ``y_deg`` (right and down). Raises RecordingError, naming file and
    line, where it is none.
    """
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            rows = [row for row in csv.reader(lines) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise RecordingError(f"{file}: cannot be read: {why}") from None
    head = [name.strip() for name in rows[0]] if rows else []
    unit = next((u for u in ("px", "deg") if head[1:] == [f"x_{u}", f"y_{u}"]), None)
    if unit is None or head[0] not in _TIME:
        raise RecordingError(
            f"{file}: line 1 is {','.join(head)!r}, expected t_us,x_px,y_px "
            "(or t_ms, t_s; x_deg,y_deg)"
        )
    points: list[tuple[float, float, float]] = []
    for line, row in enumerate(rows[1:], 2):
        try:
            t, x, y = (float(value) for value in row)
        except ValueError:
            raise RecordingError(
                f"{file}: line {line} is {','.join(row)!r}, expected three numbers"
            ) from None
        if not all(math.isfinite(value) and abs(value) < 1e12 for value in (t, x, y)):
            raise RecordingError(f"{file}: line {line} is {','.join(row)!r}, no point of a path")
        if points and t <= points[-1][0]:
            raise RecordingError(
                f"{file}: line {line}: time goes from {points[-1][0]:g} to {t:g} {head[0][2:]}, "
                "expected rising times"
            )
        points.append((t, x, y))
    if not points:
        raise RecordingError(f"{file}: holds no point, expected lines of {','.join(head)}")
    table = np.array(points)
    t_us = np.round((table[:, 0] - table[0, 0]) * _TIME[head[0]]).astype(np.int64)
    if (np.diff(t_us) <= 0).any():
        raise RecordingError(f"{file}: points are closer than 1 µs")
    return Knots(t_us, table[:, 1:] * (pixels_per_degree if unit == "deg" else 1.0))
