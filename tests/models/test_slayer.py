"""SLAYER's own numbers, printed to five figures by its authors: reproduced.

Its kernels are cut, ε where it stays below 0.01 after its peak. With the same cut our recursions
give what is printed; uncut, as they are used, they differ by the tails alone.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from models.event_module import EventModule
from models.module import SpikingModule, compiled, fused
from models.network import parse
from models.neuron import SRM
from models.reference import neurons, response
from models.surrogate import Surrogate
from pipeline.binning import Bins

REFERENCE = Path(__file__).parents[3] / "shared" / "data" / "slayer_reference"
# The reference's own settings: Ts 0.1 ms, refractory −20 = −2 θ, surrogate 4.3429 = 0.43429 θ.
NEURON = SRM(ts_ms=0.1, theta=10, tau_s_ms=1, tau_ref_ms=1, scale_ref=2)
DYNAMICS = NEURON.dynamics
RHO = Surrogate("exponential", 0.43429)
# The reference's spike has the height 1 / Ts, ours 1.
RHO_OF_OURS = Surrogate("exponential", 0.43429, NEURON.ts_ms)

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"

pytestmark = pytest.mark.skipif(
    not REFERENCE.is_dir(),
    reason="SLAYER's reference values are not at hand (../shared/data/slayer_reference)",
)


def needs_triton() -> None:
    pytest.importorskip("triton", reason="Triton is not installed")


def load(name: str) -> Tensor:
    return torch.tensor(np.loadtxt(REFERENCE / name, delimiter=",", ndmin=2).T.copy())


def kernel(neuron: SRM, steps: int, below: float = 0.01) -> Tensor:
    """Return ε, cut where it stays under ``below`` after its peak."""
    impulse = torch.zeros(steps, dtype=torch.double)
    impulse[0] = 1
    out = response(impulse, neuron.dynamics)
    peak = int(out.argmax())
    small = torch.nonzero(out[peak:] < below)
    if len(small):
        out[peak + int(small[0, 0]) :] = 0
    return out


def refractory(steps: int) -> Tensor:
    """Return ν: what one spike in bin 0 does to its neuron."""
    t = torch.arange(steps, dtype=torch.double) * NEURON.ts_ms / NEURON.tau_ref_ms
    return -NEURON.scale_ref * NEURON.theta * t * torch.exp(1 - t)


def convolve(x: Tensor, taps: Tensor) -> Tensor:
    out = torch.zeros_like(x)
    for d, tap in enumerate(taps.tolist()):
        if tap:
            out[d:] += tap * x[: len(x) - d]
    return out


def spikes_of(name: str) -> Tensor:
    return (load(f"forward_prop/{name}.csv") > 0).double()


def test_psps_and_kernels_as_printed() -> None:
    spikes, printed = spikes_of("s1"), load("forward_prop/a1.csv")
    cut = convolve(spikes, kernel(NEURON, len(spikes)))
    torch.testing.assert_close(cut, printed, rtol=0, atol=5.1e-5)
    # Without the cut each spike leaves at most 0.01 more, and few overlap.
    torch.testing.assert_close(response(spikes, DYNAMICS), printed, rtol=0, atol=0.03)
    nu = load("refractory_kernel.csv")[:, 0]
    torch.testing.assert_close(refractory(len(nu)), nu, rtol=0, atol=5.1e-4)
    binned, psp = load("1_binned_spikes.csv"), load("1_spike_response_signal.csv")
    ours = convolve(binned, kernel(SRM(tau_s_ms=1), len(binned)))
    torch.testing.assert_close(ours, psp, rtol=0, atol=5.1e-4)


def test_potentials_spikes_and_surrogate_as_printed() -> None:
    a1, u2, s2 = load("forward_prop/a1.csv"), load("forward_prop/u2.csv"), spikes_of("s2")
    hidden = a1 @ load("forward_prop/W12.csv") + convolve(s2, refractory(len(s2)))
    # Weights of five figures times PSPs of up to 3, over 250 synapses.
    torch.testing.assert_close(hidden, u2, rtol=0, atol=6e-3)
    assert torch.equal(u2 >= NEURON.theta, s2 > 0)
    u3 = load("forward_prop/u3.csv")
    rho = RHO.derivative(u3, NEURON.theta)
    torch.testing.assert_close(rho, load("back_prop/rho3.csv"), rtol=0, atol=6e-5)


@pytest.mark.parametrize("loop", ["plain", "compiled", "triton"])
def test_the_last_layers_spikes(loop: str) -> None:
    drive = spikes_of("s2") @ load("forward_prop/W23.csv")
    if loop == "plain":
        spikes, potential = neurons(drive, DYNAMICS, RHO)
    elif loop == "compiled":
        spikes, potential = compiled(drive.float(), DYNAMICS, RHO)
    else:
        needs_triton()
        spikes, potential = fused(drive.float().to(DEVICE), DYNAMICS, RHO)
        spikes, potential = spikes.cpu(), potential.cpu()
    assert torch.equal(spikes > 0, spikes_of("s3") > 0)
    # The cut tails of 25 synapses.
    printed = load("forward_prop/u3.csv")
    torch.testing.assert_close(potential.double(), printed, rtol=0, atol=0.25)


def fire(drive: Tensor) -> tuple[Tensor, Tensor]:
    """Return spikes and potentials, each spike adding ν to its neuron's future, as SLAYER does."""
    potential, spikes, nu = drive.clone(), torch.zeros_like(drive), refractory(len(drive))
    for k in range(len(drive)):
        spikes[k] = (potential[k] >= NEURON.theta).double()
        potential[k:] += nu[: len(drive) - k, None] * spikes[k]
    return spikes, potential


