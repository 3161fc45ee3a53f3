"""Augmentation of recordings in event space: every event is moved, kept or dropped by itself.

Seeded by the generator that is passed in: the same state gives the same events.
"""

from __future__ import annotations

import math

import msgspec
import numba
import numpy as np

from pipeline.events import EVENT, Events, empty_events


class Augmentation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far a recording may be changed; each value is drawn anew for each recording.

    shift_px        uniform in ± this, x and y each
    rotate_deg      uniform in ± this, about the sensor's centre
    scale           uniform in 1 ± this, about the sensor's centre
    shear           uniform in ± this, columns moved by this times the row's height
    jitter_us       standard deviation of each event's time
    drop            share of events dropped, uniform from 0 to this
    add             events added anywhere at any time, as a share, uniform from 0 to this
    stretch         time runs slower or faster by a factor, uniform in 1 ± this
    flip            probability that a recording's ON and OFF change places
    mix             probability that a recording is mixed with another of its label: of each a
                    share of the events, together as many as one has (``mix``)
    """

    shift_px: float = 3.0
    rotate_deg: float = 12.0
    scale: float = 0.15
    shear: float = 0.15
    jitter_us: float = 1_000.0
    drop: float = 0.2
    add: float = 0.05
    stretch: float = 0.0
    flip: float = 0.0
    mix: float = 0.0

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"augmentation's {name} is {value!r}, expected 0 or more")
        if max(self.drop, self.scale, self.stretch) >= 1:
            raise ValueError("augmentation's drop, scale and stretch must be below 1")
        if max(self.flip, self.mix) > 1:
            raise ValueError("augmentation's flip and mix are probabilities, at most 1")


_POLARITY = 1 << 32
"""Where an event's polarity lies in its second word."""


@numba.njit(cache=True, nogil=True)
def _warp(words, out, matrix, shift, size, jitter, drop, pace, turn, rng):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill ``out`` with the events of ``words`` [n, 2] that stay on the sensor; return them."""
    width, height = size
    cx, cy = (width - 1) / 2, (height - 1) / 2
    kept = 0
    for i in range(words.shape[0]):
        if rng.random() < drop:
            continue
        code = words[i, 1]
        # A uniform place within the pixel, else scaling leaves rows and columns empty.
        dx = (code & 0xFFFF) - cx + rng.random() - 0.5
        dy = ((code >> 16) & 0xFFFF) - cy + rng.random() - 0.5
        x = int(np.floor(matrix[0] * dx + matrix[1] * dy + cx + shift[0] + 0.5))
        y = int(np.floor(matrix[2] * dx + matrix[3] * dy + cy + shift[1] + 0.5))
        if 0 <= x < width and 0 <= y < height:
            t = int(np.rint(words[i, 0] * pace + jitter * rng.standard_normal()))
            out[kept, 0] = max(t, 0)
            out[kept, 1] = ((code & ~0xFFFFFFFF) ^ turn) | (y << 16) | x
            kept += 1
    return kept


def augment(
    events: Events, size: tuple[int, int], how: Augmentation, rng: np.random.Generator
) -> Events:
    """Return a changed copy ``[m] EVENT`` of ``events`` ``[n] EVENT``, in order of time.

    ``size`` is the sensor's (width, height); events moved off it are gone. Times stay at or
    above 0. Raises ValueError where the events have another dtype.
    """
    if events.dtype != EVENT:
        raise ValueError(f"events have dtype {events.dtype}, expected {EVENT}")
    angle = math.radians(rng.uniform(-how.rotate_deg, how.rotate_deg))
    zoom = 1 + rng.uniform(-how.scale, how.scale)
    shear = rng.uniform(-how.shear, how.shear)
    cos, sin = zoom * math.cos(angle), zoom * math.sin(angle)
    matrix = (cos, cos * shear - sin, sin, sin * shear + cos)
    shift = (rng.uniform(-how.shift_px, how.shift_px), rng.uniform(-how.shift_px, how.shift_px))
    drop = rng.uniform(0, how.drop)
    # What is not asked for draws nothing: a recipe without it sees what it saw before.
    pace = 1 + rng.uniform(-how.stretch, how.stretch) if how.stretch else 1.0
    turn = _POLARITY if how.flip and rng.random() < how.flip else 0
    added = int(rng.uniform(0, how.add) * len(events))

    out = empty_events(len(events) + added)
    words = np.ascontiguousarray(events).view(np.int64).reshape(-1, 2)
    kept = _warp(
        words,
        out.view(np.int64).reshape(-1, 2),
        matrix,
        shift,
        size,
        how.jitter_us,
        drop,
        pace,
        turn,
        rng,
    )
    out = out[: kept + added]
    if added:
        noise = out[kept:]
        begin, end = int(events["t"].min()), int(events["t"].max())
        noise["t"] = rng.integers(begin, end + 1, added)
        noise["x"] = rng.integers(0, size[0], added)
        noise["y"] = rng.integers(0, size[1], added)
        noise["p"] = rng.integers(0, 2, added)
    return out[np.argsort(out["t"], kind="stable")]


def mix(a: Events, b: Events, share: float, rng: np.random.Generator) -> Events:
    """Return each event of ``a`` with probability ``share`` and of ``b`` with what is left of 1.

    In order of time, ``[m] EVENT``.
    """
    kept = [a[rng.random(len(a)) < share], b[rng.random(len(b)) >= share]]
    both: Events = np.concatenate(kept)
    return both[np.argsort(both["t"], kind="stable")]
