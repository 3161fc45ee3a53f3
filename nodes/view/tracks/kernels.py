"""Painting events into pictures: what is called for every event or every pixel.

An event's word is its 8 bytes on the wire, i8: time since its packet's begin in the lower half,
then x, then ``y << 1 | polarity``. ``stamps`` [H, W] i8 hold each pixel's last event as
``time << 1 | polarity``; pictures are [H, W] u4, each 0xFFRRGGBB.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def mark(words, begin, span, stamps):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Note time and polarity of events ``words`` [n] i8 in ``stamps`` [H, W]; skip what is outside.

    ``begin`` is the packet's, in µs; no event is later than ``span`` µs after it.
    """
    height, width = stamps.shape
    for i in range(words.shape[0]):
        w = words[i]
        x = (w >> 32) & 0xFFFF
        y = (w >> 49) & 0x7FFF
        if x < width and y < height:
            t = begin + min(w & 0xFFFFFFFF, span)
            stamps[y, x] = t << 1 | ((w >> 48) & 1)


@numba.njit(cache=True, nogil=True)
def push(words, begin, span, times, places, ends, counts):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Add events to the ring of the last ones; where it is full its oldest make room.

    ``times`` [cap] i8 µs and ``places`` [cap] u4 (``pixel << 1 | polarity``) are the ring,
    ``ends`` [2] i8 where it begins and how many it holds; ``counts`` [H, W, 2] i4 how many of each
    polarity lie in it at each pixel. ``begin`` and ``span`` are as in ``mark``.
    """
    height, width, _ = counts.shape
    flat = counts.reshape(-1)
    cap = times.shape[0]
    first, n = ends
    for i in range(words.shape[0]):
        w = words[i]
        x = (w >> 32) & 0xFFFF
        y = (w >> 49) & 0x7FFF
        if x >= width or y >= height:
            continue
        if n == cap:
            flat[places[first]] -= 1
            first = first + 1 if first + 1 < cap else 0
            n -= 1
        last = first + n
        if last >= cap:
            last -= cap
        place = (y * width + x) << 1 | ((w >> 48) & 1)
        times[last] = begin + min(w & 0xFFFFFFFF, span)
        places[last] = place
        flat[place] += 1
        n += 1
    ends[0], ends[1] = first, n


@numba.njit(cache=True, nogil=True)
def expire(until, times, places, ends, counts):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Take events up to ``until`` µs out of the ring (arrays as in ``push``)."""
    flat = counts.reshape(-1)
    cap = times.shape[0]
    first, n = ends
    while n and times[first] <= until:
        flat[places[first]] -= 1
        first = first + 1 if first + 1 < cap else 0
        n -= 1
    ends[0], ends[1] = first, n


@numba.njit(cache=True, nogil=True)
def paint_ages(stamps, now, dark_us, table, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Paint ``stamps`` [H, W] as they look at ``now`` µs into ``out`` [H, W].

    ``table`` [2, steps] u4 gives the colour of OFF and ON by age, the last one that of no event
    within ``dark_us``.
    """
    height, width = stamps.shape
    steps = table.shape[1]
    ground = table[0, steps - 1]
    per_us = np.float32(steps - 1) / np.float32(dark_us)
    for y in range(height):
        for x in range(width):
            stamp = stamps[y, x]
            age = now - (stamp >> 1)
            if age >= dark_us:
                out[y, x] = ground
            else:
                out[y, x] = table[stamp & 1, int(np.float32(max(age, 0)) * per_us)]


@numba.njit(cache=True, nogil=True)
def newest(stamps, shrink, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Keep the newest stamp of each ``shrink`` × ``shrink`` pixels of ``stamps`` in ``out``."""
    height, width = stamps.shape
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            best = stamps[r * shrink, c * shrink]
            for y in range(r * shrink, min(height, (r + 1) * shrink)):
                for x in range(c * shrink, min(width, (c + 1) * shrink)):
                    best = max(best, stamps[y, x])
            out[r, c] = best


@numba.njit(cache=True, nogil=True)
def paint_last(stamps, counts, shrink, inks, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Paint pixels with any ``counts`` [H, W, 2] in their last event's colour.

    ``inks`` [3] u4 are OFF, ON and the ground. Each pixel of ``out`` stands for ``shrink`` ×
    ``shrink`` of the sensor's, of which the newest counts.
    """
    height, width = stamps.shape
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            best = np.int64(-(2**62))
            for y in range(r * shrink, min(height, (r + 1) * shrink)):
                for x in range(c * shrink, min(width, (c + 1) * shrink)):
                    if counts[y, x, 0] + counts[y, x, 1] > 0:
                        best = max(best, stamps[y, x])
            out[r, c] = inks[2] if best == -(2**62) else inks[best & 1]


@numba.njit(cache=True, nogil=True)
def paint_counts(counts, shrink, full, inks, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Paint how many events each pixel has had; return the mean count of those that had any.

    The colour lies between OFF's and ON's by their shares, and comes up from the ground's with the
    number of events, as strong as can be from ``full`` on. ``inks`` [3, 3] f4 are OFF, ON and the
    ground in red, green, blue.
    """
    height, width, _ = counts.shape
    total = 0
    active = 0
    ground = (
        np.uint32(0xFF000000)
        | np.uint32(inks[2, 0]) << np.uint32(16)
        | np.uint32(inks[2, 1]) << np.uint32(8)
        | np.uint32(inks[2, 2])
    )
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            off = 0
            on = 0
            for y in range(r * shrink, min(height, (r + 1) * shrink)):
                for x in range(c * shrink, min(width, (c + 1) * shrink)):
                    off += counts[y, x, 0]
                    on += counts[y, x, 1]
            n = on + off
            if n == 0:
                out[r, c] = ground
                continue
            total += n
            active += 1
            # A single event must be seen beside many: strength begins at a fifth.
            strength = np.float32(min(1.0, 0.2 + 0.8 * n / full))
            share = np.float32(on) / np.float32(n)
            colour = np.uint32(0xFF)
            for k in range(3):
                mixed = inks[0, k] + share * (inks[1, k] - inks[0, k])
                value = inks[2, k] + strength * (mixed - inks[2, k])
                colour = colour << np.uint32(8) | np.uint32(value + np.float32(0.5))
            out[r, c] = colour
    return total / active if active else 0.0
