"""Neurons: their recursions against convolution, compiled against plain, and their gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.module import compiled
from models.neuron import CUBA, LIF, SRM, Dynamics, Neuron
from models.reference import neurons, response, shift
from models.surrogate import Surrogate

srm = st.builds(
    SRM,
    ts_ms=st.sampled_from([0.1, 1.0]),
    tau_s_ms=st.floats(1, 20),
    tau_ref_ms=st.floats(0.5, 5),
    scale_ref=st.floats(0.5, 4),
)
every = st.one_of(
    srm,
    st.builds(CUBA, tau_syn_ms=st.floats(1, 20), tau_mem_ms=st.floats(1, 20)),
    st.builds(LIF, tau_mem_ms=st.floats(1, 20), gain=st.floats(0.5, 2)),
)
surrogates = st.builds(
    Surrogate,
    kind=st.sampled_from(["exponential", "fast_sigmoid", "triangle"]),
    width=st.floats(0.2, 2),
    scale=st.floats(0.5, 2),
)


def impulse(steps: int) -> Tensor:
    out = torch.zeros(steps, dtype=torch.double)
    out[0] = 1
    return out


def own_response(dynamics: Dynamics, steps: int) -> Tensor:
    """What one spike in bin 0 does to its neuron's potential."""
    r = q = 0.0
    out = []
    for k in range(steps):
        q = dynamics.decay_q * q + dynamics.reset * r
        r = dynamics.decay_r * r + (k == 0)
        out.append(q)
    return torch.tensor(out, dtype=torch.double)


def convolve(x: Tensor, taps: Tensor) -> Tensor:
    out = torch.zeros_like(x)
    for d, tap in enumerate(taps.tolist()):
        out[d:] += tap * x[: len(x) - d]
    return out


@given(srm)
@settings(deadline=None)
def test_srm_is_the_two_alpha_functions(neuron: SRM) -> None:
    t = torch.arange(80, dtype=torch.double) * neuron.ts_ms
    epsilon = t / neuron.tau_s_ms * torch.exp(1 - t / neuron.tau_s_ms)
    nu = -neuron.scale_ref * neuron.theta * t / neuron.tau_ref_ms
    nu = nu * torch.exp(1 - t / neuron.tau_ref_ms)
    torch.testing.assert_close(response(impulse(80), neuron.dynamics), epsilon)
    torch.testing.assert_close(own_response(neuron.dynamics, 80), nu)


def test_cuba_and_lif_solve_their_equations() -> None:
    t = torch.arange(60, dtype=torch.double)
    lif = LIF(tau_mem_ms=7, gain=1.5)
    torch.testing.assert_close(response(impulse(60), lif.dynamics), 1.5 * torch.exp(-t / 7))
    # A synapse that fades at once leaves the plain leaky neuron.
    quick = response(impulse(60), CUBA(tau_syn_ms=1e-3, tau_mem_ms=7).dynamics)
    torch.testing.assert_close(quick, torch.exp(-t / 7))
    cuba = CUBA(tau_syn_ms=5, tau_mem_ms=10)
    a, b = math.exp(-1 / 5), math.exp(-1 / 10)
    expected = (a ** (t + 1) - b ** (t + 1)) / (a - b)
    torch.testing.assert_close(response(impulse(60), cuba.dynamics), expected)
    reset = own_response(lif.dynamics, 60)
    torch.testing.assert_close(reset[1:], -torch.exp(-(t[1:] - 1) / 7))


@given(every, st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_potential_is_the_sum_of_both_convolutions(neuron: Neuron, seed: int) -> None:
    rng = np.random.default_rng(seed)
    dynamics = neuron.dynamics
    current = torch.tensor(rng.normal(0.05, 0.3, (60, 7)) * neuron.theta)
    spikes, potential = neurons(current, dynamics, Surrogate())
    direct = convolve(current, response(impulse(60), dynamics))
    direct += convolve(spikes, own_response(dynamics, 60))
    torch.testing.assert_close(potential, direct)
    torch.testing.assert_close(spikes, (potential >= neuron.theta).double())


@given(every, surrogates, st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 700))
@settings(max_examples=30, deadline=None)
def test_compiled_equals_plain(
    neuron: Neuron, surrogate: Surrogate, seed: int, steps: int, n: int
) -> None:
    rng = np.random.default_rng(seed)
    drive = rng.normal(0.05, 0.4, (steps, n)) * neuron.theta
    plain = torch.tensor(drive, dtype=torch.float32, requires_grad=True)
    quick = plain.detach().clone().requires_grad_()
    weight = torch.tensor(rng.normal(0, 1, (steps, n)), dtype=torch.float32)
    spikes, potential = neurons(plain, neuron.dynamics, surrogate)
    fast_spikes, fast_potential = compiled(quick, neuron.dynamics, surrogate)
    # A potential on the threshold, but for its last digits, may fall on either side of it: the
    # neurons with one are left out.
    clear = ((potential - neuron.theta).abs() > 1e-4 * neuron.theta).all(0)
    assert torch.equal(spikes[:, clear], fast_spikes[:, clear])
    torch.testing.assert_close(
        potential[:, clear], fast_potential[:, clear], rtol=1e-3, atol=1e-4 * neuron.theta
    )
    (spikes * weight * clear).sum().backward()
    (fast_spikes * weight * clear).sum().backward()
    assert plain.grad is not None
    assert quick.grad is not None
    limit = 1e-3 * float(plain.grad.abs().max()) + 1e-9
    torch.testing.assert_close(plain.grad, quick.grad, rtol=0, atol=limit)


