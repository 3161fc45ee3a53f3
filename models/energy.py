"""An energy figure in the field's usual way: operations times the energy of one.

Assumptions: 45 nm CMOS, 32-bit floating point, 0.9 pJ an addition and 4.6 pJ a multiplication with
its addition (Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC 2014).
A spiking network pays one addition for each synaptic operation; the same layers without spikes,
run once on a frame, one multiplication and addition for each synapse. Memory, leaks, neurons'
own updates and the sensor are left out on both sides: a figure to compare by, not a power meter.
"""

from __future__ import annotations

import math

from models.network import Conv, Dense, Network

ADDITION_PJ = 0.9
MULTIPLICATION_AND_ADDITION_PJ = 4.6

ASSUMPTIONS = "45 nm, 0.9 pJ an addition, 4.6 pJ a multiply-add (Horowitz 2014), memory left out"


def spiking_nj(synaptic_operations: float) -> float:
    """Return the energy of so many synaptic operations in nJ."""
    return synaptic_operations * ADDITION_PJ / 1000


def frame_nj(network: Network) -> float:
    """Return the energy in nJ of the same layers run once, without spikes, on one frame."""
    return multiplications(network) * MULTIPLICATION_AND_ADDITION_PJ / 1000


def multiplications(network: Network) -> int:
    """Return the multiplications of the layers that have weights, borders counted as inside."""
    total = 0
    for layer, before, after in zip(
        network.layers, network.shapes, network.shapes[1:], strict=False
    ):
        if isinstance(layer, Conv):
            total += math.prod(after) * before[0] * layer.kernel**2
        elif isinstance(layer, Dense):
            total += math.prod(after) * math.prod(before)
    return total
