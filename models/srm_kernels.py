"""The spike response model's time loop over whole recordings, compiled for the CPU.

Arrays are ``[T, N]`` float32, time first, one column a neuron; the columns are independent, so
that threads share them. Neurons are taken in strips that stay in the first-level cache while
time runs.
"""

from __future__ import annotations

import numba
import numpy as np

_STRIP = 512


@numba.njit(cache=True, nogil=True, parallel=True)
def forward(current, spikes, potential, syn, ref, theta):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill ``spikes`` (0 or 1) and ``potential`` from the weighted input spikes ``current``.

    ``syn`` and ``ref`` are (decay, gain) float32 of the synaptic and refractory recursions.
    """
    steps, n = current.shape
    zero = np.float32(0)
    one = np.float32(1)
    for block in numba.prange((n + _STRIP - 1) // _STRIP):
        lo = block * _STRIP
        hi = min(lo + _STRIP, n)
        x = np.zeros(_STRIP, np.float32)
        y = np.zeros(_STRIP, np.float32)
        rx = np.zeros(_STRIP, np.float32)
        ry = np.zeros(_STRIP, np.float32)
        for k in range(steps):
            row = current[k, lo:hi]
            s = spikes[k, lo:hi]
            p = potential[k, lo:hi]
            for i in range(hi - lo):
                y[i] = syn[0] * (y[i] + x[i])
                x[i] = syn[0] * x[i] + row[i]
                ry[i] = ref[0] * (ry[i] + rx[i])
                u = syn[1] * y[i] + ref[1] * ry[i]
                fired = one if u >= theta else zero
                rx[i] = ref[0] * rx[i] + fired
                s[i] = fired
                p[i] = u


@numba.njit(cache=True, nogil=True, parallel=True, fastmath={"contract", "afn"})
def backward(grad, potential, out, syn, theta, width, scale):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill ``out``, the gradient of ``current``, from ``grad``, that of the spikes.

    The surrogate ρ(u) = ``scale`` · exp(−|u − θ| / ``width``), then correlation in time with the
    synaptic response; the refractory path is not differentiated (as in SLAYER).
    """
    steps, n = grad.shape
    for block in numba.prange((n + _STRIP - 1) // _STRIP):
        lo = block * _STRIP
        hi = min(lo + _STRIP, n)
        x = np.zeros(_STRIP, np.float32)
        y = np.zeros(_STRIP, np.float32)
        for j in range(steps):
            k = steps - 1 - j
            g = grad[k, lo:hi]
            p = potential[k, lo:hi]
            o = out[k, lo:hi]
            for i in range(hi - lo):
                rho = scale * np.exp(-abs(p[i] - theta) / width)
                # The adjoint of the recursion is the recursion run backward in time.
                x[i] = syn[0] * (x[i] + y[i])
                y[i] = syn[0] * y[i] + syn[1] * rho * g[i]
                o[i] = x[i]