def test_the_gradient_is_the_correlation_with_the_kernel() -> None:
    rng = np.random.default_rng(3)
    dynamics, surrogate = SRM(ts_ms=0.1, tau_s_ms=1).dynamics, Surrogate("exponential", 0.4)
    current = torch.tensor(rng.normal(1, 3, (50, 4)), requires_grad=True)
    weight = torch.tensor(rng.normal(0, 1, (50, 4)))
    spikes, potential = neurons(current, dynamics, surrogate)
    (spikes * weight).sum().backward()
    by_hand = weight * surrogate.derivative(potential.detach(), 10.0)
    by_hand = convolve(by_hand.flip(0), response(impulse(50), dynamics)).flip(0)
    assert current.grad is not None
    torch.testing.assert_close(current.grad, by_hand)


@pytest.mark.parametrize("neuron", [SRM(), CUBA(), LIF()])
@pytest.mark.parametrize("kind", ["exponential", "fast_sigmoid", "triangle"])
def test_gradients_against_finite_differences_of_a_smooth_neuron(
    neuron: Neuron, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a smooth step whose derivative is the surrogate, autograd must find the true slope.

    The response to own spikes is left out of it, as SLAYER leaves it out of the gradient.
    """
    surrogate = Surrogate(kind, 0.7)  # type: ignore[arg-type]
    dynamics = neuron.dynamics._replace(reset=0.0)
    rng = np.random.default_rng(5)
    current = torch.tensor(rng.normal(0.1, 0.4, (20, 3)) * neuron.theta, requires_grad=True)
    weight = torch.tensor(rng.normal(0, 1, (20, 3)))
    spikes, _ = neurons(current, dynamics, surrogate)
    (spikes * weight).sum().backward()
    assert current.grad is not None

    def smooth(drive: Tensor) -> float:
        potential = response(drive, dynamics)
        return float((weight * _integral(potential, neuron.theta, surrogate)).sum())

    step = 1e-6 * neuron.theta
    for place in [(0, 0), (3, 1), (11, 2), (19, 0)]:
        low, high = current.detach().clone(), current.detach().clone()
        low[place] -= step
        high[place] += step
        slope = (smooth(high) - smooth(low)) / (2 * step)
        assert float(current.grad[place]) == pytest.approx(slope, rel=1e-4, abs=1e-8)


def _integral(potential: Tensor, theta: float, surrogate: Surrogate) -> Tensor:
    """The function whose derivative is ``surrogate``, 0 at the threshold."""
    z = (potential - theta) / (surrogate.width * theta)
    size = z.abs()
    if surrogate.kind == "exponential":
        part = 1 - torch.exp(-size)
    elif surrogate.kind == "fast_sigmoid":
        part = size / (1 + size)
    else:
        inside = size.clamp(max=1)
        part = inside - inside.square() / 2
    return surrogate.scale * torch.sign(z) * part


@given(st.integers(0, 2**32 - 1), st.integers(2, 30))
@settings(max_examples=25, deadline=None)
def test_shift_moves_whole_bins_and_has_slayers_gradient(seed: int, steps: int) -> None:
    rng = np.random.default_rng(seed)
    spikes = torch.tensor(rng.integers(0, 2, (steps, 2, 3, 2, 1)), dtype=torch.double)
    bins = torch.tensor(rng.uniform(0, steps, 3), requires_grad=True)
    out = shift(spikes, bins)
    whole = bins.detach().round().long().tolist()
    later = torch.zeros(2 * steps + 1, 2, 3, 2, 1, dtype=torch.double)
    for c, by in enumerate(whole):
        later[by : by + steps, :, c] = spikes[:, :, c]
    assert torch.equal(out, later[:steps])
    weight = torch.tensor(rng.normal(0, 1, out.shape))
    (out * weight).sum().backward()
    expected = -(weight * (later[1 : steps + 1] - later[:steps])).sum((0, 1, 3, 4))
    assert bins.grad is not None
    torch.testing.assert_close(bins.grad, expected)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("kind", [SRM, CUBA, LIF])
def test_constants_are_positive(kind: type[Neuron], bad: float) -> None:
    with pytest.raises(ValueError, match="theta"):
        kind(theta=bad)


def test_a_surrogate_has_a_width() -> None:
    with pytest.raises(ValueError, match="surrogate's width is 0"):
        Surrogate(width=0)
    assert Surrogate("triangle", 0.5).support(10.0) == 5
    assert Surrogate("exponential").support(10.0) == math.inf
