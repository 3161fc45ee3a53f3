"""The numba kernels of the silicon retina: rows of pixels through a chunk of time steps.

Rows are independent and each pixel draws from a generator of its own, so that any number of
threads gives the same events. The first loops over a row are plain arithmetic on float32 (the
compiler makes vectors of them); pixel by pixel goes only what fires, or is in its dead time.
"""

from __future__ import annotations

import math

import numba
import numpy as np

# Rows of a pixel's state.
V, REF, HAZARD, ON, OFF, DEAD, HOT = range(7)
STATES = 7

FULL = -1
"""Number of events of a row whose buffer was too short; its state is as before the chunk."""

_LN2 = 0.6931471805599453
_FINE = 4
_UNIT = 1.0 / 9007199254740992.0


@numba.njit(inline="always")
def _draw(seeds, y, x):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return a number in (0, 1): SplitMix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    z = seeds[y, x] + np.uint64(0x9E3779B97F4A7C15)
    seeds[y, x] = z
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (np.float64(z >> np.uint64(11)) + 0.5) * _UNIT


@numba.njit(cache=True, nogil=True)
def begin(seeds, hazard):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Draw each pixel's first share of noise ``hazard`` [H, W] f4."""
    for y in range(seeds.shape[0]):
        for x in range(seeds.shape[1]):
            hazard[y, x] = -math.log(_draw(seeds, y, x))


