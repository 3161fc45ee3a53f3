"""The numba kernels of the silicon retina: rows of pixels through a chunk of time steps.

Rows are independent and each pixel draws from a generator of its own, so that any number of
threads gives the same events. The first loops over a row are plain arithmetic on float32 (the
compiler makes vectors of them); pixel by pixel goes only what fires, or is in its dead time.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

# Rows of a pixel's state.
V, REF, HAZARD, ON, OFF, DEAD, HOT, UNTIL = range(8)
STATES = 8

FULL = -1
"""Number of events of a row whose buffer was too short; its state is as before the chunk."""

_LN2 = np.float32(0.6931471805599453)
_L0, _L1, _L2, _L3, _L4, _L5, _L6, _L7, _L8 = np.array(
    [
        0.999999994,
        -0.500000660,
        0.333336025,
        -0.249932636,
        0.199755539,
        -0.168228140,
        0.149968324,
        -0.120915211,
        0.054259425,
    ],
    np.float32,
)
_FINE = 4
_UNIT = 1.0 / 9007199254740992.0


@numba.njit(inline="always", error_model="numpy")
def _draw(seeds, x):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return a number in (0, 1): SplitMix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    z = seeds[x] + np.uint64(0x9E3779B97F4A7C15)
    seeds[x] = z
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (np.float64(z >> np.uint64(11)) + 0.5) * _UNIT


@numba.njit(cache=True, nogil=True, error_model="numpy")
def begin(seeds, hazard):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Draw each pixel's first share of noise ``hazard`` [H, W] f4."""
    for y in range(seeds.shape[0]):
        for x in range(seeds.shape[1]):
            hazard[y, x] = -math.log(_draw(seeds[y], x))


def _to_bits(context, x):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return the bits of a float32 as an int32."""

    def code(ctx, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.bitcast(args[0], ir.IntType(32))

    return types.int32(types.float32), code


def _to_float(context, x):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return the float32 that has the bits of an int32."""

    def code(ctx, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.int32), code


_bits: Any = intrinsic(_to_bits)
_float: Any = intrinsic(_to_float)