def by_hand(taps: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the spikes of both layers and both weight gradients, by convolution alone."""

    def correlate(x: Tensor) -> Tensor:
        return convolve(x.flip(0), taps).flip(0) * NEURON.ts_ms

    a1 = convolve(spikes_of("s1"), taps)
    s2, u2 = fire(a1 @ load("forward_prop/W12.csv"))
    a2 = convolve(s2, taps)
    s3, u3 = fire(a2 @ load("forward_prop/W23.csv"))
    delta = RHO.derivative(u3, NEURON.theta) * correlate(load("back_prop/e3.csv"))
    second = a2.T @ delta * NEURON.ts_ms
    delta = RHO.derivative(u2, NEURON.theta) * correlate(delta @ load("forward_prop/W23.csv").T)
    return s2, s3, a1.T @ delta * NEURON.ts_ms, second


def test_the_whole_network_with_cut_kernels_as_printed() -> None:
    s2, s3, first, second = by_hand(kernel(NEURON, 501))
    # The weights that it began with were printed to five figures, too.
    assert torch.equal(s2, spikes_of("s2"))
    assert torch.equal(s3, spikes_of("s3"))
    torch.testing.assert_close(second, load("back_prop/Wgrad2.csv"), rtol=5e-4, atol=6e-5)
    torch.testing.assert_close(first, load("back_prop/Wgrad1.csv"), rtol=5e-4, atol=6e-5)


def module_of(loop: str) -> SpikingModule:
    network = parse("250-25-1", 1, 1, NEURON)
    if loop == "triton":
        needs_triton()
    found: SpikingModule = (
        EventModule(network, RHO_OF_OURS)
        if loop == "event"
        else SpikingModule(network, RHO_OF_OURS, loop=loop)  # type: ignore[arg-type]
    )
    with torch.no_grad():
        found.weights[0].copy_(load("forward_prop/W12.csv").T)
        found.weights[1].copy_(load("forward_prop/W23.csv").T)
    return found.to(DEVICE) if loop == "triton" else found


@pytest.mark.parametrize("loop", ["plain", "compiled", "event", "triton"])
def test_the_whole_network_uncut(loop: str) -> None:
    """Ours are the uncut kernels' numbers: what differs from the printed ones is the cut's.

    Uncut, the tails of 250 synapses move 58 of the hidden layer's 12,525 bins and 16 of
    the output's 501.
    """
    module = module_of(loop)
    s1 = spikes_of("s1").numpy().astype(bool)
    bins, inputs = np.nonzero(s1)
    offsets = np.searchsorted(bins, np.arange(len(s1) + 1)).astype(np.uint32)
    batch = [Bins(offsets, inputs.astype(np.uint32), np.ones(len(inputs), np.uint8))]
    answer = module.respond(batch)
    taps = kernel(NEURON, 501, below=0.0)
    s2, s3, first, second = by_hand(taps)
    assert torch.equal(answer.out.flatten().double().cpu(), s3.flatten())
    assert answer.spikes.tolist() == [[s2.sum(), s3.sum()]]
    assert int((s2 != spikes_of("s2")).sum()) == 58
    assert int((s3 != spikes_of("s3")).sum()) == 16
    error = convolve(load("back_prop/e3.csv").flip(0), taps).flip(0)
    (answer.out.flatten().cpu() * (error * NEURON.ts_ms).flatten().float()).sum().backward()
    for weight, expected in zip(module.weights, (first, second), strict=True):
        assert weight.grad is not None
        limit = 1e-4 * float(expected.abs().max())
        torch.testing.assert_close(weight.grad.double().cpu(), expected.T, rtol=0, atol=limit)