@numba.njit(cache=True, nogil=True, fastmath=True)
def _see(planes, fx, fy, y, light):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill ``light`` [W] f4 with what row ``y`` sees at (fx, fy) on the fine grid."""
    ix, iy = int(fx), int(fy)
    wx, wy = np.float32(fx - ix), np.float32(fy - iy)
    one = np.float32(1)
    jx, jy = ix + 1, iy + 1
    a = planes[iy % _FINE, ix % _FINE, y + iy // _FINE]
    b = planes[iy % _FINE, jx % _FINE, y + iy // _FINE]
    c = planes[jy % _FINE, ix % _FINE, y + jy // _FINE]
    d = planes[jy % _FINE, jx % _FINE, y + jy // _FINE]
    wa, wb = (one - wx) * (one - wy), wx * (one - wy)
    wc, wd = (one - wx) * wy, wx * wy
    ax, bx = ix // _FINE, jx // _FINE
    for x in range(light.shape[0]):
        light[x] = wa * a[ax + x] + wb * b[bx + x] + wc * c[ax + x] + wd * d[bx + x]


@numba.njit(cache=True, nogil=True, fastmath=True)
def _answer(light, bits, mantissa, dark, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill ``out`` [W] f4 with the response to ``light`` [W]: logarithm, linear below ``dark``.

    ``bits`` and ``mantissa`` are integer views of the scratch ``light / dark`` lies in. The
    logarithm is that of the mantissa in [0.75, 1.5) by a rational approximation of artanh
    (error below 2e-7) and the exponent's.
    """
    n = light.shape[0]
    one = np.float32(1)
    for x in range(n):
        i = bits[x] - 0x3F400000
        mantissa[x] = (i & 0x007FFFFF) + 0x3F400000
        out[x] = np.float32(i >> 23)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _logarithm(mantissa, ratio, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Finish ``_answer``: ``mantissa`` [W] f4, ``ratio`` light / dark, ``out`` the exponents."""
    one = np.float32(1)
    for x in range(out.shape[0]):
        m = mantissa[x]
        s = (m - one) / (m + one)
        q = s * s
        log = (
            np.float32(2)
            * s
            * (
                one
                + q
                * (
                    np.float32(1 / 3)
                    + q * (np.float32(1 / 5) + q * (np.float32(1 / 7) + q * np.float32(1 / 9)))
                )
            )
        )
        log = log + out[x] * np.float32(_LN2) + one
        out[x] = log if ratio[x] > one else ratio[x]


@numba.njit(cache=True, nogil=True, fastmath=True)
def _follow(light, u, v, now, ref, hazard, hot, rates):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Move a row on by one step: ``now`` [W] is v after it; the memory leaks, noise comes nearer.

    rates  2π·cutoff·dt at black and what white adds; the leak a step; noise at black and what
           white takes, a step
    """
    one, half = np.float32(1), np.float32(0.5)
    for x in range(v.shape[0]):
        k = rates[0] + rates[1] * light[x]
        # 1 - exp(-k), to within 0.02, without limit at any k.
        e = k + half * k * k
        now[x] = v[x] + (u[x] - v[x]) * (e / (one + e))
        ref[x] -= rates[2]
        hazard[x] -= rates[3] - rates[4] * light[x] + hot[x]


@numba.njit(cache=True, nogil=True)
def _fire(state, seeds, until, y, x, t0, t1, new, codes, times, n):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Let one pixel fire between t0 and t1 (µs) as v goes to ``new``; return the events so far.

    FULL where they do not fit. Crossings are timed on the straight line from v to ``new``.
    """
    old, on, off, dead = state[V, y, x], state[ON, y, x], state[OFF, y, x], state[DEAD, y, x]
    t, va = t0, old
    noise = state[HAZARD, y, x] <= 0
    if noise:
        state[HAZARD, y, x] = -math.log(_draw(seeds, y, x))
        at = t0 + (t1 - t0) * _draw(seeds, y, x)
        polarity = int(_draw(seeds, y, x) < 0.5)
    if until[y, x] > t0:
        if until[y, x] >= t1:
            return n
        t = until[y, x]
        va = old + (new - old) * (t - t0) / (t1 - t0)
        state[REF, y, x] = va
    while True:
        ref = state[REF, y, x]
        if new - ref >= on:
            level, p = ref + on, 1
        elif ref - new >= off:
            level, p = ref - off, 0
        else:
            level, p = new, -1
        te = t1
        if p >= 0:
            part = (level - va) / (new - va) if new != va else 0.0
            te = t + min(max(part, 0.0), 1.0) * (t1 - t)
        if noise and t <= at < te:
            # The memory is set anew by a noise event as by any other.
            te, p = at, polarity
            level = va + (new - va) * (at - t) / max(t1 - t, 1e-9)
            noise = False
        if p < 0:
            return n
        if n >= times.shape[0]:
            return FULL
        times[n] = te
        codes[n] = x << 1 | p
        n += 1
        t, va = te, level
        state[REF, y, x] = level
        if dead > 0:
            t = te + dead
            until[y, x] = t
            if t >= t1:
                return n
            va = old + (new - old) * (t - t0) / (t1 - t0)
            state[REF, y, x] = va


@numba.njit(cache=True, nogil=True)
def _row(planes, fine, t0, dt, rates, dark, y, state, seeds, until, codes, times, first, scratch):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Take row ``y`` through all steps; return the number of its events or FULL."""
    light, ratio, u, now = scratch[0], scratch[1], scratch[2], scratch[3]
    bits = ratio.view(np.int32)
    mantissa = scratch[4]
    whole = mantissa.view(np.int32)
    width = light.shape[0]
    v, ref, hazard, hot = state[V, y], state[REF, y], state[HAZARD, y], state[HOT, y]
    on, off, dead = state[ON, y], state[OFF, y], until[y]
    n = 0
    seen = -1
    for k in range(fine.shape[0]):
        if seen < 0 or fine[k, 0] != fine[seen, 0] or fine[k, 1] != fine[seen, 1]:
            _see(planes, fine[k, 0], fine[k, 1], y, light)
            _scaled(light, np.float32(1 / dark), ratio)
            _answer(light, bits, whole, dark, u)
            _logarithm(mantissa, ratio, u)
            seen = k
        if first and k == 0:
            for x in range(width):
                v[x] = u[x]
                ref[x] += u[x]
        _follow(light, u, v, now, ref, hazard, hot, rates)
        begin_us = t0 + k * dt
        end_us = begin_us + dt
        for x in range(width):
            d = now[x] - ref[x]
            if d >= on[x] or -d >= off[x] or hazard[x] <= 0 or dead[x] > begin_us:
                n = _fire(state, seeds, until, y, x, begin_us, end_us, now[x], codes, times, n)
                if n == FULL:
                    return FULL
        for x in range(width):
            v[x] = now[x]
    return n


@numba.njit(cache=True, nogil=True, fastmath=True)
def _scaled(light, by, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill ``out`` with ``light`` times ``by``, above zero."""
    for x in range(out.shape[0]):
        out[x] = max(light[x] * by, np.float32(1e-30))


@numba.njit(cache=True, nogil=True, parallel=True)
def advance(
    planes, fine, t0, dt, rates, dark, todo, state, seeds, until, codes, times, counts, first
):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Take rows ``todo`` [m] i8 through the steps of ``fine`` [k, 2] f8 from ``t0`` µs, ``dt`` each.

    planes  [4, 4, rows, columns] f4 (``models.optics.View``); ``fine`` the gaze on its fine grid
    state   [7, H, W] f4: v, memory, noise to come, thresholds ON and OFF, dead time in µs, rate
            of noise of the pixel's own a step
    seeds   [H, W] u8, ``until`` [H, W] f8 the end of each pixel's dead time in µs
    codes   [H, cap] u4 column << 1 | polarity and ``times`` [H, cap] f8 of each row's events,
            pixel by pixel in time; ``counts`` [H] i8 how many, or FULL: then with more room again
    """
    width = state.shape[2]
    for i in numba.prange(todo.shape[0]):
        y = todo[i]
        kept = state[:, y].copy()
        kept_seeds = seeds[y].copy()
        kept_until = until[y].copy()
        scratch = np.empty((5, width), np.float32)
        n = _row(
            planes,
            fine,
            t0,
            dt,
            rates,
            dark,
            y,
            state,
            seeds,
            until,
            codes[y],
            times[y],
            first,
            scratch,
        )
        if n == FULL:
            state[:, y] = kept
            seeds[y] = kept_seeds
            until[y] = kept_until
        counts[y] = n


@numba.njit(cache=True, nogil=True)
def gather(codes, times, counts, t0, span, out_t, out_x, out_y, out_p):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Sort all rows' events by time (then row, then as they came) into ``out_*``, absolute µs.

    Every event lies within ``[t0, t0 + span)``; whole microseconds.
    """
    starts = np.zeros(span + 1, np.int64)
    for y in range(counts.shape[0]):
        for i in range(counts[y]):
            starts[min(max(int(times[y, i] - t0), 0), span - 1) + 1] += 1
    for k in range(span):
        starts[k + 1] += starts[k]
    for y in range(counts.shape[0]):
        for i in range(counts[y]):
            at = min(max(int(times[y, i] - t0), 0), span - 1)
            j = starts[at]
            starts[at] += 1
            out_t[j] = t0 + at
            out_x[j] = codes[y, i] >> 1
            out_y[j] = y
            out_p[j] = codes[y, i] & 1


@numba.njit(cache=True, nogil=True)
def arbitrate(t, x, y, per_event_us, free, waits, keep):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Delay events ``t`` [n] µs (sorted) until the arbiter is free; note in ``keep`` who gets out.

    One event takes ``per_event_us``; a pixel that still waits (``waits`` [H, W] f8: until when)
    cannot fire again. Returns when the arbiter is free next.
    """
    for i in range(t.shape[0]):
        if t[i] < waits[y[i], x[i]]:
            keep[i] = False
            continue
        keep[i] = True
        out = max(np.float64(t[i]), free)
        free = out + per_event_us
        waits[y[i], x[i]] = out
        t[i] = np.int64(out)
    return free
