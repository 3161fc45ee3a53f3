"""Spiking neurons behind one interface: two linear recursions and a threshold.

Whatever the neuron, a bin k of its life is

    x[k] = decay_x · x[k−1] + I[k]                              synaptic trace of the weighted input
    y[k] = decay_y · y[k−1] + late · x[k−1] + soon · x[k]       response to its input
    q[k] = decay_q · q[k−1] + reset · r[k−1]                    response to its own spikes
    u[k] = y[k] + q[k]                                          membrane potential
    s[k] = 1 where u[k] ≥ θ, else 0
    r[k] = decay_r · r[k−1] + s[k]

so that every kernel is written once, for ``Dynamics``, and knows no kind of neuron. The recursions
are exact: no kernel of the response is cut off, and a stream gives the spikes of the whole.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import msgspec


class Dynamics(NamedTuple):
    """The constants of the recursions above, per bin."""

    decay_x: float
    decay_y: float
    late: float
    soon: float
    decay_r: float
    decay_q: float
    reset: float
    theta: float

    @property
    def memory(self) -> int:
        """Bins after which a neuron's response to its own spike is below float32's last digit."""
        slowest = max(self.decay_r, self.decay_q)
        # Ten bins more: where both decay alike the response is t · exp(−t).
        return 10 + (math.ceil(math.log(1e-9) / math.log(slowest)) if slowest > 0 else 0)

    @property
    def sweep(self) -> int:
        """Bins within which no trace that is not silence (1e−20) can become subnormal."""
        fastest = min(d for d in (*self[:2], *self[4:6], 0.999) if d > 0)
        return max(1, math.floor(math.log(1e-16) / math.log(fastest)))


class _Constants(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """Constants of a neuron; every one is a positive number, times in ms."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if not (isinstance(value, int | float) and math.isfinite(value) and value > 0):
                raise ValueError(f"neuron's {name} is {value!r}, expected a positive number")


class SRM(_Constants, frozen=True, tag="srm"):
    """Spike response model: alpha functions for the synapse and for the refractoriness.

    ε(t) = t/τ_s · exp(1 − t/τ_s), ν(t) = −scale_ref · θ · t/τ_ref · exp(1 − t/τ_ref), t ≥ 0;
    u = Σ w (ε ∗ s_in) + ν ∗ s_out. Source: Shrestha and Orchard, "SLAYER: Spike Layer Error
    Reassignment in Time", NeurIPS 2018, equations 1 to 3. Raises ValueError where a constant is
    not a positive number.
    """

    ts_ms: float = 1.0
    theta: float = 10.0
    tau_s_ms: float = 10.0
    tau_ref_ms: float = 1.0
    scale_ref: float = 2.0

    @property
    def synaptic(self) -> tuple[float, float]:
        """Decay α per bin and gain of the synaptic response: ε at bin k is gain · k α^k."""
        return math.exp(-self.ts_ms / self.tau_s_ms), math.e * self.ts_ms / self.tau_s_ms

    @property
    def refractory(self) -> tuple[float, float]:
        """Decay per bin and gain (negative) of the refractory response."""
        gain = -self.scale_ref * self.theta * math.e * self.ts_ms / self.tau_ref_ms
        return math.exp(-self.ts_ms / self.tau_ref_ms), gain

    @property
    def dynamics(self) -> Dynamics:
        """The recursions whose impulse responses are ε and ν."""
        (a, gain), (r, back) = self.synaptic, self.refractory
        return Dynamics(a, a, a * gain, 0.0, r, r, r * back, self.theta)


class CUBA(_Constants, frozen=True, tag="cuba"):
    """Leaky integrate-and-fire with current-based exponential synapses; reset by subtraction.

    τ_syn dI/dt = −I + Σ w s_in, τ_mem du/dt = −u + gain · I, and u falls by θ in the bin after a
    spike. Solved exactly per bin: I[k] = exp(−Ts/τ_syn) I[k−1] + Σ w s_in[k],
    u[k] = exp(−Ts/τ_mem) u[k−1] + gain · I[k] − θ s[k−1]. Source: Gerstner, Kistler, Naud and
    Paninski, "Neuronal Dynamics", 2014, sections 1.3 and 5.1. Raises ValueError where a constant
    is not a positive number.
    """

    ts_ms: float = 1.0
    theta: float = 1.0
    tau_syn_ms: float = 5.0
    tau_mem_ms: float = 10.0
    gain: float = 1.0

    @property
    def dynamics(self) -> Dynamics:
        """The recursions, the input working in its own bin."""
        leak = math.exp(-self.ts_ms / self.tau_mem_ms)
        syn = math.exp(-self.ts_ms / self.tau_syn_ms)
        return Dynamics(syn, leak, 0.0, self.gain, 0.0, leak, -self.theta, self.theta)


class LIF(_Constants, frozen=True, tag="lif"):
    """Leaky integrate-and-fire without a synaptic filter; reset by subtraction.

    ``CUBA`` in the limit τ_syn → 0: u[k] = exp(−Ts/τ_mem) u[k−1] + gain · Σ w s_in[k] − θ s[k−1].
    Raises ValueError where a constant is not a positive number.
    """

    ts_ms: float = 1.0
    theta: float = 1.0
    tau_mem_ms: float = 10.0
    gain: float = 1.0

    @property
    def dynamics(self) -> Dynamics:
        """The recursions, the input working in its own bin and no longer."""
        leak = math.exp(-self.ts_ms / self.tau_mem_ms)
        return Dynamics(0.0, leak, 0.0, self.gain, 0.0, leak, -self.theta, self.theta)


Neuron: TypeAlias = SRM | CUBA | LIF
