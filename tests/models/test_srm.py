"""The neuron: its recursion against convolution, SLAYER's printed numbers, and its gradients."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.network import Neuron
from models.srm import reference, response, srm, surrogate

REFERENCE = Path(__file__).parents[3] / "shared" / "data" / "slayer_reference"
# The reference's own settings: Ts 0.1 ms, refractory −20 = −2 θ, surrogate 4.3429 = 0.43429 θ.
NEURON = Neuron(ts_ms=0.1, theta=10, tau_s_ms=1, tau_ref_ms=1, scale_ref=2, tau_rho=0.43429)


def kernel(pair: tuple[float, float], steps: int, below: float = 0.0) -> Tensor:
    """Return the response to one spike, cut where it stays under ``below`` after its peak."""
    impulse = torch.zeros(steps, dtype=torch.double)
    impulse[0] = 1
    out = response(impulse, *pair)
    peak = int(out.abs().argmax())
    small = torch.nonzero(out[peak:].abs() < below)
    if len(small):
        out[peak + int(small[0, 0]) :] = 0
    return out


def convolve(x: Tensor, taps: Tensor) -> Tensor:
    out = torch.zeros_like(x)
    for d, tap in enumerate(taps.tolist()):
        if tap:
            out[d:] += tap * x[: len(x) - d]
    return out


def load(name: str) -> Tensor:
    if not REFERENCE.is_dir():
        pytest.skip("SLAYER's reference values are not at hand (../shared/data/slayer_reference)")
    return torch.tensor(np.loadtxt(REFERENCE / name, delimiter=",", ndmin=2).T.copy())


neurons = st.builds(
    Neuron,
    ts_ms=st.sampled_from([0.1, 1.0]),
    tau_s_ms=st.floats(1, 20),
    tau_ref_ms=st.floats(0.5, 5),
    scale_ref=st.floats(0.5, 4),
    tau_rho=st.floats(0.2, 2),
)


@given(neurons)
@settings(deadline=None)
def test_the_recursion_is_the_alpha_function(neuron: Neuron) -> None:
    t = torch.arange(80, dtype=torch.double) * neuron.ts_ms
    epsilon = t / neuron.tau_s_ms * torch.exp(1 - t / neuron.tau_s_ms)
    nu = -neuron.scale_ref * neuron.theta * t / neuron.tau_ref_ms
    nu = nu * torch.exp(1 - t / neuron.tau_ref_ms)
    torch.testing.assert_close(kernel(neuron.synaptic, 80), epsilon)
    torch.testing.assert_close(kernel(neuron.refractory, 80), nu)


@given(neurons, st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_potential_is_the_sum_of_both_convolutions(neuron: Neuron, seed: int) -> None:
    rng = np.random.default_rng(seed)
    current = torch.tensor(rng.normal(0.5, 3, (60, 7)))
    spikes, potential = reference(current, neuron)
    direct = convolve(current, kernel(neuron.synaptic, 60))
    direct += convolve(spikes, kernel(neuron.refractory, 60))
    torch.testing.assert_close(potential, direct)
    torch.testing.assert_close(spikes, (potential >= neuron.theta).double())


@given(neurons, st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 700))
@settings(max_examples=25, deadline=None)
def test_compiled_equals_reference(neuron: Neuron, seed: int, steps: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    # Sixteenths make sums exact, so that both agree on which side of θ a potential lies.
    drive = np.round(rng.normal(0.5, 4, (steps, n)) * 16) / 16
    plain = torch.tensor(drive, dtype=torch.float32, requires_grad=True)
    quick = plain.detach().clone().requires_grad_()
    weight = torch.tensor(rng.normal(0, 1, (steps, n)), dtype=torch.float32)
    spikes, potential = reference(plain, neuron)
    fast_spikes, fast_potential = srm(quick, neuron)
    assert torch.equal(spikes, fast_spikes)
    torch.testing.assert_close(potential, fast_potential, rtol=1e-4, atol=1e-3)
    if steps == 1:
        # Nothing reaches a neuron within its first bin: the reference has no path to go back.
        assert not spikes.any()
        return
    (spikes * weight).sum().backward()
    (fast_spikes * weight).sum().backward()
    assert plain.grad is not None
    assert quick.grad is not None
    torch.testing.assert_close(plain.grad, quick.grad, rtol=1e-3, atol=1e-5)


def test_the_gradient_is_the_correlation_with_the_kernel() -> None:
    rng = np.random.default_rng(3)
    current = torch.tensor(rng.normal(1, 3, (50, 4)), requires_grad=True)
    weight = torch.tensor(rng.normal(0, 1, (50, 4)))
    spikes, potential = reference(current, NEURON)
    (spikes * weight).sum().backward()
    by_hand = weight * NEURON.ts_ms * surrogate(potential.detach(), NEURON)
    by_hand = convolve(by_hand.flip(0), kernel(NEURON.synaptic, 50)).flip(0)
    assert current.grad is not None
    torch.testing.assert_close(current.grad, by_hand)


def test_kernels_against_slayers_numbers() -> None:
    spikes = (load("forward_prop/s1.csv") > 0).double()
    printed = load("forward_prop/a1.csv")
    cut = convolve(spikes, kernel(NEURON.synaptic, len(spikes), below=0.01))
    torch.testing.assert_close(cut, printed, rtol=0, atol=5.1e-5)
    # Without the cut each spike leaves at most 0.01 more, and few overlap.
    exact = response(spikes, *NEURON.synaptic)
    torch.testing.assert_close(exact, printed, rtol=0, atol=0.03)
    nu = load("refractory_kernel.csv")[:, 0]
    torch.testing.assert_close(kernel(NEURON.refractory, len(nu)), nu, rtol=0, atol=5.1e-4)
    binned, psp = load("1_binned_spikes.csv"), load("1_spike_response_signal.csv")
    ours = convolve(binned, kernel(Neuron(tau_s_ms=1).synaptic, len(binned), below=0.01))
    torch.testing.assert_close(ours, psp, rtol=0, atol=5.1e-4)


def test_potentials_spikes_and_surrogate_against_slayers_numbers() -> None:
    a1, u2 = load("forward_prop/a1.csv"), load("forward_prop/u2.csv")
    s2 = (load("forward_prop/s2.csv") > 0).double()
    hidden = a1 @ load("forward_prop/W12.csv")
    hidden += convolve(s2, kernel(NEURON.refractory, len(s2)))
    # Weights of five figures times PSPs of up to 3, over 250 synapses.
    torch.testing.assert_close(hidden, u2, rtol=0, atol=6e-3)
    assert torch.equal(u2 >= NEURON.theta, s2 > 0)
    spikes, potential = reference(s2 @ load("forward_prop/W23.csv"), NEURON)
    assert torch.equal(spikes > 0, load("forward_prop/s3.csv") > 0)
    # The cut tails of 25 synapses.
    torch.testing.assert_close(potential, load("forward_prop/u3.csv"), rtol=0, atol=0.25)
    rho = surrogate(load("forward_prop/u3.csv"), NEURON)
    torch.testing.assert_close(rho, load("back_prop/rho3.csv"), rtol=0, atol=6e-5)


def test_weight_gradients_against_slayers_numbers() -> None:
    taps = kernel(NEURON.synaptic, 501, below=0.01)

    def correlate(x: Tensor) -> Tensor:
        return convolve(x.flip(0), taps).flip(0) * NEURON.ts_ms

    a2 = convolve((load("forward_prop/s2.csv") > 0).double(), taps)
    delta = load("back_prop/rho3.csv") * correlate(load("back_prop/e3.csv"))
    second = a2.T @ delta * NEURON.ts_ms
    delta = surrogate(load("forward_prop/u2.csv"), NEURON) * correlate(
        delta @ load("forward_prop/W23.csv").T
    )
    first = load("forward_prop/a1.csv").T @ delta * NEURON.ts_ms
    torch.testing.assert_close(second, load("back_prop/Wgrad2.csv"), rtol=0, atol=6e-5)
    torch.testing.assert_close(first, load("back_prop/Wgrad1.csv"), rtol=0, atol=6e-5)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_constants_are_positive(bad: float) -> None:
    with pytest.raises(ValueError, match="theta"):
        Neuron(theta=bad)