@numba.njit(inline="always", error_model="numpy")
def _response(ratio):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return 1 + ln(ratio) above 1, else ratio; float32.

    The exponent's logarithm, and that of the mantissa 1 + z in [0.75, 1.5) by a polynomial of
    ninth degree, Chebyshev's fit of ln(1 + z) / z (error below 1e-7).
    """
    one = np.float32(1)
    bits = _bits(ratio if ratio > one else one)
    i = np.int32(bits - np.int32(0x3F400000))
    z = _float(np.int32(np.int32(i & np.int32(0x007FFFFF)) + np.int32(0x3F400000))) - one
    log = _L8 * z + _L7
    log = log * z + _L6
    log = log * z + _L5
    log = log * z + _L4
    log = log * z + _L3
    log = log * z + _L2
    log = log * z + _L1
    log = (log * z + _L0) * z + np.float32(np.int32(i >> 23)) * _LN2
    return log + one if ratio > one else ratio


# Three loops of their own: in one, the compiler has too many arrays to tell apart for vectors.
@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _mix(a, b, c, d, wa, wb, wc, wd, light):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill ``light`` [W] with a bilinear mean."""
    for x in range(light.shape[0]):
        light[x] = wa * a[x] + wb * b[x] + wc * c[x] + wd * d[x]


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _respond(light, scale, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill ``out`` [W] with the response to ``light`` that stays."""
    for x in range(light.shape[0]):
        out[x] = _response(light[x] * scale)


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _follow(light, v, slow, quick, now):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Bring ``now`` [W], the response that stays, back to what v reaches of it in a step."""
    one, half = np.float32(1), np.float32(0.5)
    for x in range(light.shape[0]):
        k = slow + quick * light[x]
        # 1 - exp(-k), to within 0.02, without limit at any k.
        e = k + half * k * k
        now[x] = v[x] + (now[x] - v[x]) * (e / (one + e))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _see(planes, fx, fy, y, light, v, now, rates, dark):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill ``light`` [W] with what row ``y`` sees at (fx, fy) on the fine grid, ``now`` with v then.

    rates: 2π·cutoff·dt at black and what white adds.
    """
    one = np.float32(1)
    ix, iy = int(fx), int(fy)
    wx, wy = np.float32(fx - ix), np.float32(fy - iy)
    jx, jy = ix + 1, iy + 1
    a = planes[iy % _FINE, ix % _FINE, y + iy // _FINE, ix // _FINE :]
    b = planes[iy % _FINE, jx % _FINE, y + iy // _FINE, jx // _FINE :]
    c = planes[jy % _FINE, ix % _FINE, y + jy // _FINE, ix // _FINE :]
    d = planes[jy % _FINE, jx % _FINE, y + jy // _FINE, jx // _FINE :]
    wa, wb = (one - wx) * (one - wy), wx * (one - wy)
    wc, wd = (one - wx) * wy, wx * wy
    _mix(a, b, c, d, wa, wb, wc, wd, light)
    _respond(light, one / dark, now)
    _follow(light, v, rates[0], rates[1], now)


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _age(light, ref, hazard, hot, until, dt, rates):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Let a row's memories leak, noise come nearer and dead times pass by a step.

    rates: the leak a step; noise at black and what white takes, a step, from the third on.
    """
    leak, noise, calm = rates[2], rates[3], rates[4]
    one = np.float32(1)
    for x in range(ref.shape[0]):
        ref[x] -= leak
        hazard[x] -= noise - calm * light[x] + hot[x]
        until[x] = max(until[x] - dt, -one)


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _alarm(now, ref, hazard, on, off, until, alarm):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill ``alarm`` [W], not below zero where a pixel fires or rests; return whether any does."""
    hits = np.int32(0)
    for x in range(now.shape[0]):
        change = now[x] - ref[x]
        rise, fall = change - on[x], -change - off[x]
        over = rise if rise > fall else fall
        over = over if over > -hazard[x] else -hazard[x]
        over = over if over > until[x] else until[x]
        alarm[x] = over
        hits |= np.int32(over >= np.float32(0))
    return hits != 0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _settle(planes, fx, fy, y, v, ref, dark):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Let row ``y`` have seen (fx, fy) for ever: ``v`` [W] is the response, ``ref`` around it."""
    ix, iy = int(fx), int(fy)
    wx, wy = fx - ix, fy - iy
    for x in range(v.shape[0]):
        light = 0.0
        for j in range(2):
            for i in range(2):
                seen = planes[(iy + j) % _FINE, (ix + i) % _FINE, y + (iy + j) // _FINE]
                share = (wx if i else 1 - wx) * (wy if j else 1 - wy)
                light += share * seen[x + (ix + i) // _FINE]
        v[x] = _response(np.float32(light) / dark)
        ref[x] += v[x]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _fire(x, dt, old, new, on, off, dead, ref, hazard, until, seeds, codes, times, begin, n):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Let one pixel fire in a step as v goes straight from ``old`` to ``new``.

    All times in µs from the step's ``begin`` on, which is counted from the chunk's. Returns the
    events so far, FULL where they do not fit.
    """
    rise, fall, rest = on[x], off[x], dead[x]
    none = np.float32(0)
    slope = (new - old) / dt
    t, va = none, old
    noise = hazard[x] <= none
    at, polarity = none, 0
    if noise:
        hazard[x] = -math.log(_draw(seeds, x))
        at = np.float32(dt * _draw(seeds, x))
        polarity = int(_draw(seeds, x) < 0.5)
    if until[x] >= none:
        t = until[x]
        va = old + slope * t
        ref[x] = va
    while True:
        memory = ref[x]
        if new - memory >= rise:
            level, p = memory + rise, 1
        elif memory - new >= fall:
            level, p = memory - fall, 0
        else:
            level, p = new, -1
        te = dt
        if p >= 0:
            te = t if new == va else min(max(t + (level - va) / slope, t), dt)
        if noise and t <= at < te:
            # A noise event sets the memory anew as any other does.
            te, p = at, polarity
            level = old + slope * at
            noise = False
        if p < 0:
            return n
        if n >= times.shape[0]:
            return FULL
        times[n] = begin + min(int(te), int(dt) - 1)
        codes[n] = x << 1 | p
        n += 1
        t, va = te, level
        ref[x] = level
        if rest > none:
            t = te + rest
            until[x] = t
            if t >= dt:
                return n
            va = old + slope * t
            ref[x] = va


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _row(planes, fine, dt, rates, dark, y, state, seeds, codes, times, first, scratch):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Take row ``y`` through all steps; return the number of its events or FULL."""
    ref, hazard, hot, until = state[REF, y], state[HAZARD, y], state[HOT, y], state[UNTIL, y]
    on, off, dead = state[ON, y], state[OFF, y], state[DEAD, y]
    v, now, alarm, light = scratch[0], scratch[1], scratch[2], scratch[3]
    v[:] = state[V, y]
    if first:
        _settle(planes, fine[0, 0], fine[0, 1], y, v, ref, dark)
    width = v.shape[0]
    none, span = np.float32(0), np.float32(dt)
    n = 0
    for k in range(fine.shape[0]):
        _see(planes, fine[k, 0], fine[k, 1], y, light, v, now, rates, dark)
        _age(light, ref, hazard, hot, until, span, rates)
        if _alarm(now, ref, hazard, on, off, until, alarm):
            for x in range(width):
                if alarm[x] >= none and until[x] < span:
                    n = _fire(
                        x,
                        span,
                        v[x],
                        now[x],
                        on,
                        off,
                        dead,
                        ref,
                        hazard,
                        until,
                        seeds[y],
                        codes,
                        times,
                        k * dt,
                        n,
                    )
                    if n == FULL:
                        return FULL
        v, now = now, v
    state[V, y] = v
    return n


def _rows(  # type: ignore[no-untyped-def]  # pragma: no cover
    planes, fine, dt, rates, dark, todo, state, seeds, codes, times, counts, first
):
    """Take rows ``todo`` [m] i8 through the steps of ``fine`` [k, 2] f8, ``dt`` µs each.

    planes  [4, 4, rows, columns] f4 (``models.optics.View``); ``fine`` the gaze on its fine grid
    state   [8, H, W] f4: v, memory, noise to come, thresholds ON and OFF, dead time in µs, the
            pixel's own noise a step, end of its dead time in µs from the last step's begin on
    seeds   [H, W] u8 of each pixel's generator
    codes   [H, cap] u4 column << 1 | polarity and ``times`` [H, cap] i4 µs since the first step,
            step by step and pixel by pixel; ``counts`` [H] i8 how many, or FULL: once more then
    """
    width = state.shape[2]
    for i in numba.prange(todo.shape[0]):
        y = todo[i]
        kept = state[:, y].copy()
        kept_seeds = seeds[y].copy()
        scratch = np.empty((4, width), np.float32)
        n = _row(planes, fine, dt, rates, dark, y, state, seeds, codes[y], times[y], first, scratch)
        if n == FULL:
            state[:, y] = kept
            seeds[y] = kept_seeds
        counts[y] = n


advance = numba.njit(cache=True, nogil=True, parallel=True)(_rows)
"""``_rows`` on the threads that numba is set to."""

advance_alone = numba.njit(cache=True, nogil=True)(_rows)
"""``_rows`` on this thread."""


@numba.njit(cache=True, nogil=True, error_model="numpy")
def gather(codes, times, counts, t0, span, out_t, out_x, out_y, out_p):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Sort all rows' events by time (then row, then as they came) into ``out_*``, absolute µs.

    Every event lies within ``[0, span)`` µs of ``t0``.
    """
    starts = np.zeros(span + 1, np.int64)
    for y in range(counts.shape[0]):
        for i in range(counts[y]):
            starts[times[y, i] + 1] += 1
    for k in range(span):
        starts[k + 1] += starts[k]
    for y in range(counts.shape[0]):
        for i in range(counts[y]):
            at = times[y, i]
            j = starts[at]
            starts[at] += 1
            out_t[j] = t0 + at
            out_x[j] = codes[y, i] >> 1
            out_y[j] = y
            out_p[j] = codes[y, i] & 1


@numba.njit(cache=True, nogil=True, error_model="numpy")
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
