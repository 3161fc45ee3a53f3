"""The neurons' time loop over whole recordings, compiled for the CPU, every neuron in every bin.

Arrays are ``[T, N]`` float32, time first, one column a neuron; the columns are independent, so
that threads share them. Neurons are taken in strips that stay in the first-level cache while
time runs. ``dynamics`` [8] float32 are ``models.neuron.Dynamics`` in order.
"""

from __future__ import annotations

import numba
import numpy as np

_STRIP = 512

EXPONENTIAL, FAST_SIGMOID, TRIANGLE = range(3)
"""Codes of the surrogates, in the order of ``models.surrogate.KINDS``."""


@numba.njit(cache=True, nogil=True, parallel=True)
def forward(current, spikes, potential, dynamics):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill ``spikes`` (0 or 1) and ``potential`` from the weighted input spikes ``current``."""
    steps, n = current.shape
    zero = np.float32(0)
    one = np.float32(1)
    decay_x, decay_y, late, soon = dynamics[0], dynamics[1], dynamics[2], dynamics[3]
    decay_r, decay_q, reset, theta = dynamics[4], dynamics[5], dynamics[6], dynamics[7]
    for block in numba.prange((n + _STRIP - 1) // _STRIP):
        lo = block * _STRIP
        hi = min(lo + _STRIP, n)
        x = np.zeros(_STRIP, np.float32)
        y = np.zeros(_STRIP, np.float32)
        r = np.zeros(_STRIP, np.float32)
        q = np.zeros(_STRIP, np.float32)
        for k in range(steps):
            row = current[k, lo:hi]
            s = spikes[k, lo:hi]
            p = potential[k, lo:hi]
            for i in range(hi - lo):
                old = x[i]
                new = decay_x * old + row[i]
                y[i] = decay_y * y[i] + late * old + soon * new
                x[i] = new
                q[i] = decay_q * q[i] + reset * r[i]
                u = y[i] + q[i]
                fired = one if u >= theta else zero
                r[i] = decay_r * r[i] + fired
                s[i] = fired
                p[i] = u


@numba.njit(cache=True, nogil=True, parallel=True, fastmath={"contract", "afn"})
def backward(grad, potential, out, dynamics, kind, width, scale):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill ``out``, the gradient of ``current``, from ``grad``, that of the spikes.

    The surrogate (``kind``, ``width`` as a potential, ``scale``), then the adjoint of the input's
    recursions; a neuron's response to itself is not differentiated (as in SLAYER).
    """
    steps, n = grad.shape
    one = np.float32(1)
    zero = np.float32(0)
    decay_x, decay_y, late, soon = dynamics[0], dynamics[1], dynamics[2], dynamics[3]
    theta = dynamics[7]
    for block in numba.prange((n + _STRIP - 1) // _STRIP):
        lo = block * _STRIP
        hi = min(lo + _STRIP, n)
        x = np.zeros(_STRIP, np.float32)
        y = np.zeros(_STRIP, np.float32)
        rho = np.zeros(_STRIP, np.float32)
        for j in range(steps):
            k = steps - 1 - j
            g = grad[k, lo:hi]
            p = potential[k, lo:hi]
            o = out[k, lo:hi]
            if kind == EXPONENTIAL:
                for i in range(hi - lo):
                    rho[i] = np.exp(-abs(p[i] - theta) / width)
            elif kind == FAST_SIGMOID:
                for i in range(hi - lo):
                    z = one + abs(p[i] - theta) / width
                    rho[i] = one / (z * z)
            else:
                for i in range(hi - lo):
                    rho[i] = max(one - abs(p[i] - theta) / width, zero)
            for i in range(hi - lo):
                # The adjoint of the recursion is the recursion run backward in time.
                after = y[i]
                y[i] = decay_y * after + scale * rho[i] * g[i]
                x[i] = decay_x * x[i] + late * after + soon * y[i]
                o[i] = x[i]
