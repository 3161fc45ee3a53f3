"""The neurons' time loop over whole recordings for a CUDA GPU, in Triton, time inside the kernel.

The recursions and their adjoint are ``models.neuron_kernels``'; a program takes a block of neurons
through all bins, with their state in registers. Arrays are ``[T, N]`` float32, contiguous, on one
device. Under ``TRITON_INTERPRET=1`` the same kernels run on the CPU, slowly.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from models.neuron import Dynamics
from models.surrogate import Surrogate

_BLOCK = 128


@triton.jit  # type: ignore[untyped-decorator, unused-ignore]
def _forward(  # type: ignore[no-untyped-def]  # pragma: no cover
    current, spikes, potential, steps, n,
    decay_x, decay_y, late, soon, decay_r, decay_q, reset, theta,
    BLOCK: tl.constexpr,
):  # fmt: skip
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < n
    x = tl.full([BLOCK], 0.0, tl.float32)
    y = tl.full([BLOCK], 0.0, tl.float32)
    r = tl.full([BLOCK], 0.0, tl.float32)
    q = tl.full([BLOCK], 0.0, tl.float32)
    for _ in range(steps):
        new = decay_x * x + tl.load(current + place, mask=inside, other=0.0)
        y = decay_y * y + late * x + soon * new
        x = new
        q = decay_q * q + reset * r
        u = y + q
        fired = tl.where(u >= theta, 1.0, 0.0)
        r = decay_r * r + fired
        tl.store(spikes + place, fired, mask=inside)
        tl.store(potential + place, u, mask=inside)
        place += n


@triton.jit  # type: ignore[untyped-decorator, unused-ignore]
def _backward(  # type: ignore[no-untyped-def]  # pragma: no cover
    grad, potential, out, steps, n,
    decay_x, decay_y, late, soon, theta, width, scale,
    KIND: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    column = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = column < n
    place = column + tl.full([BLOCK], 1, tl.int64) * (steps - 1) * n
    x = tl.full([BLOCK], 0.0, tl.float32)
    y = tl.full([BLOCK], 0.0, tl.float32)
    for _ in range(steps):
        z = tl.abs(tl.load(potential + place, mask=inside, other=0.0) - theta) / width
        if KIND == 0:
            rho = tl.exp(-z)
        elif KIND == 1:
            rho = 1.0 / ((1.0 + z) * (1.0 + z))
        else:
            rho = tl.maximum(1.0 - z, 0.0)
        # The adjoint of the recursion is the recursion run backward in time.
        after = y
        y = decay_y * after + scale * rho * tl.load(grad + place, mask=inside, other=0.0)
        x = decay_x * x + late * after + soon * y
        tl.store(out + place, x, mask=inside)
        place -= n


def forward(current: Tensor, spikes: Tensor, potential: Tensor, dynamics: Dynamics) -> None:
    """Fill ``spikes`` (0 or 1) and ``potential`` from the weighted input spikes ``current``."""
    steps, n = current.shape
    if current.numel():
        _forward[(triton.cdiv(n, _BLOCK),)](
            current, spikes, potential, steps, n, *dynamics, BLOCK=_BLOCK
        )


def backward(
    grad: Tensor, potential: Tensor, out: Tensor, dynamics: Dynamics, surrogate: Surrogate
) -> None:
    """Fill ``out``, the gradient of ``current``, from ``grad``, that of the spikes."""
    steps, n = grad.shape
    d, width = dynamics, surrogate.width * dynamics.theta
    if grad.numel():
        _backward[(triton.cdiv(n, _BLOCK),)](
            grad, potential, out, steps, n,
            d.decay_x, d.decay_y, d.late, d.soon, d.theta, width, surrogate.scale / width,
            KIND=surrogate.code, BLOCK=_BLOCK,
        )  # fmt: skip
