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
def paint_counts(counts, shrink, full, table, ground, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Paint how many events each pixel has had; return the mean count of those that had any.

    ``counts`` [H, W, 2] i4 are those of OFF and ON. ``table`` [strengths, shares] u4 gives the
    colour by the number of events, the strongest from ``full`` on, and by ON's share of them.
    """
    height, width, _ = counts.shape
    strengths, shares = table.shape
    per_event = strengths / full
    total = 0
    active = 0
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            off = 0
            on = 0
            if shrink == 1:
                off, on = counts[r, c, 0], counts[r, c, 1]
            else:
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
            strength = min(strengths - 1, int(n * per_event))
            share = 0 if on == 0 else shares - 1 if off == 0 else on * (shares - 1) // n
            out[r, c] = table[strength, share]
    return total / active if active else 0.0
